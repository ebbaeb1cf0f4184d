import dataclasses


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """The score of one method with one seed at one place of an axis.

    Args:
        method: str.
        seed: int.
        x: int. Place on the axis: training steps, examples.
        score: float. A share in [0, 1].
        loss: float or `None`. Defaults to `None`.
        agreement: float or `None`. Share of the test examples in which the
            first choice is the teacher's. Defaults to `None`.
        parameters: int or `None`. Defaults to `None`.
    """

    method: str
    seed: int
    x: int
    score: float
    loss: float | None = None
    agreement: float | None = None
    parameters: int | None = None
