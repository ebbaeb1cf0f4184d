"""Sharded TFRecord files of an image folder."""

import concurrent.futures
import dataclasses
import hashlib
import json
import math
import os
import pathlib

import numpy as np
import tensorflow as tf
from absl import logging
from rich import progress

from ones_keras.data.image_folder import load_image_folder
from ones_keras.data.image_records import MANIFEST, SPLITS
from ones_keras.data.unreadable_images import UnreadableImages
from ones_keras.write_aside import write_aside

# What is written already: the digest of what a file is of, and its entry.
_WRITTEN = "written.json"


def write_image_records(
    data_dir,
    output_dir,
    validation_share=0.1,
    shard_mb=100.0,
    seed=0,
    max_unreadable=10,
):
    """Writes the images of a folder in ImageNet's layout into TFRecord files.

    The splits are those of `load_image_folder`, the training images in an
    order of their own, so that every file holds images of all classes. Images
    are copied as they are encoded; one that cannot be decoded is named and
    left out. Called again after an interruption it goes on with the files
    that are missing. `load_image_records` reads what it wrote.

    `output_dir` gets `train-00000-of-00123.tfrecord` and so on, and at last
    `images.json`: the class names and, for each file, the number of its
    examples and bytes and its SHA-256. Records are `tf.train.Example`s with
    `image`, `label` and `file_name`, the names of TFDS' ImageNet.

    Args:
        data_dir: str or path. A folder that holds `train/<class>/*` and
            `val/<class>/*`.
        output_dir: str or path. It is made.
        validation_share: float. As in `load_image_folder`. Defaults to `0.1`.
        shard_mb: float. Size of a file, in millions of bytes, about. Defaults
            to `100.0`.
        seed: int. Of the order of the training images. Defaults to `0`.
        max_unreadable: int. How many images may be left out. Defaults to
            `10`.

    Returns:
        Dict, the content of `images.json`.

    Raises:
        ValueError: If the folder is not what `load_image_folder` takes, more
            images cannot be decoded, or `output_dir` holds files of others.

    Example:

    ```python
    write_image_records("/data/imagenet", "/data/imagenet_records")
    ```
    """
    if not 0 < shard_mb < math.inf:
        raise ValueError(
            f"`shard_mb` must be positive. Received: `shard_mb={shard_mb}`."
        )
    images = load_image_folder(data_dir, validation_share=validation_share)
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    shards = _plan(pathlib.Path(data_dir), images, shard_mb, seed)
    journal = _Journal(output_dir, images.class_names, shards)
    unreadable = UnreadableImages(max_unreadable)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        for shard in progress.track(shards, description="Writing images"):
            if journal.has(shard):
                continue
            found = executor.map(
                lambda example: _read(*example, unreadable), shard.examples()
            )
            records = [record for record in found if record is not None]
            with write_aside(output_dir / shard.file) as aside:
                with tf.io.TFRecordWriter(str(aside)) as writer:
                    for record in records:
                        writer.write(record)
                entry = _entry(aside, len(records))
            journal.add(shard, entry)
    if unreadable.reasons:
        logging.warning("%d images were left out.", len(unreadable.reasons))
    return journal.finish()


@dataclasses.dataclass(frozen=True)
class _Shard:
    """One file to be written.

    Attributes:
        split, file: str.
        paths: tuple of str.
        labels: tuple of int.
        root: path. What the examples' names begin at.
    """

    split: str
    file: str
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    root: pathlib.Path

    def examples(self):
        for path, label in zip(self.paths, self.labels, strict=True):
            yield path, str(pathlib.Path(path).relative_to(self.root)), label

    def digest(self):
        """What tells it from one of other images."""
        content = json.dumps(
            [(name, label) for _, name, label in self.examples()]
        )
        return hashlib.sha256(content.encode()).hexdigest()


def _plan(root, images, shard_mb, seed):
    """All files to be written, in order."""
    shards = []
    for name in SPLITS:
        split = getattr(images, f"{name}_split")
        order = np.arange(len(split))
        if name == "train":
            order = np.random.default_rng(seed).permutation(order)
        size = sum(os.stat(path).st_size for path in split.paths)
        count = min(math.ceil(size / (shard_mb * 1e6)) or 1, len(split))
        for number, part in enumerate(np.array_split(order, count)):
            shards.append(
                _Shard(
                    name,
                    f"{name}-{number:05d}-of-{count:05d}.tfrecord",
                    tuple(map(str, split.paths[part])),
                    tuple(map(int, split.labels[part])),
                    root,
                )
            )
    return shards


def _read(path, name, label, unreadable):
    """The record of one image, or `None` if it cannot be decoded."""
    try:
        contents = pathlib.Path(path).read_bytes()
    except OSError:
        contents = b""
    if not unreadable.is_readable(path, contents):
        return None
    feature = {
        "image": _bytes(contents),
        "file_name": _bytes(name.encode()),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    features = tf.train.Features(feature=feature)
    return tf.train.Example(features=features).SerializeToString()


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _entry(path, examples):
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": path.name,
        "examples": examples,
        "bytes": path.stat().st_size,
        "sha256": digest,
    }


class _Journal:
    """The files that are written, so that they are not written again."""

    def __init__(self, folder, class_names, shards):
        self._folder = folder
        self._class_names = list(class_names)
        self._shards = shards
        self._digests = {shard.file: shard.digest() for shard in shards}
        self._path = folder / _WRITTEN
        # By file: the digest of what should be in it, and its entry.
        self._written = self._read()

    def has(self, shard):
        return shard.file in self._written

    def add(self, shard, entry):
        self._written[shard.file] = [self._digests[shard.file], entry]
        with write_aside(self._path) as aside:
            aside.write_text(json.dumps(self._written, indent=1) + "\n")

    def finish(self):
        """Write the manifest; returns it."""
        splits = {name: [] for name in SPLITS}
        for shard in self._shards:
            splits[shard.split].append(self._written[shard.file][1])
        manifest = {"class_names": self._class_names, "splits": splits}
        with write_aside(self._folder / MANIFEST) as aside:
            aside.write_text(json.dumps(manifest, indent=1) + "\n")
        return manifest

    def _read(self):
        if not self._path.exists():
            return {}
        try:
            written = json.loads(self._path.read_text())
            others = [
                file
                for file, (digest, _) in written.items()
                if self._digests.get(file) != digest
            ]
            sizes = {
                file: entry["bytes"] for file, (_, entry) in written.items()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self._path} cannot be read ({error!r}); remove the folder "
                "to begin anew."
            ) from error
        if others:
            raise ValueError(
                f"{self._folder} holds files of other images or settings, such "
                f"as {others[0]}. Remove them, or choose another `output_dir`. "
                f"Received: `output_dir={str(self._folder)!r}`."
            )
        return {
            file: written[file]
            for file, size in sizes.items()
            if (self._folder / file).is_file()
            and (self._folder / file).stat().st_size == size
        }
