r"""Sparse to dense for images: OneS on a WideNet-ViT, baselines included.

Trains a mixture-of-experts teacher, gathers its experts into dense students
("One Student Knows All Experts Know", https://arxiv.org/abs/2201.10890),
distils them, and prints and draws the comparison.

    python recipes/imagenet_ones.py

runs on the 8x8 digits of scikit-learn under random affine transforms, in about
three minutes on two cores. The full-length study, 3000 steps a model, and the
paper's ablations:

    python recipes/imagenet_ones.py --config=digits_study --seeds=0,1,2,3,4
    python recipes/imagenet_ones.py --config=ablation --seeds=0,1,2

docs/image_results.md has what came out of all three: of the first, a teacher of
80.7 % on the test split, a dense model of 78.5 % and `top_k` at 81.8 %.

Your own images in ImageNet's folder layout, and a teacher trained before, here
or in a program of your own (on images of `--image_size`, 224 if it is left
out):

    python recipes/imagenet_ones.py --dataset=imagefolder --data_dir=FOLDER \
        --model=widenet_vit_base --batch_size=16
    python recipes/imagenet_ones.py --dataset=imagefolder --data_dir=FOLDER \
        --teacher=teacher.keras --batch_size=16

`--output_dir` gets student.keras (the student of the best validation
accuracy, plain Keras) and its teacher.keras, report.json, report.md,
report.png, launch.json, pictures of the trainings (curves.png) and of the
experts' loads (experts.png), and a folder a seed with all its models and logs:
logs/*.csv and, with `--tensorboard`, TensorBoard's; `--log_every=1` prints a
line a step. Killed at any moment, the same command line goes on where it was:
models that are there are not trained again, and the one in training is backed
up every five minutes (`--backup_minutes`) and at SIGTERM. Seeds can be trained
by several processes and put together by a last one.
"""

import pathlib
import sys
import time

from absl import app, flags
from image_settings import CONFIGS, HELP, ImageSettings
from launch import (
    check_output_path,
    choose_backend,
    define_flags,
    keras_home,
    load_images,
    make_output_dir,
    output_path,
    read_settings,
)

FLAGS = flags.FLAGS
OF_A_FRESH_TEACHER = (
    "model",
    "patch_size",
    "num_layers",
    "capacity_factor",
    "mutual_distillation",
    "learning_rate",
)

define_flags(ImageSettings, HELP, CONFIGS)


def check_teacher_flags(settings, given):
    """Refuse flags that say how a teacher is made beside one that is made."""
    if not settings.teacher:
        return
    for name in OF_A_FRESH_TEACHER:
        if name in given:
            raise ValueError(
                f"`--{name}` says how a teacher is made and cannot change "
                f"one that is given. Received: `--{name}={given[name]}`, "
                f"`--teacher={settings.teacher}`."
            )
    folders = pathlib.Path(settings.teacher).resolve().parents
    if output_path().resolve() in folders:
        raise ValueError(
            "The teacher would be overwritten by a copy of itself. Choose "
            "another `--output_dir`. Received: "
            f"`--teacher={settings.teacher}`, `--output_dir={output_path()}`."
        )
    if settings.ablation != ("teacher_steps" in given):
        raise ValueError(
            "With `--teacher`, `--teacher_steps` says how long it was "
            "trained, for the `--ablation` to train a dense model as long, "
            "and is given with it alone. Received: "
            f"`--teacher={settings.teacher}`, "
            f"`--ablation={settings.ablation}`, "
            f"`--teacher_steps={given.get('teacher_steps')}`."
        )


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    try:
        settings, given = read_settings(ImageSettings, CONFIGS)
        check_teacher_flags(settings, given)
        check_output_path(settings)
        choose_backend(settings, keras_home(settings))
        images = load_images(settings, settings.image_size or None)
        from image_study import rehearse
        from seed_record import load_seed

        rehearse(settings, images)
        records = {
            seed: load_seed(output_path() / f"seed_{seed}", settings)
            for seed in settings.seeds
        }
        if FLAGS.dry_run:
            show(settings, images)
            return
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"imagenet_ones: {error}")
    run(settings, images, output_dir, records)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def show(settings, images):
    """Print what a run would be."""
    from dry_run import dry_run_study
    from image_study import build_teacher, load_teacher

    make = load_teacher if settings.teacher else build_teacher
    dry_run_study(
        settings, make(settings, images), images.train(settings.batch_size)
    )


def run(settings, images, output_dir, records):
    """Train the seeds that have no record yet, and report on all of them."""
    from image_study import ImageStudy
    from run_seeds import copy_best_models, run_seeds

    run_seeds(
        settings,
        output_dir,
        records,
        lambda seed, *options: ImageStudy(settings, images, seed, *options),
    )
    write_report(settings, output_dir, records)
    copy_best_models(output_dir, records)


def write_report(settings, output_dir, records):
    from image_study import LATENCY_BATCH
    from pictures import draw_pictures

    from ones_keras.reporting import Report

    teacher = pathlib.Path(settings.teacher).name or settings.model
    Report.from_results(
        [result for record in records.values() for result in record.results],
        title=f"Sparse to dense on {settings.dataset} ({teacher})",
        latency_of=f"image, in batches of {LATENCY_BATCH}",
    ).publish(output_dir / "report")
    draw_pictures(
        output_dir,
        records,
        {
            "accuracy": "training accuracy",
            "val_accuracy": "validation accuracy",
        },
        f"{teacher} on {settings.dataset}",
    )


if __name__ == "__main__":
    app.run(main)
