"""The trainings of one seed of the study, each kept when it is done."""

import dataclasses
import functools
import gc
import json
import pathlib
import shutil
import time

import devices
import keras
import numpy as np
import results_file
from gathering_settings import (
    DENSE,
    DENSE_LONGER,
    ROWS,
    SHORT,
    TEACHER_LONGER,
)
from image_study import build_teacher
from image_training import predict_logits, train
from launch import KERAS_DATASETS
from quietly import quietly
from results_file import read_results, unreadable, write_results
from scipy import special

import ones_keras
from ones_keras.gathering.registry import get_method
from ones_keras.training import TrainingBackup
from ones_keras.write_aside import write_aside

TEACHER = "teacher"
# In the study of calibration sizes no token is left out: the default would keep
# no more of 4096 images than of 400.
ALL_TOKENS = 2**18


@dataclasses.dataclass(frozen=True)
class Job:
    """One model of the study.

    Attributes:
        row: string.
        budget: int. Training steps; of the teacher none beyond its own.
        images: int. Calibration images; 0 is the setting's.
    """

    row: str
    budget: int
    images: int = 0

    @property
    def name(self):
        images = f"-{self.images}_images" if self.images else ""
        return f"{self.row.replace(', ', '_')}-{self.budget}{images}"


def list_jobs(settings):
    """All models of a seed, those that others need first."""
    yield Job(TEACHER, 0)
    for budget in settings.budgets:
        yield Job(DENSE, budget)
    yield Job(DENSE_LONGER, settings.teacher_steps + max(settings.budgets))
    for budget in settings.budgets:
        yield Job(TEACHER_LONGER, budget)
    for row in settings.methods:
        yield Job(row, 0)
    for budget in settings.budgets:
        for row in settings.methods:
            yield Job(row, budget)
    for images in settings.calibration_sizes:
        for row in settings.methods:
            if get_method(ROWS[row].method).needs_calibration:
                yield Job(row, 0, images)


def list_students(settings):
    """The teacher and all students of a seed, without what is beside them."""
    return [
        job
        for job in list_jobs(settings)
        if job.row == TEACHER or job.row in settings.methods
    ]


def gather_row(settings, images, teacher, job, seed, **options):
    """The student of a row as gathered, and the report."""
    row = ROWS[job.row]
    options |= row.options
    if row.width != 1:
        width = teacher.backbone.intermediate_dim
        options["intermediate_dim"] = row.width * width
    if get_method(row.method).needs_calibration:
        options["front_to_back"] = settings.front_to_back
        if job.images:
            options["calibration_tokens"] = ALL_TOKENS
    return ones_keras.gather(
        teacher,
        method=row.method,
        calibration_data=_calibration_images(
            settings, images, job.images or settings.calibration_images, seed
        ),
        seed=seed,
        return_report=True,
        verbose=False,
        **options,
    )


def _calibration_images(settings, images, count, seed):
    """Training images as the teacher saw them first, without labels."""
    found = []
    for pixels, _ in images.train(settings.batch_size, seed):
        found.append(np.asarray(pixels))
        if sum(map(len, found)) >= count:
            return np.concatenate(found)[:count]
    raise AssertionError("Training batches do not end.")


def rehearse(settings, images, teacher):
    """Gather every row once from an untrained teacher.

    With the fewest images of all, so that what is too little is said before
    hours of training.
    """
    fewest = min([settings.calibration_images, *settings.calibration_sizes])
    for row in settings.methods:
        options = get_method(ROWS[row].method).options
        short = {"steps": 1} if "steps" in options else {}
        job, seed = Job(row, 0, fewest), settings.seeds[0]
        with quietly():
            gather_row(settings, images, teacher, job, seed, **short)


class SeedFolder:
    """The models of one seed, and their records in `results.json`.

    Args:
        path: path of the folder.
        identity: dict. The settings that decide what the results are; a folder
            with others is refused.
        defaults: dict or `None`. As in `read_results`. Defaults to `None`.
    """

    def __init__(self, path, identity, defaults=None):
        self.path = pathlib.Path(path)
        self.identity = identity
        self._file = self.path / "results.json"
        content = read_results(self._file, identity, defaults)
        content = content or {"records": {}}
        try:
            self._records = content["records"]
        except KeyError as error:
            raise unreadable(self._file, error) from error

    def model_path(self, job):
        return self.path / f"{job.name}.keras"

    def load(self, job):
        """The record of a model that is trained, or `None`."""
        record = self._records.get(job.name)
        if record is not None and record["made_by"] != made_by(job):
            raise ValueError(
                f"{job.name} in {self._file} was made by {record['made_by']}, "
                f"which is {made_by(job)} now. Choose another `--output_dir`, "
                f"or remove the records of {job.row} there."
            )
        return record

    def save(self, job, record, model=None):
        """Keep a model, and then the record that says it is whole."""
        self.path.mkdir(exist_ok=True)
        if model is not None:
            with write_aside(self.model_path(job)) as aside:
                model.save(aside)
        self._records[job.name] = {**record, "made_by": made_by(job)}
        self._write()
        shutil.rmtree(self._backups(job), ignore_errors=True)

    def backup(self, job, minutes, model, companions):
        """The `TrainingBackup` of a model that is being trained."""
        self.path.mkdir(exist_ok=True)
        if not self._file.exists():
            self._write()  # A backup of other settings is refused by it.
        return TrainingBackup(self._backups(job), model, companions, minutes)

    def _backups(self, job):
        return self.path / f"{job.name}.unfinished"

    def _write(self):
        write_results(self._file, self.identity, {"records": self._records})


