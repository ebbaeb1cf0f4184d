"""The picture of a curve report."""

import math

import matplotlib
import numpy as np
from matplotlib import figure

from ones_keras.reporting.picture_style import MUTED, tidy, write_title

_CONTROL = "#98a2ad"
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))
# Inches between two names beside the curves, at least.
_GAP = 0.2


def draw_curves(report):
    """Draws the mean of each method against `x`, with its standard error.

    The axis is logarithmic, with 0 at its left end. Names stand at the right
    ends of their curves, moved apart where they would meet; one whose curve
    ends below the panel stands at its foot, with an arrow. Controls are grey.
    The upper part of the scores is drawn again beside it, where most of the
    curves end.

    Args:
        report: `CurveReport`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    height = max(6.6, 1.3 + _GAP * len(report.methods))
    picture = figure.Figure(
        figsize=(13.0, height), layout="constrained", facecolor="white"
    )
    picture.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.06)
    whole, upper = picture.subplots(1, 2, width_ratios=[1.0, 1.25])
    colors = _colors(report)
    ends = {}
    for axes in (whole, upper):
        for method in report.methods:
            ends[method] = _draw_method(axes, report, method, colors[method])
        axes.set_xticks(
            _place(np.array(report.xs)), [f"{x:,}" for x in report.xs]
        )
        axes.set_xlabel(report.x_name)
        tidy(axes, grid="y")
        axes.tick_params(axis="y", colors=MUTED)
    low, high = _upper_range(report)
    upper.set_ylim(low, high)
    upper.set_title("the upper end, enlarged", fontsize=10, color=MUTED)
    heights = {
        method: (end - low) / (high - low) for method, end in ends.items()
    }
    _write_names(upper, heights, colors, _GAP / (height - 1.3))
    whole.set_ylabel(f"{report.metric} (%), mean ± standard error")
    whole.yaxis.label.set_color(MUTED)
    write_title(picture, report.title)
    return picture


def _colors(report):
    """Color and line style by method."""
    palette = matplotlib.colormaps["tab10"].colors
    students = [m for m in report.methods if m not in report.controls]
    styles = {
        method: (
            palette[index % len(palette)],
            _DASHES[index // len(palette) % len(_DASHES)],
        )
        for index, method in enumerate(students)
    }
    for index, method in enumerate(report.controls):
        styles[method] = (_CONTROL, _DASHES[index % len(_DASHES)])
    return styles


def _draw_method(axes, report, method, style):
    """One curve; returns the height of its right end in percent."""
    color, dashes = style
    found = [(x, report.scores(method, x)) for x in report.xs]
    found = [(x, scores) for x, scores in found if scores is not None]
    places = _place(np.array([x for x, _ in found]))
    means = np.array([100 * scores.mean() for _, scores in found])
    errors = np.array([_error(scores) for _, scores in found])
    if len(found) == 1 and found[0][0] == 0:
        # One that has no budget of its own is the same at every one.
        ends = _place(np.array([report.xs[0], report.xs[-1]]))
        axes.plot(ends, [means[0]] * 2, color=color, lw=1.4, ls=dashes)
        return means[0]
    axes.plot(places, means, color=color, lw=1.8, ls=dashes, marker="o", ms=3.5)
    axes.fill_between(
        places, means - errors, means + errors, color=color, alpha=0.15, lw=0
    )
    return means[-1]


def _error(scores):
    if len(scores) == 1:
        return 0.0
    return 100 * scores.std(ddof=1) / math.sqrt(len(scores))


def _place(xs):
    """Logarithmic, with room for 0."""
    return np.log10(np.maximum(xs, 0) + 10.0)


def _upper_range(report):
    """From half way down the later scores to their top."""
    later = [
        100 * report.scores(method, x).mean()
        for method in report.methods
        for x in report.xs[len(report.xs) // 2 :]
        if report.scores(method, x) is not None
    ]
    high = max(later)
    low = max(min(later), high - 2.5 * (high - np.median(later)) - 1.0)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _write_names(axes, heights, colors, gap):
    """The names at the right of the panel, at least a gap apart."""
    order = sorted(heights, key=heights.get)
    places = [min(max(heights[method], 0.0), 1.0) for method in order]
    # Upwards from the foot, then down again from the top.
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    ceiling = 1.0
    for index in reversed(range(len(places))):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - gap
    for method, place in zip(order, places, strict=True):
        below = heights[method] < 0
        axes.annotate(
            f"↓ {method}" if below else method,
            (1.0, place),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colors[method][0],
            annotation_clip=False,
        )
