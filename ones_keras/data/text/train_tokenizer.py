"""A vocabulary of one's own."""

import io
import itertools
import re

import keras_hub
import sentencepiece
import tensorflow as tf

from ones_keras.data.text.fold import DOUBLE_QUOTES, SPACES, fold
from ones_keras.data.text.text_tokenizer import TextTokenizer
from ones_keras.data.untuned import untuned
from ones_keras.validation import check_positive_int

_KINDS = ("sentencepiece", "wordpiece")
_BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# More would not change the vocabulary much, and all of it is in memory.
_MOST_LINES = 500_000


def train_tokenizer(
    documents, vocabulary_size, kind="sentencepiece", lowercase=True
):
    """Learn a vocabulary from text.

    Args:
        documents: iterable of strings. Of these the first 500,000 lines are
            looked at.
        vocabulary_size: int. Tokens, special ones included; a WordPiece
            vocabulary comes near it, and stays below where there is little
            text.
        kind: `"sentencepiece"`, ALBERT's unigram model, or `"wordpiece"`,
            BERT's. Defaults to `"sentencepiece"`.
        lowercase: bool. As in `TextTokenizer`. Defaults to `True`.

    Returns:
        A `TextTokenizer`.

    Raises:
        ValueError: An argument out of its range, no text, or, for
            SentencePiece, too little for so many tokens.

    Example:

    ```python
    documents = ["A document.", "Another, longer one."]
    tokenizer = ones_keras.data.train_tokenizer(documents, vocabulary_size=24)
    ```
    """
    check_positive_int("vocabulary_size", vocabulary_size)
    if kind not in _KINDS:
        raise ValueError(
            f"`kind` must be one of {_KINDS}. Received: `kind={kind!r}`."
        )
    lines = itertools.islice(
        (
            line
            for document in documents
            for line in document.splitlines()
            if line.strip()
        ),
        _MOST_LINES,
    )
    train = _sentence_piece if kind == "sentencepiece" else _word_piece
    return TextTokenizer(train(lines, vocabulary_size, lowercase), lowercase)


def _sentence_piece(lines, vocabulary_size, lowercase):
    lines = (re.sub(DOUBLE_QUOTES, '"', line) for line in lines)
    if lowercase:
        lines = (fold(line) for line in lines)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines,
            model_writer=model,
            vocab_size=vocabulary_size,
            model_type="unigram",
            max_sentence_length=2**16,
            num_threads=1,  # The sums, and so the pieces, go by the threads.
            minloglevel=2,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            pad_piece="<pad>",
            unk_piece="<unk>",
            bos_piece="[CLS]",
            eos_piece="[SEP]",
            control_symbols="[MASK]",
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(
            "No vocabulary of this size could be learned from the text. "
            f"Received: `vocabulary_size={vocabulary_size}` ({error})."
        ) from error
    return keras_hub.tokenizers.AlbertTokenizer(proto=model.getvalue())


def _word_piece(lines, vocabulary_size, lowercase):
    first = next(lines, None)
    if first is None or vocabulary_size <= len(_BERT_TOKENS):
        raise ValueError(
            f"A vocabulary is learned from text, and has more than its "
            f"{len(_BERT_TOKENS)} special tokens. Received: "
            f"`vocabulary_size={vocabulary_size}`, "
            f"{'no text' if first is None else 'text'}."
        )
    lines = itertools.chain([first], lines)
    dataset = tf.data.Dataset.from_generator(
        lambda: lines, output_signature=tf.TensorSpec((), "string")
    )
    # As `TextTokenizer` does, which never sees what they join as a word.
    dataset = dataset.batch(256).map(
        lambda lines: tf.strings.regex_replace(lines, SPACES, " ")
    )
    words = keras_hub.tokenizers.compute_word_piece_vocabulary(
        untuned(dataset),
        vocabulary_size,
        lowercase=lowercase,
        strip_accents=lowercase,
        reserved_tokens=_BERT_TOKENS,
    )
    return keras_hub.tokenizers.BertTokenizer(vocabulary=words)
