"""What a Distiller writes and reads is the student."""

import h5py
import keras
import numpy as np
import pytest

from ones_keras.distillation import Distiller


@pytest.fixture
def distiller(classifier, cross_entropy):
    distiller = Distiller(classifier(200, seed=7), classifier())
    distiller.compile(
        keras.optimizers.AdamW(0.01), cross_entropy, metrics=["accuracy"]
    )
    return distiller


def _names(path):
    names = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: names.append((name, getattr(item, "shape", ())))
        )
    return names


@pytest.mark.parametrize("name", ["best.keras", "best.weights.h5"])
def test_model_checkpoint_writes_the_best_student(
    distiller, classifier, batch, cross_entropy, tmp_path, name, run
):
    path = tmp_path / name
    checkpoint = keras.callbacks.ModelCheckpoint(
        path,
        monitor="val_main_loss",
        mode="min",
        save_best_only=True,
        save_weights_only=name.endswith(".h5"),
    )
    history = distiller.fit(
        *batch,
        validation_data=batch,
        epochs=3,
        callbacks=[checkpoint],
        verbose=0,
    ).history["val_main_loss"]
    assert checkpoint.best == min(history)
    if name.endswith(".h5"):
        student = classifier(seed=5)
        student.load_weights(path)
    else:
        student = keras.saving.load_model(path)
    assert not isinstance(student, Distiller)
    student.compile("sgd", cross_entropy)
    best = student.evaluate(*batch, verbose=0)
    np.testing.assert_allclose(best, min(history), rtol=1e-5)


def test_no_teacher_in_any_file(distiller, batch, tmp_path):
    distiller.fit(*batch, verbose=0)
    weights = tmp_path / "a.weights.h5"
    distiller.save_weights(weights)
    archive = tmp_path / "a.keras"
    distiller.save(archive)
    raw = tmp_path / "b.weights.h5"
    keras.saving.save_weights(distiller, raw)  # around `save_weights`
    for path in (weights, raw):
        assert not any(200 in shape for _, shape in _names(path))
        assert not any("teacher" in name for name, _ in _names(path))
    teacher_bytes = sum(w.nbytes for w in distiller.teacher.get_weights())
    assert archive.stat().st_size < 4 * teacher_bytes
    loaded = keras.saving.load_model(archive)
    assert loaded.count_params() == distiller.student.count_params()


def test_weights_are_those_of_a_student_fitted_alone(
    distiller, classifier, batch, cross_entropy, tmp_path
):
    distiller.fit(*batch, verbose=0)
    taught, plain = tmp_path / "a.weights.h5", tmp_path / "b.weights.h5"
    distiller.save_weights(taught)
    assert not hasattr(distiller.student, "optimizer")
    alone = classifier()
    alone.compile(keras.optimizers.AdamW(0.01), cross_entropy)
    alone.fit(*batch, verbose=0)
    alone.save_weights(plain)
    assert _names(taught) == _names(plain)
    assert any(name.startswith("optimizer") for name, _ in _names(taught))


def test_loading_restores_student_and_optimizer(
    distiller, classifier, batch, cross_entropy, tmp_path
):
    path = tmp_path / "a.weights.h5"
    distiller.fit(*batch, verbose=0)
    distiller.save_weights(path)
    again = Distiller(distiller.teacher, classifier(seed=5))
    again.compile(keras.optimizers.AdamW(0.01), cross_entropy)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(path)
    for model in (distiller, again):  # the moments matter to this step
        model.fit(*batch, shuffle=False, verbose=0)
    assert int(again.optimizer.iterations) == 2
    for a, b in zip(
        distiller.student.get_weights(),
        again.student.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_students_own_optimizer_is_put_back(
    classifier, batch, cross_entropy, tmp_path
):
    student = classifier()
    student.compile("sgd", cross_entropy)
    own = student.optimizer
    distiller = Distiller(classifier(), student)
    distiller.save_weights(tmp_path / "uncompiled.weights.h5")
    distiller.compile("adam", cross_entropy)
    with pytest.raises(FileNotFoundError):
        distiller.save_weights(tmp_path / "missing" / "a.weights.h5")
    assert student.optimizer is own


def test_backup_and_restore_goes_on_where_it_stopped(
    classifier, batch, cross_entropy, tmp_path
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    def distiller():
        model = Distiller(classifier(6, seed=7), classifier())
        model.compile(keras.optimizers.Adam(0.05), cross_entropy)
        return model

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    options = {"epochs": 4, "shuffle": False, "verbose": 0, "batch_size": 4}
    whole = distiller()
    whole.fit(*batch, **options)
    with pytest.raises(InterruptedError):
        distiller().fit(*batch, callbacks=[backup(), Stop()], **options)
    resumed = distiller()
    history = resumed.fit(*batch, callbacks=[backup()], **options)
    assert history.epoch == [2, 3]
    for a, b in zip(
        whole.student.get_weights(), resumed.student.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_early_stopping_restores_the_best_student(distiller, batch):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.optimizer.learning_rate = 100.0

    history = distiller.fit(
        *batch,
        validation_data=batch,
        epochs=3,
        verbose=0,
        callbacks=[
            Spoil(),
            keras.callbacks.EarlyStopping(
                "val_main_loss",
                mode="min",
                patience=1,
                restore_best_weights=True,
            ),
        ],
    ).history["val_main_loss"]
    logs = distiller.evaluate(*batch, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["main_loss"], min(history), rtol=1e-5)


def test_a_distiller_itself_is_not_saved(distiller, tmp_path):
    with pytest.raises(NotImplementedError, match="save its student"):
        keras.saving.save_model(distiller, tmp_path / "distiller.keras")


def test_export_is_the_students(distiller, monkeypatch):
    calls = []
    monkeypatch.setattr(
        distiller.student, "export", lambda *a, **k: calls.append((a, k))
    )
    distiller.export("folder", format="onnx")
    assert calls == [(("folder",), {"format": "onnx"})]
