"""What mutual distillation does to a mixture and to its experts."""

import dataclasses
import json

import numpy as np
from best_alpha import best_alpha
from mode_pictures import by_share, draw_alphas, draw_experts
from mode_runs import Mixture
from mode_tasks import SPLIT_BY_SEED, TEST_TO_TRAIN
from paired_difference import PairedDifference
from rich import box, console, table

from ones_keras.write_aside import write_aside

_COLUMNS = ("gate", "alpha", "accuracy", "minus alpha 0", "p", "alike")
_PROBING = (
    *("gate", "alpha", "own", "minus alpha 0", "p"),
    *("best", "all", "routing"),
)
_NOTES = (
    "Accuracy: on test examples, in %, mean over {seeds} seeds ± standard "
    "deviation. Minus alpha 0: mean of the differences, seed by seed, ± its "
    "standard error, and p of a paired t-test, for each line alone: of many "
    "lines some are below 0.05 by chance. Seeds differ in how a training "
    "begins and in its order, on one test split; of breast_cancer, iris and "
    "wine also in the split, for which the error is corrected (Nadeau and "
    "Bengio). Of docstrings all packages count alike, in validation too: the "
    "splits have very different shares of them. * is the alpha that validation "
    "likes best, the smallest if it likes several. Alike: linear centred "
    "kernel alignment of two experts' logits, 1 where they are the same up to "
    "rotation, factor and offset.",
    "Own: accuracy of the experts alone, each on the test examples that the "
    "gate gives it more of than any other. Best, all: of the experts alone on "
    "all examples, the best one and the mean; where own is not above best, the "
    "gate's choice is worth nothing. Routing: of the examples that some "
    "experts get right, and some wrong, the share that the gate gives to one "
    "that is right, and what it would be at random. Numbers: the experts by "
    "the share of the examples that is their own, in %, and their accuracy "
    "there, means over the seeds that gave it any.",
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One alpha of a task and gate.

    Attributes:
        values: dict from name to an array `(seeds,)`.
        differences: dict of `PairedDifference`s to alpha 0, of the mixture's
            `accuracy` and the experts' `own`; empty of alpha 0.
        chosen: bool. Whether validation likes it best.
    """

    task: str
    gate: str
    alpha: float
    values: dict
    differences: dict
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
            best = best_alpha(
                {a: v["validation"].mean() for a, v in found.items()}
            )
            ratio = TEST_TO_TRAIN if task in SPLIT_BY_SEED else 0.0
            for alpha, values in found.items():
                differences = {
                    name: PairedDifference(
                        values[name], found[0.0][name], ratio
                    )
                    for name in ("accuracy", "own")
                    if alpha
                }
                rows.append(
                    Row(task, gate, alpha, values, differences, alpha == best)
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
        "best": [max(probe["accuracy_on_all"]) for probe in probes],
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
    """Print two tables a task; write report.md, report.json and pictures."""
    rows = make_rows(settings, records)
    notes = [note.format(seeds=len(settings.seeds)) for note in _NOTES]
    out, markdown = console.Console(), []
    numbers = [str(1 + expert) for expert in range(settings.num_experts)]
    for task in settings.tasks:
        own = [row for row in rows if row.task == task]
        markdown += [f"### {task}", ""]
        for title, columns, cells in (
            (task, _COLUMNS, _cells),
            (f"{task}: experts alone", (*_PROBING, *numbers), _probing_cells),
        ):
            lines = [cells(row) for row in own]
            out.print(_table(title, columns, lines))
            rules = [":--", *("--:" for _ in columns[1:])]
            markdown += [
                *(f"| {' | '.join(line)} |" for line in (columns, rules)),
                *(f"| {' | '.join(line)} |" for line in lines),
                "",
            ]
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


def _table(title, columns, lines):
    found = table.Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in columns:
        justify = "left" if name == "gate" else "right"
        found.add_column(name, justify=justify, overflow="fold")
    for line in lines:
        found.add_row(*line)
    return found


def _cells(row):
    accuracy = row.values["accuracy"]
    spread = f" ± {100 * accuracy.std(ddof=1):.2f}" if len(accuracy) > 1 else ""
    return [
        *_name(row),
        f"{100 * accuracy.mean():.2f}{spread}",
        *_difference(row, "accuracy"),
        _mean_text(row.values["similarity"], ".3f"),
    ]


def _probing_cells(row):
    values = row.values
    experts = [
        f"{100 * share:.0f}: {100 * accuracy:.1f}" if share else "0"
        for share, accuracy in zip(*by_share(values), strict=True)
    ]
    return [
        *_name(row),
        f"{100 * values['own'].mean():.1f}",
        *_difference(row, "own"),
        f"{100 * values['best'].mean():.1f}",
        f"{100 * values['all'].mean():.1f}",
        _mean_text(100 * values["routing"], ".0f")
        + f" ({_mean_text(100 * values['chance'], '.0f')})",
        *experts,
    ]


def _name(row):
    return row.gate, f"{row.alpha:g}{' *' if row.chosen else ''}"


def _difference(row, name):
    found = row.differences.get(name)
    return (str(found), found.p_text) if found else ("", "")


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
            name: {
                key: plain(getattr(found, key))
                for key in ("mean", "standard_error", "p")
            }
            for name, found in row.differences.items()
        },
        **{name: plain(value) for name, value in row.values.items()},
    }


def _write(path, text):
    with write_aside(path) as aside:
        aside.write_text(text + "\n")
