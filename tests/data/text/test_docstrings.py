import importlib
import pathlib
import sys
import zlib

import pytest

from ones_keras.data import load_text_corpus
from ones_keras.data.text import load_text_corpus as load_text_corpus_module
from ones_keras.data.text.docstrings import PACKAGES, read_docstrings

SOURCE = '''
"""A module.

{padding}
"""

def function(x):
    r"""Does one thing to x.

    Over two
    lines, with `code`. {padding}

    .. versionadded:: 1.0

    Returns
    -------
    The thing.

    >>> function(1)
    2

    ```python
    function(3)

    function(4)
    ```
    The end.
    """

def again(x):
    """Too short."""
'''
PADDING = "Words that make it long enough to be of any use. " * 5


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_package"
    (folder / "tests").mkdir(parents=True)
    source = SOURCE.format(padding=PADDING)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "a.py").write_text(source)
    (folder / "b_copy.py").write_text(source)
    (folder / "tests" / "test_a.py").write_text(source.replace("thing", "test"))
    (folder / "template.py").write_text("def {{ name }}:")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_prose_is_found_without_importing(package):
    found = read_docstrings(("some_package",))
    assert "some_package" not in sys.modules
    assert [(text.package, text.module) for text in found] == [
        ("some_package", "a.py")
    ] * 2
    module, function = (text.text for text in found)
    padding = PADDING.strip()
    assert module == f"A module.\n{padding}"
    assert function == (
        f"Does one thing to x.\nOver two lines, with `code`. {padding}\n"
        "Returns The thing.\nThe end."
    )


def test_a_package_that_is_not_there():
    with pytest.raises(ValueError, match="'no_such_package'"):
        read_docstrings(("no_such_package",))


def test_builtin_corpus_splits_modules(monkeypatch):
    for name in PACKAGES:
        assert importlib.util.find_spec(name)
    docstrings = read_docstrings(("keras", "matplotlib"))
    monkeypatch.setattr(
        load_text_corpus_module, "read_docstrings", lambda: docstrings
    )
    corpus = load_text_corpus("builtin")
    shares = [
        len(split.texts)
        for split in (
            corpus.train_split,
            corpus.validation_split,
            corpus.test_split,
        )
    ]
    total = sum(shares)
    assert total == len(docstrings) > 1500
    assert all(0.02 < share / total < 0.1 for share in shares[1:])
    modules = {text.text: text.module for text in docstrings}
    held_out = {modules[text] for text in corpus.test_split.texts}
    assert not held_out & {modules[text] for text in corpus.train_split.texts}
    for module in held_out:
        assert zlib.crc32(module.encode()) / 2**32 < 0.05
        assert pathlib.PurePath(module).suffix == ".py"
