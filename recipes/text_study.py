"""Text models of one seed: pretrained, gathered, distilled, fine-tuned."""

import dataclasses
import functools

import keras
import numpy as np
from fine_tuning import predict
from kept_models import row_name
from quietly import quietly
from seed_study import SeedStudy, rehearse_cache
from text_training import (
    fine_tune,
    masked_lm_scores,
    pretrain,
    training_batches,
)

import ones_keras
from ones_keras.data import TextExamples
from ones_keras.reporting import MethodResult

# Each is run eagerly, layer by layer.
ROUTER_BATCHES = 4


def load_vocabulary(settings, corpus):
    """The tokenizer of `--vocabulary`, or one learned from the corpus."""
    if settings.vocabulary:
        return ones_keras.data.load_tokenizer(
            settings.vocabulary, settings.lowercase
        )
    return ones_keras.data.train_tokenizer(
        corpus.train_split.documents(),
        settings.vocabulary_size,
        kind=settings.tokenizer,
        lowercase=settings.lowercase,
    )


def build_teacher(settings, tokenizer):
    """A fresh teacher for this vocabulary and sequences of this length."""
    overrides = {
        "vocabulary_size": tokenizer.vocabulary_size,
        # Places beyond would stay untrained.
        "max_sequence_length": settings.sequence_length,
    }
    for name in ("num_layers", "num_experts"):
        if getattr(settings, name):
            overrides[name] = getattr(settings, name)
    teacher = ones_keras.models.AlbertMaskedLM.from_preset(
        settings.model, **overrides
    )
    if not teacher.is_sparse:
        raise ValueError(
            "The teacher must have experts. Received: "
            f"`--model={settings.model}`."
        )
    return teacher


def rehearse(settings, corpus, tokenizer):
    """Say what is wrong with models and text before any training starts."""
    teacher = build_teacher(settings, tokenizer)
    student = ones_keras.gather(teacher, method="switch")
    for method in {settings.rows[row] for row in settings.methods}:
        options = _gathering_options(settings, corpus, tokenizer, 0, method)
        if "steps" in ones_keras.gathering.METHODS[method].options:
            options["steps"] = 1
        with quietly():
            ones_keras.gather(teacher, method, verbose=False, **options)
    ones_keras.Distiller(
        teacher,
        student,
        alpha=settings.alpha,
        temperature=settings.temperature,
        outputs=TextStudy.distilled_outputs,
    )
    size = settings.sequence_length
    batches = corpus.train(tokenizer, settings.batch_size, size)
    rehearse_cache(
        settings, teacher, TextStudy.distilled_outputs, lambda: batches
    )
    corpus.validation(tokenizer, settings.evaluation_batch_size, size)
    corpus.test(tokenizer, settings.evaluation_batch_size, size)


class TextStudy(SeedStudy):
    """Trains the masked language models of one seed.

    Args:
        settings: `TextSettings`.
        corpus: `ones_keras.data.TextCorpus`.
        tokenizer: `ones_keras.data.TextTokenizer`.
        seed: int.
        progress: `Progress`.
        kept: `KeptModels`.
    """

    # The labels' loss is of both outputs, the teacher's of this one.
    distilled_outputs = "masked_lm"
    sign = -1
    note = "lowest validation loss {:.3f}"

    def __init__(self, settings, corpus, tokenizer, seed, progress, kept):
        super().__init__(settings, seed, progress, kept)
        self.corpus = corpus
        self.tokenizer = tokenizer

    def train_teacher(self):
        teacher = build_teacher(self.settings, self.tokenizer)
        self.train("teacher", teacher, self.settings.teacher_steps)

    def fit(self, model, **options):
        return pretrain(
            model,
            self.corpus,
            self.tokenizer,
            self.settings,
            seed=self.seed,
            **options,
        )

    def training_batches(self):
        return training_batches(
            self.corpus, self.tokenizer, self.settings, self.seed
        )

    def gathering_options(self, method):
        return super().gathering_options(method) | _gathering_options(
            self.settings, self.corpus, self.tokenizer, self.seed, method
        )

    def router(self):
        return ones_keras.metrics.router_statistics(
            self.runs[0].model,
            self._batches("validation").take(ROUTER_BATCHES),
        )

    def test(self):
        """Open the test split: one `MethodResult` a run, of the pretraining."""
        batches = self._batches("test")
        results, teacher = [], None
        for run in self.runs:
            found = masked_lm_scores(run.model, batches)
            self.details[run.name] = {
                name: found[name]
                for name in ("accuracy", "order", "order_examples")
            }
            before = None
            if run.before is not None:
                after = run.model.get_weights()
                run.model.set_weights(run.before)
                before = masked_lm_scores(run.model, batches)["nats"]
                run.model.set_weights(after)
            agreement = None
            if teacher is None:
                teacher = found["choices"]
            else:
                agreement = float(np.mean(found["choices"] == teacher))
            results.append(
                MethodResult(
                    run.name,
                    self.seed,
                    score=found["nats"],
                    score_before=before,
                    agreement=agreement,
                    parameters=run.model.count_params(),
                    steps=run.steps,
                )
            )
        return results

    def fine_tune_all(self):
        """Every run, without a teacher, on whose docstring a text is.

        The models are left as they were.

        Returns:
            One `MethodResult` a run, of the accuracy on the test split.
        """
        settings = self.settings
        if not settings.fine_tune_steps:
            return []
        *splits, names = ones_keras.data.load_package_task()
        train, validation, test = (
            TextExamples(*split, self.tokenizer, settings.sequence_length)
            for split in splits
        )
        for run in self.runs:
            if self.kept.tuned(run.name) is None:
                found = self._fine_tune(run, train, validation, test, names)
                self.kept.keep_tuned(run.name, dataclasses.asdict(found))
        return [MethodResult(**self.kept.tuned(run.name)) for run in self.runs]

    def _fine_tune(self, run, train, validation, test, names):
        settings = self.settings
        keras.utils.set_random_seed(self.seed)
        weights = run.model.get_weights()
        classifier = ones_keras.models.add_text_classifier(
            run.model, len(names)
        )
        fine_tune(
            classifier,
            train,
            validation,
            settings,
            seed=self.seed,
            backup=functools.partial(self.kept.backup, run.name),
            progress=self.progress.announce(
                f"seed {self.seed} · {run.name}, fine-tuned",
                settings.fine_tune_steps,
            ),
            log=self.progress.log(
                self.kept.log_folder,
                f"{row_name(run.name)}_fine_tuned",
                f"seed {self.seed} · {run.name}, fine-tuned",
            ),
        )
        batches = test.batches(settings.evaluation_batch_size)
        logits = predict(classifier, (x for x, _ in batches))
        run.model.set_weights(weights)
        return MethodResult(
            run.name,
            self.seed,
            score=float(np.mean(logits.argmax(-1) == test.labels)),
            parameters=classifier.count_params(),
            steps=settings.fine_tune_steps,
        )

    def _batches(self, split):
        return getattr(self.corpus, split)(
            self.tokenizer,
            self.settings.evaluation_batch_size,
            self.settings.sequence_length,
        )


def _gathering_options(settings, corpus, tokenizer, seed, method):
    """The calibration data of a method that takes them."""
    if not ones_keras.gathering.METHODS[method].needs_calibration:
        return {}
    batches = corpus.train(
        tokenizer,
        settings.batch_size,
        settings.sequence_length,
        seed,
        steps=settings.calibration_batches,
    )
    return {"calibration_data": batches, "seed": seed}
