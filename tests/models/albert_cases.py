"""Small ALBERT models and what goes into them."""

import numpy as np


def albert_inputs(rng, batch=3, length=10, vocabulary_size=50, padded=True):
    """Token ids, segments and padding, of one row all but three tokens."""
    padding_mask = np.ones((batch, length), "int32")
    if padded:
        padding_mask[1, 3:] = 0
    segments = np.broadcast_to(np.arange(length) > length // 2, (batch, length))
    return {
        "token_ids": rng.integers(1, vocabulary_size, (batch, length)).astype(
            "int32"
        ),
        "segment_ids": segments.astype("int32") * padding_mask,
        "padding_mask": padding_mask,
    }


def masked_lm_inputs(rng, **kwargs):
    inputs = albert_inputs(rng, **kwargs)
    batch = len(inputs["token_ids"])
    positions = np.array([[1, 2], [0, 2], [4, 3], [1, 0]], "int32")[:batch]
    return {**inputs, "mask_positions": positions}


SMALL = {
    "vocabulary_size": 50,
    "num_layers": 3,
    "num_heads": 2,
    "embedding_dim": 6,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}


def scramble(model, rng):
    """Weights that all matter: biases and scales too."""
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.weights])
    return model
