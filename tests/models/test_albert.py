import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from ones_keras.layers import MoEFeedForward
from ones_keras.models import (
    AlbertBackbone,
    AlbertMaskedLM,
    AlbertTextClassifier,
)
from ones_keras.models.albert.albert_presets import ALBERT_PRESETS
from tests.gradients import to_numpy
from tests.models.albert_cases import (
    SMALL,
    albert_inputs,
    masked_lm_inputs,
    scramble,
)

# Millions of parameters in OneS, section 4.2, and ALBERT, Table 1.
PAPER_COUNTS = {
    "widenet_albert_base_4e": 26,
    "widenet_albert_base_8e": 45,
    "widenet_albert_base_16e": 83,
    "ones_albert_base": 12,
    "albert_base": 12,
}


def count_by_hand(
    vocabulary_size,
    num_layers,
    embedding_dim,
    hidden_dim,
    intermediate_dim,
    max_sequence_length,
    num_experts=None,
    share_norms=False,
    share_layers=True,
    **_,
):
    dim, hidden = hidden_dim, intermediate_dim
    attention = 4 * (dim * dim + dim)
    feed_forward = 2 * dim * hidden + hidden + dim
    if num_experts:
        feed_forward = num_experts * feed_forward + dim * num_experts
    embedding = (vocabulary_size + max_sequence_length + 2) * embedding_dim
    embedding += 2 * embedding_dim + embedding_dim * dim + dim
    pooler_and_order = dim * dim + dim + 2 * dim + 2
    masked_lm = dim * embedding_dim + 3 * embedding_dim + vocabulary_size
    return (
        embedding
        + (1 if share_layers else num_layers) * (attention + feed_forward)
        + (1 if share_norms else num_layers) * 4 * dim
        + pooler_and_order
        + masked_lm
    )


@pytest.mark.parametrize("preset", PAPER_COUNTS)
def test_parameter_counts_of_the_papers(preset):
    by_hand = count_by_hand(**ALBERT_PRESETS[preset])
    assert round(by_hand / 1e6) == PAPER_COUNTS[preset]


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("widenet_albert_tiny", {}),
        ("ones_albert_tiny", {"num_layers": 3}),
        ("albert_base", {}),
        ("widenet_albert_base_4e", {"num_layers": 1}),
        ("widenet_albert_tiny", {"share_layers": False, "num_layers": 2}),
    ],
)
def test_built_models_have_the_count_worked_by_hand(preset, overrides):
    model = AlbertMaskedLM.from_preset(preset, **overrides)
    config = {**ALBERT_PRESETS[preset], **overrides}
    assert model.count_params() == count_by_hand(**config)


