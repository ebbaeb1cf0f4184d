"""What a training leaves on its way, and after it was interrupted."""

import csv
import functools
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from ones_keras.training import TrainingBackup


@pytest.fixture
def modules(recipes_on_path):
    return {
        name: importlib.import_module(name)
        for name in ("progress", "training_log", "train_in_stretches")
    }


class Watch(keras.callbacks.Callback):
    """Interrupts a training after so many steps of all its runs."""

    best, steps = 0.0, 0

    def __init__(self, interrupt_after):
        super().__init__()
        self.interrupt_after = interrupt_after

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == self.interrupt_after:
            raise KeyboardInterrupt

    def get_state(self):
        return {}

    def set_state(self, state):
        pass

    def restore(self, model):
        pass


def train(modules, folder, interrupt_after=None, **options):
    """Eight steps in two stretches; returns the log of TensorBoard's."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(1)
    progress = modules["progress"].Progress(**options)
    modules["train_in_stretches"].train_in_stretches(
        model,
        data.skip,
        data.take(3),
        steps=8,
        evaluations=2,
        watch=Watch(interrupt_after),
        backup=functools.partial(
            TrainingBackup, folder / "backup", minutes=0.0
        ),
        progress=lambda *done: None,
        log=progress.log(folder / "logs", "svd", "a title"),
    )


def read(folder):
    with (folder / "logs" / "svd.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_validation(modules, tmp_path, capsys):
    train(modules, tmp_path)
    assert capsys.readouterr().out == ""
    rows = read(tmp_path)
    assert [row["step"] for row in rows] == ["4", "8"]
    assert rows[0].keys() == {"step", "learning_rate", "loss", "val_loss"}
    assert float(rows[0]["learning_rate"]) == pytest.approx(0.1)
    assert float(rows[1]["val_loss"]) < float(rows[0]["val_loss"])
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["svd.csv"]
    found = modules["training_log"].read_log(tmp_path / "logs" / "svd.csv")
    assert found == [{k: float(v) for k, v in row.items()} for row in rows]
    assert modules["training_log"].read_log(tmp_path / "none.csv") == []


def test_a_line_a_step(modules, tmp_path, capsys):
    train(modules, tmp_path, log_every=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        f"step {step}" for step in range(1, 9)
    ]
    assert all(", loss " in line for line in lines)
    rows = read(tmp_path)
    assert [row["step"] for row in rows] == [str(n) for n in range(1, 9)]
    assert [n for n, row in enumerate(rows, 1) if row["val_loss"]] == [4, 8]


@pytest.mark.parametrize("interrupt_after", [3, 7])
def test_an_interrupted_training_has_the_same_rows(
    modules, tmp_path, interrupt_after
):
    train(modules, tmp_path / "whole", log_every=3)
    with pytest.raises(KeyboardInterrupt):
        train(modules, tmp_path / "cut", interrupt_after, log_every=3)
    train(modules, tmp_path / "cut", log_every=3)
    whole, cut = (read(tmp_path / name) for name in ("whole", "cut"))
    assert [row["step"] for row in whole] == ["3", "4", "6", "8"]
    assert [row["step"] for row in cut] == ["3", "4", "6", "8"]
    for row, expected in zip(cut, whole, strict=True):
        assert row["val_loss"] == expected["val_loss"]


def test_tensorboard(modules, tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    train(modules, tmp_path, tensorboard=True)
    events = accumulators.EventAccumulator(str(tmp_path / "logs" / "svd"))
    events.Reload()
    found = {
        event.step: float(tf.make_ndarray(event.tensor_proto))
        for event in events.Tensors("val_loss")
    }
    expected = {
        int(row["step"]): pytest.approx(float(row["val_loss"]), rel=1e-6)
        for row in read(tmp_path)
    }
    assert found == expected
