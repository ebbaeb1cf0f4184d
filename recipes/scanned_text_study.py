"""The text models of one seed, trained in compiled loops on JAX."""

import functools

import jax
import keras
import numpy as np
from kept_models import row_name
from optimization import forget_optimizer
from scan_backup import ScanBackup
from text_study import TextStudy
from text_training import compile_masked_lm
from train_in_scans import train_in_scans
from training_log import write_log


class ScannedTextStudy(TextStudy):
    """As `TextStudy`, with a loop a stretch and all students in one."""

    def train_all(self):
        keras.utils.set_random_seed(self.seed)
        self.train_teacher()
        self._train_students()
        # All but the dense model is there now.
        self.runs.clear()
        return super().train_all()

    def _train_students(self):
        settings = self.settings
        students, missing = {}, []
        for name in settings.methods:
            students[name], _ = self.gather(name, settings.rows[name])
            if self.kept.restore(name, students[name]) is None:
                missing.append(name)
        if not missing:
            return
        # A backup is of all that were trained then, kept since or not.
        if not self._backup(students).exists():
            students = {name: students[name] for name in missing}
        trained = list(students.values())
        if settings.alpha < 1:
            trained = [self.distiller(s, settings.alpha) for s in trained]
        progress = self.progress.announce(
            f"seed {self.seed} · {', '.join(students)}",
            settings.student_steps,
            self.note,
        )
        found = self._scan(
            trained,
            list(students),
            settings.student_steps,
            settings.student_learning_rate,
            progress,
        )
        for (name, student), best in zip(students.items(), found, strict=True):
            self.kept.keep(name, student, best)
        self._backup(students).unlink(missing_ok=True)

    def train(self, name, *args, **options):
        super().train(name, *args, **options)
        self._backup([name]).unlink(missing_ok=True)

    def fit(self, model, *, steps, learning_rate, progress, log, **_):
        (best,) = self._scan(
            [model], [log.path.stem], steps, learning_rate, progress
        )
        return best

    def _scan(self, models, names, steps, learning_rate, progress):
        """Train models side by side: the lowest validation loss of each."""
        self.kept.begin()
        for model in models:
            compile_masked_lm(model, self.settings, steps, learning_rate)
        found, logs = train_in_scans(
            models,
            keras.tree.map_structure(lambda a: a[:steps], self._steps),
            self._validation,
            self.settings.evaluations,
            ScanBackup(self._backup(names), self.settings.backup_minutes),
            progress,
        )
        for model, name, rows in zip(models, names, logs, strict=True):
            forget_optimizer(model)
            write_log(self.kept.log_folder / f"{row_name(name)}.csv", rows)
        return found

    def _backup(self, names):
        """Of those that are trained in one loop, and of no others."""
        names = "-".join(map(row_name, names))
        return self.kept.cache_folder.parent / f"scan_{names}.npz"

    @functools.cached_property
    def _steps(self):
        """Batches of all steps, stacked."""
        settings = self.settings
        batches = self.corpus.train(
            self.tokenizer,
            settings.batch_size,
            settings.sequence_length,
            self.seed,
            steps=max(settings.teacher_steps, settings.student_steps),
        )
        batches = [keras.tree.map_structure(np.asarray, b) for b in batches]
        return keras.tree.map_structure(lambda *a: np.stack(a), *batches)

    @functools.cached_property
    def _validation(self):
        return [
            keras.tree.map_structure(jax.numpy.asarray, batch)
            for batch in self._batches("validation")
        ]