@pytest.mark.parametrize("length", [8, 30])
def test_there_are_logits_of_the_masked_places_alone(length):
    """What distillation holds does not grow with what is not masked."""
    model = AlbertMaskedLM.from_preset("ones_albert_tiny", vocabulary_size=9)
    ones = np.ones((2, length), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    outputs = model({**inputs, "mask_positions": ones[:, :3]})
    assert outputs["masked_lm"].shape == (2, 3, 9)


def test_training_reaches_experts_and_dropout():
    """A task is told of it in `fit`, and tells its layers."""
    model = AlbertMaskedLM.from_preset(
        "widenet_albert_tiny", vocabulary_size=9, dropout=0.5
    )
    ones = np.ones((2, 8), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    inputs["mask_positions"] = ones[:, :3]
    at_rest, again, trained = (
        ops.convert_to_numpy(model(inputs, training=training)["masked_lm"])
        for training in (False, False, True)
    )
    np.testing.assert_array_equal(at_rest, again)
    assert np.abs(trained - at_rest).max() > 1e-3
    assert len(model.losses) == model.backbone.num_layers
    # What `fit` reports is the labels' losses and those of the balance.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    names = ("masked_lm", "sentence_order")
    model.compile("sgd", dict.fromkeys(names, loss))
    labels = {"masked_lm": ones[:, :3], "sentence_order": ones[:, 0]}
    found = model.fit(inputs, labels, verbose=0).history
    balance = found["loss"][0] - sum(found[f"{n}_loss"][0] for n in names)
    assert balance > 0.01


def test_too_long_a_sequence_is_refused():
    model = AlbertMaskedLM.from_preset(
        "ones_albert_tiny", vocabulary_size=9, max_sequence_length=8
    )
    ones = np.ones((2, 9), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    with pytest.raises(ValueError, match=r"8 positions.*\(2, 9\)"):
        model.backbone(inputs)
    inputs["mask_positions"] = ones[:, :1]
    with pytest.raises(ValueError, match=r"8 positions.*\(2, 9\)"):
        model(inputs)


def gelu_approximate(x):
    return keras.activations.gelu(x, approximate=True)


def copy_from_keras_hub(model, hub):
    """Give `model` the weights of KerasHub's `AlbertMaskedLM`."""
    backbone, head = hub.backbone, hub.masked_lm_head
    block = backbone.transformer_layers[0][0]
    for name, source in {
        "token_embedding": backbone.token_embedding,
        "position_embedding": backbone.position_embedding,
        "segment_embedding": backbone.segment_embedding,
        "embedding_norm": backbone.embeddings_layer_norm,
        "embedding_projection": backbone.embeddings_projection,
        "attention": block._self_attention_layer,
        "attention_norm": block._self_attention_layer_norm,
        "feed_forward_up": block._feedforward_intermediate_dense,
        "feed_forward_down": block._feedforward_output_dense,
        "feed_forward_norm": block._feedforward_layer_norm,
        "pooled_output": backbone.pooled_dense,
        "masked_lm_transform": head._intermediate_dense,
        "masked_lm_norm": head._intermediate_layer_norm,
    }.items():
        model.get_layer(name).set_weights(source.get_weights())
    model.get_layer("masked_lm_bias").set_weights(
        [keras.ops.convert_to_numpy(head._bias)[None]]
    )


def test_dense_model_with_shared_norms_equals_keras_hub(rng):
    hub = keras_hub.models.AlbertMaskedLM(
        keras_hub.models.AlbertBackbone(**SMALL)
    )
    scramble(hub, rng)
    model = AlbertMaskedLM(
        AlbertBackbone(**SMALL, share_norms=True, activation=gelu_approximate)
    )
    copy_from_keras_hub(model, hub)
    inputs = masked_lm_inputs(rng)
    found = model(inputs)["masked_lm"]
    # 1e-5 in place of 1e-12 in the norm of KerasHub's head.
    np.testing.assert_allclose(
        to_numpy(found), to_numpy(hub(inputs)), rtol=1e-3, atol=1e-3
    )
    del inputs["mask_positions"]
    encoded, expected = model.backbone(inputs), hub.backbone(inputs)
    real = inputs["padding_mask"].astype(bool)
    np.testing.assert_allclose(
        to_numpy(encoded["sequence_output"])[real],
        to_numpy(expected["sequence_output"])[real],
        atol=1e-4,
    )
    np.testing.assert_allclose(
        to_numpy(encoded["pooled_output"]),
        to_numpy(expected["pooled_output"]),
        atol=1e-4,
    )


def test_norms_are_the_blocks_own_in_their_order(rng):
    """An eager re-derivation of the graph, from the layers alone."""
    model = scramble(AlbertBackbone(**SMALL), rng)
    inputs = albert_inputs(rng, padded=False)
    get = model.get_layer
    (tokens,) = get("token_embedding").get_weights()
    (positions,) = get("position_embedding").get_weights()
    (segments,) = get("segment_embedding").get_weights()
    x = tokens[inputs["token_ids"]] + segments[inputs["segment_ids"]]
    x = get("embedding_norm")(x + positions[: x.shape[1]])
    x = to_numpy(get("embedding_projection")(x))
    for block in range(3):
        attended = to_numpy(get("attention")(x, x))
        x = to_numpy(get(f"block_{block}_attention_norm")(x + attended))
        fed = get("feed_forward_down")(get("feed_forward_up")(x))
        norm = get(f"block_{block}_feed_forward_norm")
        x = to_numpy(norm(x + to_numpy(fed)))
    np.testing.assert_allclose(
        to_numpy(model(inputs)["sequence_output"]), x, atol=1e-4
    )


@pytest.mark.parametrize("num_experts", [None, 3])
def test_padding_changes_nothing(num_experts, rng):
    model = scramble(
        AlbertMaskedLM(AlbertBackbone(**SMALL, num_experts=num_experts)), rng
    )
    inputs = masked_lm_inputs(rng)
    expected = model(inputs)
    # Other tokens in the place of padding, and more of it.
    other = {
        name: np.pad(value, ((0, 0), (0, 4)))
        for name, value in inputs.items()
        if name != "mask_positions"
    }
    other["mask_positions"] = inputs["mask_positions"]
    other["token_ids"] = np.where(
        other["padding_mask"] == 1, other["token_ids"], 7
    )
    found = model(other)
    for name, value in expected.items():
        np.testing.assert_allclose(
            to_numpy(found[name]), to_numpy(value), atol=2e-5, err_msg=name
        )


def test_padding_is_not_routed(rng):
    from ones_keras.layers.record_inputs import record_inputs

    model = AlbertBackbone(**SMALL, num_experts=3)
    moe = model.get_layer("feed_forward")
    assert isinstance(moe, MoEFeedForward)
    inputs = albert_inputs(rng)
    with record_inputs([moe]) as calls:
        model(inputs)
    assert len(calls[moe]) == 3
    for call in calls[moe]:
        np.testing.assert_array_equal(
            to_numpy(call.mask), inputs["padding_mask"].ravel() == 1
        )


def test_logits_are_float32_in_mixed_precision(rng):
    model = AlbertMaskedLM(AlbertBackbone(**SMALL, dtype="mixed_bfloat16"))
    assert model.backbone.output["sequence_output"].dtype == "bfloat16"
    outputs = model(masked_lm_inputs(rng))
    for value in outputs.values():
        assert keras.backend.standardize_dtype(value.dtype) == "float32"


def test_preset_overrides_reach_backbone_and_head():
    model = AlbertTextClassifier.from_preset(
        "widenet_albert_tiny", num_classes=5, num_experts=3, dropout=0.2
    )
    assert model.backbone.num_experts == 3
    assert model.backbone.dropout == model.dropout == 0.2
    assert not model.to_dense().is_sparse
    assert model.to_dense(7).get_layer("feed_forward_up").units == 7
    with pytest.raises(ValueError, match="num_expert"):
        AlbertBackbone.from_preset("albert_base", num_expert=3)
    with pytest.raises(ValueError, match="widenet_albert_base_8e"):
        AlbertBackbone.from_preset("albert_large")


def test_without_factorised_embedding_there_is_no_projection(rng):
    bert = AlbertBackbone(
        **{**SMALL, "embedding_dim": None}, share_layers=False
    )
    assert bert.get_layer("token_embedding").output_dim == 8
    names = {layer.name for layer in bert.layers}
    assert "embedding_projection" not in names
    assert {"block_0_attention", "block_2_feed_forward_up"} <= names
    assert bert.from_config(bert.get_config()).embedding_dim is None
    model = AlbertMaskedLM(bert)
    assert model(masked_lm_inputs(rng))["masked_lm"].shape == (3, 2, 50)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"vocabulary_size": 0}, "`vocabulary_size=0`"),
        ({"max_sequence_length": 1.5}, r"`max_sequence_length=1\.5`"),
        ({"num_heads": 3}, "`hidden_dim=8`, `num_heads=3`"),
        (
            {"share_norms": True, "share_layers": False},
            "`share_norms=True`, `share_layers=False`",
        ),
        ({"num_experts": 2, "expert_every": 2}, "`expert_every=2`"),
        ({"num_experts": 2, "top_k": 3}, "`top_k=3`, `num_experts=2`"),
    ],
)
def test_bad_arguments_are_named(overrides, message):
    with pytest.raises(ValueError, match=message):
        AlbertBackbone(**{**SMALL, **overrides})
