"""A Distiller's step against plain Keras and against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from ones_keras.distillation import Distiller

BACKEND = keras.backend.backend()


def _fit(model, x, y, loss, optimizer=None, fit=None, **compile_options):
    keras.utils.set_random_seed(3)
    model.compile(
        optimizer=optimizer or keras.optimizers.AdamW(0.01),
        loss=loss,
        **compile_options,
    )
    return model.fit(
        x, y, batch_size=4, epochs=2, verbose=0, shuffle=False, **(fit or {})
    ).history


class WeightedSum(keras.losses.Loss):
    """Eq. 17 on labels that carry the teacher's logits, for a plain fit."""

    def call(self, y_true, y_pred):
        one_hot, teacher = ops.split(y_true, 2, axis=-1)
        log_q = ops.log_softmax(y_pred)
        log_p = ops.log_softmax(teacher)
        main = -ops.sum(one_hot * log_q, axis=-1)
        distill = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
        return 0.25 * main + 0.75 * distill


def _labels_with_logits(y, teacher, x):
    logits = ops.convert_to_numpy(teacher(x, training=False))
    return np.concatenate([np.eye(3)[y], logits], -1).astype("float32")


def _assert_same_weights(a, b, atol=1e-6):
    for v, w in zip(a.variables, b.variables, strict=True):
        if "seed" not in v.path:
            np.testing.assert_allclose(v.numpy(), w.numpy(), atol=atol)


class AddsLoss(keras.layers.Layer):
    def call(self, x):
        self.add_loss(0.01 * ops.sum(x**2))
        return x


OPTIONS = {
    "plain": {},
    "clipped": {"optimizer": lambda: keras.optimizers.SGD(1.0, clipnorm=0.1)},
    "global clip": {
        "optimizer": lambda: keras.optimizers.SGD(1.0, global_clipnorm=0.1)
    },
    "accumulated": {
        "optimizer": lambda: keras.optimizers.Adam(
            0.01, gradient_accumulation_steps=3
        )
    },
    "eager": {"run_eagerly": True},
    "class weight": {"fit": {"class_weight": {0: 0.0, 1: 3.0, 2: 1.0}}},
    "sample weight": {
        "fit": {"sample_weight": np.linspace(0, 2, 12).astype("float32")}
    },
    "several steps": {"steps_per_execution": 2},
    "xla": {"jit_compile": True},
    "no xla": {"jit_compile": False},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_equals_a_plain_fit_on_the_weighted_sum(
    classifier, batch, cross_entropy, options
):
    if BACKEND == "torch" and options in ("several steps", "xla"):
        pytest.skip("not on PyTorch: refused by Keras, or slow to compile")
    options = dict(OPTIONS[options])
    optimizer = options.pop("optimizer", lambda: None)

    def student():
        return classifier(
            layers=[
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.3, seed=5),
                AddsLoss(),
            ],
            kernel_regularizer="l2",
        )

    x, y = batch
    alone, taught, teacher = student(), student(), classifier(6, seed=7)
    history = _fit(
        Distiller(teacher, taught),
        *(x, y),
        cross_entropy,
        optimizer=optimizer(),
        **options,
    )
    by_class = options.get("fit", {}).get("class_weight")
    if by_class:  # Keras reads classes off the labels, which are none here.
        weight = np.array([by_class[label] for label in y], "float32")
        options["fit"] = {"sample_weight": weight}
    expected = _fit(
        alone,
        *(x, _labels_with_logits(y, teacher, x)),
        WeightedSum(),
        optimizer=optimizer(),
        **options,
    )
    _assert_same_weights(alone, taught, atol=1e-5)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_equals_a_plain_fit_in_mixed_precision(
    classifier, batch, cross_entropy, policy
):
    teacher = classifier(6, seed=7)
    keras.config.set_dtype_policy(policy)
    alone, taught = (
        # Keras on TensorFlow cannot sum losses of several dtypes.
        classifier(layers=[AddsLoss(dtype="float32")], kernel_regularizer="l2")
        for _ in range(2)
    )
    distiller = Distiller(teacher, taught)
    keras.config.set_dtype_policy("float32")
    x, y = batch
    _fit(alone, x, _labels_with_logits(y, teacher, x), WeightedSum())
    _fit(distiller, x, y, cross_entropy)
    # bfloat16 has 8 significant bits.
    atol = 1e-3 if policy == "mixed_bfloat16" else 1e-4
    _assert_same_weights(alone, taught, atol=atol)
    scaled = isinstance(
        distiller.optimizer, keras.optimizers.LossScaleOptimizer
    )
    assert scaled == (policy == "mixed_float16")


def test_inputs_reach_the_student_uncast():
    def build():
        return keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Rescaling(1 / 2048, offset=-1.0, dtype="float32"),
                keras.layers.Dense(2, dtype="float32"),
            ]
        )

    keras.config.set_dtype_policy("mixed_float16")
    student = build()
    distiller = Distiller(build(), student)
    x = np.array([[2049.0, 2051.0]], "float32")  # neither is a float16
    np.testing.assert_array_equal(
        ops.convert_to_numpy(distiller(x)), ops.convert_to_numpy(student(x))
    )


def _linear(weights):
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(3, use_bias=False)]
    )
    model.set_weights([weights])
    return model


