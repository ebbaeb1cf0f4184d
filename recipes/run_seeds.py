"""Seed by seed: trained, tested, kept, or found finished."""

import shutil

from kept_models import model_path, remove_unfinished
from launch import exit_when_stopped, make_progress
from seed_record import kept_models, save_seed

from ones_keras.write_aside import write_aside


def run_seeds(settings, output_dir, records, make_study):
    """Train the seeds that have no record yet.

    Args:
        settings: `TrainingSettings`.
        output_dir: path. Each seed has its folder there.
        records: dict from seed to `SeedRecord` or `None`; it is filled.
        make_study: callable, given a seed, a `Progress` and `KeptModels`,
            that returns a `SeedStudy`.
    """
    with exit_when_stopped(), make_progress() as progress:
        for seed in settings.seeds:
            folder = output_dir / f"seed_{seed}"
            if records[seed]:
                progress.say(f"seed {seed}: finished before, from {folder}")
            else:
                kept = kept_models(folder, settings)
                study = make_study(seed, progress, kept)
                study.train_all()
                # Validation has chosen; only now is the test split opened.
                records[seed] = save_seed(
                    folder, study, study.test(), study.fine_tune_all()
                )
            remove_unfinished(folder)
            for name, found in records[seed].router.items():
                load = " ".join(f"{100 * share:.1f}" for share in found["load"])
                progress.say(
                    f"seed {seed} · router of {name}: load {load} %, entropy "
                    f"{found['entropy']:.3f} nats, dropped by the training "
                    f"capacity {100 * found['dropped']:.1f} %"
                )


def copy_best_models(output_dir, records, sign=1):
    """The student that validation likes best, and its teacher.

    Args:
        output_dir: path.
        records: dict from seed to `SeedRecord`.
        sign: int. `1` where more is better in validation, `-1` where less is.
    """
    seeds = [seed for seed, record in records.items() if record.student]
    if not seeds:
        return
    best = max(
        seeds,
        key=lambda seed: sign * records[seed].validation[records[seed].student],
    )
    rows = {"teacher": "teacher", "student": records[best].student}
    for name, row in rows.items():
        source = model_path(output_dir / f"seed_{best}", row)
        with write_aside(output_dir / f"{name}.keras") as aside:
            shutil.copyfile(source, aside)
    print(
        f"{output_dir / 'student.keras'}: {records[best].student} of seed "
        f"{best}, the best in validation"
    )
