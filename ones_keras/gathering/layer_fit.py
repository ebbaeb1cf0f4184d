import keras
import numpy as np
from absl import logging

from ones_keras.gathering.expert_weights import DenseWeights
from ones_keras.gathering.registry import register_method
from ones_keras.gathering.scaling import check_scale
from ones_keras.gathering.start_method import check_start
from ones_keras.validation import check_positive_int

# Steps between two looks at the tokens not trained on, at most, and how many of
# these may bring nothing before the fit ends.
INTERVAL, PATIENCE = 250, 8
# One example in so many is not trained on.
HELD_OUT_PART = 10


def _check(experts, intermediate_dim, start, steps, learning_rate, batch_size):
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        check_positive_int(name, value)
    check_scale("learning_rate", learning_rate)
    return check_start("start", start, experts, intermediate_dim, {})


def _least_tokens(experts, width):
    """As many outputs as weights, an output being `D` numbers."""
    return (2 if experts.gate_kernel is None else 3) * width


@register_method("layer_fit", check=_check, least_tokens=_least_tokens)
def layer_fit(
    experts,
    calibration,
    *,
    start="matching_pursuit",
    steps=4000,
    learning_rate=1e-2,
    batch_size=512,
    intermediate_dim=None,
    progress=None,
):
    """All weights of the layer regressed on the MoE layer's outputs.

    Adam on minibatches of the calibration tokens, from another method's
    weights, with a cosine decay to zero. The tokens of a tenth of the examples
    are seen neither by it nor by the start; the weights that are best on these
    are kept, and the fit ends early when they do not improve any more. It takes
    as long as so many training steps of the layer, and memory for copies of the
    layer's sample of tokens.

    Args:
        experts: `ExpertWeights`.
        calibration: `Calibration`.
        start: string. The method to start from, any but the baselines, with
            its own default options. Defaults to `"matching_pursuit"`.
        steps: int. Most training steps, rounded up so that they divide evenly
            by their stretches of 250 at most. Defaults to `4000`.
        learning_rate: float. At the start. Defaults to `1e-2`.
        batch_size: int. Tokens a step. Defaults to `512`.
        intermediate_dim: int or `None`. Width of the student's layer; `None`
            is that of an expert. Defaults to `None`.
        progress: callable or `None`. Told the share of the steps that is done.
            Defaults to `None`.

    Returns:
        `DenseWeights`. Their details are those of the start, and
        `fit_error_before` and `fit_error`: root of the squared error over the
        variance of the outputs, on the tokens not trained on.

    Raises:
        ValueError: If an option cannot work, if there are fewer outputs to
            train on than weights, or too few examples.

    References:
        - Our own; layer by layer as in
          [FitNets](https://arxiv.org/abs/1412.6550)
    """
    method, options = _check(
        experts, intermediate_dim, start, steps, learning_rate, batch_size
    )
    width = intermediate_dim or experts.intermediate_dim
    training, validation = calibration.split(HELD_OUT_PART)
    needed = _least_tokens(experts, width)
    training.check_tokens(
        needed, f"the {needed * experts.up_kernel.shape[1]} weights of a layer"
    )
    if not len(validation.tokens):
        raise ValueError(
            f"Too few calibration examples: one in {HELD_OUT_PART}, by its "
            "checksum, is held out to tell when the fit is at its best, which "
            f"needs about {2 * HELD_OUT_PART} examples or more. Received: "
            f"{len(calibration.tokens)} tokens of "
            f"{len(np.unique(calibration.examples))} examples, none of them "
            "held out."
        )
    weights = calibration.start or method(
        experts, training, intermediate_dim, options
    )
    # Outputs of unit variance, so that the learning rate suits any layer.
    mean = training.outputs.mean(0)
    scale = float(np.std(training.outputs - mean)) or 1.0
    epochs = -(-steps // INTERVAL)
    model = _model(weights, experts.activation, mean, scale)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        ),
        loss="mse",
    )
    held_out = validation.tokens, (validation.outputs - mean) / scale
    before = model.evaluate(*held_out, batch_size=4096, verbose=0)
    best = _KeepBest(before, model)
    model.fit(
        _batches(
            training.tokens,
            (training.outputs - mean) / scale,
            batch_size,
            calibration.seed,
        ),
        steps_per_epoch=-(-steps // epochs),
        epochs=epochs,
        validation_data=held_out,
        validation_batch_size=4096,
        callbacks=[best, *_callbacks(progress, epochs)],
        shuffle=False,
        verbose=0,
    )
    if best.loss == before:
        logging.warning(
            "gather: layer_fit brought nothing on tokens it was not trained "
            "on, so the weights are those it started from. Try a lower "
            "`learning_rate` than %g, or more calibration data.",
            learning_rate,
        )
    best.restore()
    return _weights(
        model,
        mean,
        scale,
        {
            **weights.details,
            "fit_error_before": float(np.sqrt(before)),
            "fit_error": float(np.sqrt(best.loss)),
        },
    )


def _callbacks(progress, epochs):
    if progress is None:
        return []
    return [
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: progress((epoch + 1) / epochs)
        )
    ]


def _batches(tokens, targets, batch_size, seed):
    """Whole batches for ever, in another order each time.

    By a generator of NumPy's: those of TensorFlow depend on its global seed.
    """
    rng = np.random.default_rng(seed)
    size = min(batch_size, len(tokens))
    while True:
        order = rng.permutation(len(tokens))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            yield tokens[rows], targets[rows]


def _model(weights, activation, mean, scale):
    """The layer as a Keras model, its outputs standardised."""
    dim, width = weights.up_kernel.shape
    gated = weights.gate_kernel is not None

    def dense(units, activation, name):
        return keras.layers.Dense(
            units, activation=activation, dtype="float32", name=name
        )

    inputs = keras.Input((dim,), dtype="float32")
    x = dense(width, None if gated else activation, "up")(inputs)
    if gated:
        gate = dense(width, activation, "gate")(inputs)
        x = keras.layers.Multiply(dtype="float32")([gate, x])
    model = keras.Model(inputs, dense(dim, None, "down")(x))
    model.get_layer("up").set_weights([weights.up_kernel, weights.up_bias])
    if gated:
        model.get_layer("gate").set_weights(
            [weights.gate_kernel, weights.gate_bias]
        )
    model.get_layer("down").set_weights(
        [weights.down_kernel / scale, (weights.down_bias - mean) / scale]
    )
    return model


def _weights(model, mean, scale, details):
    found = {
        layer.name: [np.array(w, "float64") for w in layer.get_weights()]
        for layer in model.layers
        if layer.weights
    }
    down_kernel, down_bias = found["down"]
    gate = found.get("gate", (None, None))
    return DenseWeights(
        *found["up"],
        down_kernel * scale,
        down_bias * scale + mean,
        details,
        *gate,
    )


class _KeepBest(keras.callbacks.Callback):
    """Keeps the best weights and ends the training when they stay the best."""

    def __init__(self, loss, model):
        super().__init__()
        self.loss = loss
        self.weights = self._copy(model)
        self.waited = 0

    @staticmethod
    def _copy(model):
        return [np.array(weight) for weight in model.get_weights()]

    def on_epoch_end(self, epoch, logs=None):
        self.waited += 1
        if logs["val_loss"] < self.loss:
            self.loss = logs["val_loss"]
            self.weights = self._copy(self.model)
            self.waited = 0
        if self.waited >= PATIENCE:
            self.model.stop_training = True

    def restore(self):
        self.model.set_weights(self.weights)
