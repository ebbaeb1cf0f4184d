"""Speed and memory of the sparse MoE layer, and of what it is gathered into.

Two benchmarks, for the backend in `KERAS_BACKEND`:

`layer` times `MoEFeedForward` with its sparse dispatch against

- `einsum`: the same layer computing all experts on all tokens, and
- `mixtral`: keras-hub's `MixtralSparseMoeBlock`, which computes all experts as
  well and drops nothing. It is compared at equal shapes (tokens, width, hidden
  units, experts). Its experts are gated, three matrices for our two, so that it
  costs 1.5 times the FLOPs of `einsum`; FLOP ratios are printed beside.

`model` times a dense student against its ViT teacher, the teacher with sparse
dispatch and with all experts.

Everything is compiled as Keras trains: on TensorFlow XLA, as on a GPU, and a
plain graph, as on a CPU; `jit` on JAX; eager on PyTorch. Sparse and all-experts
outputs (and gradients) are compared before anything is timed. Compilation is
excluded by a warm-up. The variants run in turns, A B C A B C ..., and a ratio
is taken within each turn, so that a machine whose speed drifts or that is
shared slows both sides of it; printed are the median and the range of these
ratios. Peak memory is what the first call adds to that of a process of its own,
the median of three (host memory, so run this on the CPU), nothing dropped and
the routing skewed, which is when the sparse layer needs most.

Launch, for each backend in turn:

```
KERAS_BACKEND=jax python tools/benchmark_moe.py --json=moe_jax.json
```

It takes about eight minutes on two cores, fifteen on TensorFlow. Expected at
the default shapes: forward at least 3 times and forward and backward at least
2.5 times as fast as `einsum`, of at most 4 times (experts / top_k), in no more
memory.
"""

import json
import os
import pathlib
import platform
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags, logging
from compiled_step import COMPILATIONS, compiled_step
from keras_hub.src.models.mixtral.mixtral_decoder import MixtralSparseMoeBlock
from memory_of_processes import memory_of_processes
from moe_markdown import moe_markdown
from peak_memory import peak_memory

import ones_keras
from ones_keras.layers import MoEFeedForward
from ones_keras.models import ViTImageClassifier
from ones_keras.write_aside import write_aside

VARIANTS = ("sparse", "einsum", "mixtral")
# Name: (training, whether to drop, whether to compute gradients).
CASES = {
    "forward": (False, False, False),
    "forward, dropping": (True, True, False),
    "forward+backward": (True, False, True),
    "forward+backward, dropping": (True, True, True),
}
MEMORY_CASES = ("forward", "forward+backward")
TOLERANCE = 1e-5


def _positive(name, default, text):
    return flags.DEFINE_integer(name, default, text, lower_bound=1)


_BENCHMARK = flags.DEFINE_multi_enum(
    "benchmark",
    ["layer", "model"],
    ["layer", "model"],
    "What to measure; repeat the flag for several.",
)
_NUM_TOKENS = _positive("num_tokens", 4096, "Tokens a call of the layer.")
_DIM = _positive("dim", 256, "Width of the layer.")
_HIDDEN = _positive("intermediate_dim", 1024, "Hidden units of an expert.")
_NUM_EXPERTS = flags.DEFINE_integer(
    "num_experts", 8, "Experts of the layer.", lower_bound=2
)
_TOP_K = _positive("top_k", 2, "Experts a token.")
_CAPACITY = flags.DEFINE_float(
    "capacity_factor", 1.2, "Capacity of an expert where pairs are dropped."
)
_SKEW = flags.DEFINE_float(
    "skew",
    0.7,
    "Share of the tokens whose first choice is one expert, in skewed routing.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_PRESET = flags.DEFINE_string(
    "preset", "widenet_vit_base", "Sparse ViT preset of the model benchmark."
)
_NUM_LAYERS = _positive("num_layers", 2, "Layers of the model benchmark.")
_BATCH_SIZE = _positive("batch_size", 8, "Images of the model benchmark.")
_CASE = flags.DEFINE_multi_enum(
    "case", list(CASES), list(CASES), "Pass of the layer; repeat for several."
)
_REPETITIONS = _positive("repetitions", 7, "Turns of all variants.")
_MEMORY = flags.DEFINE_boolean("memory", True, "Measure peak memory as well.")
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")
_MEMORY_OF = flags.DEFINE_list(
    "memory_of",
    None,
    "variant,compilation,case: print the memory of this one alone, in MiB.",
)


