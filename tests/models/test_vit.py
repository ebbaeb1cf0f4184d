import pathlib

import keras
import numpy as np
import pytest

from ones_keras.layers import MoEFeedForward
from ones_keras.models import ViTBackbone, ViTImageClassifier
from tests.gradients import to_numpy
from tests.models.stock_file import assert_stock_layers_only

# Table 1 of OneS and WideNet's README, at 1000 classes and 224 pixels.
PAPER_COUNTS = {
    "widenet_vit_base": 29.69,
    "widenet_vit_large": 40.94,
    "widenet_vit_huge": 63.34,
    "ones_vit_base": 10.80,
    "ones_vit_large": 15.76,
    "vit_base": 87.16,
    "vit_large": 305.37,
}


def count_by_hand(
    num_layers,
    hidden_dim,
    intermediate_dim,
    share_layers=False,
    num_experts=None,
    image_shape=(224, 224, 3),
    patch_size=16,
    num_classes=1000,
    **_,
):
    dim, hidden = hidden_dim, intermediate_dim
    attention = 4 * (dim * dim + dim)
    feed_forward = 2 * dim * hidden + hidden + dim
    if num_experts:
        feed_forward = num_experts * feed_forward + dim * num_experts
    repeats = 1 if share_layers else num_layers
    patches = image_shape[0] * image_shape[1] // patch_size**2
    return (
        repeats * (attention + feed_forward)
        + num_layers * 2 * 2 * dim
        + 2 * dim
        + patch_size**2 * image_shape[2] * dim
        + dim
        + patches * dim
        + dim * dim
        + dim
        + dim * num_classes
        + num_classes
    )


@pytest.mark.parametrize("preset", PAPER_COUNTS)
def test_parameter_counts_of_the_papers(preset):
    from ones_keras.models.vit.vit_presets import VIT_PRESETS

    by_hand = count_by_hand(**VIT_PRESETS[preset])
    assert round(by_hand / 1e6, 2) == PAPER_COUNTS[preset]


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("widenet_vit_tiny", {}),
        ("ones_vit_tiny", {}),
        ("widenet_vit_base", {"num_layers": 2}),
        ("ones_vit_large", {"num_layers": 2}),
        ("vit_base", {"num_layers": 2}),
        ("widenet_vit_tiny", {"share_layers": False, "top_k": 1}),
    ],
)
def test_built_models_have_the_count_worked_by_hand(preset, overrides):
    from ones_keras.models.vit.vit_presets import VIT_PRESETS

    model = ViTImageClassifier.from_preset(preset, num_classes=17, **overrides)
    config = {**VIT_PRESETS[preset], **overrides, "num_classes": 17}
    assert model.count_params() == count_by_hand(**config)


def test_vit_moe_has_experts_in_every_nth_block():
    backbone = ViTBackbone.from_preset(
        "widenet_vit_tiny", share_layers=False, expert_every=2
    )
    sparse = [
        layer.name
        for layer in backbone.layers
        if isinstance(layer, MoEFeedForward)
    ]
    assert sparse == ["block_1_feed_forward", "block_3_feed_forward"]
    names = {layer.name for layer in backbone.layers}
    assert {"block_0_feed_forward_up", "block_2_feed_forward_up"} <= names


def test_forward_pass_equals_layers_called_one_by_one(rng):
    """An eager re-derivation of the graph, from the layers alone."""
    model = ViTImageClassifier.from_preset("ones_vit_tiny", num_classes=3)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.weights])
    images = rng.uniform(0, 255, size=(2, 8, 8, 1)).astype("float32")
    get = model.get_layer
    patches = images.reshape(2, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4)
    kernel, bias = get("patch_embedding").get_weights()
    x = (patches.reshape(2, 16, 4) / 127.5 - 1) @ kernel.reshape(4, 32) + bias
    x = x + get("position_embedding").get_weights()[0]
    for block in range(4):
        normed = get(f"block_{block}_attention_norm")(x)
        x = x + to_numpy(get("attention")(normed, normed))
        normed = get(f"block_{block}_feed_forward_norm")(x)
        hidden = get("feed_forward_up")(normed)
        x = x + to_numpy(get("feed_forward_down")(hidden))
    pooled = to_numpy(get("final_norm")(x)).mean(1)
    kernel, bias = get("representation").get_weights()
    logits = np.tanh(pooled @ kernel + bias)
    kernel, bias = get("predictions").get_weights()
    np.testing.assert_allclose(
        to_numpy(model(images)), logits @ kernel + bias, atol=2e-4
    )


def test_teacher_round_trip_keeps_class_and_training_state(tmp_path, rng):
    model = ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=1
    )
    images = rng.uniform(0, 255, size=(4, 8, 8, 1)).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adamw", loss, metrics=["accuracy"])
    model.fit(images, np.array([0, 1, 2, 0]), verbose=0)
    model.save(tmp_path / "teacher.keras")
    loaded = keras.models.load_model(tmp_path / "teacher.keras")
    assert type(loaded) is ViTImageClassifier
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-6,
    )
    assert isinstance(loaded.optimizer, keras.optimizers.AdamW)
    assert int(to_numpy(loaded.optimizer.iterations)) == 1


def test_fit_shuffles_arrays(rng):
    model = ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=2, num_layers=1
    )
    first_batch = []

    def label_as_loss(labels, logits):
        return labels + 0 * keras.ops.sum(logits, axis=-1)

    model.compile("sgd", label_as_loss, metrics=[])
    history = model.fit(
        np.zeros((64, 8, 8, 1), "float32"),
        np.arange(64, dtype="float32"),
        batch_size=16,
        callbacks=keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: first_batch.append(
                float(logs["loss"])
            )
        ),
        verbose=0,
    )
    np.testing.assert_allclose(history.history["loss"], np.arange(64).mean())
    assert first_batch[0] != np.arange(16).mean()


