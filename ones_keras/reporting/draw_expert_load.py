"""The picture of how much work each expert gets."""

import math

import numpy as np
from matplotlib import figure

from ones_keras.reporting.picture_style import MUTED, tidy, write_title

_BAR, _SEED = "#9cc3e4", "#1f6fb2"
_COLUMNS = 4


def draw_expert_load(loads, title=""):
    """Draws each expert's share of the routed tokens, a panel a layer.

    A bar is the mean over seeds, a dot one of them, and the dashed line an
    equal share.

    Args:
        loads: dict from name of a layer to an array `(seeds, num_experts)` of
            shares, as in `RouterStatistics`.
        title: string. Heading. Defaults to `""`.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:

    ```python
    loads = {"feed_forward": np.array([[0.4, 0.3, 0.2, 0.1]])}
    draw_expert_load(loads).savefig("experts.png")
    ```
    """
    columns = min(_COLUMNS, len(loads))
    rows = math.ceil(len(loads) / columns)
    picture = figure.Figure(
        figsize=(max(6.0, 1.0 + 3.6 * columns), 0.9 + 2.5 * rows),
        layout="constrained",
        facecolor="white",
    )
    picture.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    panels = picture.subplots(rows, columns, squeeze=False, sharey=True).flat
    for axes, (name, shares) in zip(panels, loads.items(), strict=False):
        shares = 100 * np.asarray(shares)
        experts = np.arange(shares.shape[1])
        axes.bar(experts, shares.mean(axis=0), color=_BAR, width=0.7)
        if len(shares) > 1:
            for seed in shares:
                axes.plot(experts, seed, "o", color=_SEED, ms=3)
        axes.axhline(100 / len(experts), color=MUTED, lw=1, ls=(0, (4, 3)))
        if len(experts) <= 16:
            axes.set_xticks(experts, [str(expert + 1) for expert in experts])
        axes.set_title(name, fontsize=10, color=MUTED)
        axes.set_xlabel("expert")
        tidy(axes, grid="y")
        axes.tick_params(axis="y", colors=MUTED)
        axes.set_ylim(bottom=0)
    panels = list(picture.axes)
    for axes in panels[len(loads) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel("share of the tokens (%)", color=MUTED)
    write_title(picture, title)
    return picture
