"""A training that is interrupted ends as one that is not, bit for bit."""

import os
import signal

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.training import TrainingBackup, TrainingStopped

STEPS, EVERY, BATCH = 12, 4, 8


pytestmark = pytest.mark.usefixtures("backups_of_every_step")


class InterruptionError(Exception):
    """What kills a training here; nothing in the package knows it."""


class Interrupt(keras.callbacks.Callback):
    """Raises after so many batches, before anything is backed up."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise InterruptionError


class LowestLoss(keras.callbacks.Callback):
    """A companion: what validation found."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["val_loss"])

    def get_state(self):
        return {"losses": np.array(self.losses)}

    def set_state(self, state):
        self.losses = list(state["losses"])


def classifier(num_experts):
    """Dropout, and with experts the router's noise, both of the seed."""
    inputs = keras.Input((6,))
    x = keras.layers.Dropout(0.5)(inputs)
    if num_experts:
        x = ones_keras.layers.MoEFeedForward(num_experts, 8)(x)
    else:
        x = keras.layers.Dense(8, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def moe():
    return classifier(4)


def dense():
    return classifier(0)


def distiller():
    return ones_keras.Distiller(classifier(4), classifier(0))


def scaled_loss():
    keras.config.set_dtype_policy("mixed_float16")
    return classifier(0)


def low_precision():
    keras.config.set_dtype_policy("bfloat16")
    return classifier(0)


def batches(start):
    """A batch is a function of the step."""
    for step in range(start, STEPS):
        rng = np.random.default_rng(step)
        x = rng.normal(size=(BATCH, 6)).astype("float32")
        yield x, rng.integers(0, 3, BATCH)


def compiled(build):
    keras.utils.set_random_seed(1)
    model = build()
    model.compile(
        keras.optimizers.AdamW(
            ones_keras.training.LinearWarmupDecay(0.05, STEPS, 3)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def fit(model, folder, interrupted_after=10**6, **options):
    """Train to the end, or as far as it gets: validation losses."""
    lowest, interrupt = LowestLoss(), Interrupt(interrupted_after)
    held_out = next(batches(STEPS - 1))
    with TrainingBackup(folder, model, [lowest], **options) as backup:
        while backup.step < STEPS:
            model.fit(
                batches(backup.step),
                steps_per_epoch=EVERY - backup.step % EVERY,
                validation_data=held_out,
                shuffle=False,
                verbose=0,
                callbacks=[lowest, interrupt, backup],
            )
    return lowest.losses


def state(model):
    return [
        keras.ops.convert_to_numpy(v.value).astype("float32")
        for v in [*model.variables, *model.optimizer.variables]
    ]


def assert_same_state(model, expected):
    for found, wanted in zip(state(model), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("build", [distiller, scaled_loss, low_precision])
def test_ends_as_if_never_interrupted(build, tmp_path):
    whole = compiled(build)
    losses = fit(whole, tmp_path / "whole")
    assert len(losses) == STEPS // EVERY
    model = compiled(build)
    with pytest.raises(InterruptionError):
        fit(model, tmp_path / "parts", 6, minutes=0)
    again = compiled(build)
    assert fit(again, tmp_path / "parts", minutes=0) == losses
    assert_same_state(again, state(whole))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Losses and state at the end."""
    model = compiled(moe)
    return fit(model, tmp_path_factory.mktemp("whole")), state(model)


def test_a_dozen_interruptions(uninterrupted, tmp_path, rng):
    losses, expected = uninterrupted
    model = compiled(moe)
    for after in rng.permutation([0] * 3 + [1] * 7 + [2] * 2):
        with pytest.raises(InterruptionError):
            fit(model, tmp_path / "parts", after, minutes=0)
        # What is in memory is not what the next training goes by.
        for variable in model.trainable_variables:
            variable.assign(rng.normal(size=variable.shape))
    assert fit(model, tmp_path / "parts", minutes=0) == losses
    assert_same_state(model, expected)


def test_what_a_damaged_backup_does(uninterrupted, tmp_path):
    losses, expected = uninterrupted
    model = compiled(moe)
    with pytest.raises(InterruptionError):
        fit(model, tmp_path, 5, minutes=0, keep=4)
    files = [tmp_path / f"step_{step}.npz" for step in (2, 3, 4, 5)]
    assert sorted(tmp_path.iterdir()) == files
    files[3].write_bytes(b"")
    content = files[2].read_bytes()
    files[2].write_bytes(content[: len(content) // 2])
    content = bytearray(files[1].read_bytes())
    with np.load(files[1]) as arrays:
        weights = next(a.tobytes() for a in arrays.values() if a.size > 9)
    content[content.index(weights)] ^= 1
    files[1].write_bytes(content)
    with pytest.warns(UserWarning, match="cannot be read") as caught:
        assert fit(model, tmp_path) == losses
    found = [str(one.message) for one in caught]
    for path in files[1:]:
        assert any(str(path) in message for message in found)
    assert_same_state(model, expected)


def test_what_a_full_disk_does(monkeypatch, tmp_path):
    model = compiled(dense)
    save = np.savez

    def fill(path, **content):
        save(path, **content)
        if "step_2" in str(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill)
    with pytest.raises(TrainingStopped, match=r"No space left.* of step 1"):
        fit(model, tmp_path, minutes=0)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["step_0.npz", "step_1.npz"]


def test_a_loss_that_is_not_finite(tmp_path):
    def spoilt():
        for step, (x, y) in enumerate(batches(0)):
            yield x * (np.nan if step == 2 else 1), y

    model = compiled(dense)
    with (
        pytest.raises(
            TrainingStopped, match=r"not finite at step 3.* of step 2"
        ),
        TrainingBackup(tmp_path, model, minutes=0) as backup,
    ):
        model.fit(
            spoilt(),
            steps_per_epoch=EVERY,
            shuffle=False,
            verbose=0,
            callbacks=[backup],
        )
    model = compiled(dense)
    with TrainingBackup(tmp_path, model) as backup:
        assert backup.step == 2
    assert all(np.isfinite(value).all() for value in state(model))


def test_sigterm_backs_up_and_stops(tmp_path):
    class Terminate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    model = compiled(dense)
    with (
        pytest.raises(TrainingStopped, match=r"SIGTERM.* of step 2"),
        TrainingBackup(tmp_path, model) as backup,
    ):
        model.fit(
            batches(0),
            steps_per_epoch=EVERY,
            shuffle=False,
            verbose=0,
            callbacks=[Terminate(), backup],
        )
    assert signal.getsignal(signal.SIGTERM) is handler
    stopped = state(model)
    again = compiled(dense)
    with TrainingBackup(tmp_path, again) as backup:
        assert backup.step == 2
    assert_same_state(again, stopped)


def test_sigterm_after_the_last_epoch(tmp_path):
    model = compiled(dense)
    with (
        pytest.raises(TrainingStopped, match="SIGTERM"),
        TrainingBackup(tmp_path, model),
    ):
        os.kill(os.getpid(), signal.SIGTERM)


def test_backups_of_another_model_are_refused(tmp_path):
    with TrainingBackup(tmp_path, compiled(dense)):
        pass
    with (
        pytest.raises(ValueError, match=r"another model.*step_0\.npz"),
        TrainingBackup(tmp_path, compiled(moe)),
    ):
        pass


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    half = tmp_path / ".step_7.npz.abc"
    half.mkdir()
    (half / "step_7.npz").write_bytes(b"PK")
    with TrainingBackup(tmp_path, compiled(dense)) as backup:
        assert backup.step == 0
    assert [path.name for path in tmp_path.iterdir()] == ["step_0.npz"]
    backup.remove()
    assert not tmp_path.exists()


@pytest.mark.parametrize(
    "options", [{"minutes": -1.0}, {"minutes": float("nan")}, {"keep": 0}]
)
def test_arguments_out_of_range(options, tmp_path):
    (name, value), *_ = options.items()
    with pytest.raises(ValueError, match=f"`{name}={value}`"):
        TrainingBackup(tmp_path, compiled(dense), **options)


def test_a_model_that_is_not_compiled(tmp_path):
    with pytest.raises(ValueError, match="must be compiled"):
        TrainingBackup(tmp_path, classifier(0))
