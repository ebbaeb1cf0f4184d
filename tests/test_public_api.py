"""The code of the README, the public names, the examples in docstrings."""

import importlib
import inspect
import pathlib
import pkgutil
import re
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import ones_keras

README = pathlib.Path(__file__).parents[1] / "README.md"

# Examples of how to read what not every machine has.
NEED_FILES = {
    "ones_keras.data.cifar10.load_cifar10": "a download",
    "ones_keras.data.cifar100.load_cifar100": "a download",
    "ones_keras.data.fashion_mnist.load_fashion_mnist": "a download",
    "ones_keras.data.file_images.FileImages": "images",
    "ones_keras.data.image_folder.load_image_folder": "images",
    "ones_keras.data.image_records.load_image_records": "images",
    "ones_keras.data.imagenet2012.load_imagenet2012": "images",
    "ones_keras.data.keras_images.load_keras_images": "a download",
    "ones_keras.data.record_images.RecordImages": "images",
    "ones_keras.data.write_image_records.write_image_records": "images",
    **{
        f"ones_keras.data.text.{name}": "text files"
        for name in (
            "document_files.DocumentFiles",
            "glue.read_glue",
            "load_text_corpus.load_text_corpus",
            "squad.read_squad",
            "text_examples.TextExamples",
            "text_tokenizer.TextTokenizer",
            "text_tokenizer.load_tokenizer",
            "token_offsets.token_offsets",
        )
    },
}


def packages():
    found = pkgutil.iter_modules(ones_keras.__path__, "ones_keras.")
    names = ["ones_keras", *(module.name for module in found if module.ispkg)]
    return {name: importlib.import_module(name) for name in names}


PACKAGES = packages()


def python_blocks(markdown):
    return re.findall(r"```python\n(.*?)```", markdown, re.DOTALL)


def documented():
    """Modules, and their public classes, functions and methods, by name."""
    for module_name, module in sorted(sys.modules.items()):
        if module_name.partition(".")[0] != "ones_keras":
            continue
        yield module_name, module
        for name, member in vars(module).items():
            own = getattr(member, "__module__", None) == module_name
            if name.startswith("_") or not own:
                continue
            yield f"{module_name}.{name}", member
            if inspect.isclass(member):
                for attribute, value in vars(member).items():
                    if not (
                        attribute.startswith("_") or inspect.isclass(value)
                    ):
                        yield f"{module_name}.{name}.{attribute}", value


def examples():
    """The fenced Python of docstrings, with what it is an example of."""
    for name, member in documented():
        blocks = python_blocks(inspect.cleandoc(member.__doc__ or ""))
        for index, block in enumerate(blocks):
            yield pytest.param(name, member, block, id=f"{name}[{index}]")


@pytest.fixture
def _clean_registry():
    """Methods that an example registers are gone afterwards."""
    methods = ones_keras.gathering.METHODS
    before = dict(methods)
    yield
    methods.clear()
    methods.update(before)


# Keras warns of its own default wherever `fit` is given a `tf.data.Dataset`.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.usefixtures("eager")
def test_code_of_the_readme(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = rng.uniform(0, 255, (16, 8, 8, 1)).astype("float32")
    (tmp_path / "books").mkdir()
    texts = ones_keras.data.load_package_task(("keras",))[0].first[:300]
    (tmp_path / "books" / "one.txt").write_text("\n\n".join(texts))
    names = {}
    code = "".join(python_blocks(README.read_text()))
    for long, short in (
        ("documents(), 8000", "documents(), 200"),
        ("epochs=10", "epochs=1"),
        ("steps=100", "steps=2"),
        ("steps_per_epoch=100", "steps_per_epoch=2"),
        ('method="layer_fit",', 'method="layer_fit", steps=3,'),
    ):
        assert long in code
        code = code.replace(long, short)
    exec(code, names)
    assert names["teacher"].is_sparse
    assert not names["student"].is_sparse
    assert names["report"].agreement.num_predictions > 200
    logs = {k: v[0] for k, v in names["distiller"].history.history.items()}
    assert logs.keys() == {
        *("loss", "main_loss", "distill_loss", "accuracy"),
        *("val_loss", "val_main_loss", "val_accuracy"),
    }
    assert np.isfinite(list(logs.values())).all()
    loaded = keras.saving.load_model("student.keras")
    assert type(loaded).__module__.partition(".")[0] == "keras"
    assert names["classifier"].output_shape == (None, 2)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0),
        names["student"].predict(x, verbose=0),
        atol=1e-5,
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist_and_are_documented(package):
    package = PACKAGES[package]
    assert package.__doc__
    assert sorted(set(package.__all__)) == sorted(package.__all__)
    for name in package.__all__:
        member = getattr(package, name)
        if inspect.ismodule(member) or callable(member):
            # A dataclass without a docstring is given its signature for one.
            assert member.__doc__, name
            assert not member.__doc__.startswith(f"{name}("), name


@pytest.mark.usefixtures("_clean_registry", "eager")
@pytest.mark.parametrize(("name", "member", "example"), list(examples()))
def test_example_runs_as_written(name, member, example, tmp_path, monkeypatch):
    """With the usual imports, and the thing itself under its own name."""
    if name in NEED_FILES:
        pytest.skip(f"needs {NEED_FILES[name]}")
    monkeypatch.chdir(tmp_path)
    names = {"keras": keras, "np": np, "ones_keras": ones_keras, "tf": tf}
    exec(example, {**names, name.rpartition(".")[2]: member})
