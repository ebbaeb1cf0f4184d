import functools

import keras
from keras import ops

from ones_keras.layers.dispatch import (
    Dispatched,
    ExpertBank,
    all_experts_outputs,
    combine,
    sparse_outputs,
)
from ones_keras.layers.dispatch.devices import devices_of
from ones_keras.layers.load_balance_loss import load_balance_loss
from ones_keras.layers.mutual_distillation_loss import (
    mutual_distillation_loss,
)
from ones_keras.layers.per_expert_initializer import PerExpertInitializer
from ones_keras.layers.routing import restrict, route
from ones_keras.validation import (
    check_not_negative,
    check_positive_int,
    get_activation,
)

DISPATCH = {
    "sparse": sparse_outputs,
    "einsum": all_experts_outputs,
}


@keras.saving.register_keras_serializable(package="ones_keras")
class MoEFeedForward(keras.layers.Layer):
    """Feed-forward block of `num_experts` experts, `top_k` of them a token.

    `MoE(x) = sum_i G(x)_i e_i(x)` with `G = topK(softmax(h(x) + noise))`, where
    `h` is a linear router without bias and every expert `e_i` is
    `down_i(activation(up_i(x)))`. Only the chosen experts are computed, with
    static shapes on TensorFlow and JAX, and on PyTorch exactly the tokens that
    each expert was sent. The router works in float32 whatever the dtype policy;
    `ones_keras.metrics.RouterMonitor` shows in `fit` what it does.

    On several devices each dispatches its own part of the batch, with a
    capacity of its own; the load-balance loss is that of the whole batch. With
    `keras.distribution` on JAX, a layout that puts the first axis of the
    kernels and biases of the experts on an axis of the mesh spreads the experts
    over it.

    Args:
        num_experts: int. Number of experts `E`.
        intermediate_dim: int. Hidden units `H` of one expert.
        top_k: int. Experts a token, `1 <= top_k <= num_experts`. Defaults to
            `2`.
        activation: string or function, applied to the hidden units. Defaults
            to `"gelu"`.
        capacity_factor: float or `None`. In training an expert computes at most
            `int(tokens * capacity_factor * top_k / num_experts)` of the
            batch's tokens (padding not counted), and one at least; what comes
            beyond is dropped and contributes zero, so that a residual
            connection passes it through. First choices are served before
            second ones. `None` drops nothing. Defaults to `1.2`.
        inference_capacity_factor: float or `None`. The same at inference.
            Defaults to `None`.
        load_balance: float. Weight of the load-balance loss, added with
            `add_loss` in training. Defaults to `0.01`.
        mutual_distillation: float. Weight of the mean squared distance between
            the outputs of a token's experts, added with `add_loss` in training:
            experts that teach each other (MoDE). It needs `top_k` of 2 or
            more; `top_k=num_experts` is MoDE's dense gate. A layer that blocks
            share adds it once a block. The form of the loss is recalled, not
            verified against the paper. Defaults to `0.0`.
        router_noise: float or `None`. Standard deviation of the normal noise
            added to the router's logits in training. Defaults to `None`, the
            paper's `1 / num_experts`.
        renormalize_gates: bool. Whether a token's gates are divided by their
            sum. WideNet uses the raw probabilities. Defaults to `False`.
        dispatch: `"sparse"` or `"einsum"`. `"einsum"` computes every expert on
            every token: the reference that the sparse path is tested against.
            Defaults to `"sparse"`.
        kernel_initializer: Initializer of each expert's kernels and of the
            router's. Defaults to `"glorot_uniform"`.
        bias_initializer: Initializer of the biases. Defaults to `"zeros"`.
        seed: int or `None`. Seed of the router noise. Defaults to `None`, a
            random one.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` or `dtype`.

    Call arguments:
        inputs: Tensor of shape `(..., D)`, rank 2 or more.
        mask: Bool tensor of shape `(...)` or `None`. False marks padding, which
            is neither routed nor counted; its output is zero.
        training: bool.

    Output:
        Tensor of the shape and dtype of `inputs`.

    Raises:
        ValueError: If an argument is out of its range, or the input has fewer
            than two axes or an unknown last one.

    Example:

    ```python
    import numpy as np
    import ones_keras

    layer = ones_keras.layers.MoEFeedForward(num_experts=4, intermediate_dim=64)
    layer(np.ones((2, 7, 16), "float32")).shape  # (2, 7, 16)
    ```

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          Eq. 1-6
        - [Go Wider Instead of Deeper](https://arxiv.org/abs/2107.11817)
        - [MoDE: A Mixture-of-Experts Model with Mutual Distillation among the
          Experts](https://arxiv.org/abs/2402.00893)
    """

    def __init__(
        self,
        num_experts,
        intermediate_dim,
        top_k=2,
        activation="gelu",
        capacity_factor=1.2,
        inference_capacity_factor=None,
        load_balance=0.01,
        mutual_distillation=0.0,
        router_noise=None,
        renormalize_gates=False,
        dispatch="sparse",
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_int("num_experts", num_experts)
        check_positive_int("intermediate_dim", intermediate_dim)
        check_positive_int("top_k", top_k)
        if top_k > num_experts:
            raise ValueError(
                "`top_k` must be at most `num_experts`. Received: "
                f"`top_k={top_k}`, `num_experts={num_experts}`."
            )
        if dispatch not in DISPATCH:
            raise ValueError(
                f"`dispatch` must be one of {sorted(DISPATCH)}. Received: "
                f"`dispatch={dispatch!r}`."
            )
        for name, factor in (
            ("capacity_factor", capacity_factor),
            ("inference_capacity_factor", inference_capacity_factor),
        ):
            if factor is not None and factor <= 0:
                raise ValueError(
                    f"`{name}` must be positive or `None`. Received: "
                    f"`{name}={factor}`."
                )
        for name, value in (
            ("load_balance", load_balance),
            ("router_noise", router_noise),
        ):
            if value is not None:
                check_not_negative(name, value)
        check_not_negative("mutual_distillation", mutual_distillation)
        if mutual_distillation and top_k == 1:
            raise ValueError(
                "`mutual_distillation` needs two experts a token, `top_k` of 2 "
                "or more. Received: "
                f"`mutual_distillation={mutual_distillation}`, `top_k=1`."
            )
        self.num_experts = num_experts
        self.intermediate_dim = intermediate_dim
        self.top_k = top_k
        self.activation = get_activation(activation)
        self.capacity_factor = capacity_factor
        self.inference_capacity_factor = inference_capacity_factor
        self.load_balance = load_balance
        self.mutual_distillation = mutual_distillation
        self.router_noise = router_noise
        self.renormalize_gates = renormalize_gates
        self.dispatch = dispatch
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "The input of `MoEFeedForward` must have rank 2 or more and a "
                f"known last dimension. Received: `input_shape={input_shape}`."
            )
        dim, hidden = input_shape[-1], self.intermediate_dim
        # Float32 and never autocast: small logit differences decide a route.
        self.router_kernel = self.add_weight(
            name="router_kernel",
            shape=(dim, self.num_experts),
            initializer=self.kernel_initializer,
            dtype="float32",
            autocast=False,
        )
        self.up_kernel, self.up_bias = self._add_linear("up", dim, hidden)
        self.down_kernel, self.down_bias = self._add_linear("down", hidden, dim)
        self.built = True

    def _add_linear(self, name, in_dim, out_dim):
        kernel = self.add_weight(
            name=f"{name}_kernel",
            shape=(self.num_experts, in_dim, out_dim),
            initializer=PerExpertInitializer(self.kernel_initializer),
        )
        bias = self.add_weight(
            name=f"{name}_bias",
            shape=(self.num_experts, out_dim),
            initializer=PerExpertInitializer(self.bias_initializer),
        )
        return kernel, bias

    def call(self, inputs, mask=None, training=None):
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))
        if mask is not None:
            mask = ops.reshape(ops.cast(mask, "bool"), (-1,))
        probabilities = self.router_probabilities(tokens, training)
        bank = ExpertBank(
            ops.convert_to_tensor(self.up_kernel),
            ops.convert_to_tensor(self.up_bias),
            ops.convert_to_tensor(self.down_kernel),
            ops.convert_to_tensor(self.down_bias),
        )
        devices = devices_of(self)
        found = devices.dispatch(
            functools.partial(self._dispatch, training),
            tokens,
            probabilities,
            mask,
            bank,
        )
        if training and self.load_balance:
            balance = load_balance_loss(
                probabilities, found.load, mask, devices.sum
            )
            devices.add_loss(self, self.load_balance * balance)
        if found.pairs is not None:
            distance = mutual_distillation_loss(
                found.pairs, found.computed, devices.sum
            )
            devices.add_loss(self, self.mutual_distillation * distance)
        return ops.reshape(found.outputs, ops.shape(inputs))

    def _dispatch(self, training, tokens, probabilities, mask, bank, first):
        """`Dispatched` to the experts from `first` on."""
        whole = routing = self.route(probabilities, mask, training)
        own, options = bank.up_kernel.shape[0], {}
        if own < self.num_experts:  # On JAX alone.
            routing = restrict(routing, first, own)
            capacity = self._capacity(tokens.shape[0], training)
            if capacity is not None and self.dispatch == "sparse":
                options["most_pairs"] = own * capacity
        pairs = DISPATCH[self.dispatch](
            tokens, routing, bank, self.activation, **options
        )
        found = Dispatched(combine(pairs, routing.gates), whole.load)
        if not (training and self.mutual_distillation):
            return found
        if own < self.num_experts:  # To be summed with those of others.
            here = ops.transpose(routing.gates > 0)[..., None]
            pairs = ops.where(here, pairs, ops.zeros_like(pairs))
        computed = ops.transpose(whole.gates > 0)
        return found._replace(pairs=pairs, computed=computed)

    def router_probabilities(self, tokens, training=False):
        """Router probabilities `(T, E)`, float32, of tokens `(T, D)`."""
        logits = ops.matmul(ops.cast(tokens, "float32"), self.router_kernel)
        if training and self.router_noise != 0:
            noise = self.router_noise or 1 / self.num_experts
            logits = logits + keras.random.normal(
                ops.shape(logits),
                stddev=noise,
                dtype="float32",
                seed=self.seed_generator,
            )
        return ops.softmax(logits)

    def route(self, probabilities, mask=None, training=False):
        """The `Routing` of tokens with these probabilities `(T, E)`."""
        num_tokens = ops.shape(probabilities)[0]
        if mask is not None:
            num_tokens = ops.sum(ops.cast(mask, "int32"))
        capacity = self._capacity(num_tokens, training)
        return route(
            probabilities, self.top_k, capacity, mask, self.renormalize_gates
        )

    def _capacity(self, num_tokens, training):
        """Most tokens an expert computes, or `None`."""
        factor = (
            self.capacity_factor if training else self.inference_capacity_factor
        )
        if factor is None:
            return None
        share = factor * self.top_k / self.num_experts
        if isinstance(num_tokens, int):
            return max(1, int(num_tokens * share))
        return ops.maximum(
            1, ops.cast(ops.cast(num_tokens, "float32") * share, "int32")
        )

    def _get_own_losses(self):
        return devices_of(self).own_losses(super()._get_own_losses())

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_experts": self.num_experts,
            "intermediate_dim": self.intermediate_dim,
            "top_k": self.top_k,
            "activation": keras.activations.serialize(self.activation),
            "capacity_factor": self.capacity_factor,
            "inference_capacity_factor": self.inference_capacity_factor,
            "load_balance": self.load_balance,
            "mutual_distillation": self.mutual_distillation,
            "router_noise": self.router_noise,
            "renormalize_gates": self.renormalize_gates,
            "dispatch": self.dispatch,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "bias_initializer": keras.initializers.serialize(
                self.bias_initializer
            ),
            "seed": self.seed,
        }