def random_tokens(num_tokens, dim):
    """Returns tokens `(1, T, D)` whose first feature is 1."""
    tokens = np.random.default_rng(0).normal(size=(1, num_tokens, dim))
    tokens[..., 0] = 1.0
    return tokens.astype("float32")


def router_kernel(tokens, routing):
    """Returns a random kernel `(D, E)` that routes the tokens as wanted."""
    shape = (tokens.shape[-1], _NUM_EXPERTS.value)
    kernel = np.random.default_rng(1).normal(scale=0.1, size=shape)
    # The first feature of every token is 1, and so the first row a bias.
    kernel[0] = 0
    if routing == "skewed":
        logits = tokens[0] @ kernel
        behind = logits[:, 1:].max(axis=-1) - logits[:, 0]
        kernel[0, 0] = np.quantile(behind, _SKEW.value)
    return kernel


def largest_load(tokens, routing):
    """Returns the largest expert's share of the (token, choice) pairs."""
    logits = tokens[0] @ router_kernel(tokens, routing)
    chosen = np.argsort(-logits, axis=-1)[:, : _TOP_K.value]
    return float(np.bincount(chosen.flat).max() / chosen.size)


def make_layer(variant, tokens, hidden, routing, drop=False):
    """Returns a built layer; equal arguments give equal weights."""
    keras.utils.set_random_seed(0)
    if variant == "mixtral":
        layer = MixtralSparseMoeBlock(
            tokens.shape[-1], hidden, _NUM_EXPERTS.value, _TOP_K.value
        )
    else:
        layer = MoEFeedForward(
            _NUM_EXPERTS.value,
            hidden,
            _TOP_K.value,
            capacity_factor=_CAPACITY.value if drop else None,
            router_noise=0,  # The variants must route alike.
            dispatch=variant,
        )
    layer.build(tokens.shape)
    # The router's kernel is the first weight in both classes.
    layer.weights[0].assign(router_kernel(tokens, routing))
    return layer


def layer_step(variant, tokens, hidden, routing, compilation, case):
    training, drop, backward = CASES[case]
    layer = make_layer(variant, tokens, hidden, routing, drop)
    return compiled_step(layer, tokens, compilation, training, backward)


def largest_difference(found, expected):
    """Returns the largest difference of two results, relative above 1."""
    differences = []
    for one, other in zip(found, expected, strict=True):
        one, other = (keras.ops.convert_to_numpy(x) for x in (one, other))
        scale = max(1.0, float(np.abs(other).max()))
        differences.append(float(np.abs(one - other).max()) / scale)
    if max(differences) > TOLERANCE:
        raise RuntimeError(
            "The sparse path differs from the all-experts path by "
            f"{differences}, more than {TOLERANCE}."
        )
    return max(differences)


def time_in_turns(steps):
    """Returns the seconds of every step, one list of turns a step."""
    for step in steps.values():
        step()
    seconds = {name: [] for name in steps}
    for _ in range(_REPETITIONS.value):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compare(seconds, over):
    """Returns each variant's median time and its ratios to `over`'s."""

    def spread(variant):
        ratios = [
            one / other
            for one, other in zip(seconds[variant], seconds[over], strict=True)
        ]
        return {
            "median": statistics.median(ratios),
            "min": min(ratios),
            "max": max(ratios),
        }

    return {
        "ms": {k: 1e3 * statistics.median(v) for k, v in seconds.items()},
        f"times_{over.replace(' ', '_')}": {
            variant: spread(variant) for variant in seconds if variant != over
        },
    }


