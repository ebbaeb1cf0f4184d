import numpy as np
import pytest

from ones_keras.data import TextExamples


def examples_of(tokenizer, first, second=None, length=9):
    labels = np.arange(len(first), dtype="int32")
    return TextExamples(first, second, labels, tokenizer, length)


def tokens(tokenizer, text):
    names = [tokenizer.tokenizer.token_to_id(word) for word in text.split()]
    return np.array(names)


def test_one_sentence(tokenizer):
    examples = examples_of(tokenizer, ["The cat sat", ""])
    ((x, labels),) = examples.batches(4)
    np.testing.assert_array_equal(
        x["token_ids"][0],
        tokens(tokenizer, "[CLS] the cat sat [SEP] [PAD] [PAD] [PAD] [PAD]"),
    )
    np.testing.assert_array_equal(
        x["padding_mask"], [[1] * 5 + [0] * 4, [1] * 2 + [0] * 7]
    )
    assert not np.asarray(x["segment_ids"]).any()
    np.testing.assert_array_equal(labels, [0, 1])


def test_the_longer_of_a_pair_is_cut(tokenizer):
    examples = examples_of(
        tokenizer, ["the cat sat on a mat"], ["dog ran"], length=8
    )
    ((x, _),) = examples.batches(4)
    np.testing.assert_array_equal(
        x["token_ids"][0],
        tokens(tokenizer, "[CLS] the cat sat [SEP] dog ran [SEP]"),
    )
    np.testing.assert_array_equal(x["segment_ids"][0], [0, 0, 0, 0, 0, 1, 1, 1])
    assert np.asarray(x["padding_mask"]).all()


def test_training_batches_are_epochs_in_a_seeds_order(tokenizer):
    words = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran"]
    examples = examples_of(tokenizer, words)

    def labels(seed, start_step=0):
        batches = examples.training_batches(4, seed, start_step).take(4)
        return [np.asarray(batch[1]).tolist() for batch in batches]

    found = labels(0)
    assert sorted(found[0] + found[1]) == list(range(8))
    assert sorted(found[2] + found[3]) == list(range(8))
    assert found[:2] != found[2:]
    assert labels(0, start_step=2)[:2] == found[2:]
    assert labels(1) != found
    x, label = next(iter(examples.training_batches(1, 0)))
    word = tokens(tokenizer, words[int(label[0])])
    assert np.asarray(x["token_ids"])[0, 1] == word


@pytest.mark.parametrize(
    ("first", "second", "count", "message"),
    [
        ([], None, 0, r"\[0, 0\]"),
        (["the", "cat"], None, 1, r"\[2, 1\]"),
        (["the", "cat"], ["sat"], 2, r"\[2, 1, 2\]"),
    ],
)
def test_columns_must_be_as_long(tokenizer, first, second, count, message):
    with pytest.raises(ValueError, match=message):
        TextExamples(first, second, np.zeros(count, "int32"), tokenizer, 8)


def test_batches_are_of_something(tokenizer):
    examples = examples_of(tokenizer, ["the", "cat"])
    with pytest.raises(ValueError, match="`batch_size=0`"):
        examples.batches(0)
    with pytest.raises(ValueError, match="`batch_size=0`"):
        examples.training_batches(0, seed=0)


def test_there_must_be_room(tokenizer):
    with pytest.raises(ValueError, match=r"3 special .*`sequence_length=3`"):
        examples_of(tokenizer, ["a"], ["b"], length=3)


def test_does_not_tune_itself(tokenizer):
    examples = examples_of(tokenizer, ["a cat"])
    for dataset in (examples.training_batches(1, 0), examples.batches(1)):
        assert dataset.options().autotune.enabled is False
