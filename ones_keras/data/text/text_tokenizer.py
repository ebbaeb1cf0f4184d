"""A vocabulary, and what the masking needs to know of it."""

import pathlib
import re

import keras_hub
import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from ones_keras.data.text.fold import DOUBLE_QUOTES, SPACES, fold_tensor
from ones_keras.write_aside import write_aside

_SPECIAL = (
    *("<pad>", "<unk>", "<s>", "</s>"),
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
)
# Places that BERT's vocabularies keep free.
_UNUSED = re.compile(r"\[unused\d+\]")
# Of SentencePiece: no "▁", and English letters, if need be with a mark.
_WORD_GOES_ON = re.compile(r"(?=.*[A-Za-z])[!-/:-~]+")
_WORD_CONTINUED = "##"  # of WordPiece


class TextTokenizer:
    """Text to token ids, on KerasHub's SentencePiece and WordPiece tokenizers.

    Args:
        tokenizer: `keras_hub.tokenizers.AlbertTokenizer` or
            `keras_hub.tokenizers.BertTokenizer`.
        lowercase: bool. Whether case and accents are removed first, as in the
            uncased ALBERT and BERT. Defaults to `True`.

    Attributes:
        vocabulary_size: int.
        pad_id, cls_id, sep_id, mask_id: int. The special tokens.
        starts_word: bool array of shape `(vocabulary_size,)`. Whether a token
            is the first of its word. Of SentencePiece also marks, digits and
            letters beyond the English ones are, as in ALBERT's own masking:
            what stands between two spaces may be long.
        is_text: bool array of shape `(vocabulary_size,)`. Whether a token
            stands for text: it is neither special nor the unknown one.
        ordinary_ids: int32 array. The tokens for which `is_text` is true.

    Example:

    ```python
    tokenizer = ones_keras.data.load_tokenizer("spiece.model")
    tokenizer(["Sparse to dense"])  # a tf.RaggedTensor of int32 ids
    ```
    """

    def __init__(self, tokenizer, lowercase=True):
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.vocabulary_size = tokenizer.vocabulary_size()
        self.pad_id = tokenizer.pad_token_id
        self.cls_id = tokenizer.cls_token_id
        self.sep_id = tokenizer.sep_token_id
        self.mask_id = tokenizer.mask_token_id
        tokens = [
            tokenizer.id_to_token(index)
            for index in range(self.vocabulary_size)
        ]
        self.is_sentence_piece = hasattr(tokenizer, "proto")
        if self.is_sentence_piece:
            starts = [not _WORD_GOES_ON.fullmatch(token) for token in tokens]
        else:
            starts = [not token.startswith(_WORD_CONTINUED) for token in tokens]
        self.starts_word = np.array(starts)
        self.is_text = np.array([not _is_special(token) for token in tokens])
        self.ordinary_ids = np.flatnonzero(self.is_text).astype("int32")

    def __call__(self, texts):
        """The ids of a batch of strings.

        Args:
            texts: string tensor of shape `(n,)`, or a list of strings.

        Returns:
            `tf.RaggedTensor` of int32, no special tokens in it.
        """
        return self._tokenize(tf.convert_to_tensor(texts, "string"))

    # In a graph KerasHub's tokenizers give a tf.RaggedTensor on every backend.
    @tf.function(
        input_signature=[tf.TensorSpec([None], "string")], reduce_retracing=True
    )
    def _tokenize(self, texts):
        # TensorFlow's functions end there as C's do.
        texts = tf.strings.regex_replace(texts, "\\x00", " ")
        if self.is_sentence_piece:
            texts = tf.strings.regex_replace(texts, DOUBLE_QUOTES, '"')
        else:  # As in BERT; to KerasHub most of them are letters.
            texts = tf.strings.regex_replace(texts, SPACES, " ")
        if self.lowercase:
            texts = fold_tensor(texts)
        if not self.is_sentence_piece:
            return self.tokenizer.tokenize(texts)
        # KerasHub's own, made outside of the graph, is gone as soon as
        # `keras.utils.set_random_seed` empties TensorFlow's caches.
        pieces = tf_text.SentencepieceTokenizer(model=self.tokenizer.proto)
        return pieces.tokenize(texts)

    @property
    def content(self):
        """The vocabulary as the bytes of a file that `load_tokenizer` reads."""
        if self.is_sentence_piece:
            return self.tokenizer.proto
        words = self.tokenizer.get_vocabulary()
        return ("\n".join(words) + "\n").encode()

    def save(self, path):
        """Write the vocabulary to a file."""
        with write_aside(path) as aside:
            aside.write_bytes(self.content)


def load_tokenizer(path, lowercase=True):
    """Read a vocabulary file.

    Args:
        path: string or path. A SentencePiece model with ALBERT's special
            tokens (`[CLS]`, `[SEP]`, `[MASK]`, `<pad>`), or a text file of one
            WordPiece a line with BERT's.
        lowercase: bool. As in `TextTokenizer`. Defaults to `True`.

    Returns:
        A `TextTokenizer`.

    Raises:
        ValueError: A file that is missing, cannot be read, or lacks a special
            token.

    Example:

    ```python
    tokenizer = ones_keras.data.load_tokenizer("vocab.txt")
    ```
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
        return TextTokenizer(_hub_tokenizer(content), lowercase)
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ValueError(
            "The vocabulary must be a SentencePiece model of ALBERT or a "
            f"WordPiece list of BERT ({error}). Received: `path={str(path)!r}`."
        ) from error


def _hub_tokenizer(content):
    # A SentencePiece model is binary from its first byte on.
    if content[:1] != b"\n":
        # Other line ends of Unicode may be tokens.
        text = content.decode("utf-8-sig").removesuffix("\n")
        words = [line.removesuffix("\r") for line in text.split("\n")]
        return keras_hub.tokenizers.BertTokenizer(vocabulary=words)
    return keras_hub.tokenizers.AlbertTokenizer(proto=content)


def _is_special(token):
    # Not all in brackets: a vocabulary may have learned "[0]".
    return token in _SPECIAL or bool(_UNUSED.fullmatch(token))
