"""From a command line to checked settings, a backend and an output folder.

Shared by the recipes. Keras must not be imported before `choose_backend`.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import logging
import os
import pathlib
import re
import signal
import sys
import threading

from absl import flags
from devices import choose_devices, define_device_flags, own_copy

FLAGS = flags.FLAGS
KERAS_DATASETS = ("fashion_mnist", "cifar10", "cifar100")
FILE_DATASETS = ("imagefolder", "imagerecords", "imagenet2012")


def define_flags(settings_class, descriptions, configs):
    """One flag a field of a settings class, and those of every recipe."""
    flags.DEFINE_enum(
        "config", "default", sorted(configs), "Settings to start from."
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder of the results; default runs/<recipe>/<config>.",
    )
    flags.DEFINE_enum(
        "backend",
        None,
        ["tensorflow", "jax", "torch"],
        "Keras backend; default the environment variable KERAS_BACKEND.",
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Print settings, models, steps and memory, and start nothing.",
    )
    flags.DEFINE_bool(
        "deterministic",
        False,
        "Slower operations whose results are the same bits each time, on one "
        "device.",
    )
    flags.DEFINE_integer(
        "log_every",
        0,
        "Print a line after so many steps of a training; 0 is never.",
        lower_bound=0,
    )
    flags.DEFINE_bool(
        "tensorboard",
        False,
        "Write logs for TensorBoard, beside the CSV files.",
    )
    define_device_flags()
    for field in dataclasses.fields(settings_class):
        define = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            bool: flags.DEFINE_bool,
            tuple[str, ...]: flags.DEFINE_list,
            tuple[int, ...]: flags.DEFINE_list,
            tuple[float, ...]: flags.DEFINE_list,
        }[field.type]
        # No default here, so that a flag that was given is told from one that
        # was not: only those replace what the configuration says.
        default = "" if field.default == "" else f" Default {field.default}."
        define(field.name, None, descriptions[field.name] + default)


def read_settings(settings_class, configs):
    """The configuration with the flags given on the command line over it.

    Returns:
        The settings, checked, and a dict of those given as flags.
    """
    given = {}
    for field in dataclasses.fields(settings_class):
        value = FLAGS[field.name].value
        if value is None:
            continue
        if field.type == tuple[int, ...]:
            if not all(entry.isdigit() for entry in value):
                raise ValueError(
                    f"`--{field.name}` must be integers of 0 or more, "
                    "separated by commas. Received: "
                    f"`--{field.name}={','.join(value)}`."
                )
            value = [int(entry) for entry in value]
        if field.type == tuple[float, ...]:
            try:
                value = [float(entry) for entry in value]
            except ValueError as error:
                raise ValueError(
                    f"`--{field.name}` must be numbers, separated by commas. "
                    f"Received: `--{field.name}={','.join(value)}`."
                ) from error
        given[field.name] = tuple(value) if isinstance(value, list) else value
    settings = settings_class(**{**configs[FLAGS.config], **given})
    settings.check()
    return settings, given


def choose_backend(settings, keras_home=None):
    """Set what Keras reads when it is imported, and then the devices."""
    # Every model is traced anew, of which TensorFlow warns at length.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # JAX says of each kind of device that it is not there.
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
    if FLAGS.backend:
        if importlib.util.find_spec(FLAGS.backend) is None:
            raise ValueError(
                f"{FLAGS.backend} is not installed; `pip install "
                f"'ones_keras[{FLAGS.backend}]'` installs it. Received: "
                f"`--backend={FLAGS.backend}`."
            )
        os.environ["KERAS_BACKEND"] = FLAGS.backend
    if keras_home:
        os.environ["KERAS_HOME"] = keras_home
    if FLAGS.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "TensorBoard is not installed; `pip install "
            "'ones_keras[tensorboard]'` installs it. Received: "
            "`--tensorboard`."
        )
    if FLAGS.deterministic:
        _make_deterministic()
    choose_devices(settings, output_path())


def _make_deterministic():
    import keras

    # TensorFlow's operations refuse to be random without a seed.
    keras.utils.set_random_seed(0)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


@contextlib.contextmanager
def exit_when_stopped():
    """Ends the process with a message where a training says why it stopped.

    SIGTERM does so too, at any other moment, and data that turn out to be
    damaged. Several hosts are stopped by their `TrainingBackup` alone, all at
    the same step.
    """
    import tensorflow as tf

    from ones_keras.training import TrainingStopped
    from ones_keras.training.hosts import num_hosts

    def stop(number, frame):
        raise TrainingStopped(
            "Stopped by SIGTERM. The same command line goes on from here."
        )

    def stop_again(ignored):
        # The collector's callbacks and destructors swallow what is raised.
        if issubclass(ignored.exc_type, TrainingStopped):
            signal_later = (os.getpid(), signal.SIGTERM)
            threading.Timer(0.1, os.kill, signal_later).start()
        else:
            hook(ignored)

    before, hook = None, sys.unraisablehook
    if num_hosts() == 1:
        before = signal.signal(signal.SIGTERM, stop)
        sys.unraisablehook = stop_again
    try:
        yield
    except TrainingStopped as stopped:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {stopped}")
    except tf.errors.OpError as error:
        # What a `ValueError` within `tf.data` becomes, with much around it.
        said = re.search(r"\nValueError: (.+?)\n\n", error.message, re.DOTALL)
        if not said:
            raise
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {said[1]}")
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
            sys.unraisablehook = hook


def make_progress():
    """The `Progress` of the command line."""
    from progress import Progress

    return Progress(FLAGS.log_every, FLAGS.tensorboard)


def keras_home(settings):
    """The data folder, where it is one of Keras' own datasets."""
    return settings.data_dir if settings.dataset in KERAS_DATASETS else None


