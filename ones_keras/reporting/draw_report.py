"""The picture of a report."""

import math

from matplotlib import figure

from ones_keras.reporting.method_result import DENSE, TEACHER
from ones_keras.reporting.picture_style import (
    INK,
    MUTED,
    tidy,
    write_title,
)
from ones_keras.reporting.tabulate import benefits_text, score_text

_STUDENT, _BEFORE = "#1f6fb2", "#9cc3e4"
# Distance of the written columns from the panel, in points.
_SCORE_COLUMN, _BENEFITS_COLUMN = 8, 98
_REFERENCES = {TEACHER: "#b7410e", DENSE: "#52606d"}


def draw_report(report):
    """Draws scores, benefits and the scores of the gathered students.

    Left, a dot a method at its mean score, with the seeds as small rings, the
    standard deviation as a bar, and a line from the dense baseline: its length
    is what the method gained. Teacher and dense are vertical lines. The better
    side is always the right one. Right, where there are any, the scores that
    the students start from.

    Args:
        report: `Report`.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:

    ```python
    from ones_keras.reporting import MethodResult, Report

    results = [MethodResult("top_k", seed=0, score=0.931)]
    draw_report(Report.from_results(results)).savefig("report.png")
    ```
    """
    rows = report.rows()
    has_before = any(row.score_before is not None for row in rows)
    picture = figure.Figure(
        figsize=(11.0 if has_before else 8.5, 1.9 + 0.52 * len(rows)),
        layout="constrained",
        facecolor="white",
    )
    picture.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.04)
    panels = picture.subplots(
        1,
        2 if has_before else 1,
        sharey=True,
        squeeze=False,
        width_ratios=[3.4, 1.0] if has_before else None,
    )[0]
    _draw_scores(panels[0], report, rows)
    if has_before:
        _draw_before(panels[1], report, rows)
    write_title(picture, report.title)
    return picture


def _draw_scores(axes, report, rows):
    scale = 100 if report.percent else 1
    references = {r.method: r for r in rows if r.method in _REFERENCES}
    start = references.get(DENSE)
    for name, row in references.items():
        axes.axvline(
            scale * row.score, color=_REFERENCES[name], lw=1.2, ls=(0, (4, 3))
        )
    for y, row in enumerate(rows):
        color = _REFERENCES.get(row.method, _STUDENT)
        if start is not None and row is not start:
            axes.plot(
                [scale * start.score, scale * row.score],
                [y, y],
                color=color,
                lw=5,
                alpha=0.22,
                solid_capstyle="butt",
            )
        if row.score_std is not None:
            axes.errorbar(
                scale * row.score,
                y,
                xerr=scale * row.score_std,
                color=color,
                lw=1.5,
                capsize=3.5,
            )
            axes.plot(
                [scale * score for score in row.scores],
                [y] * len(row.scores),
                linestyle="none",
                marker="o",
                markersize=5,
                markerfacecolor="white",
                markeredgecolor=color,
                markeredgewidth=1.0,
                zorder=3,
            )
        axes.plot(
            scale * row.score,
            y,
            marker="o",
            markersize=9,
            color=color,
            zorder=4,
        )
        _write_beside(axes, report, row, y, color)

    axes.set_yticks(range(len(rows)), [row.method for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(_REFERENCES.get(row.method, INK))
        label.set_fontweight("bold")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if not report.higher_is_better:
        axes.invert_xaxis()
    axes.margins(x=0.06)
    unit = " (%)" if report.percent else ""
    reverse = "" if report.higher_is_better else ", axis reversed"
    axes.set_xlabel(f"{report.metric}{unit}{reverse}; better to the right")
    tidy(axes, grid="x")


def _write_beside(axes, report, row, y, color):
    """Score and benefits, in two columns right of the panel."""
    score = score_text(report, row.score, row.score_std)
    _write_right_of(axes, _SCORE_COLUMN, y, score, color=INK)
    _write_right_of(
        axes,
        _BENEFITS_COLUMN,
        y,
        benefits_text(row),
        color=color,
        fontweight="bold",
    )
    if y == 0:
        spread = "mean ± std" if row.score_std is not None else "score"
        _write_right_of(axes, _SCORE_COLUMN, -0.75, spread, color=MUTED)
        _write_right_of(
            axes, _BENEFITS_COLUMN, -0.75, "MoE benefits", color=MUTED
        )


def _write_right_of(axes, points, y, text, **style):
    axes.annotate(
        text,
        (1.0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        annotation_clip=False,
        **style,
    )


def _draw_before(axes, report, rows):
    scale = 100 if report.percent else 1
    for y, row in enumerate(rows):
        # A value that is no number has no place on the axis.
        values = [scale * v for v in row.scores_before if math.isfinite(v)]
        if not values:
            continue
        axes.barh(y, scale * row.score_before, height=0.5, color=_BEFORE)
        if len(values) > 1:
            axes.plot(
                values,
                [y] * len(values),
                linestyle="none",
                marker="o",
                markersize=4,
                markerfacecolor="white",
                markeredgecolor=_STUDENT,
                markeredgewidth=0.9,
            )
        axes.annotate(
            score_text(report, row.score_before),
            (max(values), y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.set_xlim(0, 1.45 * axes.get_xlim()[1])
    axes.set_xlabel("as gathered" + (" (%)" if report.percent else ""))
    axes.tick_params(labelleft=False)
    tidy(axes, grid="x")
