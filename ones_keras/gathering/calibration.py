from typing import NamedTuple

import numpy as np

from ones_keras.gathering.calibration_batches import HELD_OUT_PART
from ones_keras.gathering.expert_weights import DenseWeights


class Calibration(NamedTuple):
    """What the calibration data showed of one MoE layer.

    All depths of a shared layer are pooled, padding is left out, and so are the
    examples that the report is measured on. The arrays hold a uniform sample of
    the tokens in random order, the statistics are of all of them.

    Attributes:
        tokens: `(N, D)` float32. Inputs of the layer.
        outputs: `(N, D)` float32. Its outputs.
        gates: `(N, E)` float32. Weight of each expert, 0 where not chosen.
        examples: `(N,)` int64. Which example a token is of, by its checksum.
        num_tokens: int. Tokens that the layer was given.
        load: `(E,)` int64. How many of them chose each expert.
        gate_sum: `(E,)` float64. Sum of their gates.
        start: `DenseWeights` or `None`. What the method made in an earlier
            round, when these tokens come from the student's own layers.
        seed: int. Of what a method does at random.

    Example:

    ```python
    calibration = Calibration(
        tokens=np.ones((3, 8), "float32"),
        outputs=np.ones((3, 8), "float32"),
        gates=np.array([[0.7, 0.0], [0.0, 0.6], [0.8, 0.0]], "float32"),
        examples=np.array([11, 11, 12]),
        num_tokens=3,
        load=np.array([2, 1]),
        gate_sum=np.array([1.5, 0.6]),
    )
    print(calibration.frequency, calibration.mean_gate)
    ```
    """

    tokens: np.ndarray
    outputs: np.ndarray
    gates: np.ndarray
    examples: np.ndarray
    num_tokens: int
    load: np.ndarray
    gate_sum: np.ndarray
    start: DenseWeights | None = None
    seed: int = 0

    @property
    def frequency(self):
        """`(E,)`. Each expert's share of the choices; sums to 1."""
        return self.load / self.load.sum()

    @property
    def mean_gate(self):
        """`(E,)`. Mean gate over all tokens, 0 where not chosen."""
        return self.gate_sum / self.num_tokens

    @property
    def mean_gate_when_chosen(self):
        """`(E,)`. Mean gate over the tokens that chose the expert, or 0."""
        return self.gate_sum / np.maximum(self.load, 1)

    def split(self, part):
        """Two calibrations: without, and with only, one example in `part`.

        The statistics of both stay those of all tokens.
        """
        # Of another digit than what is held out for the report.
        apart = self.examples // HELD_OUT_PART % part == 0
        return self._rows(~apart), self._rows(apart)

    def _rows(self, chosen):
        return self._replace(
            tokens=self.tokens[chosen],
            outputs=self.outputs[chosen],
            gates=self.gates[chosen],
            examples=self.examples[chosen],
        )

    def check_tokens(self, needed, unknowns):
        """Raise a `ValueError` if there are fewer tokens than `needed`."""
        if len(self.tokens) < needed:
            raise ValueError(
                f"Too few calibration tokens for {unknowns}: at least {needed} "
                f"are needed. Received: {len(self.tokens)} tokens of a layer, "
                "beside those that are held out. Give more `calibration_data`, "
                "raise `calibration_tokens`, or lower `intermediate_dim`."
            )
