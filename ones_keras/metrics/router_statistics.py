"""What the routers of a sparse model do with the tokens they are given."""

import dataclasses
import math

import keras
from keras import ops

from ones_keras.data.input_batches import input_batches
from ones_keras.distillation.teacher_signal import TeacherSignal
from ones_keras.layers.record_inputs import find_moe_layers, record_inputs


@keras.saving.register_keras_serializable(package="ones_keras")
class RouterStatistics(keras.metrics.Metric):
    """Load, entropy and dropped share of one router, over many batches.

    Its `result()` is a dictionary: `load`, `(E,)`, each expert's share of the
    routed (token, choice) pairs, dropped ones included, so that it sums to 1;
    `entropy`, the mean entropy of the router's probabilities in nats, at most
    `log(E)`; `dropped`, the share of the pairs beyond the capacity. All are
    float32, and 0 before the first token.

    Args:
        num_experts: int. Number of experts `E`.
        name: string. Defaults to `"router_statistics"`.
        **kwargs: Arguments of `keras.metrics.Metric`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    layer = ones_keras.layers.MoEFeedForward(num_experts=4, intermediate_dim=64)
    tokens = np.random.normal(size=(100, 16)).astype("float32")
    layer.build(tokens.shape)
    metric = ones_keras.metrics.RouterStatistics(num_experts=4)
    probabilities = layer.router_probabilities(tokens)
    metric.update_state(probabilities, layer.route(probabilities))
    metric.result()["load"].shape  # (4,)
    ```
    """

    def __init__(self, num_experts, name="router_statistics", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_experts = num_experts

        def add(name, shape=()):
            return self.add_variable(shape, "zeros", dtype="float32", name=name)

        self.load = add("load", (num_experts,))
        self.entropy = add("entropy")
        self.num_tokens = add("num_tokens")
        self.dropped_pairs = add("dropped_pairs")
        self.routed_pairs = add("routed_pairs")

    def update_state(self, probabilities, routing, mask=None):
        """Add one batch of `T` tokens.

        Args:
            probabilities: `(T, E)` float32 router probabilities.
            routing: The `Routing` that `MoEFeedForward.route` made of them.
            mask: `(T,)` bool or `None`. False marks padding, as in `routing`.
        """
        probabilities = ops.cast(probabilities, "float32")
        # The limit of p log p at 0 is 0.
        logs = ops.log(ops.where(probabilities > 0, probabilities, 1.0))
        entropy = -ops.sum(probabilities * logs, axis=-1)
        valid = ops.ones_like(entropy)
        if mask is not None:
            valid = ops.cast(mask, "float32")
        load = ops.cast(routing.load, "float32")
        kept = ops.cast(routing.kept_load, "float32")
        self.load.assign_add(load)
        self.entropy.assign_add(ops.sum(entropy * valid))
        self.num_tokens.assign_add(ops.sum(valid))
        self.dropped_pairs.assign_add(ops.sum(load - kept))
        self.routed_pairs.assign_add(ops.sum(load))

    def result(self):
        return {
            "load": ops.divide_no_nan(self.load, self.routed_pairs),
            "entropy": ops.divide_no_nan(self.entropy, self.num_tokens),
            "dropped": ops.divide_no_nan(self.dropped_pairs, self.routed_pairs),
        }

    def get_config(self):
        return {**super().get_config(), "num_experts": self.num_experts}


@dataclasses.dataclass(frozen=True)
class LayerRouterStatistics:
    """What `router_statistics` found for one layer.

    Args:
        load: tuple of float. Each expert's share of the routed (token, choice)
            pairs; sums to 1.
        entropy: float. Mean entropy of the router's probabilities, in nats.
        dropped: float. Share of the pairs beyond the training capacity.
        num_tokens: int. Tokens that reached the layer, padding left out; a
            shared layer counts a token once a depth.
    """

    load: tuple[float, ...]
    entropy: float
    dropped: float
    num_tokens: int

    def __str__(self):
        load = " ".join(f"{100 * share:.1f}" for share in self.load)
        return (
            f"load {load} %, entropy {self.entropy:.3f} of "
            f"{math.log(len(self.load)):.3f} nats, "
            f"dropped {100 * self.dropped:.1f} %"
        )

    def to_dict(self):
        """Returns the fields as a dictionary that `json` can write."""
        return dataclasses.asdict(self)


def router_statistics(model, data, batch_size=128):
    """Measures the routers of a sparse model on a dataset.

    The model runs at inference and every `MoEFeedForward` layer is measured on
    the tokens that reach it, padding left out; all depths of a shared layer are
    pooled. Inference drops nothing by default. `dropped` is what the layer's
    training `capacity_factor` would drop of these batches, without router
    noise, and so depends on how the data is batched.

    This is a function over data, not a metric inside the layer, because JAX
    loses the state of metrics that are updated in a layer's `call`.

    Args:
        model: `keras.Model` with `MoEFeedForward` layers, at any depth.
        data: Array of inputs, dict of arrays, or an iterable of batches such
            as a finite `tf.data.Dataset`, whose elements are `x`,
            `(x, y)` or `(x, y, sample_weight)`; only `x` is used.
        batch_size: int. Batch size, where `data` is an array. Defaults to
            `128`.

    Returns:
        A dict from layer name to `LayerRouterStatistics`.

    Raises:
        ValueError: If the model has no `MoEFeedForward` layer or two of equal
            name, or `data` is a tuple, holds no token or repeats for ever.

    Example:

    ```python
    import numpy as np
    import ones_keras

    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    images = np.random.uniform(0, 255, size=(20, 8, 8, 1))
    statistics = ones_keras.metrics.router_statistics(teacher, images)
    print(statistics["feed_forward"])
    ```
    """
    layers = find_moe_layers(model)
    if not layers:
        raise ValueError(
            "`model` has no `MoEFeedForward` layer, so there is no router to "
            f"measure. Received: `model={model.name}`."
        )
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):
        raise ValueError(
            "The `MoEFeedForward` layers of `model` must have different names "
            f"to be told apart. Received: {names}."
        )
    metrics = {
        layer.name: RouterStatistics(layer.num_experts) for layer in layers
    }
    num_tokens = dict.fromkeys(metrics, 0)
    run = TeacherSignal(model)
    for batch in input_batches(data, batch_size):
        with record_inputs(layers) as calls:
            run(batch)
        for layer in layers:
            for tokens, mask, _ in calls[layer]:
                if mask is not None:
                    mask = ops.cast(mask, "bool")
                probabilities = layer.router_probabilities(tokens)
                routing = layer.route(probabilities, mask, training=True)
                metrics[layer.name].update_state(probabilities, routing, mask)
                # Counted here as float32 is exact to 2**24 only.
                num_tokens[layer.name] += (
                    len(tokens) if mask is None else int(ops.sum(mask))
                )
    if not all(num_tokens.values()):
        raise ValueError(
            "`data` must bring at least one token to every `MoEFeedForward` "
            f"layer. Received: tokens a layer {num_tokens}."
        )
    return {
        name: _layer_statistics(metric.result(), num_tokens[name])
        for name, metric in metrics.items()
    }


def _layer_statistics(result, num_tokens):
    result = keras.tree.map_structure(ops.convert_to_numpy, result)
    return LayerRouterStatistics(
        load=tuple(result["load"].tolist()),
        entropy=float(result["entropy"]),
        dropped=float(result["dropped"]),
        num_tokens=num_tokens,
    )
