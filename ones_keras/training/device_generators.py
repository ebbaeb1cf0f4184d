"""Random generators that a step draws from and that are not Keras'."""

import keras


def device_generators():
    """What has to be remembered of them on this backend."""
    if keras.backend.backend() == "torch":
        return TorchGenerators()
    return NoGenerators()


class NoGenerators:
    """On TensorFlow and JAX all randomness is of Keras' seeds."""

    def remember(self):
        pass

    def recall(self):
        pass

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


class TorchGenerators:
    """PyTorch's own, which Keras' dropout draws from there.

    So does every data loader, once an epoch and once a validation: what a step
    drew has to be told from that, for an epoch may be begun in its middle.
    """

    def __init__(self):
        self.remember()

    def remember(self):
        """Note how a step has left them."""
        import torch

        self._states = [
            torch.get_rng_state(),
            *torch.cuda.get_rng_state_all(),
        ]

    def recall(self):
        """Put them back to that."""
        import torch

        torch.set_rng_state(self._states[0])
        torch.cuda.set_rng_state_all(self._states[1:])

    def get_state(self):
        return {str(n): s.numpy() for n, s in enumerate(self._states)}

    def set_state(self, state):
        import torch

        self._states = [
            torch.from_numpy(state[str(n)]) for n in range(len(state))
        ]
