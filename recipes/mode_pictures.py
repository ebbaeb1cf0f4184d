"""The pictures of `mode_experts.py`."""

import numpy as np
from best_alpha import best_alpha
from matplotlib import figure

from ones_keras.reporting.picture_style import MUTED, tidy, write_title

_COLORS = {"dense": "#1f6fb2", "sparse": "#d9822b"}


def draw_alphas(rows):
    """Accuracy against alpha 0, and how alike experts are, a column a task.

    Args:
        rows: list of `mode_report.Row`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    alphas = sorted({row.alpha for row in rows})
    picture = figure.Figure(
        figsize=(1.5 + 2.6 * len(tasks), 5.2),
        layout="constrained",
        facecolor="white",
    )
    panels = picture.subplots(
        2, len(tasks), squeeze=False, sharex=True, sharey="row"
    )
    for (above, below), task in zip(panels.T, tasks, strict=True):
        above.set_title(task, fontsize=10, color=MUTED)
        above.axhline(0, color=MUTED, lw=1, ls=(0, (4, 3)))
        for gate in dict.fromkeys(row.gate for row in rows):
            own = [row for row in rows if (row.task, row.gate) == (task, gate)]
            places = [alphas.index(row.alpha) for row in own]
            style = {"color": _COLORS[gate], "marker": "o", "ms": 4, "lw": 1.5}
            taught = [row for row in own if row.alpha]
            above.errorbar(
                [alphas.index(row.alpha) for row in taught],
                [100 * row.differences["accuracy"].mean for row in taught],
                [
                    200 * row.differences["accuracy"].standard_error
                    for row in taught
                ],
                capsize=3,
                label=f"{gate} gate",
                **style,
            )
            below.plot(
                places,
                [np.nanmean(row.values["similarity"]) for row in own],
                **style,
            )
        # Linear up to a point: gains are small, and what too much costs not.
        above.set_yscale("symlog", linthresh=1, linscale=2)
        above.set_yticks((-30, -10, -3, -1, 0, 1, 3), minor=False)
        above.minorticks_off()
        above.yaxis.set_major_formatter("{x:g}")
        below.set_ylim(0, 1.05)
        below.set_xlabel("alpha")
        below.set_xticks(range(len(alphas)), [f"{each:g}" for each in alphas])
        for axes in (above, below):
            tidy(axes, grid="y")
            axes.tick_params(axis="y", colors=MUTED)
    panels[0, 0].set_ylabel(
        "test accuracy minus alpha 0's (%)\n"
        "± two standard errors; beyond ±1 by factors",
        color=MUTED,
    )
    panels[1, 0].set_ylabel("similarity of the experts", color=MUTED)
    panels[0, 0].legend(frameon=False, fontsize=9, loc="lower left")
    write_title(picture, "Experts that teach each other")
    return picture


def draw_experts(rows):
    """Each expert alone on its own examples, without and with teaching.

    Experts by the share of examples that are theirs, which is written above
    their bars and is another order for each seed and alpha, and the mean over
    seeds; of the alphas above 0 the one that validation likes best.

    Args:
        rows: list of `mode_report.Row`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    gates = list(dict.fromkeys(row.gate for row in rows))
    pairs = [(task, gate) for gate in gates for task in tasks]
    picture = figure.Figure(
        figsize=(1.5 + 2.6 * len(tasks), 0.6 + 2.9 * len(gates)),
        layout="constrained",
        facecolor="white",
    )
    panels = picture.subplots(len(gates), len(tasks), squeeze=False)
    for axes, pair in zip(panels.flat, pairs, strict=True):
        own = [row for row in rows if (row.task, row.gate) == pair]
        found = {row.alpha: row for row in own}
        # Alone where nothing is taught.
        best = best_alpha(
            {
                alpha: row.values["validation"].mean()
                for alpha, row in found.items()
                if alpha or len(found) == 1
            }
        )
        shown = {alpha: found[alpha] for alpha in (0.0, best)}
        for place, (alpha, row) in enumerate(sorted(shown.items())):
            shares, means = by_share(row.values)
            experts = np.arange(len(means))
            bars = axes.bar(
                experts + 0.38 * place - 0.19,
                100 * means,
                width=0.36,
                color=("#9cc3e4", "#1f6fb2")[place],
                label=f"alpha {alpha:g}",
            )
            axes.bar_label(
                bars,
                [f"{100 * share:.0f}%" if share else "" for share in shares],
                fontsize=6,
                color=MUTED,
            )
        lowest = min(
            np.nanmin(by_share(row.values)[1]) for row in shown.values()
        )
        axes.set_ylim(max(0, 100 * lowest - 10), 104)
        axes.set_xticks(experts, [str(expert + 1) for expert in experts])
        axes.set_title(f"{pair[0]}, {pair[1]} gate", fontsize=10, color=MUTED)
        axes.set_xlabel("expert, by share")
        axes.legend(
            frameon=False,
            fontsize=8,
            ncols=2,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.22),
        )
        tidy(axes, grid="y")
        axes.tick_params(axis="y", colors=MUTED)
    for axes in panels[:, 0]:
        axes.set_ylabel("alone, on its own (%)", color=MUTED)
    write_title(picture, "Expert probing")
    return picture


def by_share(values):
    """Means over seeds of experts' shares and accuracies, the busiest first.

    Those of the accuracy are NaN where no seed has an expert with examples.
    """
    order = np.argsort(-values["share"], axis=1)
    shares, accuracy = (
        np.take_along_axis(values[name], order, axis=1)
        for name in ("share", "own_by_expert")
    )
    counted = np.isfinite(accuracy)
    total = np.where(counted, accuracy, 0).sum(axis=0)
    seeds = np.where(counted.any(axis=0), counted.sum(axis=0), np.nan)
    return shares.mean(axis=0), total / seeds
