import itertools

import numpy as np
from keras import ops

from ones_keras.mutual.expert_probe import ExpertProbe
from ones_keras.mutual.linear_cka import linear_cka
from ones_keras.mutual.mixture_of_models import MixtureOfModels


def probe_experts(model, data):
    """Lets each expert of a mixture answer alone what the gate gives it.

    MoDE's expert probing: it tells whether the experts have become better at
    their own tasks, or only the same.

    Args:
        model: `MixtureOfModels`.
        data: iterable of batches `(x, labels)` or `(x, labels,
            sample_weight)`, with integer labels `(B,)`, as a `tf.data.Dataset`
            or a list. Held-out examples; weights are not looked at.

    Returns:
        `ExpertProbe`.

    Raises:
        ValueError: If the model is none, or there are no examples.

    Example:

    ```python
    experts = [
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        for _ in range(2)
    ]
    gate = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model = ones_keras.mutual.MixtureOfModels(experts, gate)
    examples = np.random.normal(size=(20, 4)), np.arange(20) % 3
    probe = ones_keras.mutual.probe_experts(model, [examples])
    probe.accuracy  # Of each expert, where the gate prefers it.
    ```

    References:
        - [MoDE: A Mixture-of-Experts Model with Mutual Distillation among the
          Experts](https://arxiv.org/abs/2402.00893)
    """
    if not isinstance(model, MixtureOfModels):
        raise ValueError(
            f"`model` must be a `MixtureOfModels`. Received: `model={model}`."
        )
    outputs, weights, labels = [], [], []
    for x, batch_labels, *_ in data:
        if np.ndim(batch_labels) != 1:
            raise ValueError(
                "Labels must be integers of shape `(B,)`. Received: labels of "
                f"shape {np.shape(batch_labels)}."
            )
        outputs.append(ops.convert_to_numpy(model.expert_outputs(x)))
        weights.append(ops.convert_to_numpy(model.gate_weights(x)))
        labels.append(np.asarray(batch_labels))
    if not labels:
        raise ValueError("`data` must have examples. Received: none.")
    outputs = np.concatenate(outputs, axis=1).astype("float64")
    weights = np.concatenate(weights).astype("float64")
    labels = np.concatenate(labels)

    mixed = np.einsum("be,ebc->bc", weights, outputs)
    right = labels[:, None] == outputs.argmax(-1).T
    experts, examples = np.arange(len(outputs)), np.arange(len(labels))
    own = weights.argmax(-1)
    own_right = right[examples, own]
    disputed = right.any(axis=1) & ~right.all(axis=1)
    return ExpertProbe(
        share=np.mean(own[:, None] == experts, axis=0),
        accuracy=np.array(
            [_mean(own_right[own == expert]) for expert in experts]
        ),
        accuracy_on_all=right.mean(axis=0),
        mixture_accuracy=float(np.mean(mixed.argmax(-1) == labels)),
        own_accuracy=float(own_right.mean()),
        oracle_accuracy=float(right.any(axis=1).mean()),
        routing_accuracy=_mean(own_right[disputed]),
        chance=_mean(right[disputed]),
        similarity=_mean(
            [
                linear_cka(one, other)
                for one, other in itertools.combinations(outputs, 2)
            ]
        ),
    )


def _mean(values):
    return float(np.mean(values)) if len(values) else float("nan")
