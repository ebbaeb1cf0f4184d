import ast
import importlib
import sys
import zlib

import pytest

from ones_keras.data import load_package_task, load_text_corpus
from ones_keras.data.text import docstrings
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
    docstrings._read_package.cache_clear()
    return folder


def test_what_is_held_out_is_not_in_training_too():
    train, *held_out = docstrings.split_docstrings(("keras", "matplotlib"))
    seen = {line for text in train for line in text.text.split("\n")}
    for split in held_out:
        assert len(split) > 10
        for docstring in split:
            assert len(docstring.text) >= docstrings.MIN_CHARACTERS
            assert not seen & set(docstring.text.split("\n"))
    # What is left stood in docstrings of the same module.
    whole = {}
    for docstring in read_docstrings(("keras", "matplotlib")):
        key = docstring.package, docstring.module
        whole.setdefault(key, set()).update(docstring.text.split("\n"))
    for docstring in held_out[1]:
        key = docstring.package, docstring.module
        assert set(docstring.text.split("\n")) <= whole[key]


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


def test_docstrings_wherever_they_stand(package):
    places = (
        "if x:\n def a(): {}\nelif y:\n def b(): {}\nelse:\n def c(): {}",
        "try:\n def d(): {}\nexcept E:\n def e(): {}\n"
        "else:\n def f(): {}\nfinally:\n def g(): {}",
        "for x in y:\n class h: {}\nelse:\n async def i(): {}",
        "while x:\n with y:\n  class j:\n   def k(): {}",
        "match x:\n case 1:\n  def m(): {}",
        "def n():\n def o(): {}\n return lambda: p",
    )
    source = "\n".join(places)
    count = source.count("{}")
    words = [f"Docstring number {n}. {PADDING.strip()}" for n in range(count)]
    source = source.format(*(repr(text) for text in words))
    (package / "c.py").write_text(source)
    found = [
        text.text
        for text in read_docstrings(("some_package",))
        if text.module == "c.py"
    ]
    assert sorted(found) == sorted(words)
    assert found == [
        ast.get_docstring(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, docstrings._DOCUMENTED) and ast.get_docstring(node)
    ]


def test_a_package_that_is_not_there():
    with pytest.raises(ValueError, match="'no_such_package'"):
        read_docstrings(("no_such_package",))
    with pytest.raises(ValueError, match=r"no_such_package\.part"):
        read_docstrings(("no_such_package.part",))


@pytest.fixture
def two_packages(monkeypatch):
    """The built-in corpus is that of two packages, for speed."""
    for name in PACKAGES:
        assert importlib.util.find_spec(name)
    packages = ("keras", "matplotlib")
    read = docstrings.read_docstrings
    monkeypatch.setattr(docstrings, "read_docstrings", lambda _: read(packages))
    return packages


def test_builtin_corpus_splits_modules(two_packages):
    corpus = load_text_corpus("builtin")
    found = docstrings.read_docstrings(PACKAGES)
    splits = [
        split.texts
        for split in (
            corpus.train_split,
            corpus.validation_split,
            corpus.test_split,
        )
    ]
    assert len(found) > 1500
    shares = [len(texts) / len(found) for texts in splits]
    assert 0.98 < sum(shares) <= 1
    assert all(0.02 < share < 0.1 for share in shares[1:])
    train = tuple(
        docstring.text
        for docstring in found
        if zlib.crc32(docstring.module.encode()) / 2**32 >= 0.1
    )
    assert splits[0] == train


def test_package_task_is_of_the_corpus_splits(two_packages):
    corpus = load_text_corpus("builtin")
    *splits, names = load_package_task(PACKAGES)
    assert names == PACKAGES
    package = {
        docstring.text: docstring.package
        for split in docstrings.split_docstrings(PACKAGES)
        for docstring in split
    }
    for split, texts in zip(
        splits,
        (corpus.train_split, corpus.validation_split, corpus.test_split),
        strict=True,
    ):
        assert tuple(split.first) == texts.texts
        assert [names[label] for label in split.labels] == [
            package[text] for text in split.first
        ]
    assert {names[label] for label in splits[2].labels} == set(two_packages)
