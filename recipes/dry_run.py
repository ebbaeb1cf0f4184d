"""What a run would be, of one that is not started."""

import dataclasses

import devices
import keras
from memory_estimate import estimate_memory
from rich import console, table

import ones_keras


def dry_run(settings, models, inputs, trainings):
    """Prints settings, models, steps and memory.

    Memory is what the whole batch takes in float32, on all devices together,
    were nothing fused or computed again (`--batch_size` says how much of it).

    Args:
        settings: dataclass.
        models: dict from what it is called to a `keras.Model`.
        inputs: The `element_spec` of a training batch's inputs.
        trainings: dict from what is trained to `(name of its model, name of
            its teacher or None, steps, how often)`.
    """
    printed, strategy = console.Console(), devices.strategy()
    printed.print(
        _table(
            "setting",
            "value",
            {
                **dataclasses.asdict(settings),
                "backend": keras.config.backend(),
                "devices": f"{strategy.num_devices} ({strategy.name})",
            },
        )
    )
    for name, model in models.items():
        print(name)
        model.summary()
    rows = {}
    for title, (name, teacher, steps, times) in trainings.items():
        memory = estimate_memory(
            models[name], inputs, settings.optimizer, models.get(teacher)
        )
        rows[title] = (
            f"{times} x {steps} steps of {settings.batch_size} examples, "
            f"{memory}"
        )
    printed.print(_table("training", "", rows))
    print("Nothing was started (--dry_run).")


def dry_run_study(settings, teacher, batches):
    """`dry_run` of a teacher and the students of a comparison."""
    student = ones_keras.gather(teacher, method="random")
    seeds, students = len(settings.seeds), len(settings.methods)
    steps, trainings = settings.teacher_steps, {}
    if getattr(settings, "teacher", ""):
        steps = settings.student_steps  # One that is given is not trained.
    else:
        trainings["teacher"] = ("Teacher", None, steps, seeds)
    trainings["dense"] = ("Student", None, steps, seeds)
    if getattr(settings, "ablation", False):
        # Each without distillation and with the hard one, and no gathering.
        students = 3 * students + ("distill" not in settings.methods)
        longer = settings.teacher_steps + settings.student_steps
        trainings["dense, longer"] = ("Student", None, longer, seeds)
    trainings["students"] = (
        "Student",
        "Teacher",
        settings.student_steps,
        seeds * students,
    )
    dry_run(
        settings,
        {"Teacher": teacher, "Student": student},
        batches.element_spec[0],
        trainings,
    )


def _table(first, second, rows):
    found = table.Table(first, second)
    for name, value in rows.items():
        found.add_row(name, str(value))
    return found