def made_by(job):
    """Method and all its options, defaults included, of a gathered row."""
    if job.row not in ROWS:
        return None
    row = ROWS[job.row]
    options = {**get_method(row.method).options, **row.options}
    found = [row.method, options, row.width]
    for nested in ("start", "selection"):
        if nested in options:
            found.append(get_method(options[nested]).options)
    if job.images:
        found.append(ALL_TOKENS)
    return json.loads(json.dumps(found))


class SeedRuns:
    """Makes what is missing in a `SeedFolder`.

    Args:
        settings: `StudySettings`.
        images: `ones_keras.data.ImageDataset`.
        seed: int.
        folder: `SeedFolder`.
        progress: `Progress`.
        jobs: list of `Job` or `None`. Defaults to `None`, all of a study.
    """

    def __init__(self, settings, images, seed, folder, progress, jobs=None):
        self.settings = settings
        self.images = images
        self.seed = seed
        self.folder = folder
        self.progress = progress
        self.jobs = list(list_jobs(settings)) if jobs is None else jobs
        self._teacher = None

    @property
    def teacher(self):
        if self._teacher is None:
            path = self.folder.model_path(Job(TEACHER, 0))
            self._teacher = keras.models.load_model(path)
        return self._teacher

    def run_all(self):
        for job in self.jobs:
            if self.folder.load(job) is None:
                self._run(job)
                gc.collect()
        self._test()

    def _run(self, job):
        keras.utils.set_random_seed(self.seed)
        settings = self.settings
        peak, steps = settings.student_learning_rate, job.budget
        if steps < SHORT:
            peak = settings.short_learning_rate
        gathering = {}
        if job.row == TEACHER:
            model = trained = build_teacher(settings, self.images)
            peak, steps = settings.learning_rate, settings.teacher_steps
        elif job.row in (DENSE, DENSE_LONGER):
            model = trained = ones_keras.gather(self.teacher, method="random")
        elif job.row == TEACHER_LONGER:
            path = self.folder.model_path(Job(TEACHER, 0))
            model = trained = keras.models.load_model(path)
        elif job.budget == 0:
            start = time.time()
            model, report = gather_row(
                settings, self.images, self.teacher, job, self.seed
            )
            gathering = {
                "gathering": report.to_dict(),
                "gathering_seconds": round(time.time() - start, 1),
            }
        else:
            path = self.folder.model_path(Job(job.row, 0))
            model = keras.models.load_model(path)
            trained = ones_keras.Distiller(
                self.teacher,
                model,
                alpha=settings.alpha,
                temperature=settings.temperature,
            )
        validation = None
        if steps:
            title = f"seed {self.seed} · {job.row}"
            validation = train(
                trained,
                self.images,
                settings,
                steps=steps,
                learning_rate=peak,
                seed=self.seed,
                backup=functools.partial(
                    self.folder.backup, job, settings.backup_minutes
                ),
                progress=self.progress.announce(title, steps),
                log=self.progress.log(
                    self.folder.path / "logs", job.name, title
                ),
            )
        record = {
            "row": job.row,
            "budget": job.budget,
            "images": job.images,
            "steps": steps,
            "validation": validation,
            "parameters": model.count_params(),
            **gathering,
        }
        self.folder.save(job, record, model)
        # What several hosts have found may differ in its last bits.
        devices.share_file(self.folder.model_path(job))

    def _test(self):
        """Open the test split for the models that have no result on it."""
        untested = [
            job for job in self.jobs if "score" not in self.folder.load(job)
        ]
        if not untested:
            return
        batch_size = self.settings.evaluation_batch_size
        batches = [
            (np.asarray(x), np.asarray(y))
            for x, y in self.images.test(batch_size)
        ]
        teacher_logits, _ = predict_logits(self.teacher, batches)
        for job in untested:
            model = keras.models.load_model(self.folder.model_path(job))
            logits, labels = predict_logits(model, batches)
            choices = logits.argmax(-1)
            log_probabilities = special.log_softmax(logits, axis=-1)
            own = log_probabilities[np.arange(len(labels)), labels]
            record = {
                **self.folder.load(job),
                "score": float(np.mean(choices == labels)),
                "loss": float(-np.mean(own)),
                "agreement": float(
                    np.mean(choices == teacher_logits.argmax(-1))
                ),
            }
            self.folder.save(job, record)


def identity(settings):
    """The settings that decide the results of a row, whatever other rows."""
    without = ["methods", "budgets", "calibration_sizes"]
    if settings.dataset in KERAS_DATASETS:
        # The same pictures, wherever they are kept.
        without.append("data_dir")
    return results_file.identity(settings, without)
