r"""Do experts that teach each other gather into a better dense student?

The question that joins MoDE (https://arxiv.org/abs/2402.00893) and OneS:
trains teachers with several weights of mutual distillation, gathers each by
several methods, distils the students for each budget of steps, and compares
with those of the teacher without (alpha 0), seed by seed.

    python recipes/mode_students.py

has a look at two methods on the 8x8 digits. The study of docs/mode.md, with
four methods, two budgets and the training of docs/gathering.md otherwise:

    python recipes/mode_students.py --config=digits --backend=jax

`--output_dir` gets report.json, report.md, report.png, launch.json, and a
folder an alpha that is the folder of a `gathering_study.py` without its
controls: an interrupted study goes on where it was, and alphas, rows, budgets
and seeds can be added to a finished one.
"""

import dataclasses
import sys
import time

from absl import app, flags, logging
from launch import (
    check_output_path,
    choose_backend,
    define_flags,
    exit_when_stopped,
    keras_home,
    load_images,
    make_output_dir,
    make_progress,
    output_path,
    read_settings,
)
from mode_student_settings import CONFIGS, HELP, StudentSettings

FLAGS = flags.FLAGS

define_flags(StudentSettings, HELP, CONFIGS)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    logging.set_verbosity(logging.WARNING)  # The progress bar says it all.
    try:
        settings, _ = read_settings(StudentSettings, CONFIGS)
        check_output_path(settings)
        choose_backend(settings, keras_home(settings))
        images = load_images(settings, settings.image_size or None)
        from gathering_runs import SeedFolder, identity, rehearse
        from image_study import check_patches

        rehearse(settings, images, check_patches(settings, images))
        folders = {
            (alpha, seed): SeedFolder(
                output_path() / f"alpha_{alpha:g}" / f"seed_{seed}",
                identity(settings.of_alpha(alpha)),
                # A setting that is newer than a record had its default then.
                dataclasses.asdict(StudentSettings()),
            )
            for seed in settings.seeds
            for alpha in settings.alphas
        }
        if FLAGS.dry_run:
            show(settings, images)
            return
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"mode_students: {error}")
    run(settings, images, folders)
    from mode_student_report import write_report

    write_report(settings, images, output_dir, folders)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def show(settings, images):
    """Print what a run would be."""
    from dry_run import dry_run
    from image_study import build_teacher

    import ones_keras

    teacher = build_teacher(settings, images)
    count = len(settings.seeds) * len(settings.alphas)
    trainings = {
        "teacher": ("Teacher", None, settings.teacher_steps, count),
        **{
            f"students, {budget} steps": (
                *("Student", "Teacher", budget),
                count * len(settings.methods),
            )
            for budget in settings.budgets
        },
    }
    student = ones_keras.gather(teacher, method="random")
    dry_run(
        settings,
        {"Teacher": teacher, "Student": student},
        images.train(settings.batch_size).element_spec[0],
        trainings,
    )


def run(settings, images, folders):
    """Train what is missing, seed by seed."""
    from gathering_runs import SeedRuns, list_students

    with exit_when_stopped(), make_progress() as progress:
        for (alpha, seed), folder in folders.items():
            folder.path.parent.mkdir(exist_ok=True)
            progress.say(f"alpha {alpha:g}, seed {seed}: in {folder.path}")
            own = settings.of_alpha(alpha)
            jobs = list_students(own)
            SeedRuns(own, images, seed, folder, progress, jobs).run_all()


if __name__ == "__main__":
    app.run(main)
