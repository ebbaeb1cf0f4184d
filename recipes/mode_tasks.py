"""The tasks of `mode_experts.py`: their data, their experts and gates."""

import dataclasses
import gzip
import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from sklearn import compose, datasets, model_selection, preprocessing

import ones_keras
from ones_keras.data import ArrayExamples
from ones_keras.data.stratified_split import stratified_split

_WORDS, _LENGTH = 5000, 64
# A test split of some dozens of examples says little, however often a training
# is repeated: these have another one for every seed.
SPLIT_BY_SEED = ("breast_cancer", "iris", "wine")
# Test examples to training examples.
TEST_TO_TRAIN = 0.25 / 0.6
# Its splits, by module, have very different shares of the packages: whoever
# guesses the package that is frequent in one of them would seem better there.
BALANCED = ("docstrings",)


@dataclasses.dataclass(frozen=True)
class Task:
    """A classification that a mixture of small networks learns.

    Attributes:
        train: callable, given a batch size and a seed, that returns endless
            batches.
        validation: tuple of arrays, inputs, labels and, of a task of
            `BALANCED`, weights, by which all classes count alike.
        test: tuple of arrays.
        expert: callable that returns a fresh expert, a `keras.Model`.
        gate: callable, given the number of experts, that returns a gate.
    """

    train: Callable
    validation: Any
    test: Any
    expert: Callable
    gate: Callable


def load_task(name, adult_dir, seed):
    """A task; the seed splits those of `SPLIT_BY_SEED`."""
    if name in ("digits", "fashion_mnist"):
        return _image_task(name)
    if name == "docstrings":
        return _text_task()
    if name == "adult":
        return _adult(adult_dir)
    load = getattr(datasets, f"load_{name}")
    return _split_by_seed(*load(return_X_y=True), seed)


def _split_by_seed(x, labels, seed):
    """60 % for training, 15 % for validation, 25 % for testing."""
    rest, test, rest_labels, test_labels = model_selection.train_test_split(
        x, labels, test_size=0.25, stratify=labels, random_state=seed
    )
    train, held_out, train_labels, held_out_labels = (
        model_selection.train_test_split(
            rest,
            rest_labels,
            test_size=0.2,
            stratify=rest_labels,
            random_state=seed,
        )
    )
    scaler = preprocessing.StandardScaler().fit(train)
    return _tabular_task(
        *(
            (scaler.transform(part).astype("float32"), part_labels)
            for part, part_labels in (
                (train, train_labels),
                (held_out, held_out_labels),
                (test, test_labels),
            )
        )
    )


