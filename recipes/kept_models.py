"""The models of a seed that are trained, while others are not yet."""

import zipfile

import keras
from results_file import read_results, unreadable, write_results

from ones_keras.write_aside import write_aside

UNFINISHED = "unfinished.json"


def model_path(folder, row):
    """Where the model of a row is kept."""
    return folder / f"{row.replace(',', '').replace(' ', '_')}.keras"


class KeptModels:
    """What a seed that was interrupted goes on with.

    Args:
        folder: path of the seed's folder.
        identity: dict. The settings that decide what the models are; a folder
            of others is refused.
        defaults: dict or `None`. As in `read_results`. Defaults to `None`.

    Raises:
        ValueError: If the folder is of other settings, or something in it
            cannot be read.
    """

    def __init__(self, folder, identity, defaults=None):
        self._folder = folder
        self._file = folder / UNFINISHED
        self._identity = identity
        content = read_results(self._file, identity, defaults)
        try:
            kept = dict(content["validation"]) if content else {}
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(self._file, error) from error
        # A model that was removed is one to be trained again.
        self._validation = {
            name: validation
            for name, validation in kept.items()
            if model_path(folder, name).exists()
        }
        for name in self._validation:
            path = model_path(folder, name)
            if not zipfile.is_zipfile(path):
                raise unreadable(path, "not a .keras file")

    def restore(self, name, model):
        """Give a model the weights that it was trained to.

        Returns:
            What validation found, or `None` if it has yet to be trained.
        """
        if name not in self._validation:
            return None
        path = model_path(self._folder, name)
        try:
            kept = keras.models.load_model(path, compile=False)
            # By name: a file may have its layers in another order.
            for layer in model.layers:
                layer.set_weights(kept.get_layer(layer.name).get_weights())
        except Exception as error:
            raise unreadable(path, error) from error
        return self._validation[name]

    def keep(self, name, model, validation):
        """Write a model, and then that it is trained."""
        self._folder.mkdir(exist_ok=True)
        with write_aside(model_path(self._folder, name)) as aside:
            model.save(aside)
        self._validation[name] = validation
        write_results(
            self._file, self._identity, {"validation": self._validation}
        )
