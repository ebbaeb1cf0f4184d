"""Tokens, and where in the text they come from."""

import re
import unicodedata
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from ones_keras.data.text.fold import DOUBLE_QUOTES, fold


class TokenOffsets(NamedTuple):
    """The tokens of one text.

    Attributes:
        ids: int32 array of shape `(n,)`.
        starts, ends: int32 arrays of shape `(n,)`. `text[start:end]` is what a
            token stands for, without spaces around it.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def token_offsets(texts, tokenizer):
    """Tokenises as `tokenizer` does, and says where each token comes from.

    Offsets are places in the texts as they are given, in characters, whatever
    case and accents the tokenizer removes.

    Args:
        texts: list of strings.
        tokenizer: `TextTokenizer`.

    Returns:
        A list of `TokenOffsets`.

    Example:

    ```python
    (found,) = token_offsets(["Some text"], tokenizer)
    ```
    """
    split = _sentence_pieces if tokenizer.is_sentence_piece else _word_pieces
    prepared = [_prepare(text, tokenizer) for text in texts]
    found = []
    for text, (short, begins, stops), (ids, starts, ends) in zip(
        texts,
        prepared,
        split([short for short, _, _ in prepared], tokenizer),
        strict=True,
    ):
        # Places of the bytes of `short`, then of its characters in `text`.
        characters = np.repeat(
            np.arange(len(short)), [len(c.encode()) for c in short]
        )
        characters = np.append(characters, len(short))
        begin = begins[characters[starts]]
        # Behind the last character that a token holds.
        last = stops[characters[np.maximum(ends - 1, starts)]]
        end = np.where(ends > starts, last, begin)
        found.append(_without_spaces(text, ids, begin, end))
    return found


def _prepare(text, tokenizer):
    """The text as it is tokenised, and what each character comes from.

    Returns:
        A string, and where what its characters and its end stand for begins
        and stops in `text`, two int arrays.
    """
    begins, stops = np.arange(len(text)), np.arange(1, len(text) + 1)
    length = len(text)
    text = text.replace("\0", " ")

    def repeat(parts):
        counts = [len(part) for part in parts]
        return np.repeat(begins, counts), np.repeat(stops, counts)

    if tokenizer.is_sentence_piece:
        pairs = [found.start() for found in re.finditer(DOUBLE_QUOTES, text)]
        second = np.array(pairs, int) + 1
        stops[pairs] += 1
        begins, stops = np.delete(begins, second), np.delete(stops, second)
        text = re.sub(DOUBLE_QUOTES, '"', text)
    if tokenizer.lowercase:
        # The case goes by neighbours: a sigma at the end is another one.
        begins, stops = repeat([character.lower() for character in text])
        parts = [fold(character) for character in text.lower()]
        begins, stops = repeat(parts)
        text = "".join(parts)
    return text, np.append(begins, length), np.append(stops, length)


def _sentence_pieces(texts, tokenizer):
    pieces = tf_text.SentencepieceTokenizer(model=tokenizer.tokenizer.proto)
    # In bytes already.
    parts = pieces.tokenize_with_offsets(tf.constant(texts, "string"))
    rows = ([np.array(row, int) for row in part.to_list()] for part in parts)
    yield from zip(*rows, strict=True)


def _word_pieces(texts, tokenizer):
    for text in texts:
        words = list(_words(text))
        ids, starts, ends = [], [], []
        if words:
            rows = tokenizer([text[a:b] for a, b in words]).to_list()
            for (start, end), row in zip(words, rows, strict=True):
                place = start
                for index, token in enumerate(row):
                    piece = tokenizer.tokenizer.id_to_token(token)
                    length = len(piece.removeprefix("##"))
                    if len(row) == 1:  # Unknown words too.
                        length = end - start
                    elif index == len(row) - 1:
                        length = end - place
                    ids.append(token)
                    starts.append(place)
                    ends.append(place + length)
                    place += length
        to_bytes = np.cumsum([0, *(len(c.encode()) for c in text)])
        yield (
            np.array(ids, "int32"),
            to_bytes[np.array(starts, int)],
            to_bytes[np.array(ends, int)],
        )


def _words(text):
    """Start and end of BERT's words: each punctuation mark is one."""
    start = None
    for place, character in enumerate(text):
        if _is_space(character) or _is_mark(character):
            if start is not None:
                yield start, place
            start = None
            if not _is_space(character):
                yield place, place + 1
        elif start is None:
            start = place
    if start is not None:
        yield start, len(text)


def _is_space(character):
    category = unicodedata.category(character)
    return category.startswith("Z") or category in ("Cc", "Cf")


def _is_mark(character):
    code = ord(character)
    return (
        (code < 128 and not character.isalnum())
        or unicodedata.category(character).startswith("P")
        or 0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x2CEAF
        or 0x2F800 <= code <= 0x2FA1F
    )


def _without_spaces(text, ids, starts, ends):
    starts, ends = starts.copy(), ends.copy()
    for index in range(len(ids)):
        while starts[index] < ends[index] and text[starts[index]].isspace():
            starts[index] += 1
        while starts[index] < ends[index] and text[ends[index] - 1].isspace():
            ends[index] -= 1
    return TokenOffsets(
        ids.astype("int32"), starts.astype("int32"), ends.astype("int32")
    )
