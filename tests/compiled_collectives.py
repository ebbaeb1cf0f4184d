"""What devices send to each other for an MoE layer with a split batch.

A script, as devices are made before JAX starts. It prints, as JSON, how many
collective operations of each kind the compiled training pass has:

    python -m tests.compiled_collectives
"""

import json
import os
import re

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8"
)

import jax
import keras
import numpy as np

import ones_keras

KINDS = ("all-gather", "all-reduce", "all-to-all", "collective-permute")


def main():
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)
    layer = ones_keras.layers.MoEFeedForward(4, 32, router_noise=0)
    layer.build((None, 16, 8))

    def loss(weights, x):
        outputs, _, losses = layer.stateless_call(
            weights,
            [variable.value for variable in layer.non_trainable_variables],
            x,
            training=True,
            return_losses=True,
        )
        return outputs.sum() + losses[0]

    weights = [variable.value for variable in layer.trainable_variables]
    mesh = distribution.device_mesh.backend_mesh
    x = jax.device_put(
        np.ones((64, 16, 8), "float32"),
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch")),
    )
    text = jax.jit(jax.grad(loss)).lower(weights, x).compile().as_text()
    found = {
        kind: len(re.findall(rf"= [^=]*\b{kind}(?:-start)?\(", text))
        for kind in KINDS
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
