import keras
from keras import ops

from ones_keras.layers.dispatch.devices import devices_of_batch
from ones_keras.layers.load_balance_loss import load_balance_loss
from ones_keras.layers.mutual_distillation_loss import mutual_distillation_loss
from ones_keras.mutual.mutual_divergence import mutual_divergence
from ones_keras.normalizing_operation import normalizing_operation
from ones_keras.validation import check_not_negative, check_positive_int

DISTANCES = {
    "squared": mutual_distillation_loss,
    "kl": mutual_divergence,
}


@keras.saving.register_keras_serializable(package="ones_keras")
class MixtureOfModels(keras.Model):
    """Small models as the experts under one gate, which teach each other.

    `y(x) = sum_i G(x)_i e_i(x)`, where `G` is the softmax of the gate's logits
    (a dense gate, MoDE's DMoE), or its `top_k` largest probabilities divided by
    their sum (a sparse one, SMoE). In training, `mutual_distillation` times the
    mean distance between the outputs of an example's experts is added to the
    loss. All experts are computed for every example, under a sparse gate too:
    for small networks that costs less than sending examples around.

    Args:
        experts: list of two or more functional or Sequential models. Different
            ones that take the same inputs and return logits `(B, C)`.
        gate: functional or Sequential model. Takes the same inputs, returns
            logits `(B, E)`.
        top_k: int or `None`. Experts an example, at least 2: the weight of a
            single one is 1 whatever the gate says, which then learns nothing.
            `None` is the dense gate. Defaults to `None`.
        mutual_distillation: float. Weight of the distance (the paper's alpha);
            too large a one makes all experts the same. Every example of a
            batch counts, whatever its `sample_weight`. Defaults to `0.0`.
        distance: `"squared"`, the mean squared difference of two experts'
            logits, or `"kl"`, the divergence of their distributions in both
            directions. Which of them the paper has is recalled, and not
            verified: the first. Defaults to `"squared"`.
        load_balance: float. Weight of the load-balance loss under a sparse
            gate (OneS, Eq. 3). Defaults to `0.01`.
        **kwargs: Arguments of `keras.Model`, such as `name`.

    Call arguments:
        inputs: As the experts and the gate take them.
        training: bool.

    Output:
        Tensor `(B, C)` of the dtype of the experts' outputs.

    Raises:
        ValueError: If an argument is out of its range, or the models' outputs
            do not fit together or are no logits.

    Example:

    ```python
    import numpy as np

    experts = [
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        for _ in range(2)
    ]
    gate = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model = ones_keras.mutual.MixtureOfModels(
        experts, gate, mutual_distillation=0.1
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(np.ones((8, 4)), np.arange(8) % 3)
    ```

    References:
        - [MoDE: A Mixture-of-Experts Model with Mutual Distillation among the
          Experts](https://arxiv.org/abs/2402.00893)
    """

    def __init__(
        self,
        experts,
        gate,
        top_k=None,
        mutual_distillation=0.0,
        distance="squared",
        load_balance=0.01,
        **kwargs,
    ):
        super().__init__(**kwargs)
        experts = list(experts)
        _check_models(experts, gate)
        if top_k is not None:
            check_positive_int("top_k", top_k)
            if not 2 <= top_k <= len(experts):
                raise ValueError(
                    "`top_k` must be at least 2, and at most the number of "
                    f"experts. Received: `top_k={top_k}`, {len(experts)} "
                    "experts."
                )
        if distance not in DISTANCES:
            raise ValueError(
                f"`distance` must be one of {sorted(DISTANCES)}. Received: "
                f"`distance={distance!r}`."
            )
        for name, value in (
            ("mutual_distillation", mutual_distillation),
            ("load_balance", load_balance),
        ):
            check_not_negative(name, value)
        self.experts = experts
        self.gate = gate
        self.top_k = top_k
        self.mutual_distillation = mutual_distillation
        self.distance = distance
        self.load_balance = load_balance
        # As its parts are, whose weights can be counted and loaded.
        self.built = True

    def call(self, inputs, training=None):
        probabilities = self._probabilities(inputs, training)
        weights, chosen = self._choose(probabilities)
        outputs = self.expert_outputs(inputs, training)
        if training:
            self._add_losses(outputs, probabilities, chosen)
        weights = ops.cast(ops.transpose(weights), outputs.dtype)
        return ops.sum(weights[..., None] * outputs, axis=0)

    def expert_outputs(self, inputs, training=False):
        """What every expert alone says of the inputs, `(E, B, C)`."""
        return ops.stack(
            [expert(inputs, training=training) for expert in self.experts]
        )

    def gate_weights(self, inputs, training=False):
        """Weight of every expert, `(B, E)` float32: 0 for one not chosen."""
        return self._choose(self._probabilities(inputs, training))[0]

    def _probabilities(self, inputs, training):
        logits = self.gate(inputs, training=training)
        return ops.softmax(ops.cast(logits, "float32"))

    def _choose(self, probabilities):
        """Weights `(B, E)`, and which experts they are of, bool."""
        if self.top_k is None:
            return probabilities, ops.ones_like(probabilities, dtype="bool")
        _, experts = ops.top_k(probabilities, self.top_k)
        numbers = ops.arange(len(self.experts), dtype=experts.dtype)
        chosen = ops.any(experts[..., None] == numbers, axis=1)
        weights = ops.where(chosen, probabilities, 0.0)
        return weights / ops.sum(weights, axis=-1, keepdims=True), chosen

    def _add_losses(self, outputs, probabilities, chosen):
        devices = devices_of_batch()
        if self.mutual_distillation:
            distance = DISTANCES[self.distance](
                outputs, ops.transpose(chosen), devices.sum
            )
            devices.add_loss(self, self.mutual_distillation * distance)
        if self.load_balance and self.top_k is not None:
            load = ops.sum(ops.cast(chosen, "int32"), axis=0)
            balance = load_balance_loss(
                probabilities, load, sum_all=devices.sum
            )
            devices.add_loss(self, self.load_balance * balance)

    def _get_own_losses(self):
        return devices_of_batch().own_losses(super()._get_own_losses())

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": [serialize(expert) for expert in self.experts],
            "gate": serialize(self.gate),
            "top_k": self.top_k,
            "mutual_distillation": self.mutual_distillation,
            "distance": self.distance,
            "load_balance": self.load_balance,
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        return cls(
            **{
                **config,
                "experts": [deserialize(each) for each in config["experts"]],
                "gate": deserialize(config["gate"]),
            }
        )


def _check_models(experts, gate):
    if len(experts) < 2 or len({id(expert) for expert in experts}) < len(
        experts
    ):
        raise ValueError(
            "`experts` must be two or more different models. Received: "
            f"`experts={experts}`."
        )
    shapes = [getattr(model, "output_shape", None) for model in experts]
    if any(
        not isinstance(shape, tuple) or len(shape) != 2 or shape != shapes[0]
        for shape in shapes
    ):
        raise ValueError(
            "`experts` must be built functional or Sequential models, and all "
            "return logits of one shape `(None, classes)`. Received: outputs "
            f"of shapes {shapes}."
        )
    found = getattr(gate, "output_shape", None)
    if found != (None, len(experts)):
        raise ValueError(
            "`gate` must be a built functional or Sequential model, and return "
            f"a logit an expert, `(None, {len(experts)})`. Received: an output "
            f"of shape {found}."
        )
    for name, models in (("experts", experts), ("gate", [gate])):
        for model in models:
            culprit = normalizing_operation(model.outputs[0])
            if culprit:
                raise ValueError(
                    f"`{name}` must return logits. Received: a model whose "
                    f"output comes from a softmax or sigmoid, in "
                    f"`{culprit.name}`."
                )
