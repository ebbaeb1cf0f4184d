"""`Lamb` against a NumPy loop over the paper's Algorithm 2."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ones_keras.training import Lamb


def numpy_lamb(weights, gradients, lr, wd, excluded, b1=0.9, b2=0.999):
    """Algorithm 2 in float64; `gradients` is a list of steps."""
    weights = [w.astype("float64") for w in weights]
    m = [np.zeros_like(w) for w in weights]
    v = [np.zeros_like(w) for w in weights]
    for t, step in enumerate(gradients, start=1):
        for i, g in enumerate(step):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            r = m[i] / (1 - b1**t) / (np.sqrt(v[i] / (1 - b2**t)) + 1e-6)
            ratio = 1.0
            if not excluded[i]:
                r = r + wd * weights[i]
                norms = np.linalg.norm(weights[i]), np.linalg.norm(r)
                ratio = norms[0] / norms[1] if all(norms) else 1.0
            weights[i] = weights[i] - lr * ratio * r
    return weights


def variables_like(arrays, names):
    return [
        keras.Variable(a, name=n) for a, n in zip(arrays, names, strict=True)
    ]


def run(optimizer, variables, gradients):
    for step in gradients:
        grads = [keras.ops.convert_to_tensor(g, "float32") for g in step]
        optimizer.apply(grads, variables)
    return [keras.ops.convert_to_numpy(v) for v in variables]


@pytest.fixture
def problem(rng):
    """A kernel, a bias, a norm scale, an expert bank and its biases."""
    names = ["kernel", "bias", "gamma", "expert_up", "expert_up_bias"]
    shapes = [(4, 3), (3,), (3,), (2, 3, 5), (2, 5)]
    weights = [rng.normal(size=s).astype("float32") for s in shapes]
    gradients = [[rng.normal(size=s) for s in shapes] for _ in range(6)]
    return names, weights, gradients


def test_equals_algorithm_2(problem):
    names, weights, gradients = problem
    optimizer = Lamb(learning_rate=0.02, weight_decay=0.1)
    got = run(optimizer, variables_like(weights, names), gradients)
    want = numpy_lamb(
        weights, gradients, 0.02, 0.1, [False, True, True, False, True]
    )
    for name, a, b in zip(names, got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6, err_msg=name)


def test_without_decay_equals_keras_lamb(problem):
    _, weights, gradients = problem
    weights, gradients = weights[:1], [g[:1] for g in gradients]
    ours, theirs = (
        run(optimizer, variables_like(weights, ["kernel"]), gradients)
        for optimizer in (
            Lamb(learning_rate=0.02, weight_decay=0.0),
            keras.optimizers.Lamb(learning_rate=0.02, epsilon=1e-6),
        )
    )
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)


def test_own_exclusions_leave_decay_and_ratio(problem):
    names, weights, gradients = problem
    optimizer = Lamb(learning_rate=0.02, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["expert"])
    got = run(optimizer, variables_like(weights, names), gradients)
    want = numpy_lamb(
        weights, gradients, 0.02, 0.1, [False, True, True, True, True]
    )
    np.testing.assert_allclose(got[3], want[3], rtol=2e-5, atol=1e-6)


def test_exclusion_by_variable(problem):
    names, weights, gradients = problem
    optimizer = Lamb(learning_rate=0.02, weight_decay=0.1)
    variables = variables_like(weights, names)
    optimizer.exclude_from_weight_decay(var_list=[variables[0]])
    got = run(optimizer, variables, gradients)
    want = numpy_lamb(weights, gradients, 0.02, 0.1, [True] * 5)
    np.testing.assert_allclose(got[0], want[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("zero", ["weights", "gradients"])
def test_zero_norms_give_finite_steps(rng, zero):
    value = rng.normal(size=(3, 2)).astype("float32")
    weight = 0 * value if zero == "weights" else value
    gradient = 0 * value if zero == "gradients" else value
    got = run(
        Lamb(learning_rate=0.1), variables_like([weight], ["w"]), [[gradient]]
    )
    want = numpy_lamb([weight], [[gradient]], 0.1, 0.0, [False])
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-7)


def test_step_length_follows_the_weights(rng):
    """The ratio makes a step's length lr times that of the weights."""
    weight = rng.normal(size=(6, 4)).astype("float32")
    gradient = 1e-3 * rng.normal(size=(6, 4))
    got = run(
        Lamb(learning_rate=0.05, weight_decay=0.3),
        variables_like([weight], ["w"]),
        [[gradient]],
    )
    length = np.linalg.norm(got[0] - weight)
    assert length == pytest.approx(0.05 * np.linalg.norm(weight), rel=1e-4)


