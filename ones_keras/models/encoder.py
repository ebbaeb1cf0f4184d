import dataclasses
from typing import Any

import keras

from ones_keras.layers import DenseFeedForward, MoEFeedForward
from ones_keras.validation import check_positive_int


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The blocks of a transformer, with sparse or dense feed-forward layers.

    Called on embedded tokens it continues a functional graph with stock layers
    and, where there are experts, `MoEFeedForward`. The arguments that models
    pass on are described in `ViTBackbone`; these are the families' own.

    Attributes:
        norm_first: bool. LayerNormalization before attention and feed-forward
            layer, as in ViT, or after the sum with the residual, as in BERT.
        share_norms: bool. Whether the blocks share their LayerNormalizations
            too, as in ALBERT.
        attention_dropout: float. Rate on the attention probabilities.
        kernel_initializer: Initializer of the kernels.
    """

    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int
    num_experts: int | None
    top_k: int
    expert_every: int
    share_layers: bool
    dropout: float
    activation: Any
    capacity_factor: float | None
    load_balance: float
    mutual_distillation: float
    router_noise: float | None
    renormalize_gates: bool
    dispatch: str
    layer_norm_epsilon: float
    dtype: Any
    norm_first: bool = True
    share_norms: bool = False
    attention_dropout: float = 0.0
    kernel_initializer: Any = "glorot_uniform"

    def __post_init__(self):
        for name in ("num_layers", "num_heads", "hidden_dim", "expert_every"):
            check_positive_int(name, getattr(self, name))
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                "`hidden_dim` must be a multiple of `num_heads`. Received: "
                f"`hidden_dim={self.hidden_dim}`, "
                f"`num_heads={self.num_heads}`."
            )
        if self.share_layers and self.expert_every != 1:
            raise ValueError(
                "A shared feed-forward layer is either sparse or dense: "
                "`expert_every` must be 1 with `share_layers`. Received: "
                f"`share_layers={self.share_layers}`, "
                f"`expert_every={self.expert_every}`."
            )
        if self.num_experts is not None and self.expert_every > self.num_layers:
            raise ValueError(
                "With experts `expert_every` must be at most `num_layers`, or "
                "no block has any. Received: "
                f"`expert_every={self.expert_every}`, "
                f"`num_layers={self.num_layers}`."
            )

    def __call__(self, x, mask=None):
        """The output of the last block.

        Args:
            x: Tensor of shape `(B, T, hidden_dim)`.
            mask: Bool tensor of shape `(B, T)`, false for padding, or `None`.
        """
        shared, norms = None, None
        if self.share_layers:
            sparse = self.num_experts is not None
            shared = self._attention(""), self._feed_forward("", sparse)
        if self.share_norms:
            norms = self._norms("")
        for index in range(self.num_layers):
            prefix = f"block_{index}_"
            sparse = self.num_experts is not None and not (
                (index + 1) % self.expert_every
            )
            attend, feed = shared or (
                self._attention(prefix),
                self._feed_forward(prefix, sparse),
            )
            attention_norm, feed_forward_norm = norms or self._norms(prefix)
            # The experts route no padding. A dense layer need not know of it.
            masks = {"mask": mask} if sparse and mask is not None else {}
            x = self._residual(
                x,
                lambda y, attend=attend: attend(y, y, value_mask=mask),
                attention_norm,
                f"{prefix}attention",
            )
            x = self._residual(
                x,
                lambda y, feed=feed, masks=masks: feed(y, **masks),
                feed_forward_norm,
                f"{prefix}feed_forward",
            )
        return x

    def _residual(self, x, update, norm, name):
        updated = update(norm(x) if self.norm_first else x)
        updated = keras.layers.Dropout(
            self.dropout, dtype=self.dtype, name=f"{name}_dropout"
        )(updated)
        x = keras.layers.Add(dtype=self.dtype, name=f"{name}_add")([x, updated])
        return x if self.norm_first else norm(x)

    def _norms(self, prefix):
        return [
            keras.layers.LayerNormalization(
                epsilon=self.layer_norm_epsilon,
                dtype=self.dtype,
                name=f"{prefix}{name}_norm",
            )
            for name in ("attention", "feed_forward")
        ]

    def _attention(self, prefix):
        return keras.layers.MultiHeadAttention(
            self.num_heads,
            self.hidden_dim // self.num_heads,
            dropout=self.attention_dropout,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype,
            name=f"{prefix}attention",
        )

    def _feed_forward(self, prefix, sparse):
        name = f"{prefix}feed_forward"
        if not sparse:
            return DenseFeedForward(
                self.intermediate_dim,
                self.activation,
                kernel_initializer=self.kernel_initializer,
                dtype=self.dtype,
                name=name,
            ).inline
        return MoEFeedForward(
            self.num_experts,
            self.intermediate_dim,
            self.top_k,
            self.activation,
            capacity_factor=self.capacity_factor,
            load_balance=self.load_balance,
            mutual_distillation=self.mutual_distillation,
            router_noise=self.router_noise,
            renormalize_gates=self.renormalize_gates,
            dispatch=self.dispatch,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype,
            name=name,
        )
