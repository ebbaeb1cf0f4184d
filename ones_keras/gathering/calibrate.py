import keras
import numpy as np
from absl import logging
from keras import ops

from ones_keras.gathering.arrays import check_finite, to_bool, to_float32
from ones_keras.gathering.calibration import Calibration
from ones_keras.gathering.calibration_batches import held_out, of_tokens
from ones_keras.gathering.reservoir import Reservoir
from ones_keras.layers.record_inputs import record_inputs
from ones_keras.without_autograd import without_autograd


def calibrate(
    teacher,
    moe_layers,
    batches,
    max_tokens,
    seed,
    replacements,
    first_depth,
    progress,
):
    """One pass of the teacher over the calibration data, at inference.

    Args:
        teacher: `keras.Model`.
        moe_layers: dict from name to `MoEFeedForward`, those to watch.
        batches: `CalibrationBatches`.
        max_tokens: int. Most tokens kept of a layer. With inputs of `D`
            dimensions and `E` experts each takes `4 * (2 * D + E + 4)` bytes.
        seed: int. Of which tokens are kept.
        replacements: dict from layer to callable, see `record_inputs`. With
            any, the tokens are those that reach a layer with these in place,
            and the outputs still what the teacher makes of the same example
            without them: what is lost before a layer can be made good in it.
        first_depth: int. Calls of a layer in a pass that are left out, as they
            are what they were without the replacements.
        progress: callable, called after each batch.

    Returns:
        A dict from name to `Calibration`, and one from name to the number of
        times the layer is called in a pass.

    Raises:
        ValueError: If a layer gets no token, or one that is not finite.
    """
    watched = {
        name: _Watched(name, layer, max_tokens, seed)
        for name, layer in moe_layers.items()
    }
    for number, (x, examples) in enumerate(batches):
        with keras.StatelessScope(), without_autograd():
            layers = list(moe_layers.values())
            with record_inputs(layers) as calls:
                teacher(x, training=False)
            own_outputs = {
                layer: [call.outputs for call in calls[layer]]
                for layer in layers
            }
            if replacements:
                with record_inputs(layers, replacements) as calls:
                    teacher(x, training=False)
            for own in watched.values():
                for depth, call in enumerate(calls[own.layer]):
                    if depth < first_depth:
                        continue
                    outputs = own_outputs[own.layer][depth]
                    call = call._replace(outputs=outputs)
                    own.add(call, depth, examples, number)
        progress()
    depths = {name: own.depths for name, own in watched.items()}
    # One by one, as each lets go of what it kept.
    return {name: watched[name].result() for name in watched}, depths


class _Watched:
    """What is kept of one layer."""

    def __init__(self, name, layer, max_tokens, seed):
        self.name = name
        self.layer = layer
        self.reservoir = Reservoir(max_tokens, seed)
        self.num_tokens = 0
        self.depths = 0
        self.load = np.zeros(layer.num_experts, "int64")
        self.gate_sum = np.zeros(layer.num_experts)

    def add(self, call, depth, examples, number):
        self.depths = max(self.depths, depth + 1)
        tokens, outputs = to_float32(call.tokens), to_float32(call.outputs)
        examples = of_tokens(examples, len(tokens))
        use = np.ones(len(tokens), bool)
        if call.mask is not None:
            use = to_bool(call.mask)
        # What is held out too: the report would only find it later.
        for kind, values in (("inputs", tokens), ("outputs", outputs)):
            check_finite(
                f"The {kind} of the layer {self.name!r}", values[use], number
            )
        use &= ~held_out(examples)
        rows = tokens, outputs, self._gates(call), examples
        tokens, outputs, gates, examples = (array[use] for array in rows)
        self.num_tokens += len(tokens)
        self.load += np.count_nonzero(gates, axis=0)
        self.gate_sum += gates.sum(0, dtype="float64")
        self.reservoir.add((tokens, outputs, gates, examples), stream=depth)

    def _gates(self, call):
        """`(T, E)`, from the choices and their gates."""
        probabilities = self.layer.router_probabilities(call.tokens)
        mask = call.mask
        if mask is not None:
            mask = ops.cast(mask, "bool")
        routing = self.layer.route(probabilities, mask)
        experts = ops.convert_to_numpy(routing.experts)
        # Padding goes to a column of its own.
        gates = np.zeros((len(experts), self.layer.num_experts + 1), "float32")
        np.put_along_axis(gates, experts, to_float32(routing.gates), axis=1)
        return gates[:, :-1]

    def result(self):
        if not self.num_tokens:
            raise ValueError(
                "`calibration_data` must bring at least one token to every "
                "`MoEFeedForward` layer, beside the examples held out for the "
                f"report. Received: no token for {self.name!r}."
            )
        idle = np.flatnonzero(self.load == 0).tolist()
        if idle:
            logging.warning(
                "gather: experts %s of %r are chosen by none of the %d "
                "calibration tokens. Methods that go by use give them no "
                "weight.",
                idle,
                self.name,
                self.num_tokens,
            )
        return Calibration(
            *self.reservoir.rows(),
            num_tokens=self.num_tokens,
            load=self.load,
            gate_sum=self.gate_sum,
            seed=self.reservoir.seed,
        )
