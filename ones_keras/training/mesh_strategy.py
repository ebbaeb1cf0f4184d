import contextlib
import math

import jax
import keras

from ones_keras.layers import MoEFeedForward
from ones_keras.layers.dispatch import ExpertBank
from ones_keras.training.strategy import SpreadStrategy


class MeshStrategy(SpreadStrategy):
    """A mesh of `keras.distribution`, over the devices of all hosts.

    Args:
        name: string. `"data_parallel"` or `"expert_parallel"`.
    """

    def __init__(self, name):
        self.name = name
        self.num_devices = jax.device_count()

    @contextlib.contextmanager
    def scope(self, models):
        with self._distribution(models).scope():
            yield

    def _distribution(self, models):
        layers = [
            layer
            for model in models
            for layer in model._flatten_layers()
            if isinstance(layer, MoEFeedForward)
        ]
        if self.name == "data_parallel" or not layers:
            return keras.distribution.DataParallel(auto_shard_dataset=False)
        # No more than a host has: what is on others could not be saved.
        spread = math.gcd(
            jax.local_device_count(), *(layer.num_experts for layer in layers)
        )
        mesh = keras.distribution.DeviceMesh(
            (self.num_devices // spread, spread), ("batch", "experts")
        )
        layouts = keras.distribution.LayoutMap(mesh)
        for layer in layers:
            for name in ExpertBank._fields:
                variable = getattr(layer, name)
                axes = ("experts", *[None] * (len(variable.shape) - 1))
                layouts[f"^{variable.path}$"] = axes
        return keras.distribution.ModelParallel(
            layout_map=layouts,
            batch_dim_name="batch",
            auto_shard_dataset=False,
        )
