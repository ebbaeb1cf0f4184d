"""Sparse dispatch: every expert computes the tokens routed to it, no others.

`sparse_feed_forward(tokens, routing, bank, activation)` takes `(T, D)` tokens,
a `Routing` and an `ExpertBank` and returns the gated sum of the chosen
experts' outputs, `(T, D)`. The fast way to do this differs by backend:
TensorFlow and JAX need static shapes for XLA and work on blocks of rows of one
expert; PyTorch runs one matrix product an expert on exactly its rows. All
agree with `all_experts_feed_forward`, which is the definition.
"""

import keras

from ones_keras.layers.dispatch.all_experts import all_experts_feed_forward
from ones_keras.layers.dispatch.expert_bank import ExpertBank

if keras.backend.backend() == "tensorflow":
    from ones_keras.layers.dispatch.tensorflow import sparse_feed_forward
elif keras.backend.backend() == "jax":
    from ones_keras.layers.dispatch.jax import sparse_feed_forward
elif keras.backend.backend() == "torch":
    from ones_keras.layers.dispatch.torch import sparse_feed_forward
else:
    raise ImportError(
        "ones_keras runs on the tensorflow, jax and torch backends of Keras. "
        f"Received: `KERAS_BACKEND={keras.backend.backend()}`."
    )

__all__ = ["ExpertBank", "all_experts_feed_forward", "sparse_feed_forward"]
