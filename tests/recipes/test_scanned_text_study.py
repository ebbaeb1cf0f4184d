"""Compiled loops against `fit`, and the recipe that trains in them."""

import json
import signal
import types

import keras
import numpy as np
import pytest

import ones_keras

STEPS, EVALUATIONS, RATE = 6, 2, 1e-2
BATCH, LENGTH, MASKED, WORDS = 4, 12, 2, 30


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


@pytest.fixture
def on_path(recipes_on_path):
    """The modules of the recipe can be imported."""
    if keras.backend.backend() != "jax":
        pytest.skip("compiled loops are JAX's")


@pytest.fixture
def settings(on_path):
    from text_settings import TextSettings

    return TextSettings(teacher_steps=STEPS, evaluations=EVALUATIONS)


@pytest.fixture
def teacher():
    return make_teacher()


def make_teacher():
    keras.utils.set_random_seed(3)
    return ones_keras.models.AlbertMaskedLM.from_preset(
        "widenet_albert_tiny",
        vocabulary_size=WORDS,
        num_layers=1,
        max_sequence_length=LENGTH,
    )


def make_batches(rng, count):
    places = BATCH, MASKED

    def integers(low, high, shape):
        return rng.integers(low, high, shape).astype("int32")

    return [
        (
            {
                "token_ids": integers(5, WORDS, (BATCH, LENGTH)),
                "segment_ids": integers(0, 2, (BATCH, LENGTH)),
                "padding_mask": np.ones((BATCH, LENGTH), "int32"),
                "mask_positions": integers(0, LENGTH, places),
            },
            {
                "masked_lm": integers(5, WORDS, places),
                "sentence_order": integers(0, 2, BATCH),
            },
            {
                "masked_lm": rng.integers(0, 2, places).astype("float32"),
                "sentence_order": np.ones(BATCH, "float32"),
            },
        )
        for _ in range(count)
    ]


def train_by_fit(model, settings, batches, validation):
    """The oracle: lowest validation loss, of which the model has the weights.

    As the recipe trains, a stretch a `fit`.
    """
    from optimization import KeepBest
    from text_training import compile_masked_lm

    compile_masked_lm(model, settings, STEPS, RATE)
    best = KeepBest("val_masked_lm_nats", -1)
    for part in np.split(np.arange(STEPS), EVALUATIONS):
        model.fit(
            Batches([batches[n] for n in part]),
            validation_data=Batches(validation),
            shuffle=False,
            verbose=0,
            callbacks=[best],
        )
    best.restore(model)
    return best.best


def train_in_loops(
    models,
    settings,
    batches,
    validation,
    backup,
    minutes=9,
    progress=lambda done, lowest=None: None,
):
    from scan_backup import ScanBackup
    from text_training import compile_masked_lm
    from train_in_scans import train_in_scans

    for model in models:
        compile_masked_lm(model, settings, STEPS, RATE)
    steps = keras.tree.map_structure(lambda *a: np.stack(a), *batches)
    return train_in_scans(
        models,
        steps,
        validation,
        EVALUATIONS,
        ScanBackup(backup, minutes),
        progress,
    )


def assert_same_weights(model, expected):
    for weight, other in zip(model.weights, expected.weights, strict=True):
        np.testing.assert_allclose(
            weight.numpy(), other.numpy(), rtol=1e-3, atol=1e-4
        )


def test_teacher_as_by_fit(settings, teacher, rng, tmp_path):
    batches, validation = make_batches(rng, STEPS), make_batches(rng, 2)
    expected = make_teacher()  # The noise of its router too.
    lowest = train_by_fit(expected, settings, batches, validation)
    (found,), (rows,) = train_in_loops(
        [teacher], settings, batches, validation, tmp_path / "backup"
    )
    assert found == pytest.approx(lowest, rel=1e-5)
    assert [row["step"] for row in rows] == [3, 6]
    # Of the step that would follow.
    assert 0 < rows[0]["learning_rate"] < RATE
    assert rows[1]["learning_rate"] == pytest.approx(0)
    assert_same_weights(teacher, expected)


def students_of(teacher):
    students = []
    for method in ("average", "top_k", "svd"):
        student = ones_keras.gather(teacher, method, verbose=False)
        students.append(ones_keras.Distiller(teacher, student, alpha=0.3))
    return students


def test_students_side_by_side_as_each_by_fit(settings, teacher, rng, tmp_path):
    batches, validation = make_batches(rng, STEPS), make_batches(rng, 2)
    expected = students_of(teacher)
    lowest = [
        train_by_fit(model, settings, batches, validation) for model in expected
    ]
    assert len(set(lowest)) == 3
    models = students_of(teacher)
    found, _ = train_in_loops(
        models, settings, batches, validation, tmp_path / "backup"
    )
    np.testing.assert_allclose(found, lowest, rtol=1e-5)
    for model, other in zip(models, expected, strict=True):
        assert_same_weights(model.student, other.student)


