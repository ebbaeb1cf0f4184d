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
not trained again, so an interrupted study goes on where it was, and seeds can
be trained by several processes and put together by a last one.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time

from absl import app, flags
from image_settings import CONFIGS, ImageSettings

FLAGS = flags.FLAGS

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
_HELP = {
    "dataset": "digits, fashion_mnist, cifar10, cifar100 or imagefolder.",
    "data_dir": "Image folder, or the KERAS_HOME of a Keras dataset.",
    "image_size": "Side of the images in pixels; default the dataset's.",
    "model": "Preset of the teacher.",
    "teacher": "A trained teacher (.keras) to start from.",
    "methods": "Students: distill, switch, sum, average, svd, top_k.",
    "seeds": "One whole comparison each.",
}
for _field in dataclasses.fields(ImageSettings):
    _help = _HELP.get(_field.name, "See image_settings.py.")
    _define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
        tuple[str, ...]: flags.DEFINE_list,
        tuple[int, ...]: flags.DEFINE_list,
    }[_field.type]
    _define(_field.name, None, _help)


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
    return settings


def make_output_dir(settings):
    """The output folder, proven writable, with the launch configuration."""
    path = pathlib.Path(FLAGS.output_dir or f"runs/{FLAGS.config}")
    launch = {
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
        "config": FLAGS.config,
        "settings": dataclasses.asdict(settings),
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "launch.json").write_text(json.dumps(launch, indent=2) + "\n")
    except OSError as error:
        raise ValueError(
            "The output folder cannot be written. Received: "
            f"`--output_dir={path}` ({error})."
        ) from error
    return path


def load_images(settings):
    from ones_keras.data import load_image_dataset

    data_dir = settings.data_dir or None
    if settings.dataset != "imagefolder":
        data_dir = None  # It was the KERAS_HOME, see `main`.
    return load_image_dataset(
        settings.dataset, data_dir, settings.image_size or None
    )


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    try:
        settings = read_settings()
        # Keras reads both when it is imported, so flags come first.
        if FLAGS.backend:
            os.environ["KERAS_BACKEND"] = FLAGS.backend
        if settings.data_dir and settings.dataset != "imagefolder":
            os.environ["KERAS_HOME"] = settings.data_dir
        images = load_images(settings)
        from image_study import rehearse

        rehearse(settings, images)
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"imagenet_ones: {error}")
    run(settings, images, output_dir)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def run(settings, images, output_dir):
    from image_study import SeedStudy, test_results
    from progress import Progress
    from seed_record import load_seed, save_seed

    from ones_keras.reporting import Report
    from ones_keras.write_aside import write_aside

    records = {}
    with Progress() as progress:
        for seed in settings.seeds:
            folder = output_dir / f"seed_{seed}"
            record = load_seed(folder, settings)
            if record:
                progress.say(f"seed {seed}: finished before, from {folder}")
            else:
                study = SeedStudy(settings, images, seed, progress)
                runs = study.train_all()
                # Validation has chosen; only now is the test split opened.
                results = test_results(
                    runs, images, seed, settings.evaluation_batch_size
                )
                record = save_seed(folder, settings, images, runs, results)
            records[seed] = record
            for name, found in record.router.items():
                load = " ".join(f"{100 * share:.1f}" for share in found["load"])
                progress.say(
                    f"seed {seed} · router of {name}: load {load} %, entropy "
                    f"{found['entropy']:.3f} nats, dropped by the training "
                    f"capacity {100 * found['dropped']:.1f} %"
                )

    best = max(
        (seed for seed in records if records[seed].student),
        key=lambda seed: records[seed].validation[records[seed].student],
        default=None,
    )
    for name in ("teacher", "student"):
        source = output_dir / f"seed_{best}" / f"{name}.keras"
        if best is not None:
            with write_aside(output_dir / f"{name}.keras") as aside:
                shutil.copyfile(source, aside)
    report = Report.from_results(
        [result for record in records.values() for result in record.results],
        title=f"Sparse to dense on {settings.dataset} ({settings.model})",
    )
    report.print()
    report.plot(output_dir / "report.png")
    with write_aside(output_dir / "report.md") as aside:
        aside.write_text(report.to_markdown())
    report.save_json(output_dir / "report.json")


if __name__ == "__main__":
    app.run(main)
