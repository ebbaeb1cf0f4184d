import gzip
import json

import numpy as np
import pytest

from ones_keras.data import load_tokenizer, train_tokenizer
from ones_keras.data.text.token_offsets import token_offsets

TEXT = (
    "  The café's ﬁrst “quoted”  text:\n日本 and … 2.5 km² İstanbul! "
    "ΟΔΟΣ, ``x''."
)


def surfaces(text, found):
    return [text[a:b] for a, b in zip(found.starts, found.ends, strict=True)]


def test_word_pieces(tokenizer):
    text = "The CATS sat;  on a Mát, unknown!"
    (found,) = token_offsets([text], tokenizer)
    assert found.ids.tolist() == tokenizer([text])[0].numpy().tolist()
    assert surfaces(text, found) == [
        *("The", "CAT", "S", "sat", ";", "on", "a", "Mát", ","),
        *("unknown", "!"),
    ]


def test_sentence_pieces():
    words = ["gathering", "experts", "densely", "naïve", "students"]
    documents = [f"{a} {b} {c}" for a in words for b in words for c in words]
    tokenizer = train_tokenizer(documents, 26)
    text = " Naïve  EXPERTS gathering."
    (found,) = token_offsets([text], tokenizer)
    assert found.ids.tolist() == tokenizer([text])[0].numpy().tolist()
    pieces = surfaces(text, found)
    assert "".join(pieces) == text.replace(" ", "")
    assert pieces[0][0] == "N"


def test_two_marks_that_are_one_to_a_sentence_piece():
    documents = [f'"{a}{b}" {c}' for a in "abc" for b in "abc" for c in "abc"]
    tokenizer = train_tokenizer(documents, 12)
    text = "A ``Bc'' ca"
    (found,) = token_offsets([text], tokenizer)
    assert found.ids.tolist() == tokenizer(['A "Bc" ca'])[0].numpy().tolist()
    pieces = surfaces(text, found)
    assert "".join(pieces) == text.replace(" ", "")
    assert {"``", "''"} <= set(pieces)


@pytest.mark.parametrize("space", ["\xa0", "\u3000", "\0"])
def test_spaces_of_unicode(space, tokenizer):
    text = f"the{space}CAT sat"
    (found,) = token_offsets([text], tokenizer)
    assert found.ids.tolist() == tokenizer([text])[0].numpy().tolist()
    assert surfaces(text, found) == ["the", "CAT", "sat"]


def test_nothing_and_spaces(tokenizer):
    empty, spaces = token_offsets(["", "  \n"], tokenizer)
    assert empty.ids.shape == spaces.ids.shape == (0,)


@pytest.mark.parametrize(
    "vocabulary", ["albert-base-v2.spiece.model", "bert-base-uncased.vocab.txt"]
)
def test_real_contexts(vocabulary, shared_data):
    """Tokens are those of the whole text, and lie where answers lie."""
    tokenizer = load_tokenizer(shared_data / "vocab" / vocabulary)
    content = gzip.decompress(
        (shared_data / "squad" / "v2-16articles-train.json.gz").read_bytes()
    )
    paragraphs = [
        paragraph
        for article in json.loads(content)["data"][:4]
        for paragraph in article["paragraphs"]
    ]
    texts = [paragraph["context"] for paragraph in paragraphs]
    found = token_offsets([*texts, TEXT], tokenizer)
    whole = tokenizer([*texts, TEXT]).to_list()
    hits = []
    for text, offsets, ids in zip([*texts, TEXT], found, whole, strict=True):
        assert offsets.ids.tolist() == ids
        assert np.all(offsets.starts[1:] >= offsets.starts[:-1])
        covered = np.zeros(len(text), bool)
        for start, end in zip(offsets.starts, offsets.ends, strict=True):
            covered[start:end] = True
        left = {c for c, is_in in zip(text, covered, strict=True) if not is_in}
        assert all(c.isspace() for c in left), left
    for paragraph, offsets in zip(paragraphs, found, strict=False):
        for entry in paragraph["qas"]:
            for answer in entry["answers"]:
                start = answer["answer_start"]
                end = start + len(answer["text"])
                hits.append(start in offsets.starts and end in offsets.ends)
    # The others begin or end inside of a word.
    assert np.mean(hits) > 0.9
