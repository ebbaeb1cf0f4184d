#!/usr/bin/env bash
# Runs the tests once on every Keras backend, and on all of them even after a
# failure.
#
#     tools/test_backends.sh [PYTHON [pytest arguments]]
#     tools/test_backends.sh .venv/bin/python tests/gathering -k svd
#
# PYTHON defaults to `python`. The last line sums up the three runs, as in
# "1234 passed, 0 failed", where a run that crashed counts as one failure. The
# exit status is 0 only if every run passed. Two processes share the tests.
set -uo pipefail

name=${1:-python}
shift $(($# > 0))
python=$(command -v -- "$name") || {
    echo "No such Python interpreter: $name" >&2
    exit 2
}
# The tests run from the checkout, where the caller's relative path is none.
[[ $python == /* ]] || python=$PWD/$python
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2

log=$(mktemp)
trap 'rm -f -- "$log"' EXIT

# count RESULT LINE: the number before RESULT in pytest's closing line, or 0.
count() {
    grep -oE "[0-9]+ $1" <<<"$2" | grep -oE '^[0-9]+' || echo 0
}

# JAX spends most of these tests on compiling. These flags halve that, at the
# cost of slower programs; an XLA without them compiles as it always does.
quickly="--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
XLA_FLAGS=$quickly "$python" -c 'import jax; jax.numpy.ones(1).sum()' \
    >/dev/null 2>&1 || quickly=

passed=0
failed=0
summary=
for backend in tensorflow jax torch; do
    echo "== $backend"
    # A thread each: PyTorch's wait for one another by spinning.
    settings=(KERAS_BACKEND="$backend" OMP_NUM_THREADS=1)
    if [[ $backend == jax && -z ${XLA_FLAGS-} ]]; then
        settings+=(JAX_DISABLE_MOST_OPTIMIZATIONS=1 XLA_FLAGS="$quickly")
    fi
    env "${settings[@]}" "$python" -m pytest --color=no -n 2 \
        --dist loadfile "$@" </dev/null | tee -- "$log"
    status=${PIPESTATUS[0]}
    line=$(grep -E '[a-z]+ in [0-9.]+s' -- "$log" | tail -n 1 | tr -d '=')
    broken=$(($(count failed "$line") + $(count error "$line")))
    if ((status != 0 && broken == 0)); then
        broken=1
        line="exit status $status; $line"
    fi
    passed=$((passed + $(count passed "$line")))
    failed=$((failed + broken))
    ((broken)) && verdict=FAILED || verdict=passed
    summary+=$(printf '%-10s %s  %s' "$backend" "$verdict" "$line")$'\n'
done

printf '\n%s%d passed, %d failed\n' "$summary" "$passed" "$failed"
((failed == 0))
