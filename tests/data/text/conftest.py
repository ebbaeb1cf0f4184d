"""A vocabulary of words that needs no file, and windows of its tokens."""

import keras_hub
import pytest

from ones_keras.data import TextTokenizer, squad_windows
from tests.data.text.squad_cases import question

WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far", "home"]
WORDS += ["and", "very", "old", "sun", "rose", "low"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["##s", "##ing", ".", "!", "?", ","]


@pytest.fixture(scope="session")
def tokenizer():
    return TextTokenizer(
        keras_hub.tokenizers.BertTokenizer(
            vocabulary=[*SPECIAL, *WORDS, *PIECES]
        )
    )


@pytest.fixture
def windows(tokenizer):
    questions = [
        question("a", "old dog"),
        question("b", text="very old cat, very old dog"),
        question("c", "cat"),
    ]
    found = squad_windows(
        questions,
        tokenizer,
        sequence_length=16,
        stride=4,
        max_question_length=5,
    )
    return questions, found