def _adult(folder):
    """Official splits; a fifth of the training examples for validation."""
    train, test = map(_read_adult, adult_files(folder))
    columns = np.arange(train.shape[1] - 1)
    numbers = [0, 2, 4, 10, 11, 12]
    words = np.setdiff1d(columns, numbers)
    encoder = compose.ColumnTransformer(
        [
            ("numbers", preprocessing.StandardScaler(), numbers),
            (
                "words",
                preprocessing.OneHotEncoder(
                    handle_unknown="ignore", sparse_output=False
                ),
                words,
            ),
        ]
    )
    labels = (train[:, -1] == ">50K").astype("int32")
    kept, held_out = stratified_split(labels, len(labels) // 5)
    x = encoder.fit(train[kept, :-1]).transform(train[:, :-1])
    x = x.astype("float32")
    return _tabular_task(
        (x[kept], labels[kept]),
        (x[held_out], labels[held_out]),
        (
            encoder.transform(test[:, :-1]).astype("float32"),
            (test[:, -1] == ">50K").astype("int32"),
        ),
    )


def adult_files(folder):
    """Paths of the training and of the test file."""
    folder, found = pathlib.Path(folder), []
    for names in (
        ("adult.data", "adult-train.csv.gz"),
        ("adult.test", "adult-test.csv.gz"),
    ):
        paths = [folder / name for name in names if (folder / name).exists()]
        if not paths:
            raise ValueError(
                f"`--adult_dir` must hold {names[0]} or {names[1]}. Received: "
                f"`--adult_dir={folder}`."
            )
        found.append(paths[0])
    return found


def checksums(name, adult_dir):
    """SHA-256 of data that may be other data on another day or machine."""
    if name == "adult":
        found = [path.read_bytes() for path in adult_files(adult_dir)]
    elif name == "docstrings":  # Of the packages that are installed.
        *splits, names = ones_keras.data.load_package_task()
        found = [
            json.dumps([names, list(split.first), split.labels.tolist()])
            for split in splits
        ]
        found = [text.encode() for text in found]
    else:
        found = []
    return [f"SHA-256 {hashlib.sha256(data).hexdigest()}" for data in found]


def _read_adult(path):
    """Rows of 15 strings."""
    opened = gzip.open if path.suffix == ".gz" else open
    rows = []
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            # The official test file begins with a remark.
            if not line.strip() or line.startswith("|"):
                continue
            row = [cell.strip() for cell in line.strip().split(",")]
            row[-1] = row[-1].rstrip(".")
            if len(row) != 15 or row[-1] not in ("<=50K", ">50K"):
                raise ValueError(
                    "A row of UCI Adult has 15 cells, the last of which is "
                    f"<=50K or >50K. Received: {path}, line {number}: "
                    f"{line.strip()!r}."
                )
            rows.append(row)
    if not rows:
        raise ValueError(f"There are no rows of UCI Adult. Received: {path}.")
    return np.array(rows, "object")


def _tabular_task(train, validation, test):
    width = train[0].shape[1]
    classes = int(train[1].max()) + 1

    def expert():
        return keras.Sequential(
            [
                keras.Input((width,)),
                layers.Dense(16, activation="relu"),
                layers.Dense(16, activation="relu"),
                layers.Dense(classes),
            ]
        )

    def gate(num_experts):
        return keras.Sequential(
            [keras.Input((width,)), layers.Dense(num_experts)]
        )

    return _array_task(train, validation, test, expert, gate)


def _text_task():
    """Which package a docstring comes from: bags of words."""
    *splits, names = ones_keras.data.load_package_task()
    words = layers.TextVectorization(
        max_tokens=_WORDS, output_sequence_length=_LENGTH
    )
    words.adapt(splits[0].first)
    splits = [
        (np.asarray(words(split.first), "int32"), split.labels)
        for split in splits
    ]

    def mean_embedding(width, *after):
        return keras.Sequential(
            [
                keras.Input((_LENGTH,), dtype="int32"),
                layers.Embedding(_WORDS, width, mask_zero=True),
                layers.GlobalAveragePooling1D(),
                *after,
            ]
        )

    def expert():
        return mean_embedding(
            32,
            layers.Dense(32, activation="relu"),
            layers.Dense(len(names)),
        )

    def gate(num_experts):
        return mean_embedding(16, layers.Dense(num_experts))

    train, *held_out = splits
    return _array_task(train, *map(_balanced, held_out), expert, gate)


def _balanced(split):
    x, labels = split
    counts = np.bincount(labels)
    weights = len(labels) / np.count_nonzero(counts) / counts[labels]
    return x, labels, weights.astype("float32")


def _array_task(train, validation, test, expert, gate):
    return Task(
        ArrayExamples(*train).training_batches, validation, test, expert, gate
    )


def _image_task(name):
    images = ones_keras.data.load_image_dataset(name)

    def expert():
        return keras.Sequential(
            [
                keras.Input(images.image_shape),
                layers.Rescaling(1 / 255),
                layers.Conv2D(8, 3, strides=2, activation="relu"),
                layers.Conv2D(16, 3, strides=2, activation="relu"),
                layers.Flatten(),
                layers.Dense(images.num_classes),
            ]
        )

    def gate(num_experts):
        return keras.Sequential(
            [
                keras.Input(images.image_shape),
                layers.Rescaling(1 / 255),
                layers.Flatten(),
                layers.Dense(num_experts),
            ]
        )

    validation, test = (
        tuple(map(np.concatenate, zip(*split.as_numpy_iterator(), strict=True)))
        for split in (images.validation(512), images.test(512))
    )
    return Task(images.train, validation, test, expert, gate)
