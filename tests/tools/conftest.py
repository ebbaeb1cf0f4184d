"""Tools as users run them: in a process of their own."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "tools"


@pytest.fixture
def run_tool():
    """Runs `tools/<name>.py` with flags; its output, if it ends well."""

    def run(name, *flags, check=True):
        done = subprocess.run(
            [sys.executable, str(FOLDER / f"{name}.py"), *flags],
            env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    return run
