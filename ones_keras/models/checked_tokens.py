import tensorflow as tf
from keras import ops


class CheckedTokens:
    """Mixin of a model that has embeddings for some tokens and positions.

    Sequences that are too long are refused wherever the model is called, ids
    out of their range in `fit`, `evaluate` and `predict` of arrays and
    `tf.data.Dataset`s: without it JAX trains on to NaN or takes negative ones
    from the end, and TensorFlow and PyTorch end somewhere in a layer.
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
        """The same data, whose ids are looked at as they come."""
        if isinstance(x, tf.data.Dataset):
            if self._limits(_inputs(x.element_spec)):
                x = x.map(self._assert_ids).prefetch(1)
        elif isinstance(x, dict):
            for name, (size, message) in self._limits(x).items():
                if not ops.size(x[name]):
                    continue
                ids = ops.cast(x[name], "int32")  # They may be bool.
                low, high = int(ops.min(ids)), int(ops.max(ids))
                if low < 0 or high >= size:
                    raise ValueError(f"{message} from {low} to {high}.")
        return x

    def _assert_ids(self, *batch):
        inputs = _inputs(batch)
        asserted = []
        for name, (size, message) in self._limits(inputs).items():
            ids = tf.cast(inputs[name], "int64")
            low, high = tf.reduce_min(ids), tf.reduce_max(ids)
            is_right = tf.logical_and(low >= 0, high < size)
            said = [f"{message} from", low, "to", high]
            # The least and the largest of nothing are neither.
            is_right |= tf.equal(tf.size(inputs[name]), 0)
            asserted.append(tf.debugging.Assert(is_right, said))
        with tf.control_dependencies(asserted):
            batch = tf.nest.map_structure(tf.identity, batch)
        return batch if len(batch) > 1 else batch[0]

    def _limits(self, inputs):
        """By name of the inputs with ids: how many there are, a message."""
        embeddings = self._embeddings()
        sizes = {
            "token_ids": ("tokens", embeddings.vocabulary_size),
            "segment_ids": ("segments", embeddings.num_segments),
        }
        limits = {
            name: (
                size,
                f"The model has embeddings of {size} {kind}. Received: "
                f"`{name}`",
            )
            for name, (kind, size) in sizes.items()
            if name in inputs and size
        }
        if "mask_positions" in inputs:
            length = inputs["token_ids"].shape[1]
            if length:
                limits["mask_positions"] = (
                    length,
                    f"The sequences have {length} places. Received: "
                    "`mask_positions`",
                )
        return limits


def _inputs(batch):
    """What a batch, or its spec, has for the model, if that is a dict."""
    inputs = batch[0] if isinstance(batch, tuple) else batch
    return inputs if isinstance(inputs, dict) else {}
