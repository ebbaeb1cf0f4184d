import keras

from ones_keras.validation import check_positive_int, get_activation


@keras.saving.register_keras_serializable(package="ones_keras")
class DenseFeedForward(keras.layers.Layer):
    """Feed-forward block `down(activation(up(x)))`: one expert, or a student.

    It has the shape of one expert of `MoEFeedForward`, as two stock
    `keras.layers.Dense` named `<name>_up` and `<name>_down`.

    Args:
        intermediate_dim: int. Number of hidden units `H`.
        activation: string or function, applied to the hidden units. Defaults
            to `"gelu"`.
        kernel_initializer: Initializer of both kernels. Defaults to
            `"glorot_uniform"`.
        bias_initializer: Initializer of both biases. Defaults to `"zeros"`.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` or `dtype`.

    Call arguments:
        inputs: Tensor of shape `(..., D)`, rank 2 or more.

    Output:
        Tensor of the shape of `inputs`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    layer = ones_keras.layers.DenseFeedForward(intermediate_dim=64)
    layer(np.ones((2, 7, 16), "float32")).shape  # (2, 7, 16)
    ```

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          Eq. 7
    """

    def __init__(
        self,
        intermediate_dim,
        activation="gelu",
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_int("intermediate_dim", intermediate_dim)
        self.intermediate_dim = intermediate_dim
        self.activation = get_activation(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.up = self._dense("up", intermediate_dim, self.activation)
        self.down = None
        self.supports_masking = True

    def _dense(self, name, units, activation=None):
        # Clones, as one unseeded initializer draws the same numbers twice.
        kernel, bias = (
            initializer.clone()
            if isinstance(initializer, keras.initializers.Initializer)
            else initializer
            for initializer in (self.kernel_initializer, self.bias_initializer)
        )
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=kernel,
            bias_initializer=bias,
            dtype=self.dtype_policy,
            name=f"{self.name}_{name}",
        )

    def build(self, input_shape):
        self.up.build(input_shape)
        self.down = self._dense("down", input_shape[-1])
        self.down.build((*input_shape[:-1], self.intermediate_dim))
        self.built = True

    def call(self, inputs):
        return self.down(self.up(inputs))

    def inline(self, inputs):
        """Apply the two stock layers directly.

        In a functional model this leaves `keras.layers.Dense` in the graph in
        place of this class, so that the saved model loads without
        `ones_keras`.
        """
        if not self.built:
            self.build(inputs.shape)
        return self.call(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "bias_initializer": keras.initializers.serialize(
                self.bias_initializer
            ),
        }