@pytest.mark.parametrize("distillation", ["soft", "hard"])
def test_a_step_is_the_gradient_by_hand(
    rng, batch, cross_entropy, oracle, distillation
):
    x, y = batch
    teacher, student = rng.normal(size=(2, 8, 3)).astype("float32")
    alpha, temperature = 0.3, 1.0 if distillation == "hard" else 2.5
    weight = np.linspace(0.0, 2.0, len(x)).astype("float32")
    model = _linear(student)
    distiller = Distiller(
        _linear(teacher),
        model,
        alpha=alpha,
        temperature=temperature,
        distillation=distillation,
    )
    distiller.compile(keras.optimizers.SGD(0.5), cross_entropy)
    distiller.train_on_batch(x, y, sample_weight=weight)

    def softmax(logits):
        return np.exp(oracle.log_softmax(logits))

    one_hot = np.eye(3)
    main = softmax(x @ student) - one_hot[y]
    if distillation == "hard":
        distill = softmax(x @ student) - one_hot[(x @ teacher).argmax(-1)]
    else:  # d/dz T^2 KL(p || softmax(z / T)) = T (softmax(z / T) - p)
        distill = temperature * (
            softmax(x @ student / temperature)
            - softmax(x @ teacher / temperature)
        )
    errors = (alpha * main + (1 - alpha) * distill) * weight[:, None]
    gradient = x.T @ errors / len(x)
    np.testing.assert_allclose(
        model.get_weights()[0], student - 0.5 * gradient, atol=1e-5
    )


def test_a_class_the_teacher_rules_out_breaks_no_gradient(
    rng, batch, cross_entropy
):
    weights = rng.normal(size=(8, 3)).astype("float32")
    teacher = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    teacher.set_weights([weights, np.array([0.0, 0.0, -np.inf])])
    model = _linear(weights)
    distiller = Distiller(teacher, model)
    distiller.compile("sgd", cross_entropy)
    distiller.fit(*batch, verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()


def test_epoch_logs_are_means_over_samples(
    classifier, batch, cross_entropy, oracle, run
):
    x, y = batch
    teacher, student = classifier(6, seed=7), classifier()
    distiller = Distiller(teacher, student)
    distiller.compile(
        keras.optimizers.SGD(0.0), cross_entropy, metrics=["accuracy"]
    )
    # The last batch is smaller: 5, 5, 2.
    history = distiller.fit(x, y, batch_size=5, verbose=0).history
    logits = run(student, x)
    main = oracle.cross_entropy(y, logits).mean()
    distill = oracle.soft(run(teacher, x), logits).mean()
    expected = {
        "main_loss": main,
        "distill_loss": distill,
        "loss": 0.25 * main + 0.75 * distill,
        "accuracy": (logits.argmax(-1) == y).mean(),
    }
    assert set(history) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(history[name], [value], rtol=1e-5)


def test_evaluation_and_prediction_are_the_students(
    classifier, batch, cross_entropy
):
    x, y = batch
    student = classifier(layers=[AddsLoss(), keras.layers.Dropout(0.5)])
    distiller = Distiller(classifier(6), student)
    options = {"loss": cross_entropy, "metrics": ["accuracy"]}
    distiller.compile(optimizer="sgd", **options)
    logs = distiller.evaluate(x, y, verbose=0, return_dict=True)
    student.compile(optimizer="sgd", **options)
    expected = student.evaluate(x, y, verbose=0, return_dict=True)
    main_loss = logs.pop("main_loss")
    assert logs == pytest.approx(expected, rel=1e-6)
    assert main_loss < logs["loss"]
    np.testing.assert_allclose(
        distiller.predict(x, verbose=0), student.predict(x, verbose=0)
    )
    history = distiller.fit(
        x, y, validation_data=(x, y), epochs=1, verbose=0
    ).history
    assert {k for k in history if k.startswith("val_")} == {
        "val_loss",
        "val_main_loss",
        "val_accuracy",
    }


def test_a_dataset_of_tensorflow(classifier, batch, cross_entropy):
    tf = pytest.importorskip("tensorflow")
    x, y = batch
    by_array, by_dataset = classifier(), classifier()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    teacher = classifier(6)
    for student, data in ((by_array, (x, y)), (by_dataset, (dataset,))):
        distiller = Distiller(teacher, student)
        distiller.compile("sgd", cross_entropy)
        distiller.fit(
            *data,
            batch_size=None if len(data) == 1 else 4,
            shuffle=False,
            verbose=0,
        )
    _assert_same_weights(by_array, by_dataset)


@pytest.mark.skipif(BACKEND != "torch", reason="what PyTorch lacks")
def test_several_steps_an_execution_are_refused(
    classifier, batch, cross_entropy
):
    distiller = Distiller(classifier(6), classifier())
    distiller.compile("sgd", cross_entropy, steps_per_execution=2)
    with pytest.raises(ValueError, match="steps_per_execution"):
        distiller.fit(*batch, batch_size=4, verbose=0)


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_the_term_is_reduced_as_the_main_loss(
    classifier, batch, oracle, run, reduction
):
    x, y = batch
    teacher, student = classifier(6, seed=7), classifier()
    weight = np.linspace(0.5, 2.0, len(x)).astype("float32")
    distiller = Distiller(teacher, student)
    distiller.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=reduction
        ),
    )
    values = oracle.soft(run(teacher, x), run(student, x)) * weight
    divisor = 1.0 if reduction == "sum" else weight.sum()
    logs = distiller.train_on_batch(x, y, weight, return_dict=True)
    np.testing.assert_allclose(
        logs["distill_loss"], values.sum() / divisor, rtol=1e-5
    )


def test_an_exception_in_a_callback_leaves_a_usable_distiller(
    classifier, batch, cross_entropy
):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    distiller = Distiller(classifier(6), classifier())
    distiller.compile("sgd", cross_entropy)
    with pytest.raises(KeyboardInterrupt):
        distiller.fit(*batch, verbose=0, callbacks=[Stop()])
    distiller.fit(*batch, verbose=0)
    assert np.isfinite(distiller.evaluate(*batch, verbose=0)).all()
