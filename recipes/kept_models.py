"""The models of a seed that are trained, while others are not yet."""

import keras
from results_file import read_results, unreadable, write_results

from ones_keras.write_aside import write_aside

NAME = "unfinished.json"


def model_path(folder, row):
    """Where the model of a row is kept."""
    return folder / f"{row.replace(',', '').replace(' ', '_')}.keras"


class KeptModels:
    """What a seed that was interrupted goes on with.

    Args:
        folder: path of the seed's folder.
        identity: dict. The settings that decide what the models are; a folder
            of others is refused.
    """

    def __init__(self, folder, identity):
        self._folder = folder
        self._file = folder / NAME
        self._identity = identity
        content = read_results(self._file, self._identity) or {"validation": {}}
        try:
            self._validation = dict(content["validation"])
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(self._file, error) from error

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
        except Exception as error:
            raise unreadable(path, error) from error
        model.set_weights(kept.get_weights())
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

    def finish(self):
        """The seed's own record has come."""
        self._file.unlink(missing_ok=True)
