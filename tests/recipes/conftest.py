"""Recipes as modules of the test process."""

import importlib
import pathlib
import sys

import pytest
from absl import flags
from absl.testing import flagsaver
from matplotlib.figure import Figure

from tests.recipe_flags import forget_recipe_flags

FOLDER = pathlib.Path(__file__).parents[2] / "recipes"


@pytest.fixture(autouse=True)
def _coarse_pictures(monkeypatch):
    """How they look is no matter here, and fine ones take a second each."""
    save = Figure.savefig

    def savefig(figure, *args, **kwargs):
        save(figure, *args, **{**kwargs, "dpi": 20})

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def recipes_on_path(monkeypatch):
    """The modules of the recipes can be imported."""
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def import_recipe(recipes_on_path):
    """Imports a recipe whose flags no other one has taken."""

    def run(name):
        forget_recipe_flags()
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return run


@pytest.fixture
def run_recipe(import_recipe, monkeypatch, capsys):
    """Runs the main function of a recipe; returns what it printed."""

    def run(module, *arguments):
        argv = [f"{module.__name__}.py", *arguments]
        monkeypatch.setattr(sys, "argv", argv)
        capsys.readouterr()
        with flagsaver.flagsaver():
            flags.FLAGS(argv)
            module.main(argv[:1])
        return capsys.readouterr().out

    return run