def test_dense_file_holds_stock_layers_only(tmp_path):
    model = ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=3, dtype="mixed_bfloat16"
    )
    model.save(tmp_path / "student.keras")
    assert_stock_layers_only(tmp_path / "student.keras")
    assert list(tmp_path.iterdir()) == [tmp_path / "student.keras"]
    loaded = keras.models.load_model(tmp_path / "student.keras")
    images = np.zeros((2, 8, 8, 1), "float32")
    assert loaded(images).shape == (2, 3)
    np.testing.assert_array_equal(
        to_numpy(keras.ops.cast(loaded(images), "float32")),
        to_numpy(keras.ops.cast(model(images), "float32")),
    )


def test_failed_save_leaves_no_file(tmp_path, monkeypatch):
    model = ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=3, num_layers=1
    )

    def broken(self, filepath, **kwargs):
        pathlib.Path(filepath).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        model.save(tmp_path / "student.keras")
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_other_endings_and_overwriting(tmp_path):
    model = ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=3, num_layers=1
    )
    with pytest.raises(ValueError, match=r"must end in `\.keras`"):
        model.save(tmp_path / "student.h5")
    model.save(tmp_path / "student.keras")
    with pytest.raises(ValueError, match="overwrite=False"):
        model.save(tmp_path / "student.keras", overwrite=False)


def test_preset_folder_round_trip(tmp_path, rng):
    model = ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=1
    )
    model.save_to_preset(str(tmp_path / "preset"))
    loaded = ViTImageClassifier.from_preset(str(tmp_path / "preset"))
    images = rng.uniform(0, 255, size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(
        to_numpy(loaded(images)), to_numpy(model(images)), atol=1e-6
    )
    with pytest.raises(ValueError, match="hidden_dim"):
        ViTImageClassifier.from_preset(str(tmp_path / "preset"), hidden_dim=8)


def test_head_dtype_is_saved_with_the_teacher(tmp_path):
    backbone = ViTBackbone.from_preset(
        "widenet_vit_tiny", num_layers=1, dtype="mixed_bfloat16"
    )
    model = ViTImageClassifier(backbone, 3, head_dtype="float32")
    model.save(tmp_path / "teacher.keras")
    loaded = keras.models.load_model(tmp_path / "teacher.keras")
    assert loaded.output.dtype == model.output.dtype == "float32"
    assert loaded.backbone.output.dtype == "bfloat16"
    assert model.to_dense().output.dtype == "float32"


def test_embedding_dropout_falls_on_patches_and_positions(rng):
    backbone = ViTBackbone.from_preset(
        "ones_vit_tiny", num_layers=1, dropout=0.5
    )
    embedded = keras.Model(
        backbone.input, backbone.get_layer("embedding_dropout").output
    )
    images = rng.uniform(0, 255, size=(4, 8, 8, 1)).astype("float32")
    found = to_numpy(embedded(images, training=True))
    expected = to_numpy(embedded(images, training=False))
    dropped = found == 0
    assert 0.4 < dropped.mean() < 0.6
    np.testing.assert_allclose(
        found[~dropped], 2 * expected[~dropped], rtol=1e-5
    )


def test_overrides_reach_the_backbone_or_raise():
    model = ViTImageClassifier.from_preset(
        "widenet_vit_tiny",
        num_classes=5,
        image_shape=(28, 28, 1),
        patch_size=4,
        num_experts=3,
        dropout=0.2,
        dtype="mixed_bfloat16",
        name="mine",
    )
    assert model.name == "mine"
    assert model.backbone.output.shape == (None, 49, 32)
    assert model.get_layer("feed_forward").num_experts == 3
    assert model.get_layer("feed_forward").compute_dtype == "bfloat16"
    rates = {
        layer.rate
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout)
    }
    assert rates == {0.2}
    assert model.backbone.dropout == model.dropout == 0.2
    with pytest.raises(ValueError, match="num_expert"):
        ViTImageClassifier.from_preset(
            "widenet_vit_tiny", num_classes=5, num_expert=3
        )
    with pytest.raises(ValueError, match="widenet_vit_base"):
        ViTBackbone.from_preset("widenet_base")


def test_to_dense_shares_names_and_width():
    teacher = ViTImageClassifier.from_preset("widenet_vit_tiny", num_classes=3)
    dense = teacher.to_dense()
    assert not dense.is_sparse
    assert (
        dense.count_params()
        == ViTImageClassifier.from_preset(
            "ones_vit_tiny", num_classes=3
        ).count_params()
    )
    assert teacher.to_dense(48).get_layer("feed_forward_up").units == 48


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"image_shape": (9, 8, 1)}, r"`image_shape=\(9, 8, 1\)`"),
        ({"image_shape": (8, 8)}, r"`image_shape=\(8, 8\)`"),
        ({"num_heads": 5}, "`hidden_dim=32`, `num_heads=5`"),
        ({"expert_every": 2}, "`expert_every=2`"),
        (
            {"share_layers": False, "expert_every": 9},
            "`expert_every=9`, `num_layers=4`",
        ),
        ({"top_k": 9}, "`top_k=9`, `num_experts=4`"),
        ({"num_classes": 0}, "`num_classes=0`"),
    ],
)
def test_bad_arguments_are_named(overrides, message):
    with pytest.raises(ValueError, match=message):
        ViTImageClassifier.from_preset(
            "widenet_vit_tiny", **{"num_classes": 10, **overrides}
        )
