import contextlib

import keras


def without_autograd():
    """A context in which PyTorch records no graph; nothing elsewhere."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
