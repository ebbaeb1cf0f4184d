"""The picture of how models were trained."""

import matplotlib
from matplotlib import figure

from ones_keras.reporting.method_result import DENSE, TEACHER
from ones_keras.reporting.picture_style import MUTED, tidy, write_title

_REFERENCES = {TEACHER: "#b7410e", DENSE: "#52606d"}


def draw_learning_curves(logs, panels, title=""):
    """Draws values against training steps, a curve a method and seed.

    Args:
        logs: dict from method to a list, of one log a seed: a list of dicts
            with `"step"` and values by name.
        panels: dict from name of a value to what its axis says. A panel each.
        title: string. Heading. Defaults to `""`.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:

    ```python
    log = [{"step": 10, "loss": 0.9}, {"step": 20, "loss": 0.7}]
    picture = draw_learning_curves({"svd": [log]}, {"loss": "training loss"})
    picture.savefig("curves.png")
    ```
    """
    picture = figure.Figure(
        figsize=(1.6 + 4.7 * len(panels), 4.4),
        layout="constrained",
        facecolor="white",
    )
    picture.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.04)
    columns = picture.subplots(1, len(panels), squeeze=False)[0]
    palette = matplotlib.colormaps["tab10"].colors
    students = [method for method in logs if method not in _REFERENCES]
    colors = _REFERENCES | {
        method: palette[index % len(palette)]
        for index, method in enumerate(students)
    }
    lines = {}
    for axes, (name, label) in zip(columns, panels.items(), strict=True):
        for method, seeds in logs.items():
            for log in seeds:
                rows = [row for row in log if name in row]
                (lines[method],) = axes.plot(
                    [row["step"] for row in rows],
                    [row[name] for row in rows],
                    color=colors[method],
                    lw=1.5,
                    marker="o",
                    ms=2.5,
                )
        axes.set_xlabel("training steps")
        axes.set_ylabel(label, color=MUTED)
        axes.tick_params(axis="y", colors=MUTED)
        tidy(axes, grid="y")
    picture.legend(
        lines.values(),
        lines,
        loc="outside right center",
        frameon=False,
        labelcolor="linecolor",
    )
    write_title(picture, title)
    return picture
