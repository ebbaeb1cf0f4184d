"""What a run would be, of one that is not started."""

import dataclasses

import devices
import keras
from byte_size import byte_size
from memory_estimate import estimate_memory
from rich import console, table
from seed_study import imagined_cache

import ones_keras


def dry_run(settings, models, inputs, trainings, notes=None):
    """Prints settings, models, steps and memory.

    Memory is what the whole batch takes in float32, on all devices together,
    were nothing fused or computed again (`--batch_size` says how much of it).

    Args:
        settings: dataclass.
        models: dict from what it is called to a `keras.Model`.
        inputs: The `element_spec` of a training batch's inputs.
        trainings: dict from what is trained to `(name of its model, name of
            its teacher or None, steps, how often)`.
        notes: dict from what else is made to what is said of it, or `None`.
            Defaults to `None`.
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
    rows = dict(notes or {})
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


def dry_run_study(settings, teacher, batches, distilled_outputs=None):
    """`dry_run` of a teacher and the students of a comparison.

    `distilled_outputs` are keys of the teacher's outputs, or `None` for all.
    """
    student = ones_keras.gather(teacher, method="random")
    seeds, students = len(settings.seeds), len(settings.methods)
    inputs, notes = batches.element_spec[0], {}
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
    if settings.teacher_cache:
        cache = imagined_cache(settings, teacher, distilled_outputs)
        notes["teacher's outputs"] = (
            f"{seeds} x {cache.steps} steps, {byte_size(cache.size(inputs))} "
            "on disk until a seed is done"
        )
    dry_run(
        settings,
        {"Teacher": teacher, "Student": student},
        inputs,
        trainings,
        notes,
    )


def _table(first, second, rows):
    found = table.Table(first, second)
    for name, value in rows.items():
        found.add_row(name, str(value))
    return found
