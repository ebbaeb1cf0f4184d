"""SVD knowledge gathering against one `numpy.linalg.svd` an expert.

Both sum the truncated experts of one random stack of kernels (Eq. 9-14 of
OneS). They are timed in turns, and the ratio is taken within each turn, so that
a machine that is shared slows both. Memory is what the gathering adds to a
process that holds the stack already, in stacks.

    python tools/benchmark_svd.py --json=svd.json

It takes some three minutes on two cores. Expected: four times as fast or more,
a relative error of 1e-5 or less, and 2 stacks of memory or less.
"""

import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from absl import app, flags
from memory_of_processes import memory_of_processes
from peak_memory import peak_memory, resident_memory

from ones_keras.gathering import METHODS, ExpertWeights
from ones_keras.write_aside import write_aside

_EXPERTS = flags.DEFINE_integer("experts", 8, "Experts.", lower_bound=1)
_DIM = flags.DEFINE_integer("dim", 1024, "Inputs of a kernel.", lower_bound=1)
_HIDDEN = flags.DEFINE_integer(
    "hidden", 4096, "Outputs of a kernel.", lower_bound=1
)
_RATIO = flags.DEFINE_float("svd_ratio", 0.75, "The paper's lambda.")
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 2, "Turns of both.", lower_bound=1
)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")
_MEMORY_ONLY = flags.DEFINE_bool(
    "memory_only", False, "Print the memory the gathering adds, in MiB."
)


def make_stack():
    """Float32 kernels `(E, D, H)` with the singular values of trained ones.

    They fall off as `1 / sqrt(rank)`, where those of a random matrix hardly
    differ.
    """
    rng = np.random.default_rng(0)
    shape = _DIM.value, _HIDDEN.value
    small = min(shape)
    scales = 1 / np.sqrt(np.arange(1, small + 1, dtype="float32"))
    stack = np.empty((_EXPERTS.value, *shape), "float32")
    for kernel in stack:
        left = rng.standard_normal((shape[0], small), "float32") * scales
        right = rng.standard_normal((small, shape[1]), "float32")
        np.matmul(left, right / np.sqrt(small), out=kernel)
    return stack


def by_numpy(stack):
    total = np.zeros(stack.shape[1:])
    for kernel in stack:
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        held = np.cumsum(values, dtype="float64") / values.sum(dtype="float64")
        rank = np.searchsorted(held, _RATIO.value) + 1
        total += (left[:, :rank] * values[:rank]) @ right[:rank]
    return total


def by_gathering(stack):
    """Through the registered method; the down kernels are single rows."""
    num_experts, dim, hidden = stack.shape
    experts = ExpertWeights(
        stack,
        np.zeros((num_experts, hidden)),
        np.zeros((num_experts, 1, dim)),
        np.zeros((num_experts, dim)),
        top_k=1,
    )
    gather = METHODS["svd"].gather_layer
    return gather(experts, svd_ratio=_RATIO.value).up_kernel


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    if not 0 < _RATIO.value <= 1:
        raise app.UsageError(
            f"`--svd_ratio` must be in (0, 1]. Received: {_RATIO.value}."
        )
    if _MEMORY_ONLY.value:
        stack = make_stack()
        before = resident_memory()
        by_gathering(stack)
        print(json.dumps({"added": peak_memory() - before}))
        return
    stack = make_stack()
    seconds = {"numpy": [], "ones_keras": []}
    results = {}
    for _ in range(_REPETITIONS.value):
        for name, function in (
            ("numpy", by_numpy),
            ("ones_keras", by_gathering),
        ):
            start = time.perf_counter()
            results[name] = function(stack)
            seconds[name].append(time.perf_counter() - start)
    ratios = [slow / fast for slow, fast in zip(*seconds.values(), strict=True)]
    difference = results["ones_keras"] - results["numpy"]
    added = memory_of_processes(
        [
            __file__,
            "--memory_only",
            *(
                f"--{flag.name}={flag.value}"
                for flag in (_EXPERTS, _DIM, _HIDDEN, _RATIO)
            ),
        ],
        runs=1,
    )["added"]
    record = {
        "experts": _EXPERTS.value,
        "kernel": [_DIM.value, _HIDDEN.value],
        "svd_ratio": _RATIO.value,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "numpy": np.__version__,
        "seconds": seconds,
        "times_as_fast": {
            "median": statistics.median(ratios),
            "min": min(ratios),
            "max": max(ratios),
        },
        "relative_error": float(
            np.linalg.norm(difference) / np.linalg.norm(results["numpy"])
        ),
        "added_memory_stacks": added * 2**20 / stack.nbytes,
    }
    print(json.dumps(record, indent=2))
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
