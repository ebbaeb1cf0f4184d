class CheckedLength:
    """Mixin of a model whose sequences may be too long for its embeddings.

    Without it TensorFlow ends in the graph, and JAX trains on to NaN.
    """

    # Keras trains a model whose `call` does not name `training` without it.
    def call(self, inputs, training=None, mask=None):
        if isinstance(inputs, dict):
            length = inputs["token_ids"].shape[1]
            backbone = getattr(self, "backbone", self)
            longest = backbone.max_sequence_length
            if length and longest and length > longest:
                raise ValueError(
                    f"The model has embeddings of {longest} positions. "
                    f"Received: `token_ids` of shape "
                    f"{tuple(inputs['token_ids'].shape)}."
                )
        return super().call(inputs, training=training, mask=mask)
