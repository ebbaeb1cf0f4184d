import json

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.gathering import METHODS, DenseWeights, register_method
from ones_keras.layers import DenseFeedForward, MoEFeedForward
from tests.gathering.token_cases import vit_moe
from tests.gradients import to_numpy


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, size=(4, 8, 8, 1)).astype("float32")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_student_is_dense_and_teacher_untouched(method, teacher, rng):
    before = [np.array(weight) for weight in teacher.get_weights()]
    options = {"steps": 5} if method == "layer_fit" else {}
    if METHODS[method].needs_calibration:
        images = rng.uniform(0, 255, size=(60, 8, 8, 1)).astype("float32")
        options |= {"calibration_data": images, "verbose": False}
    student = ones_keras.gather(teacher, method=method, **options)
    names = {layer.name for layer in student.layers}
    assert {"feed_forward_up", "feed_forward_down"} <= names
    assert not any(
        isinstance(layer, MoEFeedForward) for layer in student.layers
    )
    matched = [name for name in names if student.get_layer(name).weights]
    for name in matched:
        if name.startswith("feed_forward_"):
            continue
        same = all(
            np.array_equal(one, other)
            for one, other in zip(
                teacher.get_layer(name).get_weights(),
                student.get_layer(name).get_weights(),
                strict=True,
            )
        )
        assert same == (method != "random"), name
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_default_method_goes_by_whether_there_are_data(teacher, rng):
    _, report = ones_keras.gather(teacher, return_report=True)
    assert report.method == "aligned_average"
    images = rng.uniform(0, 255, size=(60, 8, 8, 1)).astype("float32")
    student, report = ones_keras.gather(
        teacher,
        calibration_data=images,
        return_report=True,
        verbose=False,
        steps=5,
    )
    assert report.method == "layer_fit"
    named = ones_keras.gather(
        teacher, "layer_fit", calibration_data=images, verbose=False, steps=5
    )
    for one, other in zip(
        student.get_weights(), named.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("method", ["svd", "switch"])
def test_training_the_student_leaves_the_teacher_as_it_was(
    method, teacher, images
):
    """No buffer is shared, which JAX would give away in the first step."""
    before = [np.array(weight) for weight in teacher.get_weights()]
    student = ones_keras.gather(teacher, method=method)
    student.compile("sgd")
    student.fit(images, np.array([0, 1, 2, 0]), verbose=0)
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(teacher.predict(images, verbose=0)).all()


def test_equal_experts_gather_into_the_same_function(teacher, images):
    """The one case with an exact answer: E equal experts, all of them used."""
    layer = teacher.get_layer("feed_forward")
    for name in ("up_kernel", "up_bias", "down_kernel", "down_bias"):
        weight = getattr(layer, name)
        one = to_numpy(weight)[:1]
        weight.assign(np.repeat(one, 4, axis=0))
    layer.top_k = 4  # the gates of a token then sum to one
    student = ones_keras.gather(teacher, method="average")
    np.testing.assert_allclose(
        to_numpy(student(images)), to_numpy(teacher(images)), atol=1e-4
    )


def own_functional_model():
    """A user's model: nested, with a shared MoE layer and one of its own."""
    shared = MoEFeedForward(3, 6, name="shared")
    block_inputs = keras.Input((None, 4))
    x = keras.layers.Add()([block_inputs, shared(block_inputs)])
    x = keras.layers.Add()([x, shared(x)])
    block = keras.Model(block_inputs, x, name="block")
    inputs = keras.Input((5,), dtype="int32")
    x = block(keras.layers.Embedding(9, 4, name="tokens")(inputs))
    x = MoEFeedForward(2, 7, top_k=1, activation="relu", name="own")(x)
    x = keras.layers.Dense(2, name="logits")(x)
    return keras.Model(inputs, x, name="mine")


def test_own_functional_model_with_nesting_and_sharing(tmp_path):
    teacher = own_functional_model()
    tokens = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    student, report = ones_keras.gather(
        teacher, method="top_k", calibration_data=tokens, return_report=True
    )
    assert [layer.name for layer in report.layers] == ["block/shared", "own"]
    block = student.get_layer("block")
    assert type(block.get_layer("shared_up")) is keras.layers.Dense
    assert student.get_layer("own_up").activation is keras.activations.relu
    assert not any(
        isinstance(layer, (MoEFeedForward, DenseFeedForward))
        for layer in student._flatten_layers()
    )
    # The shared layer sees each of the ten tokens twice.
    assert report.report_tokens == 20
    student.save(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    assert loaded(tokens).shape == teacher(tokens).shape == (2, 5, 2)
    np.testing.assert_allclose(
        to_numpy(loaded(tokens)), to_numpy(student(tokens)), atol=1e-6
    )


def test_padding_is_left_out_of_the_error():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    teacher = keras.Model(inputs, MoEFeedForward(3, 6)(x))
    tokens = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 1, 2]])
    padded = np.array([[1, 2, 3, 4, 5, 0, 0], [6, 7, 8, 1, 2, 0, 0]])

    def report(tokens):
        return ones_keras.gather(
            teacher, "sum", calibration_data=tokens, return_report=True
        )[1]

    assert report(padded).report_tokens == 10
    np.testing.assert_allclose(
        report(padded).layers[0].relative_error,
        report(tokens).layers[0].relative_error,
        rtol=1e-5,
    )


