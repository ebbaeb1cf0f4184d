"""What was found of the experts of a mixture."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ExpertProbe:
    """What each expert knows alone, and what the gate makes of it.

    An expert's own examples are those that the gate gives more weight of than
    any other expert. Of weighted examples shares and accuracies are weighted.

    Attributes:
        share: `(E,)` float64. Share of the examples that are an expert's own.
        accuracy: `(E,)` float64. Of the expert alone on its own examples; NaN
            where it has none.
        accuracy_on_all: `(E,)` float64. Of the expert alone on all examples.
        mixture_accuracy: float. Of all experts together.
        own_accuracy: float. Were every example answered by the expert whose own
            it is, alone: the mean of `accuracy` by `share`.
        oracle_accuracy: float. Were it answered by one that is right, where any
            is.
        routing_accuracy: float. Of the examples that some experts get right
            and others wrong, the share that are the own ones of one that is
            right; NaN where there are none.
        chance: float. What a gate has there that chooses at random: the share
            of experts that are right. A gate that always takes the same good
            expert is above it too: compare `own_accuracy` with the greatest
            `accuracy_on_all` for what choosing is worth.
        similarity: float. Mean over pairs of experts of `linear_cka`: 1 where
            they say the same, up to rotation, factor and offset; NaN where an
            expert says the same of all examples.
    """

    share: np.ndarray
    accuracy: np.ndarray
    accuracy_on_all: np.ndarray
    mixture_accuracy: float
    own_accuracy: float
    oracle_accuracy: float
    routing_accuracy: float
    chance: float
    similarity: float

    def to_dict(self):
        """Lists and floats, `None` for NaN: as JSON takes it."""

        def plain(value):
            if isinstance(value, np.ndarray):
                return [plain(float(each)) for each in value]
            return None if np.isnan(value) else float(value)

        found = dataclasses.asdict(self)
        return {name: plain(value) for name, value in found.items()}
