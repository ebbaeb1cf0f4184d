"""Tools as `python tools/<name>.py` runs them, but in the test's process."""

import pathlib
import runpy
import sys

import pytest
from absl import app, flags

from tests.recipe_flags import forget_recipe_flags

FOLDER = pathlib.Path(__file__).parents[2] / "tools"


def call(main):
    """`app.run` without what it does to the process's logs and signals."""
    main(flags.FLAGS(sys.argv))


@pytest.fixture
def run_tool(monkeypatch, capfd):
    """Runs `tools/<name>.py` with flags; returns what it printed."""

    def run(name, *arguments):
        path = str(FOLDER / f"{name}.py")
        capfd.readouterr()
        forget_recipe_flags()
        before = set(flags.FLAGS)
        with monkeypatch.context() as context:
            context.setattr(sys, "argv", [path, *arguments])
            context.syspath_prepend(str(FOLDER))
            context.setattr(app, "run", call)
            try:
                runpy.run_path(path, run_name="__main__")
            finally:
                for flag in set(flags.FLAGS) - before:
                    delattr(flags.FLAGS, flag)
        return capfd.readouterr().out

    return run
