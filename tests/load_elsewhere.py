"""Loads saved models where only Keras and one backend can be imported.

A script for `test_portability.py`, which runs it on another backend and then
compares what it saw: `python tests/load_elsewhere.py FOLDER`.
"""

import pathlib
import sys
import traceback

import keras
import numpy as np

_MISSING = {"ones_keras", "keras_hub", "keras_nlp"} | (
    {"tensorflow", "jax", "torch"} - {keras.backend.backend()}
)


class _NotInstalled:
    """An import hook that is asked before all others and refuses."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in _MISSING:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)


def observe(model, x, y):
    """What a file has to carry over, as float32 arrays by name.

    Args:
        model: `keras.Model`. A compiled one takes a training step in the end.
        x: array or dict of arrays. Inputs.
        y: array. Labels.

    Returns:
        A dict with the prediction (of several outputs one entry each), one
        entry a weight and, of a compiled model, the prediction after the step.
    """
    prediction = model.predict(x, verbose=0)
    if not isinstance(prediction, dict):
        prediction = {"": prediction}
    seen = {
        f"prediction {name}": _float32(output)
        for name, output in prediction.items()
    }
    for layer in model.layers:
        for index, weight in enumerate(layer.weights):
            name = f"weight {index} of {layer.name}, {weight.dtype}"
            seen[name] = _float32(weight.value)
    if model.compiled:
        # The optimizer's state shows in the direction of its next step.
        model.train_on_batch(x, y)
        seen["after a step"] = _float32(model.predict(x, verbose=0))
    return seen


def read(path):
    """Inputs and labels that were saved beside a model."""
    with np.load(path) as data:
        x = {name: data[name] for name in data if name not in "xy"}
        return x or data["x"], data["y"]


def _float32(value):
    return np.array(keras.ops.convert_to_numpy(value), "float32")


def main(folder):
    sys.meta_path.insert(0, _NotInstalled())
    backend = keras.backend.backend()
    for path in sorted(pathlib.Path(folder).glob("*.keras")):
        x, y = read(path.with_suffix(".npz"))
        try:
            model = keras.saving.load_model(path)
            # A file of a compiled model keeps what its backend does, and
            # torch.compile takes half a minute of CPU for each.
            model.jit_compile = False
            np.savez(
                path.with_suffix(f".{backend}.npz"), **observe(model, x, y)
            )
        except Exception:
            path.with_suffix(f".{backend}.error").write_text(
                traceback.format_exc()
            )


if __name__ == "__main__":
    main(sys.argv[1])
