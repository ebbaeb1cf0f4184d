"""Teacher, baselines and students of one seed."""

import dataclasses
import functools
import gc

import devices
import keras
import numpy as np
from kept_models import row_name
from launch import output_path

import ones_keras


@dataclasses.dataclass
class Run:
    """One trained model, kept until the test split is opened.

    Attributes:
        name: string. Row of the table.
        model: `keras.Model` with its best-validated weights.
        steps: int. Training steps.
        validation: float. What validation chose it by.
        before: list of arrays or `None`. Weights before training.
        gathering: dict or `None`. Report of the gathering.
    """

    name: str
    model: keras.Model
    steps: int
    validation: float
    before: list | None = None
    gathering: dict | None = None


class SeedStudy:
    """Trains everything of one seed, shown on a `Progress`.

    What is trained on what is a subclass': it has `train_teacher()`, which
    adds the first run, `fit(model, **options)`, which returns the best
    validation, `training_batches()`, which returns the callable from steps
    done to the batches of `fit` after them, `test()`, which returns one
    `MethodResult` a run, and `router()`, the router statistics of the teacher.

    Args:
        settings: `TrainingSettings` with `methods` and `student_steps`.
        seed: int.
        progress: `Progress`.
        kept: `KeptModels`. What is there is not trained again.
    """

    # The outputs that are distilled, `None` of a model with one.
    distilled_outputs = None
    # Whether more is better in validation, or (-1) less, and how it is said.
    sign = 1
    note = "best validation {:.1%}"

    def __init__(self, settings, seed, progress, kept):
        self.settings = settings
        self.seed = seed
        self.progress = progress
        self.kept = kept
        self.runs = []
        self.details = {}  # What else `test` finds, by row.

    def train_all(self):
        """Returns the runs, the teacher first and the dense baseline second."""
        settings = self.settings
        keras.utils.set_random_seed(self.seed)
        self.train_teacher()
        # At equal steps, where those of the teacher are known.
        self.dense("dense", self.runs[0].steps or settings.student_steps)
        for method in settings.methods:
            self.student(method, method)
        return self.runs

    def dense(self, name, steps):
        """Train the student's architecture from scratch."""
        keras.utils.set_random_seed(self.seed)
        model = ones_keras.gather(self.runs[0].model, method="random")
        self.train(name, model, steps)

    def student(self, name, method, alpha=None, distillation="soft"):
        """Gather a student by the method of a row, and distil it."""
        settings = self.settings
        student, report = self.gather(name, settings.rows[method])
        before = [np.array(weight) for weight in student.get_weights()]
        alpha = settings.alpha if alpha is None else alpha
        trained = student
        if alpha < 1:
            trained = self.distiller(student, alpha, distillation)
        self.train(name, student, settings.student_steps, trained)
        self.runs[-1].before = before
        self.runs[-1].gathering = report

    def distiller(self, student, alpha, distillation="soft"):
        """The `Distiller` of a student and the teacher, or its cache."""
        settings = self.settings
        teacher = self.runs[0].model
        return ones_keras.Distiller(
            self.cached_teacher() if settings.teacher_cache else teacher,
            student,
            alpha=alpha,
            temperature=settings.temperature if distillation == "soft" else 1.0,
            distillation=distillation,
            outputs=self.distilled_outputs,
        )

    def cached_teacher(self):
        """The teacher's outputs on disk, made now or before."""
        steps = self.settings.teacher_cache
        cache = make_cache(
            self.settings,
            self.kept.cache_folder,
            self.runs[0].model,
            self.distilled_outputs,
            {"seed": self.seed, "part": list(devices.strategy().part)},
        )
        if not cache.is_complete:
            progress = self.progress.announce(
                f"seed {self.seed} · teacher's outputs", steps, "kept"
            )
            cache.fill(self.training_batches(), progress)
            progress(steps, 0.0)
        return cache

    def gather(self, name, method):
        """The student of a row, gathered now or before, and the report."""
        teacher = self.runs[0].model
        if self.kept.gathering(name) is None:
            keras.utils.set_random_seed(self.seed)
            student, report = ones_keras.gather(
                teacher,
                method=method,
                return_report=True,
                verbose=False,
                **self.gathering_options(method),
            )
            self.kept.keep_gathered(name, student, report.to_dict())
        # The same way whether it has just been gathered or long before.
        keras.utils.set_random_seed(self.seed)
        student = ones_keras.gather(teacher, method="random")
        self.kept.restore_gathered(name, student)
        return student, self.kept.gathering(name)

    def fine_tune_all(self):
        """Fine-tune every run on another task: one `MethodResult` a run."""
        return []

    def gathering_options(self, method):
        """Options of `ones_keras.gather` that this study sets."""
        return {"svd_ratio": self.settings.svd_ratio} if method == "svd" else {}

    def train(self, name, model, steps, trained=None):
        """Train a model, itself or by a `Distiller`, and note the run."""
        title = f"seed {self.seed} · {name}"
        validation = self.kept.restore(name, model)
        if validation is None:
            peak = self.settings.learning_rate
            if name != "teacher":
                peak = self.settings.student_learning_rate
            validation = self.fit(
                trained or model,
                steps=steps,
                learning_rate=peak,
                backup=functools.partial(self.kept.backup, name),
                progress=self.progress.announce(title, steps, self.note),
                log=self.progress.log(
                    self.kept.log_folder, row_name(name), title
                ),
            )
            self.kept.keep(name, model, validation)
        else:
            self.progress.say(f"{title}: trained before")
        self.runs.append(Run(name, model, steps, validation))
        gc.collect()


def rehearse_cache(settings, teacher, outputs, batches):
    """Say what is wrong with a cache before there is one.

    `batches` is a callable that returns the training batches.
    """
    if not settings.teacher_cache:
        return
    # Of which each host keeps its own part.
    inputs = devices.strategy().own_part(batches()).element_spec[0]
    cache = imagined_cache(settings, teacher, outputs)
    cache.size(inputs)
    # Of a run that goes on, much of it may be there.
    if not output_path().exists():
        cache.check_room(inputs)


def imagined_cache(settings, teacher, outputs):
    """The `TeacherCache` of a teacher that is not trained."""
    # A folder that is not made.
    folder = output_path() / "teacher_cache"
    return make_cache(settings, folder, teacher, outputs)


def make_cache(settings, folder, teacher, outputs, data=None):
    """The `TeacherCache` of the settings; a `ValueError` if it cannot be."""
    return ones_keras.TeacherCache(
        folder,
        teacher,
        settings.teacher_cache,
        data,
        outputs=outputs,
        top_k=settings.teacher_cache_top_k or None,
        temperature=settings.temperature,
    )
