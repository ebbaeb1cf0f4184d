"""Sparse mixture-of-experts teachers into one dense Keras student."""

__version__ = "0.1.0"