def test_sequential_teacher():
    teacher = keras.Sequential(
        [keras.Input((6,)), MoEFeedForward(2, 5), keras.layers.Dense(3)]
    )
    student = ones_keras.gather(teacher, method="sum")
    assert [type(layer) for layer in student.layers[1:]] == [
        keras.layers.Dense
    ] * 3


def test_report_against_hand_counts(teacher, images, tmp_path):
    student, report = ones_keras.gather(
        teacher,
        method="svd",
        svd_ratio=0.5,
        calibration_data=images,
        return_report=True,
    )
    (layer,) = report.layers
    expert = 2 * 32 * 32 + 64
    assert layer.parameters == (4 * expert + 32 * 4, expert)
    assert layer.flops == (2 * 4 * 32 * 32 + 2 * 32 * 4, 4 * 32 * 32)
    assert report.parameters == (teacher.count_params(), student.count_params())
    assert report.options == {"svd_ratio": 0.5, "scale": "none"}
    assert report.fresh == ()
    assert report.report_tokens == 4 * 16 * 2
    assert all(share >= 0.5 for share in layer.details["up_singular_share"])
    report.save_json(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["method"] == "svd"
    text = str(report)
    assert "feed_forward: 4 experts, top_k 2" in text
    assert "relative error" in text


def test_relative_error_against_layers_called_by_hand(teacher, images):
    student, report = ones_keras.gather(
        teacher,
        method="average",
        calibration_data=[(images, None)],
        return_report=True,
    )
    get = teacher.get_layer
    moe = get("feed_forward")
    x = teacher.get_layer("patches")(
        get("patch_embedding")(get("rescaling")(images))
    )
    x = to_numpy(x) + to_numpy(get("position_embedding").embeddings)
    error = total = 0.0
    for block in range(2):
        normed = get(f"block_{block}_attention_norm")(x)
        x = x + to_numpy(get("attention")(normed, normed))
        normed = get(f"block_{block}_feed_forward_norm")(x)
        expected = to_numpy(moe(normed))
        hidden = student.get_layer("feed_forward_up")(normed)
        found = to_numpy(student.get_layer("feed_forward_down")(hidden))
        error += ((found - expected) ** 2).sum()
        total += (expected**2).sum()
        x = x + expected
    np.testing.assert_allclose(
        report.layers[0].relative_error, np.sqrt(error / total), rtol=1e-4
    )


def test_switch_reports_what_is_fresh(teacher):
    _, report = ones_keras.gather(teacher, method="switch", return_report=True)
    assert report.fresh == ("feed_forward_down", "feed_forward_up")
    _, report = ones_keras.gather(teacher, method="random", return_report=True)
    assert report.copied == ()


def test_a_new_method_is_one_function(teacher):
    @register_method("first_expert")
    def first_expert(experts):
        return DenseWeights(*(weight[0] for weight in experts[:4]), details={})

    try:
        student = ones_keras.gather(teacher, method="first_expert")
    finally:
        del METHODS["first_expert"]
    np.testing.assert_allclose(
        to_numpy(student.get_layer("feed_forward_up").kernel),
        to_numpy(teacher.get_layer("feed_forward").up_kernel)[0],
    )


def test_mixed_precision_and_unshared_vit_moe(images):
    teacher = vit_moe("mixed_bfloat16")
    student, report = ones_keras.gather(teacher, return_report=True)
    assert [layer.name for layer in report.layers] == ["block_1_feed_forward"]
    assert "block_0_feed_forward_up" in report.copied
    assert student.output.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"method": "svdd"}, r"one of \[.*'average'.*`method='svdd'`"),
        ({"method": "svd", "ratio": 0.5}, r"no option \['ratio'\]"),
        ({"method": "switch", "svd_ratio": 0.5}, "no option"),
        ({"method": ["svd"]}, r"`method=\['svd'\]`"),
        ({"method": "svd", "svd_ratio": None}, "`svd_ratio=None`"),
        ({"method": "sum", "down_scale": None}, "`down_scale=None`"),
        (
            {"method": "svd", "calibration_data": np.ones(2)},
            "`return_report=False`",
        ),
    ],
)
def test_bad_methods_are_named(kwargs, message, teacher):
    with pytest.raises(ValueError, match=message):
        ones_keras.gather(teacher, **kwargs)


