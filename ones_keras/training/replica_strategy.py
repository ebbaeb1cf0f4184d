import contextlib
import functools

import tensorflow as tf

from ones_keras.training.strategy import SpreadStrategy


class ReplicaStrategy(SpreadStrategy):
    """A strategy of `tf.distribute` with all devices in one process.

    Args:
        name: string. As in `choose_strategy`.
        strategy: `tf.distribute.Strategy`.
    """

    def __init__(self, name, strategy):
        self.name = name
        self.num_devices = strategy.num_replicas_in_sync
        self._strategy = strategy

    @contextlib.contextmanager
    def scope(self, models):
        with self._strategy.scope():
            yield


def mirrored():
    """Of the GPUs, or of the logical CPUs where there is none."""
    devices = [tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU")]
    names = tuple(device.name for device in devices[0] or devices[1])
    return ReplicaStrategy("mirrored", _mirrored(names))


# A second one of the same devices would count its collective operations from
# the beginning, and meet those of the first.
@functools.cache
def _mirrored(names):
    return tf.distribute.MirroredStrategy(names)


def tpu(name):
    """Of the TPU of a name, as TensorFlow's guide sets it up.

    Raises:
        ValueError: If it cannot be reached.
    """
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise ValueError(
            "The TPU cannot be reached: on a TPU machine it is named 'local', "
            f"elsewhere by its name or address. Received: `tpu={name!r}` "
            f"({str(error).splitlines()[0]})."
        ) from error
    return ReplicaStrategy("tpu", strategy)
