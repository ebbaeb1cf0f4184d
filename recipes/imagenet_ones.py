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

Your own images in ImageNet's folder layout, and a teacher trained before:

    python recipes/imagenet_ones.py --dataset=imagefolder --data_dir=FOLDER \
        --model=widenet_vit_base --teacher=teacher.keras

`--output_dir` gets student.keras (the student of the best validation
accuracy, plain Keras) and its teacher.keras, report.json, report.md,
report.png, launch.json, and a folder a seed. A seed that is finished there is
not trained again, so an interrupted study goes on at its first unfinished
seed, and seeds can be trained by several processes and put together by a last
one.
"""

import dataclasses
import importlib.util
import json
import logging
import os
import pathlib
import shutil
import sys
import time

from absl import app, flags
from image_settings import CONFIGS, HELP, ImageSettings

FLAGS = flags.FLAGS
KERAS_DATASETS = ("fashion_mnist", "cifar10", "cifar100")
OF_A_FRESH_TEACHER = (
    "model",
    "patch_size",
    "num_layers",
    "capacity_factor",
    "learning_rate",
)

flags.DEFINE_enum(
    "config", "default", sorted(CONFIGS), "Settings to start from."
)
flags.DEFINE_string(
    "output_dir", None, "Folder of the results; default runs/<config>."
)
flags.DEFINE_enum(
    "backend",
    None,
    ["tensorflow", "jax", "torch"],
    "Keras backend; default the environment variable KERAS_BACKEND.",
)
for _field in dataclasses.fields(ImageSettings):
    _define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
        tuple[str, ...]: flags.DEFINE_list,
        tuple[int, ...]: flags.DEFINE_list,
    }[_field.type]
    # No default here, so that a flag that was given is told from one that was
    # not: only those replace what the configuration says.
    _default = "" if _field.default == "" else f" Default {_field.default}."
    _define(_field.name, None, HELP[_field.name] + _default)


def read_settings():
    """The configuration with the flags given on the command line over it."""
    given = {}
    for field in dataclasses.fields(ImageSettings):
        value = FLAGS[field.name].value
        if value is None:
            continue
        if field.name == "seeds":
            if not all(seed.isdigit() for seed in value):
                raise ValueError(
                    "`--seeds` must be integers of 0 or more, separated by "
                    f"commas. Received: `--seeds={','.join(value)}`."
                )
            value = [int(seed) for seed in value]
        given[field.name] = tuple(value) if isinstance(value, list) else value
    settings = ImageSettings(**{**CONFIGS[FLAGS.config], **given})
    settings.check()
    if settings.teacher:
        for name in OF_A_FRESH_TEACHER:
            if name in given:
                raise ValueError(
                    f"`--{name}` says how a teacher is made and cannot change "
                    f"one that is given. Received: `--{name}={given[name]}`, "
                    f"`--teacher={settings.teacher}`."
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
    return settings


def output_path():
    return pathlib.Path(FLAGS.output_dir or f"runs/{FLAGS.config}")


def check_output_path(settings):
    """Refuse a folder that cannot be written, and leave nothing behind."""
    output = output_path()
    for path in (output, *(output / f"seed_{seed}" for seed in settings.seeds)):
        # What will be made lies in the nearest folder that is there.
        nearest = next(p for p in (path, *path.parents) if os.path.lexists(p))
        if not os.path.isdir(nearest) or not os.access(
            nearest, os.W_OK | os.X_OK
        ):
            raise ValueError(
                "The output folder cannot be written. Received: "
                f"`--output_dir={output}` ({nearest} is no folder that can be "
                "written)."
            )


def make_output_dir(settings):
    """The output folder, with the launch configuration."""
    from ones_keras.write_aside import write_aside

    path = output_path()
    launch = {
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
        "config": FLAGS.config,
        "settings": dataclasses.asdict(settings),
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        with write_aside(path / "launch.json") as aside:
            aside.write_text(json.dumps(launch, indent=2) + "\n")
    except OSError as error:
        raise ValueError(
            "The output folder cannot be written. Received: "
            f"`--output_dir={path}` ({error})."
        ) from error
    return path


def load_images(settings):
    from ones_keras.data import load_image_dataset

    data_dir = settings.data_dir or None
    if settings.dataset in KERAS_DATASETS:
        data_dir = None  # It was the KERAS_HOME, see `main`.
    return load_image_dataset(
        settings.dataset, data_dir, settings.image_size or None
    )


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    # Every model is traced anew, of which TensorFlow warns at length.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        settings = read_settings()
        check_output_path(settings)
        # Keras reads both when it is imported, so flags come first.
        if FLAGS.backend:
            if importlib.util.find_spec(FLAGS.backend) is None:
                raise ValueError(
                    f"{FLAGS.backend} is not installed; `pip install "
                    f"'ones_keras[{FLAGS.backend}]'` installs it. Received: "
                    f"`--backend={FLAGS.backend}`."
                )
            os.environ["KERAS_BACKEND"] = FLAGS.backend
        if settings.data_dir and settings.dataset in KERAS_DATASETS:
            os.environ["KERAS_HOME"] = settings.data_dir
        images = load_images(settings)
        from image_study import rehearse
        from seed_record import load_seed

        rehearse(settings, images)
        records = {
            seed: load_seed(output_path() / f"seed_{seed}", settings)
            for seed in settings.seeds
        }
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"imagenet_ones: {error}")
    run(settings, images, output_dir, records)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def run(settings, images, output_dir, records):
    """Train the seeds that have no record yet, and report on all of them."""
    from image_study import SeedStudy, test_results
    from progress import Progress
    from seed_record import save_seed

    with Progress() as progress:
        for seed in settings.seeds:
            folder = output_dir / f"seed_{seed}"
            if records[seed]:
                progress.say(f"seed {seed}: finished before, from {folder}")
            else:
                study = SeedStudy(settings, images, seed, progress)
                runs = study.train_all()
                # Validation has chosen; only now is the test split opened.
                results = test_results(
                    runs, images, seed, settings.evaluation_batch_size
                )
                records[seed] = save_seed(
                    folder, settings, images, runs, results
                )
            for name, found in records[seed].router.items():
                load = " ".join(f"{100 * share:.1f}" for share in found["load"])
                progress.say(
                    f"seed {seed} · router of {name}: load {load} %, entropy "
                    f"{found['entropy']:.3f} nats, dropped by the training "
                    f"capacity {100 * found['dropped']:.1f} %"
                )
    write_report(settings, output_dir, records)
    copy_best_models(output_dir, records)


def write_report(settings, output_dir, records):
    from image_study import LATENCY_BATCH

    from ones_keras.reporting import Report
    from ones_keras.write_aside import write_aside

    teacher = pathlib.Path(settings.teacher).name or settings.model
    report = Report.from_results(
        [result for record in records.values() for result in record.results],
        title=f"Sparse to dense on {settings.dataset} ({teacher})",
        latency_of=f"image, in batches of {LATENCY_BATCH}",
    )
    report.print()
    report.plot(output_dir / "report.png")
    with write_aside(output_dir / "report.md") as aside:
        aside.write_text(report.to_markdown())
    report.save_json(output_dir / "report.json")


def copy_best_models(output_dir, records):
    """The student that validation likes best, and its teacher."""
    from ones_keras.write_aside import write_aside

    seeds = [seed for seed, record in records.items() if record.student]
    if not seeds:
        return
    best = max(
        seeds,
        key=lambda seed: records[seed].validation[records[seed].student],
    )
    for name in ("teacher", "student"):
        source = output_dir / f"seed_{best}" / f"{name}.keras"
        with write_aside(output_dir / f"{name}.keras") as aside:
            shutil.copyfile(source, aside)
    print(
        f"{output_dir / 'student.keras'}: {records[best].student} of seed "
        f"{best}, the best in validation"
    )


if __name__ == "__main__":
    app.run(main)
