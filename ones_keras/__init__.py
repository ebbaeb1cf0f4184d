"""Sparse mixture-of-experts teachers into one dense Keras student."""

from ones_keras import (
    data,
    gathering,
    layers,
    metrics,
    models,
    mutual,
    reporting,
    training,
)
from ones_keras.distillation import Distiller, TeacherCache
from ones_keras.gathering import gather

__version__ = "0.1.0"

__all__ = [
    "Distiller",
    "TeacherCache",
    "data",
    "gather",
    "gathering",
    "layers",
    "metrics",
    "models",
    "mutual",
    "reporting",
    "training",
]
