"""Corpora by name."""

import glob
import pathlib

from ones_keras.data.keep_tensorflow_off_gpu import keep_tensorflow_off_gpu
from ones_keras.data.text.docstrings import split_docstrings
from ones_keras.data.text.document_files import (
    LONGEST_LINE,
    DocumentFiles,
    read_lines,
)
from ones_keras.data.text.document_list import DocumentList
from ones_keras.data.text.line_groups import (
    stretches_of_paragraphs,
    wikitext_articles,
)
from ones_keras.data.text.text_corpus import TextCorpus
from ones_keras.data.text.wikipedia import load_wikipedia

# Of what has no splits of its own.
_TEST_SHARE, _VALIDATION_SHARE = 0.05, 0.05
_SHARES = (
    (_TEST_SHARE + _VALIDATION_SHARE, 1.0),
    (_TEST_SHARE, _TEST_SHARE + _VALIDATION_SHARE),
    (0.0, _TEST_SHARE),
)


def load_text_corpus(name, data_dir=None):
    """Loads a corpus, with its splits.

    - `"builtin"`: the docstrings of numpy, scipy, scikit-learn, matplotlib,
      keras and keras_hub, as they are installed. Their modules are split.
    - `"text"`: UTF-8 text files, `data_dir` being a folder of `*.txt`, a file
      or a glob, whose `**` is any number of folders. Blank lines separate
      paragraphs; stretches of 2000 characters or more are the documents, of
      which a twentieth each, by a checksum, is held out for validation and
      for test.
    - `"wikitext"`: WikiText, `data_dir` being the folder that holds
      `wiki.train.tokens`, `wiki.valid.tokens` and `wiki.test.tokens`.
    - `"wikipedia"`: the English Wikipedia through TensorFlow Datasets,
      `data_dir` being where these are kept. Articles are split by a checksum.

    Args:
        name: string.
        data_dir: string, path or `None`. Defaults to `None`.

    Returns:
        A `TextCorpus`.

    Raises:
        ValueError: An unknown name, a `data_dir` that is missing or not
            wanted, an empty split, or a file that cannot be read or is not
            UTF-8, which is named. All files are read once here, so that
            training does not end at the last one.

    Example:

    ```python
    corpus = ones_keras.data.load_text_corpus("text", "books/*.txt")
    document = next(corpus.train_split.documents())
    ```
    """
    loaders = {
        "builtin": _load_builtin,
        "text": _load_text_files,
        "wikitext": _load_wikitext,
        "wikipedia": load_wikipedia,
    }
    if name not in loaders:
        raise ValueError(
            f"`name` must be one of {', '.join(map(repr, loaders))}. "
            f"Received: `name={name!r}`."
        )
    keep_tensorflow_off_gpu()
    if name == "builtin" and data_dir is not None:
        raise ValueError(
            "The built-in corpus takes no `data_dir`. Received: "
            f"`data_dir={str(data_dir)!r}`."
        )
    if name in ("text", "wikitext") and data_dir is None:
        raise ValueError(
            f'The corpus "{name}" needs `data_dir`. Received: `data_dir=None`.'
        )
    return loaders[name](data_dir)


def _load_builtin(_):
    splits = (
        DocumentList(tuple(docstring.text for docstring in split))
        for split in split_docstrings()
    )
    return TextCorpus("builtin", *splits)


def _load_text_files(data_dir):
    pattern = str(data_dir)
    if pathlib.Path(pattern).is_dir():
        pattern = str(pathlib.Path(glob.escape(pattern)) / "*.txt")
    paths = sorted(glob.glob(pattern, recursive=True))
    paths = tuple(filter(pathlib.Path.is_file, map(pathlib.Path, paths)))
    if not paths:
        raise ValueError(
            "The corpus has no files. Received: "
            f"`data_dir={str(data_dir)!r}`, where {pattern} finds none."
        )
    group = stretches_of_paragraphs
    return _checked(
        TextCorpus(
            "text", *(DocumentFiles(paths, group, share) for share in _SHARES)
        )
    )


def _load_wikitext(data_dir):
    paths = (
        pathlib.Path(data_dir) / f"wiki.{split}.tokens"
        for split in ("train", "valid", "test")
    )
    return _checked(
        TextCorpus(
            "wikitext",
            *(DocumentFiles((path,), wikitext_articles) for path in paths),
        )
    )


def _checked(corpus):
    """`corpus`, every line of whose files has been decoded once."""
    splits = corpus.train_split, corpus.validation_split, corpus.test_split
    for path in dict.fromkeys(path for split in splits for path in split.paths):
        for _ in read_lines(path, LONGEST_LINE):
            pass
    for name, split in zip(
        ("train", "validation", "test"), splits, strict=True
    ):
        if next(split.documents(), None) is None:
            raise ValueError(
                f"The corpus has no document in its {name} split: it is too "
                "little text (plain text files need some hundred kilobytes). "
                f"Received: {[str(path) for path in split.paths]}."
            )
    return corpus
