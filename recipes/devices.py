"""The devices and hosts that a recipe trains on.

Shared by the recipes. Hosts other than the first work on a copy of its output
folder, which is thrown away, and print nothing: what they do is the same.
"""

import os
import pathlib
import sys
import tempfile

from absl import flags, logging

FLAGS = flags.FLAGS
_SHARED_SIZES = (
    "batch_size",
    "evaluation_batch_size",
    "fine_tune_batch_size",
)
# What is restored by itself: backups, files that were not finished, and each
# host's part of the teacher's outputs.
_NOT_COPIED = ("step_", ".", "teacher_cache")


class _Chosen:
    strategy = None
    copy = None


def define_device_flags():
    flags.DEFINE_enum(
        "strategy",
        "auto",
        [
            *("auto", "none", "mirrored", "tpu"),
            *("data_parallel", "expert_parallel"),
        ],
        "Devices to train on: mirrored (GPUs) or tpu on TensorFlow, "
        "data_parallel or expert_parallel on JAX. auto is tpu, mirrored or "
        "data_parallel where there are several devices. The batch is that of "
        "all together.",
    )
    flags.DEFINE_string(
        "tpu",
        "",
        "TensorFlow's TPU, by name or address; local on a TPU machine.",
    )
    flags.DEFINE_string(
        "job_addresses",
        "",
        "Of several hosts, on JAX: the host:port of the first one, the same "
        "for all, or auto where the environment says it, as on a TPU pod.",
    )
    flags.DEFINE_integer("num_processes", None, "How many hosts there are.")
    flags.DEFINE_integer(
        "process_id", None, "The number of this host; 0 writes and prints."
    )


def choose_devices(settings, output_dir):
    """Join the hosts, and choose the devices.

    Before anything runs on a device. Raises a `ValueError` on what cannot be.

    Args:
        settings: dataclass. Its batches are shared by the devices.
        output_dir: path.
    """
    _join_hosts()
    from ones_keras.training import choose_strategy

    strategy = choose_strategy(FLAGS.strategy, FLAGS.tpu)
    for name in _SHARED_SIZES:
        if hasattr(settings, name):
            strategy.check_batch_size(name, getattr(settings, name))
    _Chosen.strategy = strategy
    number, hosts = strategy.part
    if hosts > 1:
        _share_folder(output_dir, number)


def strategy():
    """The `ones_keras.training.Strategy` of the command line."""
    from ones_keras.training import choose_strategy

    return _Chosen.strategy or choose_strategy("none")


def own_copy():
    """Where this host writes in place of the output folder, or `None`."""
    return _Chosen.copy and pathlib.Path(_Chosen.copy.name)


def share_file(path):
    """Have the first host's file on all of them."""
    from ones_keras.training.hosts import from_first_host, host_id

    content = from_first_host(lambda: pathlib.Path(path).read_bytes())
    if host_id():
        pathlib.Path(path).write_bytes(content)


def _join_hosts():
    if not FLAGS.job_addresses:
        if FLAGS.num_processes is not None or FLAGS.process_id is not None:
            raise ValueError(
                "`--num_processes` and `--process_id` come with "
                "`--job_addresses`. Received: "
                f"`--num_processes={FLAGS.num_processes}`, "
                f"`--process_id={FLAGS.process_id}`."
            )
        return
    import keras

    if keras.backend.backend() != "jax":
        raise ValueError(
            "Several hosts train together on JAX only: on TensorFlow `fit` of "
            "Keras 3.15 fails under `MultiWorkerMirroredStrategy`. Received: "
            f"`--job_addresses={FLAGS.job_addresses}` on the backend "
            f"{keras.backend.backend()}."
        )
    address = FLAGS.job_addresses
    try:
        keras.distribution.initialize(
            None if address == "auto" else address,
            FLAGS.num_processes,
            FLAGS.process_id,
        )
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"The hosts could not be joined ({error}). Received: "
            f"`--job_addresses={address}`, "
            f"`--num_processes={FLAGS.num_processes}`, "
            f"`--process_id={FLAGS.process_id}`."
        ) from error


def _share_folder(folder, number):
    from ones_keras.training.hosts import from_first_host

    names = from_first_host(lambda: [str(name) for name in _files(folder)])
    if number:
        _Chosen.copy = tempfile.TemporaryDirectory()
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        logging.set_verbosity(logging.ERROR)
    for name in names:
        content = from_first_host((folder / name).read_bytes)
        if number:
            path = own_copy() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _files(folder):
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(_NOT_COPIED) for part in name.parts)
        if path.is_file() and not hidden:
            yield name
