"""What an MoE layer has to know of the devices it is spread over.

Each device dispatches the tokens that it has. `devices_of(layer)` returns what
spreads the work and reduces what is counted: by default there is one device.
"""

import keras

from ones_keras.layers.dispatch.one_device import OneDevice

_HAS_REPLICAS = keras.backend.backend() == "tensorflow"

if _HAS_REPLICAS:
    from ones_keras.layers.dispatch.replicas import devices_of
elif keras.backend.backend() == "jax":
    from ones_keras.layers.dispatch.mesh import devices_of
else:

    def devices_of(layer):
        return OneDevice()


def devices_of_batch():
    """Those that have a part of the batch, of a layer that dispatches nothing.

    On JAX a batch that is spread is one array to all operations.
    """
    return devices_of(None) if _HAS_REPLICAS else OneDevice()


__all__ = ["devices_of", "devices_of_batch"]
