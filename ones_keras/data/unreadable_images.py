"""The images that could not be decoded, counted and named."""

import threading

import tensorflow as tf
from absl import logging

from ones_keras.data.decode_image import decode_image

_NAMED = 10


class UnreadableImages:
    """Names each image that is skipped once, and fails when they are too many.

    Args:
        limit: int. How many different ones are borne.
        read: callable. From the source of an image to its encoded bytes.
            Defaults to `bytes`, for sources that are these bytes.

    Attributes:
        reasons: dict from name of the image to why it could not be decoded.
    """

    def __init__(self, limit, read=bytes):
        self.limit = limit
        self.reasons = {}
        self._read = read
        self._lock = threading.Lock()

    def is_readable(self, name, source):
        """Decodes an image, and counts it if that cannot be done."""
        reason = self._reason(source)
        if reason:
            self._count(name, reason)
        return not reason

    def note(self, name, source):
        """Counts an image that could not be decoded, if it really cannot be.

        Runs within `tf.data`, and raises there.

        Args:
            name: string tensor. What the image is called.
            source: string tensor. Where its bytes are, or these bytes.

        Returns:
            Scalar bool tensor, whether it cannot be decoded.
        """
        noted = tf.numpy_function(self._note, [name, source], "bool")
        return tf.ensure_shape(noted, ())

    def refuse(self, source):
        """In the place of a source; raises that there is none to be decoded."""
        refused = tf.numpy_function(self._refuse, [source], "string")
        return tf.ensure_shape(refused, ())

    def _note(self, name, source):
        name = name.decode(errors="replace")
        if name not in self.reasons:
            return not self.is_readable(name, source)
        # Batches are made side by side, and the one that met it first may be
        # one that nobody takes.
        self._check_limit()
        return True

    def _refuse(self, source):
        raise ValueError(
            f"No image of a whole batch can be decoded{self._list()}"
        )

    def _count(self, name, reason):
        # Batches that are made side by side may meet the same image at once.
        with self._lock:
            if name not in self.reasons:
                self.reasons[name] = reason
                logging.warning(
                    "Skipped %s, which cannot be decoded: %s (%d until now).",
                    name,
                    reason,
                    len(self.reasons),
                )
        self._check_limit()

    def _check_limit(self):
        if len(self.reasons) > self.limit:
            raise ValueError(
                f"More than {self.limit} images cannot be decoded "
                f"(`max_unreadable={self.limit}`). Remove or replace them"
                f"{self._list()}"
            )

    def _list(self):
        named = [f"{name}: {why}" for name, why in self.reasons.items()]
        if len(named) > _NAMED:
            named[_NAMED:] = [f"and {len(named) - _NAMED} more"]
        return ":\n  " + "\n  ".join(named)

    def _reason(self, source):
        try:
            with tf.device("/cpu:0"):
                decode_image(self._read(source))
        except (tf.errors.OpError, OSError, ValueError) as error:
            # TensorFlow adds the whole graph node to its first line.
            return str(error).splitlines()[0].split("}} ")[-1]
        return None
