"""What a vocabulary does to text first."""

import unicodedata

import tensorflow as tf
import tensorflow_text as tf_text

_ACCENTS = r"\p{Mn}"
# ALBERT's preparation makes one mark of each of the two of TeX.
DOUBLE_QUOTES = "``|''"
SPACES = r"\p{Z}"


def fold(text):
    """`text` in lower case and without accents.

    Args:
        text: string.

    Example:

    ```python
    fold("Crème Brûlée")  # "creme brulee"
    ```
    """
    text = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in text if unicodedata.category(c) != "Mn")


def fold_tensor(texts):
    """The same of a string tensor of any shape."""
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf_text.normalize_utf8(texts, "NFD")
    return tf.strings.regex_replace(texts, _ACCENTS, "")
