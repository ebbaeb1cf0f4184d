import keras
import numpy as np

COMPILATIONS = {
    "tensorflow": ("xla", "graph"),
    "jax": ("jit",),
    "torch": ("eager",),
}[keras.backend.backend()]


def compiled_step(layer, x, compilation, training=False, backward=False):
    """One call of a layer or model, compiled as Keras compiles training.

    Args:
        layer: A built `keras.Layer` or `keras.Model`. Only the first of its
            outputs counts.
        x: float32 NumPy array. Its input.
        compilation: string of `COMPILATIONS`.
        training: bool. Defaults to `False`.
        backward: bool. Whether to compute gradients too, by the input and by
            all weights, of a random projection of the output, which has the
            shape of `x`, plus `layer.losses`. Defaults to `False`.

    Returns:
        A function without arguments that waits until the step is done and
        returns a list of the backend's tensors: the output, then the gradients.
    """
    # Random, as a compiler may simplify a product with ones.
    projection = np.random.default_rng(2).normal(size=x.shape)
    make = {
        "tensorflow": _tensorflow_step,
        "jax": _jax_step,
        "torch": _torch_step,
    }[keras.backend.backend()]
    return make(
        layer, x, projection.astype("float32"), compilation, training, backward
    )


def _first(outputs):
    return outputs[0] if isinstance(outputs, (tuple, list)) else outputs


def _tensorflow_step(layer, x, projection, compilation, training, backward):
    import tensorflow as tf

    variables = [variable.value for variable in layer.trainable_variables]
    x, projection = tf.constant(x), tf.constant(projection)

    @tf.function(jit_compile=compilation == "xla")
    def step(x, projection):
        if not backward:
            return [_first(layer(x, training=training))]
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = _first(layer(x, training=training))
            loss = tf.reduce_sum(outputs * projection) + sum(layer.losses)
        return [outputs, *tape.gradient(loss, [x, *variables])]

    def run():
        results = step(x, projection)
        tf.test.experimental.sync_devices()
        return results

    return run


def _jax_step(layer, x, projection, compilation, training, backward):
    import jax
    import jax.numpy as jnp

    state = [variable.value for variable in layer.non_trainable_variables]
    variables = [variable.value for variable in layer.trainable_variables]
    x, projection = jnp.asarray(x), jnp.asarray(projection)

    def forward(x, variables):
        outputs, _, losses = layer.stateless_call(
            variables, state, x, training=training, return_losses=True
        )
        return _first(outputs), sum(losses)

    def loss(x, variables, projection):
        outputs, losses = forward(x, variables)
        return jnp.sum(outputs * projection) + losses, outputs

    @jax.jit
    def step(x, variables, projection):
        if not backward:
            return [forward(x, variables)[0]]
        gradient = jax.grad(loss, argnums=(0, 1), has_aux=True)
        (x_grad, grads), outputs = gradient(x, variables, projection)
        return [outputs, x_grad, *grads]

    return lambda: jax.block_until_ready(step(x, variables, projection))


def _torch_step(layer, x, projection, compilation, training, backward):
    import torch

    device = layer.weights[0].value.device
    x = torch.tensor(x, device=device, requires_grad=backward)
    projection = torch.tensor(projection, device=device)
    variables = [variable.value for variable in layer.trainable_variables]

    def step():
        if not backward:
            with torch.no_grad():
                return [_first(layer(x, training=training))]
        outputs = _first(layer(x, training=training))
        loss = (outputs * projection).sum() + sum(layer.losses)
        return [outputs.detach(), *torch.autograd.grad(loss, [x, *variables])]

    def run():
        results = step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return results

    return run
