import json
import os

import keras

from ones_keras.training.hosts import num_hosts
from ones_keras.training.strategy import Strategy

# By backend, after "auto" and "none".
STRATEGIES = {
    "tensorflow": ("tpu", "mirrored"),
    "jax": ("data_parallel", "expert_parallel"),
    "torch": (),
}


def choose_strategy(strategy="auto", tpu=""):
    """Says on which devices models are trained.

    Args:
        strategy: string. Defaults to `"auto"`.
            - `"none"`: one device.
            - `"mirrored"`, on TensorFlow: the GPUs of this machine, or its
              logical CPUs where there is none, each with all weights and a
              part of the batch (`tf.distribute.MirroredStrategy`).
            - `"tpu"`, on TensorFlow: `tf.distribute.TPUStrategy`.
            - `"data_parallel"`, on JAX: the devices of all hosts, each with
              all weights and a part of the batch
              (`keras.distribution.DataParallel`).
            - `"expert_parallel"`, on JAX: as many of them as divide the
              number of experts share these, and a part of the batch. All
              other weights are on all devices.
            - `"auto"`: `"tpu"` if one is named; otherwise, of several
              devices, GPUs on TensorFlow, `"mirrored"` or `"data_parallel"`;
              otherwise `"none"`.
        tpu: string. Name or address of a TPU, or `"local"` on a TPU machine.
            Defaults to `""`, no TPU.

    Returns:
        A `Strategy`. The batch is that of all devices together, and the
        balance loss is of all of it; an expert's capacity is a device's own.
        To be clipped like on one device, optimizers need
        `clip_whole_gradient`.

    Raises:
        ValueError: If the backend has no such strategy, its devices are not
            there, or TensorFlow is to run on several hosts.

    Several hosts, on JAX, each run the same program, which begins with
    `keras.distribution.initialize`; each feeds its `strategy.part` of the
    batches. `tf.distribute.MultiWorkerMirroredStrategy` does not work with
    `fit` of Keras 3.15.

    Example:

    ```python
    strategy = choose_strategy()
    model = ones_keras.models.ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=10
    )
    digits = ones_keras.data.load_image_dataset("digits")
    with strategy.spread(model) as spread:
        spread.compile(
            "adamw",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        spread.fit(
            digits.train(32, part=strategy.part),
            steps_per_epoch=2,
            shuffle=False,
        )
    ```
    """
    backend = keras.backend.backend()
    known = ("auto", "none", *STRATEGIES[backend])
    if strategy not in known:
        hint = ""
        if backend == "torch":
            hint = " Keras trains on one device there; JAX has several."
        raise ValueError(
            f"`strategy` must be one of {known} on the backend {backend}."
            f"{hint} Received: `strategy={strategy!r}`."
        )
    takes_tpu = backend == "tensorflow" and strategy in ("auto", "tpu")
    if tpu and not takes_tpu:
        raise ValueError(
            "`tpu` names a TPU for TensorFlow; JAX finds its own. Received: "
            f"`tpu={tpu!r}`, `strategy={strategy!r}` on the backend {backend}."
        )
    if strategy == "none":
        if num_hosts() > 1:
            raise ValueError(
                f"Each of {num_hosts()} hosts would train a model of its own. "
                "Received: `strategy='none'`."
            )
        return Strategy()
    if backend == "tensorflow":
        return _of_tensorflow(strategy, tpu)
    if backend == "jax":
        return _of_jax(strategy)
    return Strategy()


def _of_tensorflow(strategy, tpu):
    import tensorflow as tf

    from ones_keras.training import replica_strategy

    _refuse_workers()
    if tpu or strategy == "tpu":
        return replica_strategy.tpu(tpu)
    if (
        strategy == "mirrored"
        or len(tf.config.list_physical_devices("GPU")) > 1
    ):
        return replica_strategy.mirrored()
    return Strategy()


def _of_jax(strategy):
    import jax

    from ones_keras.training.mesh_strategy import MeshStrategy

    if strategy == "auto":
        if jax.device_count() == 1:
            return Strategy()
        strategy = "data_parallel"
    return MeshStrategy(strategy)


def _refuse_workers():
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if len(cluster.get("worker", ())) + len(cluster.get("chief", ())) > 1:
        raise ValueError(
            "Several hosts train together on JAX only: `fit` of Keras 3.15 "
            "fails under `tf.distribute.MultiWorkerMirroredStrategy`, on the "
            "batch and on the logs of its replicas. Received: `TF_CONFIG` "
            f"with the cluster {cluster}."
        )
