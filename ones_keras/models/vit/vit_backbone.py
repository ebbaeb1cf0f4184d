import keras
from keras import ops

from ones_keras.models.encoder import Encoder
from ones_keras.models.sparse_backbone import SparseBackbone
from ones_keras.models.vit.vit_presets import VIT_PRESETS
from ones_keras.validation import check_positive_int


@keras.saving.register_keras_serializable(package="ones_keras")
class ViTBackbone(SparseBackbone):
    """Vision Transformer whose feed-forward blocks may be sparse.

    One architecture in two states: with `num_experts` it is a teacher
    (WideNet when `share_layers`, ViT-MoE when not), without it is the dense
    student, or a plain ViT. Pre-LN blocks, no class token, a final
    LayerNormalization. With `share_layers` one attention layer and one
    feed-forward layer (experts and router) serve every block, and only the
    LayerNormalizations are a block's own.

    Images are pixels in `[0, 255]`; rescaling to `[-1, 1]` is in the graph.

    Args:
        image_shape: tuple of three ints `(height, width, channels)`.
        patch_size: int. Side of a square patch; divides height and width.
        num_layers: int. Number of blocks.
        num_heads: int. Attention heads; divides `hidden_dim`.
        hidden_dim: int. Width of the residual stream.
        intermediate_dim: int. Hidden units of the feed-forward layer, or of
            each expert.
        num_experts: int or `None`. Experts of a sparse feed-forward layer;
            `None` makes every one dense. Defaults to `None`.
        top_k: int. Experts a token. Defaults to `2`.
        expert_every: int. Experts in every n-th block, the others dense;
            needs `share_layers=False` unless `1`. Defaults to `1`.
        share_layers: bool. Whether all blocks share one attention and one
            feed-forward layer. Defaults to `False`.
        dropout: float. Rate after the embedding, each attention and each
            feed-forward layer. Defaults to `0.0`.
        activation: string or callable of the feed-forward layers. Defaults to
            `"gelu"`.
        capacity_factor: float or `None`. This and the next five are arguments
            of `ones_keras.layers.MoEFeedForward`. Defaults to `1.2`.
        load_balance: float. Defaults to `0.01`.
        mutual_distillation: float. Defaults to `0.0`.
        router_noise: float or `None`. Defaults to `None`, `1 / num_experts`.
        renormalize_gates: bool. Defaults to `False`.
        dispatch: `"sparse"` or `"einsum"`. Defaults to `"sparse"`.
        layer_norm_epsilon: float. Defaults to `1e-6`.
        dtype: string, `keras.DTypePolicy` or `None`. Policy of all layers.
            Defaults to `None`, the global policy.

    Output:
        Tensor of shape `(B, patches, hidden_dim)`.

    Raises:
        ValueError: If an argument is out of its range, the patches do not
            tile the image, or `expert_every` is given with shared layers or
            leaves no block with experts.

    Example:

    ```python
    import numpy as np
    import ones_keras

    backbone = ones_keras.models.ViTBackbone.from_preset("widenet_vit_tiny")
    backbone(np.zeros((2, 8, 8, 1))).shape  # (2, 16, 32): 16 patches
    ```

    References:
        - [Go Wider Instead of Deeper](https://arxiv.org/abs/2107.11817)
        - [An Image is Worth 16x16 Words](https://arxiv.org/abs/2010.11929)
        - [Scaling Vision with Sparse Mixture of Experts](
          https://arxiv.org/abs/2106.05974)
    """

    configurations = VIT_PRESETS

    def __init__(
        self,
        image_shape,
        patch_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        num_experts=None,
        top_k=2,
        expert_every=1,
        share_layers=False,
        dropout=0.0,
        activation="gelu",
        capacity_factor=1.2,
        load_balance=0.01,
        mutual_distillation=0.0,
        router_noise=None,
        renormalize_gates=False,
        dispatch="sparse",
        layer_norm_epsilon=1e-6,
        dtype=None,
        **kwargs,
    ):
        check_positive_int("patch_size", patch_size)
        image_shape = tuple(image_shape)
        if len(image_shape) != 3 or any(
            side is None or side % patch_size for side in image_shape[:2]
        ):
            raise ValueError(
                "`image_shape` must be `(height, width, channels)` with sides "
                "that are multiples of `patch_size`. Received: "
                f"`image_shape={image_shape}`, `patch_size={patch_size}`."
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
            dropout=dropout,
            activation=activation,
            capacity_factor=capacity_factor,
            load_balance=load_balance,
            mutual_distillation=mutual_distillation,
            router_noise=router_noise,
            renormalize_gates=renormalize_gates,
            dispatch=dispatch,
            layer_norm_epsilon=layer_norm_epsilon,
            dtype=dtype,
        )

        # === Layers ===
        rescaling = keras.layers.Rescaling(
            1 / 127.5, offset=-1, dtype=dtype, name="rescaling"
        )
        patch_embedding = keras.layers.Conv2D(
            hidden_dim,
            patch_size,
            strides=patch_size,
            data_format="channels_last",
            dtype=dtype,
            name="patch_embedding",
        )
        to_sequence = keras.layers.Reshape(
            (-1, hidden_dim), dtype=dtype, name="patches"
        )
        position_embedding = keras.layers.Embedding(
            image_shape[0] * image_shape[1] // patch_size**2,
            hidden_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype=dtype,
            name="position_embedding",
        )
        final_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=dtype, name="final_norm"
        )

        # === Functional Model ===
        images = keras.Input(image_shape, name="images")
        patches = to_sequence(patch_embedding(rescaling(images)))
        # The positions are counted in the graph, so that a stock Embedding
        # holds them and a saved student needs no layer of ours.
        ones = ops.ones_like(patches[:1, :, 0], dtype="int32")
        positions = position_embedding(ops.cumsum(ones, axis=1) - 1)
        x = keras.layers.Add(dtype=dtype, name="embedding_add")(
            [positions, patches]
        )
        x = keras.layers.Dropout(
            dropout, dtype=dtype, name="embedding_dropout"
        )(x)
        x = final_norm(encoder(x))
        super().__init__(encoder, inputs=images, outputs=x, **kwargs)

        # === Config ===
        self.image_shape = image_shape
        self.patch_size = patch_size
