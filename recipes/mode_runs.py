"""One mixture after another: trained, probed, kept."""

import functools
import gc
import pathlib
from typing import NamedTuple

import keras
import results_file
from mode_tasks import BALANCED, SPLIT_BY_SEED, checksums, load_task
from optimization import KeepBest
from results_file import read_results, unreadable, write_results

import ones_keras
from ones_keras.mutual import MixtureOfModels, probe_experts

_EVALUATION_BATCH = 512
# They choose which mixtures are trained, and not what becomes of one.
_CHOOSE = ("tasks", "alphas", "gates", "keras_home", "steps", "adult_dir")


class Mixture(NamedTuple):
    """One training.

    Attributes:
        task: string.
        gate: `"dense"` or `"sparse"`.
        alpha: float.
        seed: int.
    """

    task: str
    gate: str
    alpha: float
    seed: int

    @property
    def name(self):
        return f"{self.gate} gate, alpha {self.alpha:g}"


def list_mixtures(settings):
    """All trainings, those of one task and seed together."""
    return [
        Mixture(task, gate, alpha, seed)
        for task in settings.tasks
        for seed in settings.seeds
        for gate in settings.gates
        for alpha in settings.alphas
    ]


class Records:
    """What was found of each mixture, in a file a task and seed.

    Args:
        folder: path.
        settings: `ModeSettings`.
    """

    def __init__(self, folder, settings):
        self._folder = pathlib.Path(folder)
        self._settings = settings
        self._found = {}
        for task in settings.tasks:
            path = self._folder / task
            if path.exists() and not path.is_dir():
                raise ValueError(
                    "The records of a task are in a folder of its name. "
                    f"Received: {path}, which is none."
                )

    def read(self, mixture):
        """The record of a mixture, or `None`."""
        return self._file(mixture).get(mixture.name)

    def write(self, mixture, record):
        found = self._file(mixture)
        found[mixture.name] = record
        path = self._path(mixture)
        path.parent.mkdir(parents=True, exist_ok=True)
        identity = self._identity(mixture.task)
        write_results(path, identity, {"records": found})

    @functools.cache  # noqa: B019 - there is one of these.
    def _identity(self, task):
        """What decides the results of a task: settings, steps, data."""
        found = results_file.identity(self._settings, _CHOOSE)
        found["steps"] = self._settings.steps_of(task)
        if task in BALANCED:
            found["balanced"] = True
        data = checksums(task, self._settings.adult_dir)
        if data:
            found["data"] = data
        return found

    def _file(self, mixture):
        path = self._path(mixture)
        if path not in self._found:
            content = read_results(path, self._identity(mixture.task))
            try:
                self._found[path] = content["records"] if content else {}
            except KeyError as error:
                raise unreadable(path, error) from error
        return self._found[path]

    def _path(self, mixture):
        return self._folder / mixture.task / f"seed_{mixture.seed}.json"


def run_mixtures(settings, records, progress):
    """Train what has no record yet."""
    load = functools.lru_cache(maxsize=1)(load_task)
    for mixture in list_mixtures(settings):
        if records.read(mixture) is None:
            seed = mixture.seed if mixture.task in SPLIT_BY_SEED else None
            task = load(mixture.task, settings.adult_dir, seed)
            records.write(mixture, train(settings, task, mixture, progress))
            keras.backend.clear_session()
            gc.collect()


def train(settings, task, mixture, progress):
    """Train a mixture, and say what its experts know.

    Those of one seed begin alike, whatever gate and alpha, and see the same
    batches.
    """
    keras.utils.set_random_seed(mixture.seed)
    model = MixtureOfModels(
        [task.expert() for _ in range(settings.num_experts)],
        task.gate(settings.num_experts),
        top_k=settings.top_k if mixture.gate == "sparse" else None,
        mutual_distillation=mixture.alpha,
        distance=settings.distance,
    )
    steps = settings.steps_of(mixture.task)
    best = KeepBest()
    model.compile(
        keras.optimizers.AdamW(
            ones_keras.training.LinearWarmupDecay(
                settings.learning_rate, steps, steps // 10
            )
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    title = f"{mixture.task} · seed {mixture.seed} · {mixture.name}"
    done = progress.announce(title, steps)
    model.fit(
        task.train(settings.batch_size, mixture.seed),
        epochs=settings.evaluations,
        steps_per_epoch=steps // settings.evaluations,
        validation_data=task.validation,
        validation_batch_size=_EVALUATION_BATCH,
        callbacks=[
            best,
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: done(
                    (epoch + 1) * steps // settings.evaluations, best.best
                )
            ),
        ],
        shuffle=False,
        verbose=0,
    )
    best.restore(model)
    return {
        "validation": best.best,
        "steps": steps,
        "probe": probe_experts(model, batches(*task.test)).to_dict(),
    }


def batches(*examples):
    """Some of the examples at a time."""
    for start in range(0, len(examples[0]), _EVALUATION_BATCH):
        some = slice(start, start + _EVALUATION_BATCH)
        yield tuple(column[some] for column in examples)
