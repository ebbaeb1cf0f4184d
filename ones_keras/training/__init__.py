"""Optimizer and schedule of the papers, devices, and what survives a kill."""

from ones_keras.training.choose_strategy import choose_strategy
from ones_keras.training.clip_whole_gradient import clip_whole_gradient
from ones_keras.training.lamb import Lamb
from ones_keras.training.linear_warmup_decay import LinearWarmupDecay
from ones_keras.training.training_backup import TrainingBackup
from ones_keras.training.training_stopped import TrainingStopped

__all__ = [
    "Lamb",
    "LinearWarmupDecay",
    "TrainingBackup",
    "TrainingStopped",
    "choose_strategy",
    "clip_whole_gradient",
]
