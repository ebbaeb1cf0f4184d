"""A split whose images are read from sharded TFRecord files."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ones_keras.data.encoded_images import EncodedImages
from ones_keras.data.permuted import permuted

# Files are read so many together that there is as much to shuffle.
_SHUFFLED = 4096
_FILES_AT_ONCE = 4
# As TFDS writes them.
_FEATURES = {
    "image": tf.io.FixedLenFeature((), tf.string),
    "label": tf.io.FixedLenFeature((), tf.int64),
    "file_name": tf.io.FixedLenFeature((), tf.string, ""),
}


@dataclasses.dataclass(frozen=True, eq=False)
class RecordImages(EncodedImages):
    """Images decoded from TFRecord files, a split of `ImageDataset`.

    Crops and what becomes of images that cannot be decoded are as in
    `FileImages`; what differs is that files are read from their beginning to
    their end, as disks and buckets like it. The order of a run goes by its
    seed: in each epoch the files are shuffled and read in groups of some 4096
    images, which are shuffled in memory as they are, encoded. A run that is
    taken up begins with the group it was in.

    Records are `tf.train.Example`s with `image` (an encoded file), `label` and,
    if they like, `file_name`, as `write_image_records` and TFDS write them.

    Args:
        files: tuple of str. TFRecord files.
        counts: integer array of shape `(num_files,)`. How many records of each
            belong to the split.
        image_size: tuple of int. `(height, width)` of the result.
        starts: integer array of shape `(num_files,)` or `None`. The first of
            these records in each file; `None` is the first of all. Defaults
            to `None`.
        augment: callable or `None`. As in `FileImages`. Defaults to `None`.
        max_unreadable: int. As in `FileImages`. Defaults to `0`.

    Example:

    ```python
    split = RecordImages(("a.tfrecord", "b.tfrecord"), [100, 90], (224, 224))
    images, labels = next(iter(split.batches(batch_size=2)))
    ```
    """

    files: tuple[str, ...]
    counts: np.ndarray
    image_size: tuple[int, int]
    starts: np.ndarray | None = None
    augment: Callable | None = None
    max_unreadable: int = 0

    def __len__(self):
        return int(np.sum(self.counts))

    def training_sources(self, batch_size, seed, start_step):
        groups = _Groups(self.counts, seed)
        start = start_step * batch_size
        first, skipped = groups.find(start)
        files, counts, starts = self._tensors()

        def read(number):
            chosen = groups.files(number)
            records = _records(
                tf.gather(files, chosen),
                tf.gather(starts, chosen),
                tf.gather(counts, chosen),
                _FILES_AT_ONCE,
            )
            size = tf.reduce_sum(tf.gather(counts, chosen))
            return number, records.batch(size).get_single_element()

        def shuffled(number, records):
            size = tf.shape(records, "int64")[0]
            order = tf.data.Dataset.range(size)
            return order.map(
                lambda n: records[_shuffle(n, size, (seed, number, 1))]
            )

        records = tf.data.Dataset.counter(first).map(read).prefetch(1)
        records = records.flat_map(shuffled).skip(skipped)
        batches = records.batch(batch_size, drop_remainder=True)
        positions = tf.data.Dataset.counter(start).batch(
            batch_size, drop_remainder=True
        )
        return tf.data.Dataset.zip(batches, positions).map(
            lambda records, positions: {
                **_sources(records),
                "position": positions,
            }
        )

    def sources(self, batch_size):
        files, counts, starts = self._tensors()
        return _records(files, starts, counts).batch(batch_size).map(_sources)

    @staticmethod
    def contents(source):
        return source

    @staticmethod
    def read(source):
        return source

    def _tensors(self):
        starts = self.starts
        if starts is None:
            starts = np.zeros(len(self.files))
        with tf.device("/cpu:0"):
            return (
                tf.constant(self.files),
                tf.constant(self.counts, "int64"),
                tf.constant(starts, "int64"),
            )


class _Groups:
    """Files that are read together: which ones, as a function of the seed."""

    def __init__(self, counts, seed):
        self._counts = np.asarray(counts, "int64")
        self._num_files = len(counts)
        self._seed = seed
        mean = max(self._counts.mean(), 1)
        self._size = min(int(np.ceil(_SHUFFLED / mean)), self._num_files)

    @property
    def _an_epoch(self):
        return -(-self._num_files // self._size)

    def files(self, number):
        """The files of a group, an int64 tensor, by its number from 0 on."""
        number = tf.cast(number, "int64")
        epoch, place = number // self._an_epoch, number % self._an_epoch
        places = tf.range(
            place * self._size,
            tf.minimum((place + 1) * self._size, self._num_files),
        )
        return _shuffle(places, self._num_files, (self._seed, epoch, 0))

    def find(self, position):
        """The group an example of the stream is in, and its place there."""
        epoch, position = divmod(position, int(self._counts.sum()))
        for number in range(
            epoch * self._an_epoch, (epoch + 1) * self._an_epoch
        ):
            size = int(self._counts[self.files(number).numpy()].sum())
            if position < size:
                break
            position -= size
        return number, position


def _shuffle(index, size, seeds):
    seeds = tf.stack([tf.cast(seed, "int64") for seed in seeds])
    return permuted(index, size, seeds)


def _records(files, starts, counts, files_at_once=1):
    """Of each file, so many records from one on."""

    def of_file(file, start, count):
        records = tf.data.TFRecordDataset(file).skip(start).ignore_errors()
        # TensorFlow says what is wrong, but not of which file. This is never
        # looked at where there are as many records as there should be.
        complaint = tf.data.Dataset.from_tensors(file).map(_complain)
        return records.concatenate(complaint).take(count)

    ranges = tf.data.Dataset.from_tensor_slices((files, starts, counts))
    return ranges.interleave(
        of_file,
        cycle_length=files_at_once,
        num_parallel_calls=files_at_once,
        deterministic=True,
    )


def _complain(file):
    return tf.ensure_shape(tf.numpy_function(_refuse, [file], "string"), ())


def _refuse(file):
    raise ValueError(
        f"{file.decode()} has fewer records than it should have, or is damaged."
    )


def _sources(records):
    parsed = tf.io.parse_example(records, _FEATURES)
    return {
        "name": parsed["file_name"],
        "source": parsed["image"],
        "label": tf.cast(parsed["label"], "int32"),
    }
