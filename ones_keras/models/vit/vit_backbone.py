import keras
from keras import ops
from keras_hub.models import Backbone

from ones_keras.layers import DenseFeedForward, MoEFeedForward
from ones_keras.models.preset_arguments import check_folder, split_overrides
from ones_keras.models.vit.vit_presets import VIT_PRESETS
from ones_keras.portable_saving import PortableSaving
from ones_keras.validation import check_positive_int


@keras.saving.register_keras_serializable(package="ones_keras")
class ViTBackbone(PortableSaving, Backbone):
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
        capacity_factor: float or `None`. This and the next four are arguments
            of `ones_keras.layers.MoEFeedForward`. Defaults to `1.2`.
        load_balance: float. Defaults to `0.01`.
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
        router_noise=None,
        renormalize_gates=False,
        dispatch="sparse",
        layer_norm_epsilon=1e-6,
        dtype=None,
        **kwargs,
    ):
        for name, value in (
            ("patch_size", patch_size),
            ("num_layers", num_layers),
            ("num_heads", num_heads),
            ("hidden_dim", hidden_dim),
            ("expert_every", expert_every),
        ):
            check_positive_int(name, value)
        image_shape = tuple(image_shape)
        if len(image_shape) != 3 or any(
            side is None or side % patch_size for side in image_shape[:2]
        ):
            raise ValueError(
                "`image_shape` must be `(height, width, channels)` with sides "
                "that are multiples of `patch_size`. Received: "
                f"`image_shape={image_shape}`, `patch_size={patch_size}`."
            )
        if hidden_dim % num_heads:
            raise ValueError(
                "`hidden_dim` must be a multiple of `num_heads`. Received: "
                f"`hidden_dim={hidden_dim}`, `num_heads={num_heads}`."
            )
        if share_layers and expert_every != 1:
            raise ValueError(
                "A shared feed-forward layer is either sparse or dense: "
                "`expert_every` must be 1 with `share_layers`. Received: "
                f"`share_layers={share_layers}`, "
                f"`expert_every={expert_every}`."
            )
        if num_experts is not None and expert_every > num_layers:
            raise ValueError(
                "With experts `expert_every` must be at most `num_layers`, or "
                "no block has any. Received: "
                f"`expert_every={expert_every}`, `num_layers={num_layers}`."
            )

        # === Layers ===
        def add(residual, update, name):
            dropped = keras.layers.Dropout(
                dropout, dtype=dtype, name=f"{name}_dropout"
            )(update)
            return keras.layers.Add(dtype=dtype, name=f"{name}_add")(
                [residual, dropped]
            )

        def norm(name):
            return keras.layers.LayerNormalization(
                epsilon=layer_norm_epsilon, dtype=dtype, name=name
            )

        def attention(prefix):
            return keras.layers.MultiHeadAttention(
                num_heads,
                hidden_dim // num_heads,
                dtype=dtype,
                name=f"{prefix}attention",
            )

        def feed_forward(prefix, sparse):
            name = f"{prefix}feed_forward"
            if not sparse:
                return DenseFeedForward(
                    intermediate_dim, activation, dtype=dtype, name=name
                ).inline
            return MoEFeedForward(
                num_experts,
                intermediate_dim,
                top_k,
                activation,
                capacity_factor=capacity_factor,
                load_balance=load_balance,
                router_noise=router_noise,
                renormalize_gates=renormalize_gates,
                dispatch=dispatch,
                dtype=dtype,
                name=name,
            )

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
        shared = None
        if share_layers:
            shared = attention(""), feed_forward("", num_experts is not None)

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
        for index in range(num_layers):
            prefix = f"block_{index}_"
            sparse = num_experts is not None and not (index + 1) % expert_every
            attend, feed = shared or (
                attention(prefix),
                feed_forward(prefix, sparse),
            )
            normed = norm(f"{prefix}attention_norm")(x)
            x = add(x, attend(normed, normed), f"{prefix}attention")
            normed = norm(f"{prefix}feed_forward_norm")(x)
            x = add(x, feed(normed), f"{prefix}feed_forward")
        x = norm("final_norm")(x)
        super().__init__(inputs=images, outputs=x, dtype=dtype, **kwargs)

        # === Config ===
        self.image_shape = image_shape
        self.patch_size = patch_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.num_experts = num_experts
        self.top_k = top_k
        self.expert_every = expert_every
        self.share_layers = share_layers
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.capacity_factor = capacity_factor
        self.load_balance = load_balance
        self.router_noise = router_noise
        self.renormalize_gates = renormalize_gates
        self.dispatch = dispatch
        self.layer_norm_epsilon = layer_norm_epsilon

    @property
    def is_sparse(self):
        return self.num_experts is not None

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "patch_size": self.patch_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "num_experts": self.num_experts,
            "top_k": self.top_k,
            "expert_every": self.expert_every,
            "share_layers": self.share_layers,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "capacity_factor": self.capacity_factor,
            "load_balance": self.load_balance,
            "router_noise": self.router_noise,
            "renormalize_gates": self.renormalize_gates,
            "dispatch": self.dispatch,
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }

    def to_dense(self, intermediate_dim=None):
        """A freshly initialised dense backbone of the same architecture.

        Args:
            intermediate_dim: int or `None`. Hidden units of its feed-forward
                layers; `None` takes those of one expert.

        Raises:
            ValueError: If a width is given and some blocks are dense already,
                as one width serves them all.
        """
        if intermediate_dim is not None:
            check_positive_int("intermediate_dim", intermediate_dim)
            if self.expert_every != 1:
                raise ValueError(
                    "`intermediate_dim` would also change the blocks that are "
                    "dense in the teacher, which could not be copied then. "
                    f"Received: `intermediate_dim={intermediate_dim}`, "
                    f"`expert_every={self.expert_every}`."
                )
        config = {
            **self.get_config(),
            "num_experts": None,
            "intermediate_dim": intermediate_dim or self.intermediate_dim,
        }
        return self.from_config(config)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **overrides):
        """A backbone from a built-in preset or a preset folder.

        Built-in presets are configurations: their weights are fresh.

        Args:
            preset: string. A built-in name or a folder written by
                `save_to_preset`.
            load_weights: bool. Whether a folder's weights are loaded. Defaults
                to `True`.
            **overrides: Constructor arguments that replace the preset's; of a
                folder only `dtype` can be replaced.
        """
        if preset in VIT_PRESETS:
            overrides, _ = split_overrides(overrides, cls)
            return cls(**{**VIT_PRESETS[preset], **overrides})
        check_folder(preset, VIT_PRESETS)
        split_overrides(overrides, ("dtype",))
        return super().from_preset(preset, load_weights, **overrides)
