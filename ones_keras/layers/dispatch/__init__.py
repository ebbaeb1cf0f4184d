"""Sparse dispatch: every expert computes the tokens routed to it, no others.

`sparse_outputs(tokens, routing, bank, activation)` takes `(T, D)` tokens, a
`Routing` and an `ExpertBank` and returns the outputs of the chosen experts,
`(K, T, D)`, which `combine` sums by their gates. Of a pair that is not computed
it returns anything finite. The fast way to do this differs by backend:
TensorFlow and JAX need static shapes for XLA and work on blocks of rows of one
expert; PyTorch runs one matrix product an expert on exactly its rows. All
agree with `all_experts_outputs`, which is the definition.
"""

import keras

from ones_keras.layers.dispatch.all_experts import all_experts_outputs
from ones_keras.layers.dispatch.combine import combine
from ones_keras.layers.dispatch.dispatched import Dispatched
from ones_keras.layers.dispatch.expert_bank import ExpertBank

if keras.backend.backend() == "tensorflow":
    from ones_keras.layers.dispatch.tensorflow import sparse_outputs
elif keras.backend.backend() == "jax":
    from ones_keras.layers.dispatch.jax import sparse_outputs
elif keras.backend.backend() == "torch":
    from ones_keras.layers.dispatch.torch import sparse_outputs
else:
    raise ImportError(
        "ones_keras runs on the tensorflow, jax and torch backends of Keras. "
        f"Received: `KERAS_BACKEND={keras.backend.backend()}`."
    )

__all__ = [
    "Dispatched",
    "ExpertBank",
    "all_experts_outputs",
    "combine",
    "sparse_outputs",
]
