"""The docstrings of installed packages as real prose."""

import ast
import collections
import functools
import importlib.util
import pathlib
import re
import zlib
from typing import NamedTuple

# Requirements of this one, so that they are there.
PACKAGES = (
    "numpy",
    "scipy",
    "sklearn",
    "matplotlib",
    "keras",
    "keras_hub",
)
MIN_CHARACTERS = 200
# By the checksum of a module's name: training, validation and test.
_SHARES = ((0.1, 1.0), (0.05, 0.1), (0.0, 0.05))
# Underlines, and directives such as `.. versionadded::`.
_NOT_PROSE = re.compile(r"\s*(\.\.(\s|$)|[-=~^*+|`#]{3,})")
_DOCUMENTED = (
    ast.Module,
    ast.ClassDef,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
)


class Docstring(NamedTuple):
    """One docstring.

    Attributes:
        text: string. One paragraph a line.
        package: string.
        module: string. Path of the file below the folder of the package.
    """

    text: str
    package: str
    module: str


def split_docstrings(packages=PACKAGES):
    """The docstrings for training, validation and test, split by module.

    Parameters are often described in the same words in many modules: of what
    is held out, paragraphs that stand in a training docstring too are dropped,
    and docstrings of which too little is left.

    Args:
        packages: As in `read_docstrings`.

    Returns:
        Three lists of `Docstring`s.
    """
    splits = [], [], []
    for docstring in read_docstrings(packages):
        place = zlib.crc32(docstring.module.encode()) / 2**32
        for (low, high), found in zip(_SHARES, splits, strict=True):
            if low <= place < high:
                found.append(docstring)
    train, *held_out = splits
    seen = {line for docstring in train for line in docstring.text.split("\n")}
    return train, *(_without(split, seen) for split in held_out)


def _without(docstrings, seen):
    found = []
    for docstring in docstrings:
        lines = docstring.text.split("\n")
        text = "\n".join(line for line in lines if line not in seen)
        if len(text) >= MIN_CHARACTERS:
            found.append(docstring._replace(text=text))
    return found


def read_docstrings(packages=PACKAGES):
    """Extracts the docstrings of packages, without importing these.

    What is no prose is left out: code examples, fenced blocks, underlines and
    directives; and of docstrings that occur several times all but the first.

    Args:
        packages: tuple of strings. Names of installed packages.

    Returns:
        A tuple of `Docstring`s of 200 characters or more, in the order of the
        files' names.

    Raises:
        ValueError: A package that is not installed.
    """
    found, seen = [], set()
    for package in packages:
        for docstring in _read_package(package):
            if docstring.text not in seen:
                seen.add(docstring.text)
                found.append(docstring)
    return tuple(found)


# Seconds each, and more than one asks for them.
@functools.lru_cache(maxsize=16)
def _read_package(package):
    folder = _folder(package)
    found = []
    for path in sorted(folder.rglob("*.py")):
        module = path.relative_to(folder)
        if not _is_test(module):
            found += [
                Docstring(text, package, module.as_posix())
                for text in _docstrings(path)
                if len(text) >= MIN_CHARACTERS
            ]
    return tuple(found)


def _folder(package):
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "The docstrings of a package can be read where it is installed. "
            f"Received: `packages` with {package!r}."
        )
    return pathlib.Path(spec.submodule_search_locations[0])


def _is_test(module):
    return (
        {"tests", "testing"} & set(module.parts)
        or module.name.startswith("test_")
        or module.name.endswith("_test.py")
    )


def _docstrings(path):
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # A template, or of another Python.
        return
    for node in _statements(tree):
        if isinstance(node, _DOCUMENTED):
            text = ast.get_docstring(node)
            if text:
                yield _prose(text)


def _statements(tree):
    """Statements in the order of `ast.walk`.

    Without expressions, which have no docstrings and take most of its time.
    """
    waiting = collections.deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            waiting.extend(getattr(node, field, ()))


def _prose(docstring):
    """The paragraphs of a docstring, one a line."""
    paragraphs, lines, fenced, example = [], [], False, False
    for line in [*docstring.splitlines(), ""]:
        text = line.strip()
        fence = text.startswith("```")
        fenced ^= fence
        # Up to the next blank line, as what follows is the output.
        example = bool(text) and (example or text.startswith(">>>"))
        if not text and not fenced:
            if lines:
                paragraphs.append(" ".join(lines))
            lines = []
        elif not (fence or fenced or example or _NOT_PROSE.match(line)):
            lines.append(text)
    return "\n".join(paragraphs)
