"""Teacher, baselines and students of one seed, and their comparison."""

import time

import keras
import numpy as np
from image_training import predict_logits, train, training_batches
from scipy import special
from seed_study import Run, SeedStudy, rehearse_cache

import ones_keras
from ones_keras.reporting import MethodResult

LATENCY_BATCH, LATENCY_REPEATS = 64, 20
# Attention grows with its square: 224 px in patches of 2 would be 12544.
MAX_PATCHES = 4096


def build_teacher(settings, images):
    """A fresh teacher for these images."""
    overrides = {"image_shape": images.image_shape}
    for name in (
        "patch_size",
        "num_layers",
        "capacity_factor",
        "mutual_distillation",
    ):
        if getattr(settings, name):
            overrides[name] = getattr(settings, name)
    return ones_keras.models.ViTImageClassifier.from_preset(
        settings.model,
        num_classes=images.num_classes,
        **overrides,
    )


def load_teacher(settings, images):
    """The trained teacher of `--teacher`, checked against the images."""
    try:
        teacher = keras.models.load_model(settings.teacher, compile=False)
    except Exception as error:
        raise ValueError(
            "The teacher could not be read. Received: "
            f"`--teacher={settings.teacher}` ({error})."
        ) from error
    expected = (None, *images.image_shape), (None, images.num_classes)
    found = teacher.input_shape, teacher.output_shape
    if found != expected:
        raise ValueError(
            "The teacher does not fit the images. Expected input and output "
            f"shapes {expected}, found {found}. Received: "
            f"`--teacher={settings.teacher}`, `--dataset={settings.dataset}`."
        )
    return teacher


def check_patches(settings, images):
    """A fresh teacher, refused if its attention would not fit anywhere."""
    teacher = build_teacher(settings, images)
    patches = int(np.prod(images.image_shape[:2]))
    patches //= teacher.backbone.patch_size**2
    if patches > MAX_PATCHES:
        raise ValueError(
            f"{patches} patches an image are more than {MAX_PATCHES}: "
            "choose a `--model` for images of this size, a larger "
            "`--patch_size` or a smaller `--image_size`. Received: "
            f"`--model={settings.model}`, images of shape "
            f"{images.image_shape}."
        )
    return teacher


def rehearse(settings, images):
    """Say what is wrong with the models before any training starts."""
    if settings.teacher:
        teacher = load_teacher(settings, images)
    else:
        teacher = check_patches(settings, images)
    student = ones_keras.gather(teacher, method="switch")
    ones_keras.Distiller(
        teacher,
        student,
        alpha=settings.alpha,
        temperature=settings.temperature,
    )
    rehearse_cache(
        settings, teacher, None, lambda: images.train(settings.batch_size)
    )
    ones_keras.metrics.router_statistics(
        teacher, np.zeros((1, *images.image_shape), "float32")
    )


class ImageStudy(SeedStudy):
    """Trains the image classifiers of one seed."""

    def __init__(self, settings, images, seed, progress, kept):
        super().__init__(settings, seed, progress, kept)
        self.images = images

    def train_all(self):
        """Returns the runs, the teacher first and the dense baseline second."""
        super().train_all()
        if self.settings.ablation:
            self._ablation()
        return self.runs

    def train_teacher(self):
        settings = self.settings
        if not settings.teacher:
            teacher = build_teacher(settings, self.images)
            self.train("teacher", teacher, settings.teacher_steps)
            return
        teacher = load_teacher(settings, self.images)
        accuracy = self.kept.restore("teacher", teacher)
        if accuracy is None:
            logits, labels = predict_logits(
                teacher, self.images.validation(settings.evaluation_batch_size)
            )
            accuracy = float(np.mean(logits.argmax(-1) == labels))
            self.kept.keep("teacher", teacher, accuracy)
        self.runs.append(Run("teacher", teacher, 0, accuracy))

    def fit(self, model, **options):
        return train(
            model, self.images, self.settings, seed=self.seed, **options
        )

    def training_batches(self):
        return training_batches(self.images, self.settings, self.seed)

    def test(self):
        return test_results(
            self.runs,
            self.images,
            self.seed,
            self.settings.evaluation_batch_size,
        )

    def router(self):
        batch_size = self.settings.evaluation_batch_size
        return ones_keras.metrics.router_statistics(
            self.runs[0].model, self.images.validation(batch_size)
        )

    def _ablation(self):
        settings = self.settings
        for method in settings.methods:
            self.student(f"{method}, no KD", method, alpha=1.0)
            self.student(f"{method}, hard KD", method, distillation="hard")
        if "distill" not in settings.methods:
            self.student("no gathering", "distill")
        self.dense(
            "dense, longer", settings.teacher_steps + settings.student_steps
        )


def test_results(runs, images, seed, batch_size):
    """Open the test split: one `MethodResult` a run."""
    latencies = _latencies_ms([run.model for run in runs], images)
    teacher_logits, _ = predict_logits(runs[0].model, images.test(batch_size))
    results = []
    for run, latency in zip(runs, latencies, strict=True):
        logits, labels = predict_logits(run.model, images.test(batch_size))
        log_probabilities = special.log_softmax(logits, axis=-1)
        agreement = np.mean(logits.argmax(-1) == teacher_logits.argmax(-1))
        results.append(
            MethodResult(
                method=run.name,
                seed=seed,
                score=float(np.mean(logits.argmax(-1) == labels)),
                loss=float(
                    -np.mean(log_probabilities[np.arange(len(labels)), labels])
                ),
                score_before=_score_before(run, images, batch_size),
                agreement=None if run is runs[0] else float(agreement),
                parameters=run.model.count_params(),
                latency_ms=latency,
                steps=run.steps,
            )
        )
    return results


def _score_before(run, images, batch_size):
    if run.before is None:
        return None
    after = run.model.get_weights()
    run.model.set_weights(run.before)
    logits, labels = predict_logits(run.model, images.test(batch_size))
    run.model.set_weights(after)
    return float(np.mean(logits.argmax(-1) == labels))


def _latencies_ms(models, images):
    """Median milliseconds an image, the models taking turns."""
    pixels, _ = next(iter(images.validation(LATENCY_BATCH)))
    # Repeated where there are fewer images.
    batch = np.resize(pixels, (LATENCY_BATCH, *images.image_shape))
    seconds = np.zeros((LATENCY_REPEATS, len(models)))
    for model in models:
        model.predict_on_batch(batch)
    for repeat in range(LATENCY_REPEATS):
        for index, model in enumerate(models):
            start = time.perf_counter()
            model.predict_on_batch(batch)
            seconds[repeat, index] = time.perf_counter() - start
    return list(1000 * np.median(seconds, axis=0) / LATENCY_BATCH)
