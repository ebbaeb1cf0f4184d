"""The building blocks: sparse and dense feed-forward layers."""

from ones_keras.layers.dense_feed_forward import DenseFeedForward
from ones_keras.layers.moe_feed_forward import MoEFeedForward

__all__ = ["DenseFeedForward", "MoEFeedForward"]
