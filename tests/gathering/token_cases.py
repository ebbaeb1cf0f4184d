"""Teachers that some tests share, and `gather` without its progress."""

import keras
import numpy as np

import ones_keras
from ones_keras.layers import MoEFeedForward


def gather(teacher, method, data, **options):
    return ones_keras.gather(
        teacher, method, calibration_data=data, verbose=False, **options
    )


def token_teacher(share=True):
    """Masked tokens through a MoE layer at two depths, or two of them."""
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(250, 4, mask_zero=True, name="embedding")(inputs)
    first = MoEFeedForward(3, 6, name="first")
    second = first if share else MoEFeedForward(3, 6, name="second")
    x = keras.layers.Add(name="one")([x, first(x)])
    x = keras.layers.Add(name="two")([x, second(x)])
    model = keras.Model(inputs, keras.layers.Dense(5, name="head")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.7, w.shape) for w in model.weights])
    return model


def token_data(rng):
    # No token twice, so that one is told from another by its embedding.
    tokens = 1 + rng.permutation(30 * 7).reshape(30, 7)
    tokens[::3, 4:] = 0
    return tokens


def vit_moe(dtype=None):
    """Layers of their own, every second one with experts."""
    return ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny",
        num_classes=3,
        num_layers=2,
        share_layers=False,
        expert_every=2,
        dtype=dtype,
    )