def test_a_frozen_teacher_gives_a_student_that_trains(teacher):
    teacher.trainable = False
    inputs = keras.Input((6,))
    x = keras.layers.Dense(6, name="first")(inputs)
    own = keras.Model(inputs, MoEFeedForward(2, 3, name="moe")(x))
    own.trainable = False
    for frozen in (teacher, own):
        student = ones_keras.gather(frozen, "average")
        assert len(student.trainable_variables) == len(student.variables)
        assert not frozen.trainable_variables


def test_measuring_leaves_a_stateful_layer_of_the_teacher_as_it_was():
    class Counter(keras.layers.Layer):
        def build(self, input_shape):
            self.count = self.add_weight(
                shape=(), initializer="zeros", trainable=False
            )

        def call(self, inputs):
            self.count.assign_add(1.0)
            return inputs

    inputs = keras.Input((4,))
    counter = Counter(name="counter")
    outputs = MoEFeedForward(2, 3, name="moe")(counter(inputs))
    model = keras.Model(inputs, outputs)
    before = float(counter.count)
    ones_keras.gather(
        model,
        "average",
        calibration_data=np.ones((3, 4), "float32"),
        return_report=True,
    )
    assert float(counter.count) == before


def test_teachers_that_cannot_be_gathered():
    inputs = keras.Input((4,))
    dense = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="dense")
    with pytest.raises(
        ValueError, match=r"no `MoEFeedForward`.*`teacher=dense`"
    ):
        ones_keras.gather(dense)

    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = MoEFeedForward(2, 3, name="inner")

        def call(self, inputs):
            return self.inner(inputs)

    hidden = keras.Model(inputs, Block()(inputs))
    with pytest.raises(ValueError, match=r"inside other layers: \['inner'\]"):
        ones_keras.gather(hidden)
    # A layer of the graph that has the same name does not hide it.
    x = MoEFeedForward(2, 3, name="inner")(inputs)
    with pytest.raises(ValueError, match=r"inside other layers: \['inner'\]"):
        ones_keras.gather(keras.Model(inputs, Block()(x)))
    with pytest.raises(ValueError, match="functional"):
        ones_keras.gather(MoEFeedForward(2, 3))


def test_a_gate_has_no_place_in_the_student(teacher):
    @register_method("gated")
    def gated(experts):
        one = experts.expert(0)
        return one._replace(gate_kernel=one.up_kernel, gate_bias=one.up_bias)

    try:
        with pytest.raises(ValueError, match=r"'feed_forward' has no gate"):
            ones_keras.gather(teacher, "gated")
    finally:
        del METHODS["gated"]
