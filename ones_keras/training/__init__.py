"""The optimizer and the schedule of the papers, and what survives a kill."""

from ones_keras.training.lamb import Lamb
from ones_keras.training.linear_warmup_decay import LinearWarmupDecay
from ones_keras.training.training_backup import TrainingBackup
from ones_keras.training.training_stopped import TrainingStopped

__all__ = [
    "Lamb",
    "LinearWarmupDecay",
    "TrainingBackup",
    "TrainingStopped",
]
