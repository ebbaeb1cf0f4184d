"""Files of a teacher's outputs, a record a batch."""

import numpy as np
import tensorflow as tf

from ones_keras.data.untuned import untuned
from ones_keras.write_aside import write_aside

# Numbers of a batch of inputs that tell it from others.
_LOOKED_AT = 2**12


def write_lessons(path, lessons):
    """Writes a file, whole or not at all.

    Args:
        path: path.
        lessons: iterable of `(probe, arrays)`, `arrays` a list of arrays.
    """
    with (
        write_aside(path) as aside,
        tf.io.TFRecordWriter(str(aside)) as writer,
    ):
        for probe, arrays in lessons:
            features = {"probe": _floats(probe)}
            for number, array in enumerate(arrays):
                features[str(number)] = _bytes(np.ascontiguousarray(array))
            example = tf.train.Example(
                features=tf.train.Features(feature=features)
            )
            writer.write(example.SerializeToString())


def read_lessons(paths, specs, start):
    """The records from one on, as a dataset of `(probe, arrays)`.

    Args:
        paths: list of paths.
        specs: list of `(shape, dtype)` of the arrays of a record.
        start: int. Number of the first record in the first file.
    """
    features = {
        "probe": tf.io.FixedLenFeature((2,), "float32"),
        **{
            str(number): tf.io.FixedLenFeature((), "string")
            for number in range(len(specs))
        },
    }

    def parse(record):
        found = tf.io.parse_single_example(record, features)
        arrays = tuple(
            tf.reshape(tf.io.decode_raw(found[str(number)], dtype), shape)
            for number, (shape, dtype) in enumerate(specs)
        )
        return found["probe"], arrays

    records = tf.data.TFRecordDataset([str(path) for path in paths])
    lessons = records.skip(start).map(
        parse, num_parallel_calls=tf.data.AUTOTUNE
    )
    return untuned(lessons)


def probe(x):
    """Two numbers that tell one batch of inputs from another, float32.

    A cosine with a fixed vector, and the logarithm of the norm, both summed
    over the inputs: the last bits of floats, which are others from machine to
    machine, do not change them.
    """
    cosine = scale = tf.constant(0.0)
    for part in tf.nest.flatten(x):
        part = tf.convert_to_tensor(part)
        flat = tf.cast(tf.reshape(part, [-1]), "float32")
        flat = flat[:: max(1, part.shape.num_elements() // _LOOKED_AT)]
        fixed = tf.cos(0.7 * tf.range(tf.size(flat), dtype="float32"))
        norm = tf.maximum(tf.norm(flat), 1e-12)
        cosine += tf.tensordot(flat / norm, fixed, 1)
        scale += tf.math.log(norm)
    return tf.stack([cosine, scale])


def _floats(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(array):
    return tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[array.tobytes()])
    )
