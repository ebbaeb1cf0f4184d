"""Kullback-Leibler divergence of softened distributions, in little memory."""

import math

from keras import ops

# Elements of the logits that are worked on at once, 16 MiB as float32.
_CHUNK = 2**22


def softened_divergence(teacher, student, temperature):
    """`T^2 * KL(softmax(teacher / T) || softmax(student / T))` a position.

    The gradient is written down, `T * (softmax(student / T) -
    softmax(teacher / T))`: nothing of the size of the logits is kept for it,
    and like the value it is computed a chunk of positions after the other,
    where their number is known.

    Args:
        teacher: tensor of shape `(..., C)`. Logits, a constant; `-inf` rules a
            class out.
        student: tensor of shape `(..., C)`. Logits.
        temperature: float.

    Returns:
        Tensor of shape `(...)`.
    """
    classes = student.shape[-1]
    positions = ops.shape(student)[:-1]
    teacher = ops.reshape(ops.stop_gradient(teacher), (-1, classes))

    @ops.custom_gradient
    def divergence(student):
        chunks = _chunks(student.shape[0], classes)

        def gradient(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return _join(
                temperature
                * ops.expand_dims(upstream[chunk], -1)
                * (
                    ops.softmax(student[chunk] / temperature)
                    - ops.softmax(teacher[chunk] / temperature)
                )
                for chunk in chunks
            )

        values = _join(
            _divergence(
                teacher[chunk] / temperature, student[chunk] / temperature
            )
            for chunk in chunks
        )
        return temperature**2 * values, gradient

    values = divergence(ops.reshape(student, (-1, classes)))
    return ops.reshape(values, positions)


def _divergence(teacher, student):
    probabilities = ops.softmax(teacher)
    # Not `exp` of the logarithms: under XLA on CPUs that made a step slower.
    difference = ops.log_softmax(teacher) - ops.log_softmax(student)
    # A class the teacher rules out with a logit of -inf adds nothing.
    terms = ops.where(probabilities > 0.0, probabilities * difference, 0.0)
    return ops.sum(terms, axis=-1)


def _chunks(positions, classes):
    """Slices of the positions, one of all where their number is unknown."""
    if positions is None:
        return [slice(None)]
    size = max(1, _CHUNK // classes)
    count = max(1, math.ceil(positions / size))
    size = math.ceil(positions / count)
    return [slice(i * size, (i + 1) * size) for i in range(count)]


def _join(parts):
    parts = list(parts)
    return parts[0] if len(parts) == 1 else ops.concatenate(parts)
