"""Scores of several methods along an axis, over seeds."""

import dataclasses
import json
import math
import pathlib

import numpy as np

from ones_keras.metrics import MoEBenefits, moe_benefits
from ones_keras.reporting.curve_point import CurvePoint
from ones_keras.reporting.draw_curves import draw_curves
from ones_keras.reporting.method_result import DENSE, TEACHER
from ones_keras.write_aside import write_aside


@dataclasses.dataclass(frozen=True)
class CurveReport:
    """Methods at several budgets, or data sizes, and how to show them.

    Args:
        points: tuple of `CurvePoint`. Methods keep the order in which they
            first appear. At each `x` a method needs the seeds of all, so that
            scores can be paired.
        x_name: str. What `x` is, such as `"distillation steps"`.
        title: str. Heading of table and picture. Defaults to `""`.
        metric: str. Name of the score, a share that is shown in percent.
            Defaults to `"test accuracy"`.
        controls: tuple of str. Methods that are there to be compared with;
            drawn in grey. Defaults to `()`.

    Raises:
        ValueError: If there are no points, two for one method, seed and `x`, or
            a method that lacks a seed.

    Example:

    ```python
    from ones_keras.reporting import CurvePoint, CurveReport

    report = CurveReport(
        (
            CurvePoint("teacher", seed=0, x=0, score=0.925),
            CurvePoint("dense", seed=0, x=3000, score=0.897),
            CurvePoint("svd", seed=0, x=0, score=0.13),
            CurvePoint("svd", seed=0, x=3000, score=0.91),
        ),
        x_name="distillation steps",
    )
    print(report.to_markdown())
    report.plot("curves.png")
    ```
    """

    points: tuple[CurvePoint, ...]
    x_name: str
    title: str = ""
    metric: str = "test accuracy"
    controls: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.points:
            raise ValueError("A report needs one point at least.")
        seeds = {}
        for point in self.points:
            key = (point.method, point.x)
            seeds.setdefault(key, []).append(point.seed)
        for (method, x), own in seeds.items():
            if len(set(own)) < len(own):
                raise ValueError(
                    "A method can have one point a seed and `x`. Received: "
                    f"`method={method!r}`, `x={x}` with seeds {own}."
                )
        if len({frozenset(own) for own in seeds.values()}) > 1:
            raise ValueError(
                f"Every point needs the same seeds. Received: {seeds}."
            )

    @property
    def methods(self):
        return list(dict.fromkeys(point.method for point in self.points))

    @property
    def xs(self):
        return sorted({point.x for point in self.points})

    def scores(self, method, x):
        """`(seeds,)` array of scores in the order of the seeds, or `None`."""
        found = sorted(
            (point.seed, point.score)
            for point in self.points
            if point.method == method and point.x == x
        )
        return np.array([score for _, score in found]) if found else None

    def benefits(self, method, x, dense_x):
        """`MoEBenefits` of a method at `x`, the dense model at `dense_x`."""
        scores = self.scores(method, x)
        teacher, dense = self.scores(TEACHER, 0), self.scores(DENSE, dense_x)
        if scores is None or teacher is None or dense is None:
            return MoEBenefits(None, None, None, 0, "a score is missing")
        return moe_benefits(scores, teacher, dense)

    def first_reaching(self, method, goal):
        """The smallest `x` at which a method's mean is `goal`, or `None`.

        Between two points the mean is taken to be linear in `log(x + 1)`.
        """
        previous = None
        for x in self.xs:
            scores = self.scores(method, x)
            if scores is None:
                continue
            mean = scores.mean()
            if mean >= goal:
                if previous is None or x == 0:
                    return float(x)
                before, at = previous
                share = (goal - before) / (mean - before)
                start, end = math.log1p(at), math.log1p(x)
                return math.expm1(start + share * (end - start))
            previous = mean, x
        return None

    def to_markdown(self, against=(), xs=None):
        """The table: a row a method, a column an `x`.

        Args:
            against: tuple of `(method, x)` pairs. A column each, of the
                differences at the largest `x`, paired by seed. Defaults to
                `()`.
            xs: list of int or `None`. The places that are shown; `None` is
                all. Defaults to `None`.
        """
        xs = self.xs if xs is None else xs
        last = xs[-1]
        header = [self.x_name, *(f"{x:,}" for x in xs)]
        header += [f"minus {method} ({x:,})" for method, x in against]
        lines = [header, [":--", *("--:" for _ in header[1:])]]
        for method in self.methods:
            line = [method]
            line += [mean_text(self.scores(method, x)) for x in xs]
            if not any(line[1:]):
                continue
            own = self.scores(method, last)
            for other, x in against:
                reference = self.scores(other, x)
                if own is None or reference is None or method == other:
                    line.append("")
                else:
                    line.append(mean_text(own - reference, signed=True))
            lines.append(line)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

    def plot(self, path):
        """Draws the curves, mean and standard error, into a PNG file."""
        figure = draw_curves(self)
        with write_aside(path) as aside:
            figure.savefig(aside, format="png", dpi=160)

    def save_json(self, path):
        """Writes the report so that `load` reads it."""
        text = json.dumps(dataclasses.asdict(self), indent=1)
        with write_aside(path) as aside:
            aside.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path):
        """Reads a report that `save_json` wrote."""
        content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        points = tuple(CurvePoint(**point) for point in content.pop("points"))
        controls = tuple(content.pop("controls"))
        return cls(points, controls=controls, **content)


def mean_text(scores, signed=False):
    """Mean and standard error in percent, e.g. `93.10 ± 0.21`; or nothing."""
    if scores is None:
        return ""
    mean = f"{100 * scores.mean():{'+' if signed else ''}.2f}"
    if len(scores) == 1:
        return mean
    error = scores.std(ddof=1) / math.sqrt(len(scores))
    return f"{mean} ± {100 * error:.2f}"
