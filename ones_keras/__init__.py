"""Sparse mixture-of-experts teachers into one dense Keras student."""

from ones_keras import layers, models

__version__ = "0.1.0"