@pytest.mark.parametrize(("loop", "how"), [(1, "killed"), (100, "SIGTERM")])
def test_goes_on_where_it_was_interrupted(
    settings, teacher, rng, tmp_path, monkeypatch, loop, how
):
    import scan_backup
    import train_in_scans

    batches, validation = make_batches(rng, STEPS), make_batches(rng, 2)
    expected, models = students_of(teacher), students_of(teacher)
    data = settings, batches, validation
    lowest, rows = train_in_loops(expected, *data, tmp_path / "other")
    monkeypatch.setattr(train_in_scans, "_LOOP", loop)
    after = 4 if loop == 1 else 3
    backup, write = tmp_path / "backup", scan_backup.ScanBackup._write
    done = []

    def killed(self):
        write(self)
        if self._latest[1][0] == after:
            raise KeyboardInterrupt

    def terminated(step, lowest=None):
        if step == after and lowest is None:
            signal.raise_signal(signal.SIGTERM)

    if how == "killed":
        with monkeypatch.context() as patch:
            patch.setattr(scan_backup.ScanBackup, "_write", killed)
            with pytest.raises(KeyboardInterrupt):
                train_in_loops(models, *data, backup, minutes=0)
    else:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(ones_keras.training.TrainingStopped, match="goes"):
            train_in_loops(models, *data, backup, progress=terminated)
        assert signal.getsignal(signal.SIGTERM) == before
    again = students_of(teacher)
    found, rows_again = train_in_loops(
        again,
        *data,
        backup,
        progress=lambda step, lowest=None: done.append((step, lowest)),
    )
    assert done[0][0] == (5 if loop == 1 else 6)
    assert done[-1] == (STEPS, min(found))
    np.testing.assert_allclose(found, lowest, rtol=1e-5)
    assert [row["step"] for row in rows_again[0]] == [3, 6]
    assert rows_again[2][0]["val_masked_lm_nats"] == pytest.approx(
        rows[2][0]["val_masked_lm_nats"], rel=1e-5
    )
    for model, other in zip(again, expected, strict=True):
        assert_same_weights(model.student, other.student)


def test_damaged_backup_is_named(settings, teacher, rng, tmp_path):
    backup = tmp_path / "backup.npz"
    backup.write_bytes(b"PK half a file")
    batches = make_batches(rng, STEPS)
    stopped = ones_keras.training.TrainingStopped
    with pytest.raises(stopped, match=r"backup\.npz cannot be read"):
        train_in_loops([teacher], settings, batches, batches[:1], backup)


def test_loss_that_is_not_finite_stops_it(settings, teacher, rng, tmp_path):
    batches = make_batches(rng, STEPS)
    for batch in batches:
        batch[2]["masked_lm"][:] = np.inf
    with pytest.raises(ones_keras.training.TrainingStopped, match="3 steps"):
        train_in_loops(
            [teacher], settings, batches, batches[:1], tmp_path / "backup"
        )


@pytest.fixture
def study(on_path, import_recipe, run_recipe, tmp_path):
    """A callable that runs the recipe: what it printed, and its folder."""
    book = tmp_path / "book.txt"
    texts = ones_keras.data.load_package_task(("keras",))[0][0][:200]
    book.write_text("\n\n".join(texts), encoding="utf-8")

    def run(name):
        folder = tmp_path / name
        printed = run_recipe(
            import_recipe("albert_ones"),
            "--scan",
            "--corpus=text",
            f"--data_dir={book}",
            "--vocabulary_size=150",
            "--sequence_length=24",
            "--num_layers=1",
            "--teacher_steps=4",
            "--student_steps=2",
            "--evaluations=2",
            "--batch_size=8",
            "--methods=average,top_k",
            "--fine_tune_steps=0",
            "--backup_minutes=0",
            f"--output_dir={folder}",
        )
        return printed, folder

    return run


def test_whole_comparison(study, monkeypatch):
    from kept_models import KeptModels

    printed, folder = study("study")
    assert "average, top_k: 2 steps" in printed
    assert "dense: 4 steps" in printed
    assert "top_k: trained before" in printed
    log = (folder / "seed_0/logs/top_k.csv").read_text()
    assert log.count("\n") == 3
    report = json.loads((folder / "report.json").read_text())
    results = {row["method"]: row for row in report["results"]}
    assert list(results) == ["teacher", "dense", "average", "top_k"]
    for name in ("average", "top_k"):
        assert results[name]["score"] != results[name]["score_before"]

    # Killed after the first student was kept, and before the second.
    keep = KeptModels.keep

    def killed(self, name, *args):
        if name == "top_k":
            raise KeyboardInterrupt
        keep(self, name, *args)

    with monkeypatch.context() as patch:
        patch.setattr(KeptModels, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            study("killed")
    printed, folder = study("killed")
    assert "teacher: trained before" in printed
    assert "average, top_k: 2 steps" in printed
    assert (folder / "seed_0/logs/top_k.csv").read_text() == log
    again = json.loads((folder / "report.json").read_text())
    scores = [[row["score"] for row in r["results"]] for r in (report, again)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


@pytest.mark.parametrize("found", ["another backend", "two devices"])
def test_where_there_are_no_loops_is_refused(
    recipes_on_path, import_recipe, run_recipe, monkeypatch, tmp_path, found
):
    import devices

    recipe = import_recipe("albert_ones")
    if found == "another backend" and keras.backend.backend() == "jax":
        pytest.skip("the one that is not")
    if found == "two devices":
        several = types.SimpleNamespace(num_devices=2)
        monkeypatch.setattr(devices, "strategy", lambda: several)
    with pytest.raises(SystemExit, match="JAX and one device"):
        run_recipe(recipe, "--scan", f"--output_dir={tmp_path / 'study'}")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("flag", ["--log_every=10", "--tensorboard"])
def test_logs_of_steps_are_refused(import_recipe, run_recipe, tmp_path, flag):
    folder = tmp_path / "study"
    with pytest.raises(SystemExit, match=flag.split("=")[0]):
        run_recipe(
            import_recipe("albert_ones"),
            "--scan",
            flag,
            f"--output_dir={folder}",
        )
    assert not folder.exists()


def test_cache_beside_loops_is_refused(import_recipe, run_recipe, tmp_path):
    recipe = import_recipe("albert_ones")
    with pytest.raises(SystemExit, match="teacher_cache=300"):
        run_recipe(
            recipe,
            "--scan",
            "--teacher_cache=300",
            f"--output_dir={tmp_path / 'study'}",
        )
