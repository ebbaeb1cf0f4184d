"""What one method reached in one run."""

import dataclasses

# The two methods that the MoE benefits refer to: their 100 % and their 0 %.
TEACHER = "teacher"
DENSE = "dense"


@dataclasses.dataclass(frozen=True)
class MethodResult:
    """The result of one method with one seed.

    Args:
        method: str. Name of the method. `"teacher"` and `"dense"` are the two
            that the MoE benefits refer to.
        seed: int. Seed of the run.
        score: float. Score on the test split: a share in [0, 1] where the
            report shows percentages, as for accuracy.
        loss: float or `None`. Loss on the test split. Defaults to `None`.
        score_before: float or `None`. Score of the gathered student before any
            training. Defaults to `None`.
        agreement: float or `None`. Share of the test examples in which the
            student's first choice is the teacher's. Defaults to `None`.
        parameters: int or `None`. Number of parameters. Defaults to `None`.
        latency_ms: float or `None`. Inference time in milliseconds. Defaults
            to `None`.
        steps: int or `None`. Training steps, those of the teacher not
            included. Defaults to `None`.

    Example:

    ```python
    MethodResult("top_k", seed=0, score=0.93, parameters=10_800_000)
    ```
    """

    method: str
    seed: int
    score: float
    loss: float | None = None
    score_before: float | None = None
    agreement: float | None = None
    parameters: int | None = None
    latency_ms: float | None = None
    steps: int | None = None
