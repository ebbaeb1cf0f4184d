"""How much of the experts' gain the dense student keeps (OneS, Eq. 8)."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class MoEBenefits:
    """The MoE benefits of one student, with their uncertainty.

    Args:
        value: float or `None`. The ratio of Eq. 8: `0.0` is the dense model,
            `1.0` the MoE teacher, above `1.0` better than the teacher. `None`
            when there is nothing to divide by; see `reason`.
        low: float or `None`. Lower end of the bootstrap interval. `None` with
            a single seed.
        high: float or `None`. Upper end of the bootstrap interval.
        num_seeds: int. How many seeds the scores come from. Defaults to `1`.
        reason: str or `None`. Why `value` is `None`. Defaults to `None`.
    """

    value: float | None
    low: float | None
    high: float | None
    num_seeds: int = 1
    reason: str | None = None

    def __str__(self):
        if self.value is None:
            return "n/a"
        text = f"{100 * self.value:.1f} %"
        if self.low is None:
            return text
        return f"{text} [{100 * self.low:.1f}, {100 * self.high:.1f}]"

    def to_dict(self):
        """Returns the fields as a dictionary that `json` can write."""
        return dataclasses.asdict(self)


def moe_benefits(
    student, moe, dense, confidence=0.95, num_resamples=9999, seed=0
):
    """Computes the MoE benefits, `(student - dense) / (moe - dense)`.

    `dense` is the student's own architecture trained without gathering and
    without distillation. Over several seeds this is the ratio of the mean
    differences, not the mean of the ratios: a single seed in which the MoE
    happens to end near the dense model would otherwise decide the result. The
    interval is a percentile bootstrap that resamples whole seeds, so that the
    three scores of a seed stay together. With three to five seeds such an
    interval is on the narrow side: read it as an indication.

    The result is "n/a" (its `value` is `None`) when there is nothing to
    measure against: with several seeds when the mean of `moe - dense` is
    within two standard errors of zero, with one seed, which knows no noise,
    when the difference is zero; and when a score is not finite.

    The formula has no direction, so scores of which less is better (a loss)
    work as well. Where the MoE is the *worse* model of the two, the ratio
    still says how far the student went from the dense model towards the MoE.

    Args:
        student: float or sequence of floats, one a seed. The student's score.
        moe: float or sequence of floats. The MoE teacher's score, seeds in the
            same order. A single float stands for every seed (one teacher,
            several students).
        dense: float or sequence of floats. The dense baseline's score.
        confidence: float. Coverage of the interval, in (0, 1). Defaults to
            `0.95`.
        num_resamples: int. Bootstrap resamples. Defaults to `9999`.
        seed: int. Seed of the resampling. Defaults to `0`.

    Returns:
        An `MoEBenefits`.

    Raises:
        ValueError: If the sequences differ in length, are empty or nested, or
            `confidence` lies outside (0, 1).

    Example:

    ```python
    str(moe_benefits(student=75.7, moe=77.5, dense=72.8))  # "61.7 %"
    moe_benefits(
        student=[93.1, 93.4, 92.8],
        moe=[92.3, 92.7, 92.4],
        dense=[89.7, 90.1, 89.9],
    ).low
    ```

    References:
        - [OneS: One Student Knows All Experts Know](
            https://arxiv.org/abs/2201.10890), Eq. 8
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(
            "`confidence` must lie strictly between 0 and 1. "
            f"Received: `confidence={confidence}`."
        )
    student, moe, dense = _paired(student=student, moe=moe, dense=dense)
    num_seeds = len(student)

    def undefined(reason):
        return MoEBenefits(None, None, None, num_seeds, reason)

    if not np.all(np.isfinite([student, moe, dense])):
        return undefined("a score is not finite")
    gained, available = student - dense, moe - dense
    if num_seeds == 1:
        if available[0] == 0.0:
            return undefined("the MoE and the dense model score the same")
        return MoEBenefits(float(gained[0] / available[0]), None, None)

    standard_error = available.std(ddof=1) / np.sqrt(num_seeds)
    if abs(available.mean()) <= 2.0 * standard_error:
        return undefined("MoE - dense is within two standard errors of zero")

    value = gained.mean() / available.mean()
    rng = np.random.default_rng(seed)
    drawn = rng.integers(num_seeds, size=(num_resamples, num_seeds))
    numerator, denominator = gained[drawn].mean(1), available[drawn].mean(1)
    # A resample of ties alone says nothing.
    useful = denominator != 0.0
    low, high = np.quantile(
        numerator[useful] / denominator[useful],
        [(1 - confidence) / 2, (1 + confidence) / 2],
    )
    return MoEBenefits(float(value), float(low), float(high), num_seeds)


def _paired(**scores):
    """The scores as float64 vectors of one length, scalars repeated."""
    arrays = {k: np.asarray(v, dtype="float64") for k, v in scores.items()}
    lengths = {a.shape[0] for a in arrays.values() if a.ndim == 1}
    valid = all(a.ndim <= 1 for a in arrays.values())
    if not valid or len(lengths) > 1 or 0 in lengths:
        received = ", ".join(f"`{k}={v}`" for k, v in scores.items())
        raise ValueError(
            "The scores must be floats or flat, non-empty sequences of one "
            f"length, paired by seed. Received: {received}."
        )
    num_seeds = lengths.pop() if lengths else 1
    return (np.broadcast_to(a, (num_seeds,)) for a in arrays.values())
