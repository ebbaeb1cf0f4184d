import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.data import load_tokenizer, train_tokenizer
from ones_keras.data.text.fold import fold, fold_tensor

TEXT = "The quick brown fox naïvely jumped over 13 lazy dogs, didn't it?"


def tokens_of(tokenizer, text):
    ids = tokenizer([text])[0].numpy()
    return [tokenizer.tokenizer.id_to_token(index) for index in ids]


# What Python's Unicode does not know yet (Cn) may be known to TensorFlow's.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn"])


@given(st.text(CHARACTERS, max_size=40))
@settings(max_examples=60, deadline=None)
def test_folding_is_the_same_in_python_and_tensorflow(text):
    found = fold_tensor([text]).numpy()[0].decode()
    assert found == fold(text)


def test_albert_vocabulary(shared_data):
    tokenizer = load_tokenizer(
        shared_data / "vocab" / "albert-base-v2.spiece.model"
    )
    assert tokenizer.vocabulary_size == 30000
    special = [0, 1, 2, 3, 4]  # <pad>, <unk>, [CLS], [SEP], [MASK]
    assert tokenizer.pad_id == 0
    assert [tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id] == [2, 3, 4]
    assert not set(special) & set(tokenizer.ordinary_ids)
    tokens = tokens_of(tokenizer, TEXT)
    assert tokens[:5] == ["▁the", "▁quick", "▁brown", "▁fox", "▁naive"]
    ids = tokenizer([TEXT])[0].numpy()
    goes_on = [
        token
        for token, start in zip(tokens, tokenizer.starts_word[ids], strict=True)
        if not start
    ]
    # Marks are words of their own, as in ALBERT's masking.
    assert goes_on == ["ly", "t"]


def test_bert_vocabulary(shared_data):
    tokenizer = load_tokenizer(
        shared_data / "vocab" / "bert-base-uncased.vocab.txt"
    )
    assert tokenizer.vocabulary_size == 30522
    assert [tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id] == [
        101,
        102,
        103,
    ]
    # [unused12] is no text.
    assert len(tokenizer.ordinary_ids) == 30522 - 994 - 5
    tokens = tokens_of(tokenizer, TEXT)
    assert tokens[4:7] == ["naive", "##ly", "jumped"]
    ids = tokenizer([TEXT])[0].numpy()
    starts = [not token.startswith("##") for token in tokens]
    np.testing.assert_array_equal(tokenizer.starts_word[ids], starts)


def test_pieces_in_brackets_are_text():
    documents = [f"element[0] of line[{i}] and table[0]" for i in range(99)]
    tokenizer = train_tokenizer(documents, 41)
    ids = range(tokenizer.vocabulary_size)
    pieces = np.array([tokenizer.tokenizer.id_to_token(i) for i in ids])
    assert "[0]" in pieces
    special = {"<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"}
    assert set(pieces[~tokenizer.is_text]) == special


def test_special_tokens_in_a_text_stay_text(tokenizer):
    ids = tokenizer(["the [MASK] sat [SEP]"])[0].numpy()
    assert tokenizer.mask_id not in ids
    assert tokenizer.sep_id not in ids


@pytest.mark.parametrize(
    ("kind", "size"), [("sentencepiece", 30), ("wordpiece", 60)]
)
def test_special_tokens_are_text_to_a_cased_vocabulary(kind, size):
    documents = [f"A [MASK] few [SEP] words here {i}" for i in range(99)]
    tokenizer = train_tokenizer(documents, size, kind=kind, lowercase=False)
    ids = tokenizer(["A [MASK] few [SEP] words"])[0].numpy()
    assert tokenizer.mask_id not in ids
    assert tokenizer.sep_id not in ids


@pytest.mark.parametrize(
    ("kind", "size"), [("sentencepiece", 60), ("wordpiece", 120)]
)
def test_own_vocabulary_round_trip(kind, size, tmp_path):
    words = ["sparse", "dense", "expert", "teacher", "gather", "naïve"]
    ends = ["ing", "ed", "ly", "ness", "s", "er"]
    documents = [
        " ".join(
            words[(i * k) % len(words)] + ends[(i + k) % len(ends)]
            for k in range(1, 8)
        )
        + f"\nLine {i}."
        for i in range(200)
    ]
    tokenizer = train_tokenizer(iter(documents), size, kind=kind)
    assert 40 < tokenizer.vocabulary_size <= size
    again = train_tokenizer(documents, size, kind=kind)
    tokens = tokens_of(tokenizer, documents[3])
    assert tokens_of(again, documents[3]) == tokens
    unknown = "<unk>" if kind == "sentencepiece" else "[UNK]"
    assert unknown not in tokens
    tokenizer.save(tmp_path / "vocabulary")
    loaded = load_tokenizer(tmp_path / "vocabulary")
    assert loaded.is_sentence_piece == (kind == "sentencepiece")
    assert tokens_of(loaded, documents[5]) == tokens_of(tokenizer, documents[5])
    np.testing.assert_array_equal(loaded.starts_word, tokenizer.starts_word)


def test_spaces_of_unicode_and_nul(tokenizer):
    """Part words in BERT's vocabulary; nothing ends the text."""
    text = "the\xa0cat\u3000sat\u2009on\0the mat"
    expected = tokenizer(["the cat sat on the mat"]).to_list()
    assert tokenizer([text]).to_list() == expected
    pieces = train_tokenizer(["the cat sat on the mat"] * 9, 17)
    assert (
        pieces([text]).to_list() == pieces(["the cat sat on the mat"]).to_list()
    )


def test_no_word_is_learned_across_a_space_of_unicode():
    documents = ["ten\u00a0kilogram of\u2009sugar"] * 50
    tokenizer = train_tokenizer(documents, 60, kind="wordpiece")
    words = tokenizer.tokenizer.get_vocabulary()
    assert {"ten", "kilogram", "of", "sugar"} <= set(words)
    assert not [word for word in words if {"\u00a0", "\u2009"} & set(word)]


def test_lines_of_a_word_piece_list(tmp_path):
    """With a byte order mark, line ends of Windows, and a token U+2028."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, "a", "\u2028", "\x85"]
    path = tmp_path / "vocab.txt"
    path.write_text("\ufeff" + "\r\n".join(words) + "\r\n", newline="")
    tokenizer = load_tokenizer(path)
    assert tokenizer.tokenizer.get_vocabulary() == words


def test_works_on_after_a_new_random_seed():
    """Which empties the caches that TensorFlow's kernels live in."""
    tokenizer = train_tokenizer(["a document", "another document"], 18)
    before = tokenizer(["a document"]).to_list()
    batches = tf.data.Dataset.from_tensors(["a document"]).map(tokenizer)
    keras.utils.set_random_seed(0)
    assert tokenizer(["a document"]).to_list() == before
    assert [batch.to_list() for batch in batches] == [before]


def test_too_little_text_is_said():
    with pytest.raises(ValueError, match="`vocabulary_size=5000`"):
        train_tokenizer(["a few words"], 5000)
    with pytest.raises(ValueError, match="`kind='bpe'`"):
        train_tokenizer(["a few words"], 10, kind="bpe")


def test_bad_vocabularies_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.txt"):
        load_tokenizer(tmp_path / "nowhere.txt")
    (tmp_path / "short.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"(?s)UNK.*short\.txt"):
        load_tokenizer(tmp_path / "short.txt")
    (tmp_path / "broken.model").write_bytes(b"\n\x0e\n\x05junk")
    with pytest.raises(ValueError, match=r"broken\.model"):
        load_tokenizer(tmp_path / "broken.model")