def test_bfloat16_variables_take_finite_steps_of_the_same_length(rng):
    start = rng.normal(size=(8, 8)).astype("float32")
    gradient = rng.normal(size=(8, 8)).astype("float32")
    gradient[0] = 0.0
    moved = {}
    for dtype in ("float32", "bfloat16"):
        variable = keras.Variable(start, dtype=dtype)
        before = keras.ops.convert_to_numpy(
            keras.ops.cast(variable.value, "float32")
        )
        optimizer = Lamb(0.1)
        optimizer.apply([keras.ops.cast(gradient, dtype)], [variable])
        after = keras.ops.convert_to_numpy(
            keras.ops.cast(variable.value, "float32")
        )
        moved[dtype] = np.linalg.norm(after - before)
    assert moved["bfloat16"] == pytest.approx(moved["float32"], rel=0.05)


def test_global_clipnorm(rng):
    weight = rng.normal(size=(3, 2)).astype("float32")
    gradients = [[100 * rng.normal(size=(3, 2))], [rng.normal(size=(3, 2))]]
    clipped = [[g / max(1.0, np.linalg.norm(g))] for (g,) in gradients]
    got = run(
        Lamb(learning_rate=0.05, global_clipnorm=1.0),
        variables_like([weight], ["w"]),
        gradients,
    )
    want = numpy_lamb([weight], clipped, 0.05, 0.0, [False])
    np.testing.assert_allclose(got[0], want[0], rtol=1e-4)


def test_serialisation_round_trip():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 10)
    optimizer = Lamb(schedule, beta_2=0.98, weight_decay=0.1, clipnorm=1.0)
    config = keras.optimizers.serialize(optimizer)
    assert config["registered_name"] == "ones_keras>Lamb"
    restored = keras.optimizers.deserialize(config)
    assert isinstance(restored, Lamb)
    assert restored.get_config() == optimizer.get_config()
    assert restored.beta_2 == 0.98


def classifier():
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(11, 8),
            keras.layers.Flatten(),
            keras.layers.LayerNormalization(),
            keras.layers.Dense(3),
        ]
    )


@pytest.mark.parametrize(
    "policy", ["float32", "mixed_bfloat16", "mixed_float16"]
)
@pytest.mark.parametrize("accumulation", [None, 2])
def test_fit_in_a_compiled_step(rng, policy, accumulation):
    """Trains: sparse gradients, mixed precision and accumulation included."""
    keras.config.set_dtype_policy(policy)
    x = rng.integers(0, 11, size=(64, 6))
    y = x[:, 0] % 3
    model = classifier()
    model.compile(
        optimizer=Lamb(0.05, gradient_accumulation_steps=accumulation),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(x, y, batch_size=16, epochs=12, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_fit_equals_eager_steps(rng):
    """What `fit` compiles is the algorithm that the oracle checked."""
    x = rng.normal(size=(8, 4)).astype("float32")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, use_bias=False)]
    )
    (start,) = model.get_weights()
    # The loss sum(x @ W) / batch has the same gradient in every step.
    gradient = np.tile(x.mean(axis=0)[:, None], (1, 3)) / 3
    model.compile(
        optimizer=Lamb(0.05, weight_decay=0.1), loss=lambda y, p: p + 0 * y
    )
    model.fit(x, np.zeros((8, 3)), batch_size=8, epochs=4, verbose=0)
    want = numpy_lamb([start], [[gradient]] * 4, 0.05, 0.1, [False])
    np.testing.assert_allclose(model.get_weights()[0], want[0], rtol=1e-4)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute"
)
def test_under_a_distribution_strategy(rng):
    """Variables are wrapped there; names and indices must still resolve."""
    x = rng.integers(0, 11, size=(16, 6))
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        model = classifier()
        model.compile(
            optimizer=Lamb(0.05, weight_decay=0.1),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    history = model.fit(x, x[:, 0] % 3, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
