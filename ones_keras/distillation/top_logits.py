import math
from typing import Any, NamedTuple

from keras import ops

from ones_keras.distillation.output_keys import output_keys

# The logarithm of it, and finite.
_NOTHING = -1e30


class TopLogits(NamedTuple):
    """The greatest logits of each position, and what stands for all others.

    Attributes:
        values: `(..., k)` float32. The greatest logits.
        indices: `(..., k)` int32. Their classes.
        rest: `(...)` float32. The logit that each of the other classes would
            have, were they alike and as probable together as they are.
    """

    values: Any
    indices: Any
    rest: Any

    @classmethod
    def of(cls, logits, k, temperature):
        """Those of logits `(..., C)`, `k < C`, at a temperature."""
        logits = ops.cast(logits, "float32")
        values, indices = ops.top_k(logits, k)
        least, others = values[..., -1:], logits.shape[-1] - k
        below = logits < least
        # Of logits that are alike some are kept and the others are not.
        alike = others - ops.sum(ops.cast(below, "float32"), axis=-1)
        rest = ops.logaddexp(
            ops.logsumexp(
                ops.where(below, logits / temperature, _NOTHING), axis=-1
            ),
            ops.where(
                alike > 0,
                least[..., 0] / temperature + ops.log(ops.maximum(alike, 1.0)),
                _NOTHING,
            ),
        )
        rest = rest - math.log(others)
        return cls(values, ops.cast(indices, "int32"), temperature * rest)

    def dense(self, classes):
        """Logits `(..., classes)`, softened as those that they are of."""
        shape = ops.shape(self.rest)
        k = self.values.shape[-1]
        rest = ops.reshape(self.rest, (-1, 1))
        rows = ops.repeat(
            ops.expand_dims(ops.arange(ops.shape(rest)[0]), 1), k, axis=1
        )
        indices = ops.reshape(ops.cast(self.indices, rows.dtype), (-1, k))
        places = ops.stack([rows, indices], axis=-1)
        logits = ops.scatter_update(
            ops.tile(rest, (1, classes)),
            ops.reshape(places, (-1, 2)),
            ops.reshape(self.values, (-1,)),
        )
        return ops.reshape(logits, (*shape, classes))


def dense_logits(teacher_outputs, student_outputs):
    """The teacher's outputs, all of them logits of all classes.

    Args:
        teacher_outputs: tensor or `TopLogits`, or dict of them.
        student_outputs: tensor, or list or dict of tensors.
    """
    if isinstance(teacher_outputs, TopLogits):
        return teacher_outputs.dense(student_outputs.shape[-1])
    if isinstance(teacher_outputs, dict):
        # The teacher may have more of them than the student.
        known = output_keys(student_outputs).values()
        return {
            key: dense_logits(outputs, student_outputs[key])
            for key, outputs in teacher_outputs.items()
            if key in known
        }
    return teacher_outputs
