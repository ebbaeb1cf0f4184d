"""What is better by how much, seed by seed."""

import numpy as np
from scipy import stats


class PairedDifference:
    """Of two scores of the same seeds.

    Args:
        one: array `(seeds,)`.
        other: array `(seeds,)`. What it is compared with.
        test_to_train: float. Where every seed splits the same examples anew,
            the number of test examples to that of training examples: seeds are
            not independent then, and the variance is that much larger (Nadeau
            and Bengio, 2003). Defaults to `0.0`.

    Attributes:
        mean: float.
        standard_error: float. Of the mean; NaN of one seed.
        p: float. Of a paired t-test of no difference; NaN of one seed, or
            where all seeds differ alike.
    """

    def __init__(self, one, other, test_to_train=0.0):
        found = np.asarray(one, "float64") - np.asarray(other, "float64")
        self.mean = float(found.mean())
        self.standard_error = self.p = float("nan")
        if len(found) > 1:
            scale = np.sqrt(1 / len(found) + test_to_train)
            self.standard_error = float(scale * found.std(ddof=1))
            # Differences may differ by their last bits alone.
            if np.ptp(found) > 1e-9:
                statistic = abs(self.mean) / self.standard_error
                self.p = float(2 * stats.t.sf(statistic, len(found) - 1))

    def __str__(self):
        """In percent: `+1.20 ± 0.30`."""
        # Without the sign of a zero.
        text = f"{100 * self.mean + 1e-9:+.2f}"
        if np.isfinite(self.standard_error):
            text += f" ± {100 * self.standard_error:.2f}"
        return text

    @property
    def p_text(self):
        """Three digits, or nothing."""
        if not np.isfinite(self.p):
            return ""
        return f"{self.p:.3f}" if self.p >= 0.001 else "<0.001"
