"""Table, picture and JSON of a gathering study."""

import dataclasses

from gathering_runs import TEACHER, list_jobs
from gathering_settings import DENSE, DENSE_LONGER, TEACHER_LONGER
from rich import console, markdown

from ones_keras.reporting import CurvePoint, CurveReport
from ones_keras.reporting.curve_report import mean_text
from ones_keras.write_aside import write_aside

CONTROLS = (TEACHER, TEACHER_LONGER, DENSE, DENSE_LONGER)


def write_report(settings, output_dir, folders):
    """Writes report.{json,md,png}, and those of the calibration sizes."""
    budgets, sizes = [], []
    for seed, folder in folders.items():
        for job in list_jobs(settings):
            record = folder.load(job)
            point = CurvePoint(
                method=job.row,
                seed=seed,
                x=job.images or job.budget,
                score=record["score"],
                loss=record["loss"],
                agreement=record["agreement"],
                parameters=record["parameters"],
            )
            (sizes if job.images else budgets).append(point)
            if job.row in (TEACHER, DENSE_LONGER):
                # They know no calibration: the same at every size.
                sizes.append(dataclasses.replace(point, x=0))
    report = CurveReport(
        tuple(budgets),
        x_name="distillation steps",
        title=f"Gathering on {settings.dataset} ({settings.model})",
        controls=CONTROLS,
    )
    text = _budget_text(report, settings)
    report.save_json(output_dir / "report.json")
    report.plot(output_dir / "report.png")
    if settings.calibration_sizes:
        by_size = CurveReport(
            tuple(sizes),
            x_name="calibration images",
            title=f"As gathered, by calibration images ({settings.dataset})",
            controls=(TEACHER, DENSE_LONGER),
        )
        text += (
            f"\nAs gathered, before any training:\n\n{by_size.to_markdown()}"
        )
        by_size.save_json(output_dir / "calibration.json")
        by_size.plot(output_dir / "calibration.png")
    with write_aside(output_dir / "report.md") as aside:
        aside.write_text(text)
    out = console.Console()
    if not out.is_terminal:  # A log file has no margin.
        out.width = max(out.width, 180)
    out.print(markdown.Markdown(text))


def _budget_text(report, settings):
    last = max(settings.budgets)
    longer = settings.teacher_steps + last
    against = (
        (TEACHER, 0),
        (TEACHER_LONGER, last),
        (DENSE, last),
        (DENSE_LONGER, longer),
    )
    count = len(settings.seeds)
    seeds = (
        "one seed" if count == 1 else f"{count} seeds, mean ± standard error"
    )
    lines = [
        f"Test accuracy (%) by distillation steps, {seeds}; the differences "
        "are those at the most steps, paired by seed.\n",
        # The dense model of all steps has its own place on the axis.
        report.to_markdown(against, [0, *sorted(settings.budgets)]),
        f"- {DENSE_LONGER}: trained for {longer:,} steps, "
        f"{mean_text(report.scores(DENSE_LONGER, longer))} %.",
        f"- {TEACHER_LONGER}: the teacher trained on, on the labels, for as "
        "many steps as a student.",
    ]
    goal = report.scores(TEACHER, 0).mean()
    for row in settings.methods:
        steps = report.first_reaching(row, goal)
        reached = "does not reach its teacher"
        if steps == 0:
            reached = "is as good as its teacher as gathered"
        elif steps is not None:
            share = steps / settings.teacher_steps
            reached = (
                f"reaches its teacher after about {steps:,.0f} steps, "
                f"{100 * share:.0f} % of the teacher's own"
            )
        benefits = report.benefits(row, last, last)
        lines.append(f"- {row}: MoE benefits {benefits}; {reached}.")
    return "\n".join(lines) + "\n"
