"""A vocabulary of words that needs no file."""

import keras_hub
import pytest

from ones_keras.data import TextTokenizer

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
