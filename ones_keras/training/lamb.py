"""LAMB as published, with the decay inside the trust ratio."""

import keras
from keras import ops

from ones_keras.training.is_bias import is_bias


@keras.saving.register_keras_serializable(package="ones_keras")
class Lamb(keras.optimizers.Optimizer):
    """LAMB of the paper, for very large batches.

    Every step computes Adam's direction with bias correction, adds the decayed
    weights to it, and rescales the sum to the length of the weights:

        update = m_hat / (sqrt(v_hat) + epsilon) + weight_decay * w
        w -= learning_rate * |w| / |update| * update

    `keras.optimizers.Lamb` applies the decay outside of the ratio, and is the
    same only with `weight_decay=0`.

    Biases and the scales and offsets of normalisation layers are excluded
    from the decay *and* from the rescaling, as in the authors' code: those
    are the variables of at most one axis, and those with a "bias" in their
    path, as the biases of an expert bank, of shape `(num_experts, dim)`.
    `exclude_from_weight_decay()` excludes more, again from both.

    The norms are taken over a whole variable. A bank of experts of shape
    `(num_experts, ...)` is one variable and has one ratio, which all experts
    share, an expert that received no token included. Norms are computed in
    float32 whatever the variable's dtype.

    Args:
        learning_rate: float, `keras.optimizers.schedules.LearningRateSchedule`
            or callable. Defaults to `0.001`.
        beta_1: float. Decay of the first moment. Defaults to `0.9`.
        beta_2: float. Decay of the second moment. Defaults to `0.999`.
        epsilon: float. Added to the root of the second moment. Defaults to
            `1e-6`.
        weight_decay: float or `None`. Defaults to `None`.
        **kwargs: The other arguments of `keras.optimizers.Optimizer`, such as
            `global_clipnorm` (WideNet trains with `1.0`) or
            `gradient_accumulation_steps`.

    Example:

    ```python
    optimizer = ones_keras.training.Lamb(
        learning_rate=0.004, weight_decay=0.1, global_clipnorm=1.0
    )
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile(optimizer=optimizer, loss="mse")
    ```

    References:
        - [Large Batch Optimization for Deep Learning](
            https://arxiv.org/abs/1904.00962), Algorithm 2
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        weight_decay=None,
        **kwargs,
    ):
        super().__init__(
            learning_rate=learning_rate, weight_decay=weight_decay, **kwargs
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(
            var_list, ["momentum", "velocity"]
        )

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        dtype = variable.dtype
        gradient = ops.cast(gradient, dtype)
        step = ops.cast(self.iterations + 1, "float32")

        def corrected(moment, beta):
            # In float32, as bfloat16 rounds 0.999 to 1.
            correction = 1 - ops.power(ops.cast(beta, "float32"), step)
            return moment / ops.cast(correction, dtype)

        self.assign_add(m, (1 - self.beta_1) * ops.subtract(gradient, m))
        self.assign_add(
            v, (1 - self.beta_2) * ops.subtract(ops.square(gradient), v)
        )
        update = corrected(m, self.beta_1) / (
            ops.sqrt(corrected(v, self.beta_2)) + self.epsilon
        )

        weight = ops.convert_to_tensor(variable)
        # On TensorFlow `variable` is the bare `tf.Variable`, renamed by its
        # scope; names are looked up on the Keras variable it belongs to.
        if not self._is_excluded(self._trainable_variables[index]):
            update = update + (self.weight_decay or 0.0) * weight
            update = update * _trust_ratio(weight, update)
        self.assign_sub(variable, ops.cast(learning_rate, dtype) * update)

    def _apply_weight_decay(self, variables):
        """Does nothing: the decay is part of `update_step`."""

    def _is_excluded(self, variable):
        return is_bias(variable) or not self._use_weight_decay(variable)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "beta_1": self.beta_1,
                "beta_2": self.beta_2,
                "epsilon": self.epsilon,
            }
        )
        return config


def _trust_ratio(weight, update):
    """Returns |weight| / |update|, and 1 where either of them is zero."""
    weight_norm = ops.norm(ops.cast(ops.reshape(weight, (-1,)), "float32"))
    update_norm = ops.norm(ops.cast(ops.reshape(update, (-1,)), "float32"))
    usable = ops.logical_and(weight_norm > 0, update_norm > 0)
    # Both branches of `where` are evaluated: keep the divisor off zero.
    ratio = weight_norm / ops.where(usable, update_norm, 1.0)
    return ops.cast(ops.where(usable, ratio, 1.0), update.dtype)
