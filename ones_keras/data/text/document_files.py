"""A split whose documents lie in text files."""

import dataclasses
import pathlib
import zlib
from collections.abc import Callable

_OPEN_FILES = 16
# Bytes. There are files of a single line.
LONGEST_LINE = 2**20


@dataclasses.dataclass(frozen=True)
class DocumentFiles:
    """Documents read from text files, one split of a `TextCorpus`.

    No more than one document a file is in memory at a time, of up to 16 files
    that are read in turns.

    Args:
        paths: tuple of paths. UTF-8 text files.
        group_lines: callable from an iterable of lines to an iterable of
            documents, such as `wikitext_articles`.
        share: pair of floats `(low, high)`. The documents whose checksum, as a
            share of the largest, lies in `[low, high)`, so that a document and
            its copies are in one split. Defaults to `(0.0, 1.0)`, all.

    Example:

    ```python
    split = DocumentFiles(("a.txt",), stretches_of_paragraphs)
    for document in split.documents():
        ...
    ```
    """

    paths: tuple[pathlib.Path, ...]
    group_lines: Callable
    share: tuple[float, float] = (0.0, 1.0)

    def documents(self, rng=None):
        """Yields the documents, as strings, once.

        Args:
            rng: `numpy.random.Generator` or `None`. Decides the order of the
                files; `None` is that of `paths`, one file after another.

        Raises:
            ValueError: A file that cannot be read or is not UTF-8.
        """
        if rng is None:
            for path in self.paths:
                yield from self._read(path)
            return
        waiting = [self.paths[i] for i in rng.permutation(len(self.paths))]
        reading = []
        while waiting or reading:
            while waiting and len(reading) < _OPEN_FILES:
                reading.append(self._read(waiting.pop()))
            for documents in tuple(reading):
                document = next(documents, None)
                if document is None:
                    reading.remove(documents)
                else:
                    yield document

    def _read(self, path):
        low, high = (bound * 2**32 for bound in self.share)
        for document in self.group_lines(read_lines(path, LONGEST_LINE)):
            if low <= zlib.crc32(document.encode()) < high:
                yield document


def read_lines(path, longest=-1):
    """Yields the lines of a UTF-8 file, a byte order mark left out.

    Args:
        path: path.
        longest: int. Bytes from which on a line is given in parts, cut behind
            a space where it has one; -1 never cuts. Defaults to `-1`.

    Raises:
        ValueError: A file that cannot be read, or whose line, then named, is
            not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            number, rest = 1, b""
            while line := rest + file.readline(longest):
                whole = line.endswith(b"\n") or not 0 < longest <= len(line)
                cut = len(line) if whole else _last_cut(line)
                line, rest = line[:cut], line[cut:]
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise ValueError(
                        f"Text must be UTF-8. Received: {path}, line "
                        f"{number} ({error})."
                    ) from error
                yield text.rstrip("\r\n")
                number += whole
    except OSError as error:
        raise ValueError(
            f"The file cannot be read. Received: {path} ({error})."
        ) from error


def _last_cut(line):
    """Where a part of a line can end: behind its last space or character."""
    cut = line.rfind(b" ") + 1
    if not cut:
        cut = len(line) - 1
        while cut > 1 and line[cut] & 0xC0 == 0x80:  # Within a character.
            cut -= 1
    return cut
