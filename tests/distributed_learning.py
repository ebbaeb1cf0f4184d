"""Trains a small MoE teacher and distils it, on devices of this machine.

A script, as devices are made before a backend starts. It prints the logs and
the weights as JSON:

    python -m tests.distributed_learning STRATEGY DEVICES [PORT PROCESS]

`STRATEGY` is `none`, `mirrored`, `data_parallel` or `expert_parallel`. With a
port and the number of a process it is one of two that share the work.
"""

import contextlib
import json
import os
import sys

STRATEGY, DEVICES = sys.argv[1], int(sys.argv[2])
PROCESSES = 2 if len(sys.argv) > 3 else 1
if os.environ["KERAS_BACKEND"] == "jax":
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "")
        + f" --xla_force_host_platform_device_count={DEVICES // PROCESSES}"
    )

import keras  # noqa: E402
import numpy as np  # noqa: E402

import ones_keras  # noqa: E402

BATCH, STEPS = 16, 3


def scope():
    """Sets the strategy up; returns what models are made in."""
    if STRATEGY == "mirrored":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES
        )
        names = [f"CPU:{number}" for number in range(DEVICES)]
        return tf.distribute.MirroredStrategy(names).scope()
    if STRATEGY == "data_parallel":
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
    elif STRATEGY == "expert_parallel":
        mesh = keras.distribution.DeviceMesh(
            (DEVICES // 2, 2), ("batch", "experts")
        )
        layouts = keras.distribution.LayoutMap(mesh)
        for name, rank in (("kernel", 3), ("bias", 2)):
            axes = ("experts", *[None] * (rank - 1))
            layouts[f".*feed_forward/(up|down)_{name}"] = axes
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(
                layout_map=layouts,
                batch_dim_name="batch",
                auto_shard_dataset=False,
            )
        )
    return contextlib.nullcontext()


def learn():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (STEPS * BATCH, 8, 8, 1)).astype("float32")
    y = rng.integers(0, 10, STEPS * BATCH).astype("int32")
    found = []
    with scope():
        keras.utils.set_random_seed(0)
        # Each device has a capacity and noise of its own.
        teacher = ones_keras.models.ViTImageClassifier.from_preset(
            "widenet_vit_tiny",
            num_classes=10,
            num_layers=2,
            router_noise=0,
            capacity_factor=None,
            load_balance=0.5,
        )
        # Experts that are not used alike, so that their balance counts.
        router = teacher.get_layer("feed_forward").router_kernel
        router.assign(3 * keras.ops.convert_to_tensor(router))
        found.append(fit(teacher, teacher, x, y))
        if STRATEGY == "expert_parallel":
            bank = teacher.get_layer("feed_forward").up_kernel.value
            # Two of the four experts a device.
            assert bank.addressable_shards[0].data.shape[0] == 2
        student = ones_keras.gather(teacher, method="average", verbose=False)
        distiller = ones_keras.Distiller(teacher, student)
        found.append(fit(distiller, student, x, y))
    return found


def fit(model, trained, x, y):
    import tensorflow as tf

    model.compile(
        keras.optimizers.SGD(0.02, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batch = BATCH // PROCESSES
    if PROCESSES > 1:
        # A process is given its own part of each batch.
        part = int(sys.argv[4])
        x, y = (
            np.concatenate(np.split(values, STEPS * PROCESSES)[part::PROCESSES])
            for values in (x, y)
        )
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)
    history = model.fit(data, epochs=2, shuffle=False, verbose=0)
    return {
        "history": history.history,
        "weights": [
            keras.ops.convert_to_numpy(weight).tolist()
            for weight in trained.trainable_variables
        ],
    }


if __name__ == "__main__":
    if PROCESSES > 1:
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize(
            job_addresses=f"127.0.0.1:{sys.argv[3]}",
            num_processes=PROCESSES,
            process_id=int(sys.argv[4]),
        )
    print(json.dumps(learn()))
