"""Gradients of a layer on whichever backend is under test."""

import keras
import numpy as np


def to_numpy(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def loss_and_gradients(layer, inputs, weights, *, jit=False, **kwargs):
    """Gradients of `sum(weights * layer(inputs)) + sum(layer.losses)`.

    Returns:
        The outputs, the gradient by the inputs and the list of gradients by
        the trainable variables, all NumPy arrays.
    """
    run = _BACKENDS[keras.backend.backend()]
    outputs, input_gradient, gradients = run(
        layer, inputs, weights, jit, kwargs
    )
    return (
        to_numpy(outputs),
        to_numpy(input_gradient),
        [to_numpy(gradient) for gradient in gradients],
    )


def _tensorflow(layer, inputs, weights, jit, kwargs):
    import tensorflow as tf

    variables = [variable.value for variable in layer.trainable_variables]

    def step(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, **kwargs)
            loss = tf.reduce_sum(tf.cast(outputs, "float32") * weights)
            loss = tf.add_n([loss, *layer.losses])
        gradients = tape.gradient(
            loss,
            [inputs, *variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return outputs, [tf.convert_to_tensor(grad) for grad in gradients]

    if jit:
        step = tf.function(step, jit_compile=True)
    outputs, (input_gradient, *gradients) = step(tf.convert_to_tensor(inputs))
    return outputs, input_gradient, gradients


def _jax(layer, inputs, weights, jit, kwargs):
    import jax
    import jax.numpy as jnp

    state = [variable.value for variable in layer.non_trainable_variables]

    def loss_fn(inputs, variables):
        outputs, _, losses = layer.stateless_call(
            variables, state, inputs, return_losses=True, **kwargs
        )
        loss = jnp.sum(outputs.astype("float32") * weights) + sum(losses)
        return loss, outputs

    step = jax.grad(loss_fn, argnums=(0, 1), has_aux=True)
    if jit:
        step = jax.jit(step)
    (input_gradient, gradients), outputs = step(
        jnp.asarray(inputs),
        [variable.value for variable in layer.trainable_variables],
    )
    return outputs, input_gradient, gradients


def _torch(layer, inputs, weights, jit, kwargs):
    import torch

    inputs = torch.tensor(inputs, requires_grad=True)
    variables = [variable.value for variable in layer.trainable_variables]
    outputs = layer(inputs, **kwargs)
    loss = (outputs.float() * torch.tensor(weights)).sum() + sum(layer.losses)
    gradients = torch.autograd.grad(
        loss, [inputs, *variables], allow_unused=True, materialize_grads=True
    )
    return outputs, gradients[0], gradients[1:]


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
