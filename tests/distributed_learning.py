"""Trains a small MoE teacher and distils it, on devices of this machine.

A script too, as devices are made before a backend starts. It prints the logs
and the weights as JSON:

    python -m tests.distributed_learning STRATEGY TEACHER DEVICES [PORT PROCESS]

`STRATEGY` is `none`, `mirrored`, `data_parallel` or `expert_parallel`,
`TEACHER` is `online`, `cached`, or both with a comma. With a port and the
number of a process it is one of two that share the work.
"""

import json
import os
import sys
import tempfile

PROCESSES = 2 if __name__ == "__main__" and len(sys.argv) > 4 else 1
if __name__ == "__main__" and os.environ["KERAS_BACKEND"] == "jax":
    own = int(sys.argv[3]) // PROCESSES
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "")
        + f" --xla_force_host_platform_device_count={own}"
    )

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import ones_keras  # noqa: E402

BATCH, STEPS = 16, 3


def learn(name="none", kinds="online", devices=1):
    """The logs and weights of the teacher and of a student of each kind."""
    rng = np.random.default_rng(0)
    count = STEPS * BATCH
    x = rng.uniform(0, 255, (count, 8, 8, 1)).astype("float32")
    y = rng.integers(0, 10, count).astype("int32")
    if name == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * devices
        )
    keras.utils.set_random_seed(0)
    # Each device has a capacity, and on TensorFlow noise, of its own.
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny",
        num_classes=10,
        num_layers=2,
        router_noise=0,
        capacity_factor=None,
        load_balance=0.5,
        mutual_distillation=0.1,
    )
    # Experts that are not used alike, so that their balance counts.
    router = teacher.get_layer("feed_forward").router_kernel
    router.assign(3 * keras.ops.convert_to_tensor(router))
    strategy = ones_keras.training.choose_strategy(name)
    assert strategy.num_devices == devices
    examples = tf.data.Dataset.from_tensor_slices((x, y))
    train = strategy.own_part(examples.batch(BATCH, drop_remainder=True))
    found = [fit(teacher, teacher, strategy, examples, train)]
    for kind in kinds.split(","):
        student = ones_keras.gather(teacher, method="average", verbose=False)
        if kind == "online":
            distiller = ones_keras.Distiller(teacher, student)
            found.append(fit(distiller, student, strategy, examples, train))
            continue
        with tempfile.TemporaryDirectory() as folder:
            cache = ones_keras.TeacherCache(folder, teacher, STEPS)
            cache.fill(train.skip)
            lessons = cache.lessons(train.skip).take(STEPS)
            distiller = ones_keras.Distiller(cache, student)
            found.append(fit(distiller, student, strategy, examples, lessons))
    return found


def fit(model, trained, strategy, examples, train):
    # The last one has five.
    validation = examples.take(BATCH + 5).batch(BATCH)
    with strategy.spread(model) as spread:
        spread.compile(
            ones_keras.training.clip_whole_gradient(
                keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            weighted_metrics=[
                keras.metrics.SparseCategoricalCrossentropy(
                    "nats", from_logits=True
                )
            ],
        )
        history = spread.fit(
            train,
            epochs=2,
            validation_data=strategy.evaluation_batches(validation, BATCH),
            shuffle=False,
            verbose=0,
        ).history
        if strategy.name == "expert_parallel" and model is trained:
            bank = spread.get_layer("feed_forward").up_kernel.value
            # The four experts are on the devices of each process.
            own = 4 * PROCESSES // strategy.num_devices or 1
            assert bank.addressable_shards[0].data.shape[0] == own
    # Of the last batch the loss is by the size that it was filled up to.
    del history["val_loss"], history["val_accuracy"]
    history.pop("val_main_loss", None)
    return {
        "history": history,
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
            job_addresses=f"127.0.0.1:{sys.argv[4]}",
            num_processes=PROCESSES,
            process_id=int(sys.argv[5]),
        )
    print(json.dumps(learn(*sys.argv[1:3], int(sys.argv[3]))))
