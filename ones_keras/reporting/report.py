"""The comparison of methods over seeds."""

import dataclasses
import json
import math
import pathlib

import numpy as np
from rich import console as rich_console

from ones_keras.metrics import MoEBenefits, moe_benefits
from ones_keras.reporting.draw_report import draw_report
from ones_keras.reporting.method_result import DENSE, TEACHER, MethodResult
from ones_keras.reporting.tabulate import (
    footnotes,
    markdown_table,
    rich_table,
)
from ones_keras.write_aside import write_aside


@dataclasses.dataclass(frozen=True)
class ReportRow:
    """One method, averaged over its seeds; `None` where nothing was measured.

    Args:
        method: str. Name of the method.
        scores: tuple of float. The scores, one a seed.
        score: float. Their mean.
        score_std: float or `None`. Their sample standard deviation; `None`
            with one seed.
        loss: float or `None`. Mean loss.
        score_before: float or `None`. Mean score before any training.
        scores_before: tuple of float. The scores before any training.
        agreement: float or `None`. Mean agreement with the teacher.
        parameters: int or `None`. Number of parameters.
        benefits: `MoEBenefits`.
        latency_ms: float or `None`. Mean latency.
        speedup: float or `None`. The teacher's mean latency over this one.
        steps: int or `None`. Training steps.
    """

    method: str
    scores: tuple[float, ...]
    score: float
    score_std: float | None
    loss: float | None
    score_before: float | None
    scores_before: tuple[float, ...]
    agreement: float | None
    parameters: int | None
    benefits: MoEBenefits
    latency_ms: float | None
    speedup: float | None
    steps: int | None


