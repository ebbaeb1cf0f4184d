import tensorflow as tf
from keras import ops


class CheckedTokens:
    """Mixin of a model that has embeddings for some tokens and positions.

    Sequences that are too long are refused wherever the model is called, ids
    that are too large in `fit`, `evaluate` and `predict` of arrays and
    `tf.data.Dataset`s: without it JAX trains on to NaN, and TensorFlow and
    PyTorch end somewhere in a layer.
    """

    # Keras trains a model whose `call` does not name `training` without it.
    def call(self, inputs, training=None, mask=None):
        if isinstance(inputs, dict):
            length = inputs["token_ids"].shape[1]
            longest = self._embeddings().max_sequence_length
            if length and longest and length > longest:
                raise ValueError(
                    f"The model has embeddings of {longest} positions. "
                    f"Received: `token_ids` of shape "
                    f"{tuple(inputs['token_ids'].shape)}."
                )
        return super().call(inputs, training=training, mask=mask)

    def fit(self, x=None, *args, validation_data=None, **kwargs):
        """See `keras.Model.fit`."""
        if isinstance(validation_data, (tuple, list)):
            held_out, *rest = validation_data
            validation_data = (self._checked(held_out), *rest)
        else:
            validation_data = self._checked(validation_data)
        return super().fit(
            self._checked(x), *args, validation_data=validation_data, **kwargs
        )

    def evaluate(self, x=None, *args, **kwargs):
        """See `keras.Model.evaluate`."""
        # `fit` has looked at what it evaluates on.
        if not kwargs.get("_use_cached_eval_dataset"):
            x = self._checked(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """See `keras.Model.predict`."""
        return super().predict(self._checked(x), *args, **kwargs)

    # No property: Keras' saving would look for weights in it for ever.
    def _embeddings(self):
        return getattr(self, "backbone", self)

    def _checked(self, x):
        """The same data, whose token ids are looked at as they come."""
        size = self._embeddings().vocabulary_size
        if size is None:
            return x
        message = (
            f"The model has embeddings of {size} tokens. Received: `token_ids` "
            "of up to"
        )

        def check(*batch):
            largest = tf.reduce_max(_inputs(batch)["token_ids"])
            with tf.control_dependencies(
                [tf.debugging.Assert(largest < size, [message, largest])]
            ):
                batch = tf.nest.map_structure(tf.identity, batch)
            return batch if len(batch) > 1 else batch[0]

        if isinstance(x, tf.data.Dataset):
            if "token_ids" in _inputs(x.element_spec):
                x = x.map(check).prefetch(1)
        elif isinstance(x, dict) and ops.size(x.get("token_ids", ())):
            largest = int(ops.max(x["token_ids"]))
            if largest >= size:
                raise ValueError(f"{message} {largest}.")
        return x


def _inputs(batch):
    """What a batch, or its spec, has for the model, if that is a dict."""
    inputs = batch[0] if isinstance(batch, tuple) else batch
    return inputs if isinstance(inputs, dict) else {}
