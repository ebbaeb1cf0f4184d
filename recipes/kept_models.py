"""The models of a seed that are trained, while others are not yet."""

import functools
import shutil
import zipfile

import keras
from devices import share_file
from results_file import read_results, unreadable, write_results

from ones_keras.training import TrainingBackup
from ones_keras.write_aside import write_aside

UNFINISHED = "unfinished.json"
# Beside it: students as gathered, and backups of what is being trained.
_FOLDER = "unfinished"


def row_name(row):
    """A row in the names of files."""
    return row.replace(",", "").replace(" ", "_")


def model_path(folder, row):
    """Where the model of a row is kept."""
    return folder / f"{row_name(row)}.keras"


def remove_unfinished(folder):
    """Of a seed that is finished, what it would have gone on with."""
    (folder / UNFINISHED).unlink(missing_ok=True)
    # Half a file, where the process was killed while writing.
    for path in (folder / _FOLDER, *folder.glob(".*")):
        shutil.rmtree(path, ignore_errors=True)


class KeptModels:
    """What a seed that was interrupted goes on with.

    Args:
        folder: path of the seed's folder.
        identity: dict. The settings that decide what the models are; a folder
            of others is refused.
        defaults: dict or `None`. As in `read_results`. Defaults to `None`.
        backup_minutes: float. Between two backups. Defaults to `5.0`.

    Raises:
        ValueError: If the folder is of other settings, or something in it
            cannot be read.
    """

    def __init__(self, folder, identity, defaults=None, backup_minutes=5.0):
        self._folder = folder
        self._backup_minutes = backup_minutes
        self._file = folder / UNFINISHED
        self._identity = identity
        content = read_results(self._file, identity, defaults)
        # By row: what validation found, what the gathering says, and what
        # fine-tuning found.
        self._found = {"validation": {}, "gathering": {}, "tuned": {}}
        try:
            if content:
                self._found["validation"] |= content["validation"]
                # Older folders have none of these.
                self._found["gathering"] |= content.get("gathering", {})
                self._found["tuned"] |= content.get("tuned", {})
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(self._file, error) from error
        # A model that was removed is one to be trained again.
        for kind, path_of in (
            ("validation", functools.partial(model_path, folder)),
            ("gathering", self._gathered_path),
        ):
            found = self._found[kind]
            for name in [name for name in found if not path_of(name).exists()]:
                del found[name]
            for path in map(path_of, found):
                if not zipfile.is_zipfile(path):
                    raise unreadable(path, "not a .keras file")

    @property
    def log_folder(self):
        """Where the logs of all trainings are."""
        return self._folder / "logs"

    @property
    def cache_folder(self):
        """Where the teacher's outputs are kept until all are trained."""
        return self._folder / _FOLDER / "teacher_cache"

    def restore(self, name, model):
        """Give a model the weights that it was trained to.

        Returns:
            What validation found, or `None` if it has yet to be trained.
        """
        found = self._found["validation"].get(name)
        if found is not None:
            _copy_weights(model_path(self._folder, name), model)
        return found

    def keep(self, name, model, validation):
        """Write a model, and then that it is trained."""
        self._keep("validation", name, validation, model)
        shutil.rmtree(self._backups(name), ignore_errors=True)

    def gathering(self, name):
        """The report of a student that is gathered, or `None`."""
        return self._found["gathering"].get(name)

    def restore_gathered(self, name, student):
        """Give a student the weights that it was gathered with."""
        _copy_weights(self._gathered_path(name), student)

    def keep_gathered(self, name, student, report):
        """Write a student as gathered, and then that it is."""
        self._keep("gathering", name, report, student)
        # What several hosts have found may differ in its last bits.
        share_file(self._gathered_path(name))

    def tuned(self, name):
        """What fine-tuning found, a dict, or `None`."""
        return self._found["tuned"].get(name)

    def keep_tuned(self, name, found):
        """Write what fine-tuning found."""
        self._keep("tuned", name, found)
        shutil.rmtree(self._backups(name), ignore_errors=True)

    def begin(self):
        """Note whose folder it is: one of other settings is refused by it."""
        self._folder.mkdir(exist_ok=True)
        if not self._file.exists():
            self._write()

    def backup(self, name, model, companions):
        """The `TrainingBackup` of the row that is being trained."""
        self.begin()
        return TrainingBackup(
            self._backups(name), model, companions, self._backup_minutes
        )

    def _keep(self, kind, name, found, model=None):
        if model is not None:
            path = model_path(self._folder, name)
            if kind == "gathering":
                path = self._gathered_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_aside(path) as aside:
                model.save(aside)
        self._found[kind][name] = found
        self._write()

    def _write(self):
        write_results(self._file, self._identity, self._found)

    def _backups(self, name):
        return self._folder / _FOLDER / model_path(self._folder, name).stem

    def _gathered_path(self, name):
        return model_path(self._folder / _FOLDER, name)


def _copy_weights(path, model):
    try:
        kept = keras.models.load_model(path, compile=False)
        # By name: a file may have its layers in another order.
        for layer in model.layers:
            layer.set_weights(kept.get_layer(layer.name).get_weights())
    except Exception as error:
        raise unreadable(path, error) from error
