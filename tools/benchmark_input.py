"""Images a second that a training pipeline gives, against Keras' own.

    python tools/benchmark_input.py --json=input.json
    python tools/benchmark_input.py --data_dir=FOLDER

Without `--data_dir` the images are pieces of the two photographs that
scikit-learn ships, of 500 x 375 pixels, as many of ImageNet's. All pipelines
take turns on them, with an Inception-style crop to 224 pixels and a flip
("crop"), and with RandAugment(2, 15) and mixup besides ("full"):

- folder, records: ones_keras, from class folders and from TFRecord files
- keras: `keras.utils.image_dataset_from_directory`, and Keras' layers; Keras
  has no such crop, so it is KerasCV's
- keras_cv: the same with KerasCV's layers throughout

Their RandAugments are not the same: Keras' computes eleven operations to keep
two, KerasCV's knows eight, this project's sixteen.
"""

import functools
import json
import os
import pathlib
import platform
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from sklearn import datasets

import ones_keras
from ones_keras.data import mixup, rand_augment, write_image_records
from ones_keras.write_aside import write_aside

PIPELINES = ("folder", "records", "keras", "keras_cv")
AUGMENTATIONS = ("crop", "full")
_PIECE = (375, 500)
_CLASSES = 4
_WARM_UP = 4
_NUM_OPS, _MAGNITUDE, _MIXUP = 2, 15, 0.5

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that holds train/<class>/* and val/<class>/*."
)
_IMAGES = flags.DEFINE_integer(
    "images", 512, "How many are made without --data_dir.", lower_bound=8
)
_SIZE = flags.DEFINE_integer("image_size", 224, "Pixels.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "Images a batch.", lower_bound=2
)
_SECONDS = flags.DEFINE_float(
    "seconds", 5.0, "How long a turn takes, at least.", lower_bound=0.0
)
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 5, "Turns, of which the median counts.", lower_bound=1
)
_PIPELINES = flags.DEFINE_multi_enum(
    "pipeline", PIPELINES, PIPELINES, "Those that are measured."
)
_AUGMENTATIONS = flags.DEFINE_multi_enum(
    "augmentation", AUGMENTATIONS, AUGMENTATIONS, "Those that are measured."
)
_JSON = flags.DEFINE_string("json", None, "File to write the results to.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data_dir = _DATA_DIR.value or make_images(folder / "images")
        if "records" in _PIPELINES.value:
            write_image_records(data_dir, folder / "records", shard_mb=5)
        found = {
            augmentation: measure(data_dir, folder / "records", augmentation)
            for augmentation in _AUGMENTATIONS.value
        }
    record = {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "flags": {
            flag.name: flag.value
            for flag in (
                *(_DATA_DIR, _IMAGES, _SIZE, _BATCH_SIZE, _SECONDS),
                _REPETITIONS,
            )
        },
        "images_a_second": found,
    }
    for augmentation, rates in found.items():
        for name, turns in rates.items():
            line = f"{augmentation}, {name}: {statistics.median(turns):.0f}"
            print(f"{line} images a second{against(rates, name)}")
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=2) + "\n")


def against(rates, name):
    """How it compares with Keras' in the same turns."""
    if name == "keras" or "keras" not in rates:
        return ""
    pairs = zip(rates[name], rates["keras"], strict=True)
    ratios = [own / other for own, other in pairs]
    return (
        f"; {statistics.median(ratios):.2f} times keras "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def make_images(folder):
    """Pieces of photographs, mirrored or not, in ImageNet's layout."""
    photographs = datasets.load_sample_images().images
    rng = np.random.default_rng(0)
    height, width = _PIECE
    for number in range(_IMAGES.value):
        photograph = photographs[number % len(photographs)]
        y, x = (
            rng.integers(0, whole - part + 1)
            for whole, part in zip(photograph.shape, _PIECE, strict=False)
        )
        piece = photograph[y : y + height, x : x + width]
        piece = piece[:, :: 1 - 2 * int(rng.integers(2))]
        # One in eight is there for the folder to be whole.
        split = "val" if number % 8 == 7 else "train"
        path = folder / split / f"class_{number // 8 % _CLASSES}"
        path.mkdir(parents=True, exist_ok=True)
        encoded = tf.io.encode_jpeg(piece, quality=95)
        (path / f"{number:05d}.jpg").write_bytes(encoded.numpy())
    return folder


def measure(data_dir, records_dir, augmentation):
    """Images a second of each turn, by pipeline."""
    full = augmentation == "full"
    pipelines = {}
    for name in _PIPELINES.value:
        if name in ("folder", "records"):
            source = records_dir if name == "records" else data_dir
            pipelines[name] = own(f"image{name}", source, full)
        else:
            pipelines[name] = peer(name, data_dir, full)
    found = {name: [] for name in pipelines}
    for _ in range(_REPETITIONS.value):
        for name, batches in pipelines.items():
            found[name].append(images_a_second(batches))
    return found


def images_a_second(batches):
    """Of a stream of its own, that no other one works beside."""
    stream = iter(batches)
    # Until all of its stages are at work.
    for _ in range(_WARM_UP):
        next(stream)
    start, count, seconds = time.perf_counter(), 0, 0.0
    while seconds < _SECONDS.value or not count:
        next(stream)
        count += 1
        seconds = time.perf_counter() - start
    return count * _BATCH_SIZE.value / seconds


def own(dataset, source, full):
    augment = functools.partial(
        rand_augment, num_ops=_NUM_OPS, magnitude=_MAGNITUDE
    )
    images = ones_keras.data.load_image_dataset(
        dataset, source, _SIZE.value, augment=augment if full else None
    )
    batches = images.train(_BATCH_SIZE.value)
    if full:
        batches = mixup(
            batches.map(lambda x, y: (x, tf.one_hot(y, images.num_classes))),
            _MIXUP,
        )
    return batches


def peer(name, data_dir, full):
    import keras_cv

    layers = keras.layers if name == "keras" else keras_cv.layers
    train = pathlib.Path(data_dir) / "train"
    classes = len([path for path in train.iterdir() if path.is_dir()])
    images = keras.utils.image_dataset_from_directory(
        train,
        label_mode="int",
        image_size=(256, 256),
        batch_size=None,
        shuffle=True,
        seed=0,
        verbose=False,
    ).repeat()
    size = (_SIZE.value, _SIZE.value)
    crop = keras_cv.layers.RandomCropAndResize(
        size, crop_area_factor=(0.08, 1.0), aspect_ratio_factor=(3 / 4, 4 / 3)
    )
    flip = layers.RandomFlip("horizontal")
    images = images.map(
        lambda x, y: (flip(crop(x, training=True), training=True), y),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    if full:
        options = {"value_range": (0, 255)}
        if name == "keras":
            options |= {"num_ops": _NUM_OPS, "factor": _MAGNITUDE / 30}
        else:
            options |= {
                "augmentations_per_image": _NUM_OPS,
                "magnitude": _MAGNITUDE / 30,
            }
        augment = layers.RandAugment(**options)
        # One list of operations a call, so that each image has its own.
        images = images.map(
            lambda x, y: (augment(x, training=True), y),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    batches = images.batch(_BATCH_SIZE.value, drop_remainder=True)
    if full:
        mix = layers.MixUp(alpha=_MIXUP)
        batches = batches.map(
            lambda x, y: mix(
                {"images": x, "labels": tf.one_hot(y, classes)}, training=True
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return batches.prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    app.run(main)
