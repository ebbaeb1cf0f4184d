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
            sample_weight)`, with integer labels `(B,)` and weights `(B,)`, as
            a `tf.data.Dataset` or a list. Held-out examples. All shares and
            accuracies are weighted; `similarity` is not.

    Returns:
        `ExpertProbe`.

    Raises:
        ValueError: If the model is none, there are no examples, labels are no
            classes of the model, or weights are none.

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
    outputs, gates, labels, weights = [], [], [], []
    for x, batch_labels, *rest in data:
        batch_labels = _numpy(batch_labels)
        batch_weights = np.ones(len(batch_labels))
        if rest and rest[0] is not None:
            batch_weights = _numpy(rest[0]).astype("float64")
        outputs.append(_numpy(model.expert_outputs(x)))
        gates.append(_numpy(model.gate_weights(x)))
        _check(batch_labels, batch_weights, outputs[-1].shape[-1])
        labels.append(batch_labels)
        weights.append(batch_weights)
    if not sum(map(len, labels)):
        raise ValueError("`data` must have examples. Received: none.")
    outputs = np.concatenate(outputs, axis=1).astype("float64")
    gates = np.concatenate(gates).astype("float64")
    labels, weights = np.concatenate(labels), np.concatenate(weights)

    mixed = np.einsum("be,ebc->bc", gates, outputs)
    right = labels[:, None] == outputs.argmax(-1).T
    experts = np.arange(len(outputs))
    own = gates.argmax(-1)
    is_own = own[:, None] == experts
    own_right = right[np.arange(len(labels)), own]
    disputed = right.any(axis=1) & ~right.all(axis=1)

    def mean(values, where=...):
        return _mean(values[where], weights[where])

    return ExpertProbe(
        share=np.array([mean(is_own[:, expert]) for expert in experts]),
        accuracy=np.array(
            [mean(own_right, own == expert) for expert in experts]
        ),
        accuracy_on_all=np.array([mean(right[:, each]) for each in experts]),
        mixture_accuracy=mean(mixed.argmax(-1) == labels),
        own_accuracy=mean(own_right),
        oracle_accuracy=mean(right.any(axis=1)),
        routing_accuracy=mean(own_right, disputed),
        chance=mean(right.mean(axis=1), disputed),
        similarity=float(
            np.mean(
                [
                    linear_cka(one, other)
                    for one, other in itertools.combinations(outputs, 2)
                ]
            )
        ),
    )


def _numpy(values):
    return np.asarray(ops.convert_to_numpy(values))


def _check(labels, weights, classes):
    """Refuse labels that no expert could get right, and weights of others."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "Labels must be integers of shape `(B,)`. Received: labels of "
            f"shape {labels.shape} and dtype {labels.dtype}."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"Labels must be from 0 to {classes - 1}, the classes of the "
            f"model. Received: {labels.min()} to {labels.max()}."
        )
    if weights.shape != labels.shape or not (weights >= 0).all():
        raise ValueError(
            f"Weights must be 0 or more and of shape {labels.shape}, as the "
            f"labels. Received: shape {weights.shape}."
        )


def _mean(values, weights):
    if not weights.sum():
        return float("nan")
    return float(np.average(values, weights=weights))
