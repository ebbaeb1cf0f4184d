import keras
from keras import ops

from ones_keras.models.albert.albert_presets import ALBERT_PRESETS
from ones_keras.models.checked_tokens import CheckedTokens
from ones_keras.models.encoder import Encoder
from ones_keras.models.sparse_backbone import SparseBackbone
from ones_keras.validation import check_positive_int


def albert_initializer():
    """ALBERT's initializer of kernels and embeddings."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


@keras.saving.register_keras_serializable(package="ones_keras")
class AlbertBackbone(CheckedTokens, SparseBackbone):
    """ALBERT whose feed-forward blocks may be sparse.

    One architecture in two states: with `num_experts` it is WideNet's text
    model, a teacher, without it is the dense student. A factorised embedding,
    then blocks that share one attention and one feed-forward layer (experts
    and router), each with LayerNormalizations of its own. Post-LN as ALBERT,
    where WideNet's image model is pre-LN. With `share_norms` it is ALBERT
    itself, with `share_layers=False` and `embedding_dim=None` BERT.

    Padding is neither attended to nor routed.

    Args:
        vocabulary_size: int.
        num_layers: int. Number of blocks.
        num_heads: int. Attention heads; divides `hidden_dim`.
        hidden_dim: int. Width of the residual stream.
        intermediate_dim: int. Hidden units of the feed-forward layer, or of
            each expert.
        embedding_dim: int or `None`. Width of the embeddings, which a linear
            layer brings to `hidden_dim`; `None` is `hidden_dim`, without that
            layer. Defaults to `128`.
        num_experts: int or `None`. Experts of a sparse feed-forward layer;
            `None` makes every one dense. Defaults to `None`.
        top_k: int. Experts a token. Defaults to `2`.
        expert_every: int. Experts in every n-th block, the others dense;
            needs `share_layers=False` unless `1`. Defaults to `1`.
        share_layers: bool. Whether all blocks share one attention and one
            feed-forward layer. Defaults to `True`.
        share_norms: bool. Whether they share their LayerNormalizations too.
            Defaults to `False`.
        dropout: float. Rate after the embedding, on the attention
            probabilities, and after each attention and each feed-forward
            layer. Defaults to `0.0`.
        activation: string or callable of the feed-forward layers. Defaults to
            `"gelu"`, the exact one, where ALBERT has its tanh approximation,
            which is no stock function of Keras.
        max_sequence_length: int. Positions there are embeddings for. Defaults
            to `512`.
        num_segments: int. Defaults to `2`.
        capacity_factor: float or `None`. This and the next five are arguments
            of `ones_keras.layers.MoEFeedForward`. Defaults to `1.2`.
        load_balance: float. Defaults to `0.01`.
        mutual_distillation: float. Defaults to `0.0`.
        router_noise: float or `None`. Defaults to `None`, `1 / num_experts`.
        renormalize_gates: bool. Defaults to `False`.
        dispatch: `"sparse"` or `"einsum"`. Defaults to `"sparse"`.
        layer_norm_epsilon: float. Defaults to `1e-12`.
        dtype: string, `keras.DTypePolicy` or `None`. Policy of all layers.
            Defaults to `None`, the global policy.

    Input:
        Dict of int32 tensors `(B, T)` with `T <= max_sequence_length`:
        `token_ids`, `segment_ids`, and `padding_mask`, 0 for padding. `fit`,
        `evaluate` and `predict` refuse ids that are negative or not below
        `vocabulary_size` and `num_segments`, of arrays and
        `tf.data.Dataset`s; calls do not look.

    Output:
        Dict: `sequence_output` of shape `(B, T, hidden_dim)`, `pooled_output`
        of shape `(B, hidden_dim)`, a tanh layer on the first token.

    Raises:
        ValueError: If an argument is out of its range, `expert_every` is given
            with shared layers or leaves no block with experts, or
            `share_norms` without `share_layers`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    backbone = ones_keras.models.AlbertBackbone.from_preset(
        "widenet_albert_tiny"
    )
    ones = np.ones((2, 16), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    backbone(inputs)["sequence_output"].shape  # (2, 16, 64)
    ```

    References:
        - [ALBERT](https://arxiv.org/abs/1909.11942)
        - [Go Wider Instead of Deeper](https://arxiv.org/abs/2107.11817)
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          section 4.2
    """

    configurations = ALBERT_PRESETS

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        embedding_dim=128,
        num_experts=None,
        top_k=2,
        expert_every=1,
        share_layers=True,
        share_norms=False,
        dropout=0.0,
        activation="gelu",
        max_sequence_length=512,
        num_segments=2,
        capacity_factor=1.2,
        load_balance=0.01,
        mutual_distillation=0.0,
        router_noise=None,
        renormalize_gates=False,
        dispatch="sparse",
        layer_norm_epsilon=1e-12,
        dtype=None,
        **kwargs,
    ):
        for name, value in (
            ("vocabulary_size", vocabulary_size),
            ("embedding_dim", embedding_dim or hidden_dim),
            ("max_sequence_length", max_sequence_length),
            ("num_segments", num_segments),
        ):
            check_positive_int(name, value)
        if share_norms and not share_layers:
            raise ValueError(
                "Blocks that share their norms share their layers too. "
                f"Received: `share_norms={share_norms}`, "
                f"`share_layers={share_layers}`."
            )
        encoder = Encoder(
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            num_experts=num_experts,
            top_k=top_k,
            expert_every=expert_every,
            share_layers=share_layers,
            share_norms=share_norms,
            norm_first=False,
            dropout=dropout,
            attention_dropout=dropout,
            activation=activation,
            capacity_factor=capacity_factor,
            load_balance=load_balance,
            mutual_distillation=mutual_distillation,
            router_noise=router_noise,
            renormalize_gates=renormalize_gates,
            dispatch=dispatch,
            layer_norm_epsilon=layer_norm_epsilon,
            kernel_initializer=albert_initializer(),
            dtype=dtype,
        )

        # === Layers ===
        def embedding(name, layer, size, **arguments):
            return layer(
                size,
                embedding_dim or hidden_dim,
                embeddings_initializer=albert_initializer(),
                dtype=dtype,
                name=f"{name}_embedding",
                **arguments,
            )

        def projection(name, activation=None):
            return keras.layers.Dense(
                hidden_dim,
                activation=activation,
                kernel_initializer=albert_initializer(),
                dtype=dtype,
                name=name,
            )

        # Its reverse is the head of a masked language model, in float32.
        self.token_embedding = embedding(
            "token",
            keras.layers.ReversibleEmbedding,
            vocabulary_size,
            reverse_dtype="float32",
        )
        position_embedding = embedding(
            "position", keras.layers.Embedding, max_sequence_length
        )
        segment_embedding = embedding(
            "segment", keras.layers.Embedding, num_segments
        )
        embedding_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=dtype, name="embedding_norm"
        )

        # === Functional Model ===
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        # The positions are counted in the graph, so that a stock Embedding
        # holds them and a saved student needs no layer of ours.
        ones = ops.ones_like(inputs["token_ids"][:1, :])
        positions = position_embedding(ops.cumsum(ones, axis=1) - 1)
        x = keras.layers.Add(dtype=dtype, name="embedding_add")(
            [
                positions,
                self.token_embedding(inputs["token_ids"]),
                segment_embedding(inputs["segment_ids"]),
            ]
        )
        x = keras.layers.Dropout(
            dropout, dtype=dtype, name="embedding_dropout"
        )(embedding_norm(x))
        if embedding_dim is not None:
            x = projection("embedding_projection")(x)
        x = encoder(x, ops.cast(inputs["padding_mask"], "bool"))
        # By this name a saved student's last hidden states are found again.
        x = keras.layers.Activation(
            "linear", dtype=dtype, name="sequence_output"
        )(x)
        pooled = projection("pooled_output", "tanh")(x[:, 0])
        super().__init__(
            encoder,
            inputs=inputs,
            outputs={"sequence_output": x, "pooled_output": pooled},
            **kwargs,
        )

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
