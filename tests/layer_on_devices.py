"""An MoE layer with a batch that is spread over devices, padding in it.

A script, as devices are made before JAX starts. It prints, as JSON, how many
collective operations of each kind the compiled training pass has, and the
largest difference of its gradients from those on one device:

    python -m tests.layer_on_devices
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
    layer = ones_keras.layers.MoEFeedForward(
        4,
        32,
        router_noise=0,
        capacity_factor=None,
        load_balance=9.0,
        mutual_distillation=30.0,
    )
    layer.build((None, 16, 8))

    def loss(weights, x, mask):
        outputs, _, losses = layer.stateless_call(
            weights,
            [variable.value for variable in layer.non_trainable_variables],
            x,
            mask=mask,
            training=True,
            return_losses=True,
        )
        return (outputs**2).sum() + sum(losses)

    rng = np.random.default_rng(0)
    # Some devices have far more padding than others.
    lengths = np.sort(rng.integers(0, 17, 64))
    examples = (
        rng.normal(size=(64, 16, 8)).astype("float32"),
        np.arange(16) < lengths[:, None],
    )
    weights = [variable.value for variable in layer.trainable_variables]
    mesh = distribution.device_mesh.backend_mesh
    spread = jax.device_put(
        examples,
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch")),
    )
    compiled = jax.jit(jax.grad(loss)).lower(weights, *spread).compile()
    text = compiled.as_text()
    found = {
        kind: len(re.findall(rf"= [^=]*\b{kind}(?:-start)?\(", text))
        for kind in KINDS
    }
    gradients = compiled(weights, *spread)
    keras.distribution.set_distribution(None)
    alone = jax.grad(loss)(*jax.device_get((weights, *examples)))
    differences = jax.tree.map(
        lambda one, other: float(abs(np.asarray(one) - other).max()),
        gradients,
        alone,
    )
    print(json.dumps({**found, "difference": max(differences)}))


if __name__ == "__main__":
    main()
