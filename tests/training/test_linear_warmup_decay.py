import keras
import numpy as np
import pytest

from ones_keras.training import LinearWarmupDecay


def test_rises_peaks_and_falls_to_zero():
    schedule = LinearWarmupDecay(0.5, total_steps=10, warmup_steps=4)
    rates = [float(schedule(step)) for step in range(12)]
    np.testing.assert_allclose(rates[:4], [0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    np.testing.assert_allclose(
        rates[4:],
        [0.5, 5 / 12, 4 / 12, 3 / 12, 2 / 12, 1 / 12, 0, 0],
        atol=1e-6,
    )


def test_without_warmup_starts_at_the_peak():
    schedule = LinearWarmupDecay(0.5, total_steps=10)
    assert float(schedule(0)) == 0.5


def test_falls_to_another_end():
    schedule = LinearWarmupDecay(0.5, 10, warmup_steps=4, final=0.2)
    rates = [float(schedule(step)) for step in (3, 4, 7, 10, 12)]
    np.testing.assert_allclose(rates, [0.4, 0.5, 0.35, 0.2, 0.2], rtol=1e-6)


def test_optimizer_with_it_survives_serialisation():
    schedule = LinearWarmupDecay(0.5, 10, warmup_steps=4, final=0.3)
    config = keras.optimizers.serialize(keras.optimizers.SGD(schedule))
    loaded = keras.optimizers.deserialize(config)
    assert float(loaded.learning_rate) == pytest.approx(0.1)
    loaded = loaded.get_config()["learning_rate"]["config"]
    assert loaded == schedule.get_config()


def test_warmup_must_be_shorter_than_training():
    with pytest.raises(ValueError, match="`warmup_steps=10`, `total_steps=10`"):
        LinearWarmupDecay(0.5, total_steps=10, warmup_steps=10)


@pytest.mark.parametrize("final", [-0.1, 0.5])
def test_the_end_must_be_below_the_peak(final):
    with pytest.raises(ValueError, match=f"`final={final}`, `peak=0.5`"):
        LinearWarmupDecay(0.5, total_steps=10, final=final)