def load_images(settings, image_size=None):
    """The dataset of the settings, of a size if it is given."""
    from ones_keras.data import load_image_dataset, rand_augment

    data_dir = settings.data_dir or None
    if settings.dataset in KERAS_DATASETS:
        data_dir = None  # It was the KERAS_HOME.
    options = {}
    if settings.dataset in FILE_DATASETS:
        options["max_unreadable"] = settings.max_unreadable
    if settings.validation_share:
        options["validation_share"] = settings.validation_share
    if settings.rand_augment:
        options["augment"] = functools.partial(
            rand_augment,
            num_ops=settings.rand_augment,
            magnitude=settings.rand_augment_magnitude,
        )
    return load_image_dataset(settings.dataset, data_dir, image_size, **options)


def output_path():
    if own_copy():
        return own_copy()
    recipe = pathlib.Path(sys.argv[0]).stem
    return pathlib.Path(FLAGS.output_dir or f"runs/{recipe}/{FLAGS.config}")


def check_output_path(settings):
    """Refuse a folder that cannot be written, and leave nothing behind."""
    output = output_path()
    for path in (output, *(output / f"seed_{seed}" for seed in settings.seeds)):
        # What will be made lies in the nearest folder that is there.
        nearest = next(p for p in (path, *path.parents) if os.path.lexists(p))
        if not os.path.isdir(nearest) or not os.access(
            nearest, os.W_OK | os.X_OK
        ):
            raise ValueError(
                "The output folder cannot be written. Received: "
                f"`--output_dir={output}` ({nearest} is no folder that can be "
                "written)."
            )


def make_output_dir(settings):
    """The output folder, with the launch configuration."""
    from ones_keras.write_aside import remove_leftovers, write_aside

    path = output_path()
    launch = {
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
        "config": FLAGS.config,
        "settings": dataclasses.asdict(settings),
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        with write_aside(path / "launch.json") as aside:
            aside.write_text(json.dumps(launch, indent=2) + "\n")
    except OSError as error:
        raise ValueError(
            "The output folder cannot be written. Received: "
            f"`--output_dir={path}` ({error})."
        ) from error
    return path
