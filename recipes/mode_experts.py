r"""MoDE: do experts that teach each other make a better mixture?

Trains mixtures of small networks whose experts are drawn together by the
weight `alpha` (MoDE, https://arxiv.org/abs/2402.00893), several alphas from the
same beginning, and lets each expert answer alone what the gate gives it.

    python recipes/mode_experts.py

has a look at four tasks that need no download, in some minutes on two cores.
The study of docs/mode.md:

    python recipes/mode_experts.py --config=study --adult_dir=FOLDER \
        --keras_home=KERAS_HOME

`--output_dir` gets report.json, report.md, report.png (accuracy and likeness of
the experts against alpha), experts.png (each expert alone), launch.json, and a
folder a task with the records of each seed. Mixtures that have a record are not
trained again: an interrupted study goes on where it was, and tasks, alphas,
gates and seeds can be added to a finished one.
"""

import sys
import time

from absl import app, flags
from launch import (
    check_output_path,
    choose_backend,
    define_flags,
    exit_when_stopped,
    make_output_dir,
    make_progress,
    output_path,
    read_settings,
)
from mode_settings import CONFIGS, HELP, ModeSettings

FLAGS = flags.FLAGS

define_flags(ModeSettings, HELP, CONFIGS)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    try:
        settings, _ = read_settings(ModeSettings, CONFIGS)
        check_flags()
        check_output_path(settings)
        choose_backend(settings, settings.keras_home or None)
        from mode_runs import Records, list_mixtures
        from mode_tasks import load_task

        records = Records(output_path(), settings)
        missing = [
            mixture
            for mixture in list_mixtures(settings)
            if records.read(mixture) is None
        ]
        if FLAGS.dry_run:
            show(settings, missing)
            return
        for task in dict.fromkeys(mixture.task for mixture in missing):
            load_task(task, settings.adult_dir, settings.seeds[0])
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"mode_experts: {error}")
    from mode_runs import run_mixtures

    with exit_when_stopped(), make_progress() as progress:
        run_mixtures(settings, records, progress)
    from mode_report import write_report

    write_report(settings, output_dir, records)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def check_flags():
    """Refuse what trainings of some seconds on one device do not have."""
    for name in ("job_addresses", "tpu", "tensorboard", "log_every"):
        if FLAGS[name].value:
            raise ValueError(
                "These mixtures are trained on one device in seconds, without "
                f"a log. Received: `--{name}={FLAGS[name].value}`."
            )
    if FLAGS.strategy not in ("auto", "none"):
        raise ValueError(
            "These mixtures are trained on one device. Received: "
            f"`--strategy={FLAGS.strategy}`."
        )
    FLAGS.strategy = "none"


def show(settings, missing):
    """Print what a run would be."""
    import dataclasses

    for name, value in dataclasses.asdict(settings).items():
        print(f"{name}: {value}")
    for task in settings.tasks:
        count = sum(mixture.task == task for mixture in missing)
        print(
            f"{task}: {count} x {settings.steps_of(task)} steps of "
            f"{settings.batch_size} examples"
        )
    print("Nothing was started (--dry_run).")


if __name__ == "__main__":
    app.run(main)
