"""The optimizer and the schedule of the papers."""

from ones_keras.training.lamb import Lamb
from ones_keras.training.linear_warmup_decay import LinearWarmupDecay

__all__ = ["Lamb", "LinearWarmupDecay"]
