"""The weights of every gathered layer, with or without calibration data."""

import numpy as np
from absl import logging
from keras import ops

from ones_keras.gathering.calibrate import calibrate
from ones_keras.gathering.expert_weights import ExpertWeights
from ones_keras.gathering.progress_bar import progress_bar


class LayerGatherer:
    """Runs one method on the MoE layers of a teacher.

    Args:
        method: `Method`.
        options: dict. Its options.
        intermediate_dim: int or `None`. Width of the student's layers.
        teacher: `keras.Model`.
        moe_layers: dict from name to `MoEFeedForward`, inputs first.
    """

    def __init__(self, method, options, intermediate_dim, teacher, moe_layers):
        self.method = method
        self.options = options
        self.intermediate_dim = intermediate_dim
        self.teacher = teacher
        self.moe_layers = moe_layers

    def check(self, max_tokens):
        """Raise a `ValueError` if an option cannot work for some layer."""
        for name, layer in self.moe_layers.items():
            experts = ExpertWeights.from_layer(layer)
            self.method.check_layer(
                experts, self.intermediate_dim, self.options
            )
            needed = self.method.tokens_needed(experts, self.intermediate_dim)
            if needed > max_tokens:
                raise ValueError(
                    f"Method {self.method.name!r} needs at least {needed} "
                    f"tokens of the layer {name!r}. Received: "
                    f"`calibration_tokens={max_tokens}`."
                )

    def from_weights(self):
        """A dict from name to `DenseWeights`, from the experts alone."""
        return {name: self._gather(name, None) for name in self.moe_layers}

    def from_data(self, batches, max_tokens, seed, front_to_back, verbose):
        """The same with `Calibration`s of the data."""

        def look(layers, replacements=None, first_depth=0):
            bound = _bound(list(layers.values()), max_tokens)
            logging.info(
                "gather: calibration of %s keeps %s.", list(layers), bound
            )
            with progress_bar(
                f"calibration ({bound})", "batches", verbose
            ) as advance:
                return calibrate(
                    self.teacher,
                    layers,
                    batches,
                    max_tokens,
                    seed,
                    replacements,
                    first_depth,
                    advance,
                )

        def gather(found):
            gathered = {}
            with progress_bar(
                self.method.name, "layers", verbose, len(found)
            ) as advance:
                # Each layer's sample goes when its weights are there.
                for number, name in enumerate(list(found)):
                    gathered[name] = self._gather(
                        name,
                        found.pop(name),
                        lambda share, before=number: advance(before + share),
                    )
                    advance(number + 1)
            return gathered

        if not front_to_back:
            found, _ = look(self.moe_layers)
            return gather(found)
        gathered, replacements = {}, {}
        for name, layer in self.moe_layers.items():
            found, depths = look({name: layer}, replacements)
            gathered |= gather(dict(found))
            replacements[layer] = _function(layer, gathered[name])
            if depths[name] > 1:
                # A shared layer's later depths follow on its own earlier ones.
                again, _ = look({name: layer}, replacements, first_depth=1)
                pooled = _pooled(found[name], again[name], gathered[name])
                gathered |= gather({name: pooled})
                replacements[layer] = _function(layer, gathered[name])
        return gathered

    def _gather(self, name, calibration, progress=None):
        experts = ExpertWeights.from_layer(self.moe_layers[name])
        weights = self.method(
            experts, calibration, self.intermediate_dim, self.options, progress
        )
        if calibration is None:
            return weights
        load = calibration.frequency.tolist()
        return weights._replace(details={**weights.details, "load": load})


def _bound(layers, max_tokens):
    """The most memory that the samples of these layers take, in words."""
    dims = [layer.up_kernel.shape[1] for layer in layers]
    numbers = sum(
        2 * dim + layer.num_experts + 4
        for dim, layer in zip(dims, layers, strict=True)
    )
    # One array at a time is twice there when they are brought in order.
    numbers += max(dims)
    return f"at most {4 * max_tokens * numbers / 2**20:.1f} MiB"


def _function(layer, weights):
    """The gathered layer as a function of tokens in the teacher's graph."""
    up, up_bias, down, down_bias = (
        ops.convert_to_tensor(array, layer.compute_dtype)
        for array in weights[:4]
    )

    def call(inputs):
        inputs = ops.cast(inputs, layer.compute_dtype)
        hidden = layer.activation(ops.matmul(inputs, up) + up_bias)
        return ops.matmul(hidden, down) + down_bias

    return call


def _pooled(first, second, start):
    """A calibration of both rounds, as large as one."""
    size = max(len(first.tokens), len(second.tokens))
    order = np.random.default_rng(first.seed).permutation(
        len(first.tokens) + len(second.tokens)
    )[:size]

    def mixed(name):
        rows = [getattr(first, name), getattr(second, name)]
        return np.concatenate(rows)[order]

    return first._replace(
        tokens=mixed("tokens"),
        outputs=mixed("outputs"),
        gates=mixed("gates"),
        examples=mixed("examples"),
        num_tokens=first.num_tokens + second.num_tokens,
        load=first.load + second.load,
        gate_sum=first.gate_sum + second.gate_sum,
        start=start,
    )
