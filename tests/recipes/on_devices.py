"""Runs a recipe on so many devices of this machine.

A script, as devices are made before a backend starts:

    python -m tests.recipes.on_devices DEVICES RECIPE FLAGS...
"""

import os
import pathlib
import runpy
import sys

FOLDER = pathlib.Path(__file__).parents[2] / "recipes"

if __name__ == "__main__":
    devices = int(sys.argv[1])
    if os.environ["KERAS_BACKEND"] == "jax":
        os.environ["XLA_FLAGS"] = (
            os.environ.get("XLA_FLAGS", "")
            + f" --xla_force_host_platform_device_count={devices}"
        )
    else:
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * devices
        )
    recipe = str(FOLDER / f"{sys.argv[2]}.py")
    sys.argv = [recipe, *sys.argv[3:]]
    sys.path.insert(0, str(FOLDER))
    runpy.run_path(recipe, run_name="__main__")
