"""What mutual distillation does to a mixture and to its experts."""

import dataclasses
import json

import numpy as np
from mode_pictures import draw_alphas, draw_experts
from mode_runs import Mixture
from mode_tasks import SPLIT_BY_SEED, TEST_TO_TRAIN
from paired_difference import PairedDifference
from rich import box, console, table

from ones_keras.write_aside import write_aside

_COLUMNS = (
    *("gate", "alpha", "accuracy", "minus alpha 0", "p"),
    *("own", "all", "routing", "alike"),
)
_NOTES = (
    "Accuracy: on test examples, in %, mean over {seeds} seeds ± standard "
    "deviation. Minus alpha 0: mean of the differences, seed by seed, ± its "
    "standard error, and p of a paired t-test, for each line alone: of many "
    "lines some are below 0.05 by chance. Seeds differ in how a training "
    "begins and in its order, on one test split; of breast_cancer and wine "
    "also in the split, for which the error is corrected (Nadeau and Bengio). "
    "* is the alpha that validation likes best.",
    "Own: accuracy of the experts alone, each on the test examples that the "
    "gate gives it more of than any other. All: of the experts alone on all "
    "examples, the mean. Routing: of the examples that some experts get right, "
    "and some wrong, the share that the gate gives to one that is right, and "
    "what it would be at random. Alike: linear centred kernel alignment of two "
    "experts' logits, 1 where they are the same up to rotation, factor and "
    "offset.",
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One alpha of a task and gate.

    Attributes:
        values: dict from name to an array `(seeds,)`.
        difference: `PairedDifference` or `None`, of the test accuracy to that
            of alpha 0.
        chosen: bool. Whether validation likes it best.
    """

    task: str
    gate: str
    alpha: float
    values: dict
    difference: PairedDifference | None
    chosen: bool


def make_rows(settings, records):
    """A row a task, gate and alpha."""
    rows = []
    for task in settings.tasks:
        for gate in settings.gates:
            found = {
                alpha: _values(settings, records, task, gate, alpha)
                for alpha in settings.alphas
            }
            best = max(found, key=lambda a: found[a]["validation"].mean())
            for alpha, values in found.items():
                difference = None
                if alpha:
                    difference = PairedDifference(
                        values["accuracy"],
                        found[0.0]["accuracy"],
                        TEST_TO_TRAIN if task in SPLIT_BY_SEED else 0.0,
                    )
                rows.append(
                    Row(task, gate, alpha, values, difference, alpha == best)
                )
    return rows


def _values(settings, records, task, gate, alpha):
    found = [
        records.read(Mixture(task, gate, alpha, seed))
        for seed in settings.seeds
    ]
    probes = [record["probe"] for record in found]
    values = {
        "validation": [record["validation"] for record in found],
        "accuracy": [probe["mixture_accuracy"] for probe in probes],
        "own": [probe["own_accuracy"] for probe in probes],
        "all": [np.mean(probe["accuracy_on_all"]) for probe in probes],
        "routing": [probe["routing_accuracy"] for probe in probes],
        "chance": [probe["chance"] for probe in probes],
        "similarity": [probe["similarity"] for probe in probes],
        "share": [probe["share"] for probe in probes],
        "own_by_expert": [probe["accuracy"] for probe in probes],
    }
    # `None`, which is NaN, where an expert has no examples.
    return {name: np.array(each, "float64") for name, each in values.items()}


def write_report(settings, output_dir, records):
    """Print a table a task; write report.md, report.json and the pictures."""
    rows = make_rows(settings, records)
    notes = [note.format(seeds=len(settings.seeds)) for note in _NOTES]
    out, markdown = console.Console(), []
    for task in settings.tasks:
        lines = [_cells(row) for row in rows if row.task == task]
        printed = table.Table(
            title=task,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        for name in _COLUMNS:
            printed.add_column(
                name,
                justify="left" if name == "gate" else "right",
                overflow="fold",
            )
        for line in lines:
            printed.add_row(*line)
        out.print(printed)
        rules = [":--", *("--:" for _ in _COLUMNS[1:])]
        markdown += [f"### {task}", ""]
        markdown += [
            f"| {' | '.join(line)} |" for line in (_COLUMNS, rules, *lines)
        ]
        markdown.append("")
    for note in notes:
        out.print(note, highlight=False, markup=False)
    _write(output_dir / "report.md", "\n".join([*markdown, *notes]))
    content = {
        "settings": dataclasses.asdict(settings),
        "rows": [_plain(row) for row in rows],
    }
    _write(output_dir / "report.json", json.dumps(content, indent=1))
    for name, picture in (
        ("report", draw_alphas(rows)),
        ("experts", draw_experts(rows)),
    ):
        with write_aside(output_dir / f"{name}.png") as aside:
            picture.savefig(aside, dpi=160)


def _cells(row):
    values = row.values
    accuracy = values["accuracy"]
    spread = f" ± {100 * accuracy.std(ddof=1):.2f}" if len(accuracy) > 1 else ""
    return [
        row.gate,
        f"{row.alpha:g}{' *' if row.chosen else ''}",
        f"{100 * accuracy.mean():.2f}{spread}",
        str(row.difference or ""),
        row.difference.p_text if row.difference else "",
        f"{100 * values['own'].mean():.1f}",
        f"{100 * values['all'].mean():.1f}",
        _mean_text(100 * values["routing"], ".0f")
        + f" ({_mean_text(100 * values['chance'], '.0f')})",
        _mean_text(values["similarity"], ".3f"),
    ]


def _mean_text(values, pattern):
    values = values[np.isfinite(values)]
    return f"{values.mean():{pattern}}" if len(values) else ""


def _plain(row):
    def plain(value):
        if isinstance(value, np.ndarray):
            return [plain(each) for each in value]
        return None if np.isnan(value) else float(value)

    return {
        "task": row.task,
        "gate": row.gate,
        "alpha": row.alpha,
        "chosen_by_validation": row.chosen,
        "minus_alpha_0": {
            name: plain(getattr(row.difference, name))
            for name in ("mean", "standard_error", "p")
        }
        if row.difference
        else None,
        **{name: plain(value) for name, value in row.values.items()},
    }


def _write(path, text):
    with write_aside(path) as aside:
        aside.write_text(text + "\n")