def benchmark_layer():
    """Returns one record a routing, case and compilation."""
    tokens = random_tokens(_NUM_TOKENS.value, _DIM.value)
    records = []
    for routing in ("balanced", "skewed"):
        load = largest_load(tokens, routing)
        for case in _CASE.value:
            for compilation in COMPILATIONS:
                logging.info("%s, %s, %s", routing, case, compilation)
                steps = {
                    variant: layer_step(
                        variant,
                        tokens,
                        _HIDDEN.value,
                        routing,
                        compilation,
                        case,
                    )
                    for variant in VARIANTS
                }
                difference = largest_difference(
                    steps["sparse"](), steps["einsum"]()
                )
                records.append(
                    {
                        "routing": routing,
                        "largest_load": load,
                        "case": case,
                        "compilation": compilation,
                        "largest_difference": difference,
                        **compare(time_in_turns(steps), over="sparse"),
                    }
                )
    return records


def print_memory(variant, compilation, case):
    # A toy first, so that the libraries' own pages are not counted.
    layer_step(variant, random_tokens(8, 8), 8, "skewed", compilation, case)()
    tokens = random_tokens(_NUM_TOKENS.value, _DIM.value)
    step = layer_step(
        variant, tokens, _HIDDEN.value, "skewed", compilation, case
    )
    before = peak_memory()
    results = step()
    peak = peak_memory()
    del results  # They were held until the peak was read.
    print(json.dumps({"peak_mib": peak, "growth_mib": peak - before}))


def benchmark_memory():
    """Returns one record a case and compilation, each from new processes."""
    records = []
    for case in MEMORY_CASES:
        for compilation in COMPILATIONS:
            record = {"case": case, "compilation": compilation}
            for variant in VARIANTS:
                only = f"--memory_of={variant},{compilation},{case}"
                record[variant] = memory_of_processes(
                    [*sys.argv, "--json=", only]
                )
            records.append(record)
    return records


def benchmark_model():
    """Returns one record a compilation."""

    def teacher(dispatch):
        return ViTImageClassifier.from_preset(
            _PRESET.value,
            num_classes=1000,
            num_layers=_NUM_LAYERS.value,
            dispatch=dispatch,
        )

    sparse, einsum = teacher("sparse"), teacher("einsum")
    einsum.set_weights(sparse.get_weights())
    student = ones_keras.gather(sparse, "average")
    models = {
        "student": student,
        "sparse teacher": sparse,
        "einsum teacher": einsum,
    }
    images = np.random.default_rng(0).uniform(
        0, 255, size=(_BATCH_SIZE.value, *sparse.backbone.image_shape)
    )
    images = images.astype("float32")
    records = []
    for compilation in COMPILATIONS:
        steps = {
            variant: compiled_step(model, images, compilation)
            for variant, model in models.items()
        }
        difference = largest_difference(
            steps["sparse teacher"](), steps["einsum teacher"]()
        )
        result = compare(time_in_turns(steps), over="student")
        records.append(
            {
                "compilation": compilation,
                "largest_difference": difference,
                **result,
                "images_per_second": {
                    variant: 1e3 * len(images) / ms
                    for variant, ms in result["ms"].items()
                },
                "ffn_flops_times_student": {
                    "sparse teacher": sparse.backbone.top_k,
                    "einsum teacher": sparse.backbone.num_experts,
                },
            }
        )
    return records


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Too many arguments: {argv[1:]}")
    if _JSON.value and not os.access(
        pathlib.Path(_JSON.value).resolve().parent, os.W_OK
    ):
        raise app.UsageError(f"Cannot write --json={_JSON.value}.")
    if _MEMORY_OF.value:
        print_memory(*_MEMORY_OF.value)
        return
    record = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "flags": {
            flag.name: flag.value
            for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])
            if flag not in (flags.FLAGS["json"], flags.FLAGS["memory_of"])
        },
    }
    measure = {"layer": benchmark_layer, "model": benchmark_model}
    parts = {part: measure[part] for part in _BENCHMARK.value}
    if "layer" in parts and _MEMORY.value:
        parts["memory"] = benchmark_memory
    print(f"keras {keras.__version__} on {keras.backend.backend()}")
    for part, run in parts.items():
        record[part] = run()
        print(f"\n{moe_markdown(record, part)}", flush=True)
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