@dataclasses.dataclass(frozen=True)
class Report:
    """Results of several methods over several seeds, and how to show them.

    The methods called `"teacher"` (the MoE) and `"dense"` (the student's
    architecture trained from scratch) are the 100 % and the 0 % of the MoE
    benefits. Without either of them the benefits are "n/a".

    Args:
        results: tuple of `MethodResult`. Methods keep the order in which they
            first appear. Every method needs the same seeds, so that scores can
            be paired; a teacher that was given rather than trained is entered
            once a seed.
        title: str. Heading of table and picture. Defaults to `""`.
        metric: str. Name of the score. Defaults to `"test accuracy"`.
        percent: bool. Whether the scores are shares, shown as percentages.
            Defaults to `True`.
        higher_is_better: bool. `False` for a loss or perplexity. Defaults to
            `True`.
        latency_of: str. What `latency_ms` was measured over. Defaults to
            `"image"`.

    Raises:
        ValueError: If there are no results, a method has two results of one
            seed, or the methods differ in their seeds.

    Example:

    ```python
    from ones_keras.reporting import MethodResult

    report = Report.from_results(
        [
            MethodResult("teacher", seed=0, score=0.925),
            MethodResult("dense", seed=0, score=0.897),
            MethodResult("top_k", seed=0, score=0.931, score_before=0.279),
        ],
        title="Digits",
    )
    report.print()
    report.plot("report.png")
    report.save_json("report.json")
    ```
    """

    results: tuple[MethodResult, ...]
    title: str = ""
    metric: str = "test accuracy"
    percent: bool = True
    higher_is_better: bool = True
    latency_of: str = "image"

    def __post_init__(self):
        seeds = {}
        for result in self.results:
            seeds.setdefault(result.method, []).append(result.seed)
        if not seeds:
            raise ValueError("A report needs one result at least.")
        for method, own in seeds.items():
            if len(set(own)) < len(own):
                raise ValueError(
                    "A method can have one result a seed. "
                    f"Received: `method={method!r}` with seeds {own}."
                )
        if len({frozenset(own) for own in seeds.values()}) > 1:
            raise ValueError(
                "Every method needs results for the same seeds. "
                f"Received: {seeds}."
            )

    @classmethod
    def from_results(cls, results, **options):
        """Builds a report from any iterable of `MethodResult`."""
        return cls(results=tuple(results), **options)

    @property
    def num_seeds(self):
        return len({result.seed for result in self.results})

    def rows(self):
        """Returns one `ReportRow` a method, in the order of appearance."""
        methods = dict.fromkeys(result.method for result in self.results)
        return [self._row(method) for method in methods]

    def to_markdown(self):
        """Returns the table and its footnotes as Markdown."""
        notes = "\n".join(f"- {note}" for note in footnotes(self))
        return f"{markdown_table(self)}\n\n{notes}\n"

    def print(self, console=None):
        """Prints the table with colours and its footnotes.

        Args:
            console: `rich.console.Console` or `None`. Defaults to `None`, a
                console on the standard output.
        """
        if console is None:
            console = rich_console.Console()
            if not console.is_terminal:  # A log file has no margin.
                console.width = max(console.width, 140)
        console.print(rich_table(self))
        for note in footnotes(self):
            console.print(note, style="dim", highlight=False, markup=False)

    def plot(self, path):
        """Draws the report into a PNG file."""
        figure = draw_report(self)
        with write_aside(path) as aside:
            figure.savefig(aside, format="png", dpi=160)

    def publish(self, path):
        """Prints the report, and writes it in every form.

        Args:
            path: str or path. Without a suffix: `.png`, `.md` and `.json` are
                appended.
        """
        self.print()
        self.plot(f"{path}.png")
        with write_aside(f"{path}.md") as aside:
            aside.write_text(self.to_markdown(), encoding="utf-8")
        self.save_json(f"{path}.json")

    def save_json(self, path):
        """Writes the results and the rows of the table.

        Numbers that are not finite become `null`.
        """
        content = {
            **_finite(dataclasses.asdict(self)),
            "rows": _finite([dataclasses.asdict(row) for row in self.rows()]),
        }
        text = json.dumps(content, indent=2, allow_nan=False)
        with write_aside(path) as aside:
            aside.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path):
        """Reads a report that `save_json` wrote."""
        content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        del content["rows"]
        results = []
        for fields in content.pop("results"):
            if fields["score"] is None:
                fields["score"] = math.nan
            results.append(MethodResult(**fields))
        return cls.from_results(results, **content)

    def _of(self, method):
        """The results of a method, by seed."""
        found = [r for r in self.results if r.method == method]
        return sorted(found, key=lambda result: result.seed)

    def _row(self, method):
        results = self._of(method)
        scores = tuple(result.score for result in results)
        latency = _mean(results, "latency_ms")
        teacher_latency = _mean(self._of(TEACHER), "latency_ms")
        return ReportRow(
            method=method,
            scores=scores,
            score=float(np.mean(scores)),
            score_std=_std(scores),
            loss=_mean(results, "loss"),
            score_before=_mean(results, "score_before"),
            scores_before=tuple(_known(results, "score_before")),
            agreement=_mean(results, "agreement"),
            parameters=results[0].parameters,
            benefits=self._benefits(scores),
            latency_ms=latency,
            speedup=(
                teacher_latency / latency
                if latency and teacher_latency
                else None
            ),
            steps=results[0].steps,
        )

    def _benefits(self, scores):
        teacher = [result.score for result in self._of(TEACHER)]
        dense = [result.score for result in self._of(DENSE)]

        def undefined(reason):
            return MoEBenefits(None, None, None, len(scores), reason)

        if not teacher or not dense:
            return undefined(f"needs the methods {TEACHER!r} and {DENSE!r}")
        gap = float(np.mean(teacher)) - float(np.mean(dense))
        if (gap < 0) == self.higher_is_better and gap != 0:
            return undefined("the MoE is worse than the dense model")
        return moe_benefits(scores, teacher, dense)


def _known(results, field):
    values = [getattr(result, field) for result in results]
    return [value for value in values if value is not None]


def _mean(results, field):
    values = _known(results, field)
    return float(np.mean(values)) if values else None


def _std(scores):
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else None


def _finite(value):
    """`value` with everything that JSON cannot write as `None`."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
