"""What splits of encoded images have in common, wherever their bytes lie."""

import functools

import tensorflow as tf

from ones_keras.data.decode_image import (
    decode_central_crop,
    decode_random_crop,
)
from ones_keras.data.decoded_batches import decoded_batches
from ones_keras.data.own_part import own_part
from ones_keras.data.unreadable_images import UnreadableImages


class EncodedImages:
    """A split of `ImageDataset` whose images are decoded as they are needed.

    A subclass has `image_size`, `augment` and `max_unreadable`, and gives
    batches of sources: dicts of `"name"` and `"source"`, both string tensors
    of shape `(batch_size,)`, and `"label"`, int32; in training also
    `"position"`, int64, the number of each in the endless stream.
    """

    def training_sources(self, batch_size, seed, start_step):
        """Returns the endless, shuffled batches of sources of a run."""
        raise NotImplementedError

    def sources(self, batch_size):
        """Returns all sources, in order."""
        raise NotImplementedError

    @staticmethod
    def contents(source):
        """Returns the encoded image of a source, in TensorFlow operations."""
        raise NotImplementedError

    @staticmethod
    def read(source):
        """Returns the same of `bytes`, in Python, to say what is wrong."""
        raise NotImplementedError

    @functools.cached_property
    def unreadable(self):
        """The `UnreadableImages` that were met until now."""
        return UnreadableImages(self.max_unreadable, self.read)

    def training_batches(self, batch_size, seed, start_step, part=(0, 1)):
        """Returns the endless shuffled, augmented batches of a run."""

        def decode(entry):
            own_seed = tf.stack([tf.cast(seed, "int64"), entry["position"]])
            image = decode_random_crop(
                self.contents(entry["source"]), self.image_size, own_seed
            )
            if self.augment is not None:
                image = tf.cast(tf.round(image), "uint8")
                # Folded, so as not to share its random bits with the crop.
                own_seed = tf.random.fold_in(own_seed, 1, alg="philox")
                image = tf.cast(self.augment(image, own_seed), "float32")
            return tf.ensure_shape(image, (*self.image_size, 3)), entry["label"]

        sources = self.training_sources(batch_size, seed, start_step)
        batches = decoded_batches(
            sources.map(lambda batch: own_part(batch, part)),
            decode,
            self.unreadable,
            replace=True,
        )
        return batches.apply(
            tf.data.experimental.assert_cardinality(
                tf.data.INFINITE_CARDINALITY
            )
        )

    def batches(self, batch_size):
        """Returns the batches in order, not augmented."""

        def decode(entry):
            contents = self.contents(entry["source"])
            return decode_central_crop(contents, self.image_size), entry[
                "label"
            ]

        batches = decoded_batches(
            self.sources(batch_size), decode, self.unreadable, replace=False
        )
        count = -(-len(self) // batch_size)
        return batches.apply(tf.data.experimental.assert_cardinality(count))
