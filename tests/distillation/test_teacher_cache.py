"""A cached teacher teaches what it teaches online, or nothing at all."""

import functools
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from ones_keras.distillation import Distiller, TeacherCache, teacher_cache

STEPS, BATCH, CLASSES = 5, 8, 4


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Two steps a file."""
    monkeypatch.setattr(teacher_cache, "_STEPS_A_FILE", 2)


def classifier(seed, outputs=None, activation="tanh"):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(6, activation=activation)(inputs)
    heads = {
        name: keras.layers.Dense(CLASSES)(hidden)
        for name in outputs or ("only",)
    }
    return keras.Model(inputs, heads if outputs else heads["only"])


def batches(start, seed=0, scale=1.0):
    """Endless; number n is a function of (seed, n)."""

    def batch(step):
        x = tf.random.stateless_normal((BATCH, 3), tf.stack([seed, step]))
        return scale * x, tf.cast(tf.abs(x[:, 0]) * 2, "int32") % CLASSES

    return tf.data.Dataset.counter(tf.constant(start, "int64")).map(batch)


def learn(teacher, data, temperature=2.0):
    student = classifier(1)
    distiller = Distiller(teacher, student, temperature=temperature)
    distiller.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    fit = functools.partial(distiller.fit, shuffle=False, verbose=0)
    history = fit(data, steps_per_epoch=STEPS, epochs=3).history
    return history, student.get_weights()


# With one class left the number that stands for it is its logit.
@pytest.mark.parametrize("top_k", [None, CLASSES - 1])
def test_a_student_learns_what_it_learns_online(tmp_path, top_k):
    teacher = classifier(0)
    cache = TeacherCache(tmp_path, teacher, STEPS, top_k=top_k, temperature=2.0)
    cache.fill(batches)
    history, weights = learn(cache, cache.lessons(batches))
    online, expected = learn(teacher, batches(0).take(STEPS).repeat())
    assert history.keys() == online.keys()
    for name, values in online.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_lessons_go_on_where_a_training_was(tmp_path):
    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    cache.fill(batches)
    whole, rest = (
        list(cache.lessons(batches, start).take(count).as_numpy_iterator())
        for start, count in ((0, 2 * STEPS), (STEPS + 3, STEPS - 3))
    )
    for (x, y), (other_x, other_y) in zip(whole[-2:], rest, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y.labels, other_y.labels)
        np.testing.assert_array_equal(
            y.teacher_outputs, other_y.teacher_outputs
        )


def test_lessons_do_not_tune_themselves(tmp_path):
    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    cache.fill(batches)
    assert cache.lessons(batches).options().autotune.enabled is False


def test_filling_goes_on_where_it_was(tmp_path):
    teacher, done = classifier(0), []

    def interrupt(step):
        done.append(step)
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TeacherCache(tmp_path, teacher, STEPS).fill(batches, interrupt)
    cache = TeacherCache(tmp_path, teacher, STEPS)
    assert not cache.is_complete
    with pytest.raises(ValueError, match="not complete"):
        cache.lessons(batches)
    cache.fill(batches, done.append)
    # The second file had not been whole.
    assert done == [1, 2, 3, 3, 4, 5]
    again = TeacherCache(tmp_path, teacher, STEPS)
    assert again.is_complete
    again.fill(batches, done.append)
    assert len(done) == 6
    outputs = [
        y.teacher_outputs
        for _, y in again.lessons(batches).take(STEPS).as_numpy_iterator()
    ]
    expected = [
        teacher.predict_on_batch(np.asarray(x))
        for x, _ in batches(0).take(STEPS)
    ]
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_one_of_several_outputs(tmp_path):
    teacher, names = classifier(0, ("a", "b")), ("a", "b")
    cache = TeacherCache(tmp_path, teacher, STEPS, outputs="b")
    two = functools.partial(
        tf.data.Dataset.map, map_func=lambda x, y: (x, {"a": y, "b": y})
    )
    cache.fill(lambda start: two(batches(start)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = []
    for given in (cache, teacher):
        student = classifier(1, names)
        distiller = Distiller(given, student, outputs="b")
        distiller.compile("sgd", dict.fromkeys(names, loss))
        data = two(batches(0).take(STEPS))
        if given is cache:
            data = cache.lessons(lambda start: two(batches(start)))
        distiller.fit(data, steps_per_epoch=STEPS, shuffle=False, verbose=0)
        found.append(student.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for outputs in ("a", None):
        with pytest.raises(ValueError, match=f"Received: `outputs={outputs}`"):
            Distiller(cache, classifier(1, names), outputs=outputs)


@pytest.mark.parametrize(
    "change",
    [
        {"teacher": {"seed": 2}},
        {"teacher": {"seed": 0, "activation": "relu"}},
        {"steps": STEPS + 1},
        {"data": {"seed": 1}},
        {"top_k": 2},
    ],
)
def test_a_folder_of_something_else(tmp_path, change):
    given = {"teacher": {"seed": 0}, "steps": STEPS, "data": {"seed": 0}}
    for each in ({}, change):
        options = given | each
        options["teacher"] = classifier(**options["teacher"])
        if each:
            name = next(iter(change))
            with pytest.raises(ValueError, match=f"{name}.*, now "):
                TeacherCache(tmp_path, **options)
        else:
            TeacherCache(tmp_path, **options).fill(batches)


def test_another_temperature_of_the_other_classes(tmp_path):
    options = {"teacher": classifier(0), "steps": STEPS, "top_k": 2}
    cache = TeacherCache(tmp_path, **options)
    cache.fill(batches)
    with pytest.raises(ValueError, match=r"Received: `temperature=2\.0`"):
        Distiller(cache, classifier(1), temperature=2.0)
    with pytest.raises(ValueError, match=r"temperature 1\.0, now 2\.0"):
        TeacherCache(tmp_path, **options, temperature=2.0)


@pytest.mark.parametrize(
    "others",
    [
        lambda start: batches(start, seed=1),
        lambda start: batches(start + 1),
        lambda start: batches(start).map(lambda x, y: (x[::-1], y[::-1])),
        functools.partial(batches, scale=1.01),
    ],
    ids=["seed", "step", "order", "scale"],
)
def test_other_batches(tmp_path, others):
    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    cache.fill(batches)
    with pytest.raises(
        tf.errors.OpError, match="batch of step 0 is not the one"
    ):
        list(cache.lessons(others).take(1))


def test_last_bits_are_no_other_batches(tmp_path):
    """They are others from machine to machine."""
    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    cache.fill(batches)

    def nearly(start):
        return batches(start).map(lambda x, y: (x + 1e-6 * tf.sin(1e3 * x), y))

    assert len(list(cache.lessons(nearly).take(STEPS))) == STEPS


def test_batches_that_end_too_early(tmp_path):
    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    with pytest.raises(ValueError, match=r"`steps=5`\. Received: 3 of them"):
        cache.fill(lambda start: batches(start).take(3 - start))
    assert not cache.is_complete
    cache.fill(batches)


def test_text_is_read_once(tmp_path):
    """A stream that is opened anew is read from its beginning."""
    opened = []

    def stream(start):
        opened.append(start)
        return batches(start)

    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    cache.fill(stream)
    assert opened == [0]


def test_damage(tmp_path):
    teacher = classifier(0)
    TeacherCache(tmp_path, teacher, STEPS).fill(batches)
    path = sorted(tmp_path.glob("*.tfrecord"))[1]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=f"Received: {path}"):
        TeacherCache(tmp_path, teacher, STEPS)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match=r"Received: .*manifest\.json"):
        TeacherCache(tmp_path, teacher, STEPS)


@pytest.mark.parametrize("top_k", [None, 2])
def test_size(tmp_path, top_k):
    """What is said beforehand, but for what tells the records apart."""
    cache = TeacherCache(tmp_path, classifier(0), STEPS, top_k=top_k)
    cache.fill(batches)
    found = sum(each.stat().st_size for each in tmp_path.glob("*.tfrecord"))
    said = cache.size(batches(0).element_spec[0])
    assert said == STEPS * BATCH * 4 * (CLASSES if top_k is None else 5)
    assert 0 < found - said < 200 * STEPS


def test_what_does_not_fit(tmp_path, monkeypatch):
    cache = TeacherCache(tmp_path / "a", classifier(0), steps=2**40)
    with pytest.raises(ValueError, match=r"`steps=1099511627776` do not fit"):
        cache.fill(batches)
    assert not list(tmp_path.glob("a/*.tfrecord"))
    wide = tf.TensorSpec((2**30, 3))
    with pytest.raises(ValueError, match=r"smaller `top_k`\. Received: "):
        cache.size(wide)
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: types.SimpleNamespace(free=0)
    )
    cache = TeacherCache(tmp_path / "b", classifier(0), STEPS)
    with pytest.raises(ValueError, match="Received: 0 bytes free"):
        cache.check_room(batches(0).element_spec[0])


def test_bad_arguments(tmp_path):
    teacher = classifier(0)
    for options, message in (
        ({"steps": 0}, "`steps`"),
        ({"top_k": CLASSES}, f"Received: `top_k={CLASSES}`"),
        ({"temperature": 0.0}, "Received: `temperature=0.0`"),
        ({"outputs": "b"}, "Received: `outputs=b`"),
    ):
        with pytest.raises(ValueError, match=message):
            TeacherCache(
                tmp_path / "a", **({"teacher": teacher, "steps": 2} | options)
            )
    cache = TeacherCache(tmp_path / "a", teacher, steps=2)
    uneven = batches(0).take(2).unbatch().batch(BATCH)
    with pytest.raises(ValueError, match="drop_remainder"):
        cache.fill(lambda start: uneven)
    assert not (tmp_path / "a" / "manifest.json").exists()
    cache.fill(batches)
    with pytest.raises(ValueError, match="drop_remainder"):
        cache.lessons(lambda start: uneven)
    softmax = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, activation="softmax")]
    )
    with pytest.raises(ValueError, match="`teacher` must return logits"):
        TeacherCache(tmp_path / "b", softmax, steps=2)


def test_what_fit_does_not_take(tmp_path):
    cache = TeacherCache(tmp_path, classifier(0), STEPS)
    cache.fill(batches)
    with pytest.raises(ValueError, match="`lessons`"):
        learn(cache, batches(0))
    distiller = Distiller(cache, classifier(1))
    with pytest.raises(ValueError, match="Received: `class_weight="):
        distiller.fit(cache.lessons(batches), class_weight={0: 2.0})


def test_a_teacher_that_shares_its_values(tmp_path):
    """On JAX the student's are given away in each step."""
    teacher, student = classifier(0), classifier(0)
    cache = TeacherCache(tmp_path, teacher, STEPS)
    cache.fill(batches)
    for own, other in zip(student.variables, teacher.variables, strict=True):
        own.assign(other.value)
    distiller = Distiller(cache, student)
    distiller.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    distiller.fit(
        cache.lessons(batches), steps_per_epoch=2, shuffle=False, verbose=0
    )
    teacher.predict_on_batch(np.ones((1, 3)))
