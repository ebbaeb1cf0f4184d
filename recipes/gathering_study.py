r"""Every way of gathering, side by side, at several distillation budgets.

Trains a mixture-of-experts teacher, gathers its experts into dense students by
each method, distils each for each budget of steps, and prints and draws
accuracy against budget, with dense models and the teacher itself trained as
long beside them.

    python recipes/gathering_study.py

has a look at four methods on the 8x8 digits of scikit-learn, in some three
minutes on two cores. The study of docs/gathering.md, and every row there is:

    python recipes/gathering_study.py --config=digits --seeds=0,1,2,3,4
    python recipes/gathering_study.py --config=fashion --seeds=0,1,2
    python recipes/gathering_study.py --config=digits_full --seeds=0,1,2,3,4

`--output_dir` gets report.json, report.md, report.png, launch.json, and a
folder a seed with the record and the model of each training. What is there is
not trained again, and the model in training is backed up every five minutes
(`--backup_minutes`) and at SIGTERM: an interrupted study goes on where it was,
rows and budgets can be added to a finished one, and several processes can train
different seeds that a last one puts together. With `--calibration_sizes`, as
the studies have it, calibration.json and calibration.png say how many inputs a
method needs.
"""

import dataclasses
import sys
import time

from absl import app, flags, logging
from gathering_settings import CONFIGS, HELP, TEACHER_LONGER, StudySettings
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

FLAGS = flags.FLAGS

define_flags(StudySettings, HELP, CONFIGS)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    logging.set_verbosity(logging.WARNING)  # The progress bar says it all.
    try:
        settings, _ = read_settings(StudySettings, CONFIGS)
        check_output_path(settings)
        choose_backend(settings, keras_home(settings))
        images = load_images(settings, settings.image_size or None)
        from gathering_runs import SeedFolder, identity, list_jobs, rehearse
        from image_study import check_patches

        teacher = check_patches(settings, images)
        folders = {
            seed: SeedFolder(
                output_path() / f"seed_{seed}",
                identity(settings),
                # A setting that is newer than a record had its default then.
                dataclasses.asdict(StudySettings()),
            )
            for seed in settings.seeds
        }
        missing = [
            job
            for folder in folders.values()
            for job in list_jobs(settings)
            if folder.load(job) is None
        ]
        if missing:
            rehearse(settings, images, teacher)
        if FLAGS.dry_run:
            show(settings, images, teacher)
            return
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"gathering_study: {error}")
    run(settings, images, folders)
    from gathering_report import write_report

    write_report(settings, output_dir, folders)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def show(settings, images, teacher):
    """Print what a run would be."""
    from dry_run import dry_run
    from gathering_runs import list_jobs

    import ones_keras

    seeds = len(settings.seeds)
    trainings = {"teacher": ("Teacher", None, settings.teacher_steps, seeds)}
    for job in list_jobs(settings):
        if job.budget and not job.images:
            name = f"{job.row}, {job.budget} steps"
            guided = "Teacher" if job.row in settings.methods else None
            kind = "Teacher" if job.row == TEACHER_LONGER else "Student"
            trainings[name] = (kind, guided, job.budget, seeds)
    dry_run(
        settings,
        {
            "Teacher": teacher,
            "Student": ones_keras.gather(teacher, method="random"),
        },
        images.train(settings.batch_size).element_spec[0],
        trainings,
    )


def run(settings, images, folders):
    """Train what is missing, seed by seed."""
    from gathering_runs import SeedRuns

    with exit_when_stopped(), make_progress() as progress:
        for seed, folder in folders.items():
            SeedRuns(settings, images, seed, folder, progress).run_all()
            progress.say(f"seed {seed}: complete in {folder.path}")


if __name__ == "__main__":
    app.run(main)
