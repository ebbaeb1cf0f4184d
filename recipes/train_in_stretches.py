"""Training from one validation to the next, from wherever it was."""

import functools

import keras
import numpy as np

from ones_keras import TeacherCache


def train_in_stretches(
    model,
    training,
    validation=None,
    *,
    steps,
    evaluations,
    watch,
    backup,
    progress,
    log=None,
):
    """Fit a model for so many steps, or for those that are missing.

    Args:
        model: `keras.Model` or `Distiller`, compiled.
        training: callable, given a number of steps, that returns the batches
            after them.
        validation: dataset or `None`. What each stretch ends with. Defaults to
            `None`.
        steps: int. Training steps.
        evaluations: int. Equal stretches that they are cut into.
        watch: `KeepBest` or `LastLoss`. Notes what each stretch ended with,
            and chooses the weights that the model has at last.
        backup: callable, given the model and what else is to be backed up,
            that returns a `TrainingBackup`.
        progress: callable, given the steps done and, after a stretch, what
            `watch` says then.
        log: `TrainingLog` or `None`. Defaults to `None`.

    Returns:
        What `watch` says at last.
    """
    ends = np.arange(1, evaluations + 1) * steps // evaluations
    notes = [watch] if log is None else [watch, log]
    with backup(model, notes) as state:
        if log is not None:
            log.step = state.step
        callbacks = [
            *notes,
            state,
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: progress(state.step),
                on_epoch_end=lambda epoch, logs: progress(
                    state.step, watch.best
                ),
            ),
        ]
        if state.step == steps:
            progress(steps, watch.best)
        while state.step < steps:
            start = state.step
            lengths = np.diff([start, *ends[ends > start]])
            # As many in one `fit` as are of a length: a stream of text is read
            # on, where a new one would begin with all that was read before.
            alike = np.argmin([*(lengths == lengths[0]), False])
            model.fit(
                training(start),
                epochs=int(alike),
                steps_per_epoch=int(lengths[0]),
                validation_data=validation,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
    if log is not None:
        log.close()
    watch.restore(model)
    return watch.best


def with_lessons(batches, model):
    """The batches that a model is trained on.

    Args:
        batches: callable, given a number of steps, that returns the batches
            after them.
        model: `keras.Model` or `Distiller`. Of one whose teacher is cached,
            the batches come with the teacher's outputs.
    """
    teacher = getattr(model, "teacher", None)
    if isinstance(teacher, TeacherCache):
        return functools.partial(teacher.lessons, batches)
    return batches
