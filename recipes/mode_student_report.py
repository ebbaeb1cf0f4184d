"""What mutual distillation of a teacher's experts does to its students."""

import json

import keras
import numpy as np
from best_alpha import best_alpha
from gathering_runs import TEACHER, Job, list_students
from matplotlib import figure
from paired_difference import PairedDifference
from rich import console, markdown

from ones_keras.mutual import expert_similarity
from ones_keras.reporting.picture_style import MUTED, tidy, write_title
from ones_keras.write_aside import write_aside

# Examples that the experts' likeness is measured on.
_EXAMPLES = 256


def write_report(settings, images, output_dir, folders):
    """Print the table; write report.md, report.json and report.png."""
    jobs = list_students(settings)
    scores = {
        (alpha, job): np.array(
            [folders[alpha, seed].load(job)["score"] for seed in settings.seeds]
        )
        for alpha in settings.alphas
        for job in jobs
    }
    chosen = _choices(settings, jobs, folders)
    alike = _similarities(settings, images, folders)
    text = _text(settings, jobs, scores, chosen, alike)
    with write_aside(output_dir / "report.md") as aside:
        aside.write_text(text)
    content = {
        "seeds": settings.seeds,
        "similarity": [
            {"alpha": alpha, "by_seed": found} for alpha, found in alike.items()
        ],
        "scores": [
            {
                "alpha": alpha,
                "row": job.row,
                "budget": job.budget,
                "by_seed": found.tolist(),
                "chosen_by_validation": chosen.get(job) == alpha,
            }
            for (alpha, job), found in scores.items()
        ],
    }
    with write_aside(output_dir / "report.json") as aside:
        aside.write_text(json.dumps(content, indent=1) + "\n")
    with write_aside(output_dir / "report.png") as aside:
        _draw(settings, jobs, scores).savefig(aside, dpi=160)
    out = console.Console()
    if not out.is_terminal:  # A log file has no margin.
        out.width = max(out.width, 140)
    out.print(markdown.Markdown(text))


def _choices(settings, jobs, folders):
    """The alpha that validation likes best, of each row that was trained."""
    chosen = {}
    for job in jobs:
        found = {
            alpha: [
                folders[alpha, seed].load(job)["validation"]
                for seed in settings.seeds
            ]
            for alpha in settings.alphas
        }
        if None not in found[0.0]:
            chosen[job] = best_alpha(
                {alpha: np.mean(values) for alpha, values in found.items()}
            )
    return chosen


def _similarities(settings, images, folders):
    """Of the teachers' experts, by alpha, a list by seed."""
    batch = next(iter(images.validation(_EXAMPLES)))[0]
    found = {alpha: [] for alpha in settings.alphas}
    for (alpha, _), folder in folders.items():
        path = folder.model_path(Job(TEACHER, 0))
        teacher = keras.models.load_model(path, compile=False)
        layers = expert_similarity(teacher, np.asarray(batch))
        found[alpha].append(float(np.mean([*layers.values()])))
    return found


def _text(settings, jobs, scores, chosen, alike):
    count = len(settings.seeds)
    lines = [
        f"Test accuracy (%), {'one seed' if count == 1 else f'{count} seeds'}. "
        "Of alpha 0 the mean and the standard deviation; of others the mean "
        "difference to it, seed by seed, its standard error, and p of a "
        "paired t-test, for each cell alone: of many some are below 0.05 by "
        "chance. * is the alpha that validation likes best, the smallest if it "
        "likes several. 0 steps: as gathered.",
        "",
        f"| | steps |{' | '.join(f' alpha {a:g}' for a in settings.alphas)} |",
        f"|:--|--:|{'--:|' * len(settings.alphas)}",
    ]
    for job in jobs:
        cells = []
        for alpha in settings.alphas:
            own, base = scores[alpha, job], scores[0.0, job]
            if alpha == 0:
                spread = f" ± {100 * own.std(ddof=1):.2f}" if count > 1 else ""
                cell = f"{100 * own.mean():.2f}{spread}"
            else:
                found = PairedDifference(own, base)
                said = f" ({found.p_text})" if found.p_text else ""
                cell = f"{found}{said}"
            star = " *" if chosen.get(job) == alpha else ""
            cells.append(f"{cell}{star}")
        steps = "" if job.row == TEACHER else job.budget
        lines.append(f"| {job.row} | {steps} | {' | '.join(cells)} |")
    cells = [f"{np.mean(alike[alpha]):.3f}" for alpha in settings.alphas]
    lines.append(f"| *experts alike* | | {' | '.join(cells)} |")
    lines += [
        "",
        "Experts alike: linear centred kernel alignment of two experts' "
        "outputs on validation tokens, 1 where they are the same up to "
        "rotation, factor and offset.",
    ]
    return "\n".join(lines) + "\n"


def _draw(settings, jobs, scores):
    """Differences to alpha 0, a panel a budget, a line a method."""
    alphas = sorted(settings.alphas)
    panels = dict.fromkeys(job.budget for job in jobs)
    picture = figure.Figure(
        figsize=(2 + 3.4 * len(panels), 4),
        layout="constrained",
        facecolor="white",
    )
    found = picture.subplots(1, len(panels), squeeze=False)[0]
    for axes, budget in zip(found, panels, strict=True):
        axes.axhline(0, color=MUTED, lw=1, ls=(0, (4, 3)))
        for job in jobs:
            if job.row != TEACHER and job.budget != budget:
                continue
            differences = [
                PairedDifference(scores[alpha, job], scores[0.0, job])
                for alpha in alphas
            ]
            is_teacher = job.row == TEACHER
            axes.errorbar(
                range(len(alphas)),
                [100 * each.mean for each in differences],
                [200 * each.standard_error for each in differences],
                label=job.row,
                lw=2.5 if is_teacher else 1.4,
                color="#1f2933" if is_teacher else None,
                marker="o",
                ms=3,
                capsize=2,
            )
        axes.set_title(
            f"{budget} steps" if budget else "as gathered",
            fontsize=10,
            color=MUTED,
        )
        axes.set_xticks(range(len(alphas)), [f"{each:g}" for each in alphas])
        axes.set_xlabel("alpha")
        tidy(axes, grid="y")
        axes.tick_params(axis="y", colors=MUTED)
    found[0].set_ylabel(
        "test accuracy minus alpha 0's (%)\n± two standard errors", color=MUTED
    )
    found[-1].legend(
        frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    write_title(picture, "Students of experts that teach each other")
    return picture
