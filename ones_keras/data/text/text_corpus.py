"""What every corpus offers, wherever its documents come from."""

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from ones_keras.data.text.mask_spans import mask_spans
from ones_keras.data.text.pair_segments import NUM_SPECIAL, pair_segments
from ones_keras.data.untuned import untuned
from ones_keras.validation import check_positive_int

_MAX_SEED = 2**31 - 1
SHUFFLED_TEXTS = 16384
_SENTENCE_END = r"([.!?][\"')\]]?)\s+"
# Below it there is no context to guess from; must leave two segments.
_FEWEST_TOKENS = 8
# Of the tokenizers and batch sizes used last.
_KEPT_GRAPHS = 8
# The masks of an evaluation are always the same ones.
_EVALUATION_SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class TextCorpus:
    """Documents in three fixed splits, as batches for pretraining.

    Every batch is `(x, y, sample_weight)`, dicts for an `AlbertMaskedLM`. With
    `T` tokens a sequence and `P = ceil(0.15 T)` of them masked at most:

    - `x`: int32 `token_ids`, `segment_ids` and `padding_mask` of shape
      `(B, T)`, `mask_positions` of shape `(B, P)`;
    - `y`: int32 `masked_lm` of shape `(B, P)`, the tokens that were there, and
      `sentence_order` of shape `(B,)`, 1 where the segments were swapped;
    - `sample_weight`: float32 of the same names and shapes, 0 at places of
      `masked_lm` that are not used and where there is no order to be told.

    A sequence is as many whole sentences of one document as have room, cut in
    two before one of them; the parts of half of the sequences change places.
    Where that cannot be, as there is but one sentence or one is longer than a
    sequence, the torn ends would tell the order, so its weight is 0. Words are
    masked as `mask_spans` says, differently each time.

    The batches are `tf.data.Dataset`s, which `fit` takes on every Keras
    backend; pass it `shuffle=False`. Documents are read, tokenised and
    shuffled (16384 sequences at a time) as they are needed.

    Args:
        name: string. Name of the corpus.
        train_split: a split such as `DocumentFiles` or `DocumentList`: an
            object whose `documents(rng=None)` yields strings, paragraphs on
            lines of their own.
        validation_split: a split. For choices made while training.
        test_split: a split. To be looked at once, at the end.

    Example:

    ```python
    documents = ones_keras.data.DocumentList(("Some text. And more." * 9,))
    corpus = TextCorpus("mine", documents, documents, documents)
    tokenizer = ones_keras.data.train_tokenizer(
        documents.documents(), vocabulary_size=17
    )
    batches = corpus.validation(tokenizer, batch_size=32, sequence_length=64)
    x, y, weights = next(iter(batches))
    x["token_ids"].shape  # (n, 64)
    ```

    References:
        - [ALBERT](https://arxiv.org/abs/1909.11942), sections 3.1 and 4.1
    """

    name: str
    train_split: Any
    validation_split: Any
    test_split: Any
    # Texts of a split by what decides their number: counting is reading all.
    _counts: dict = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    def train(
        self,
        tokenizer,
        batch_size,
        sequence_length,
        seed=0,
        start_step=0,
        steps=None,
    ):
        """Returns shuffled batches as a function of seed and step.

        Batches are always full and run on over the end of an epoch. Batch
        number n depends on `(seed, n)` alone. To start there the text is read
        and tokenised twice at most, not once for each epoch before: to count
        what an epoch has, and up to the place.

        Args:
            tokenizer: `TextTokenizer`.
            batch_size: int.
            sequence_length: int. Tokens of a sequence, special ones included.
            seed: int. Decides order, segments and masks, in [0, 2**31).
                Defaults to `0`.
            start_step: int. Number of the first batch. Defaults to `0`.
            steps: int or `None`. How many batches to give; `None` never ends.
                Defaults to `None`.

        Raises:
            ValueError: An argument out of its range, or no document that is
                long enough.
        """
        self._check(batch_size, sequence_length)
        if not 0 <= seed <= _MAX_SEED:
            raise ValueError(
                f"`seed` must lie in [0, {_MAX_SEED}]. Received: `seed={seed}`."
            )
        if start_step < 0:
            raise ValueError(
                "`start_step` must not be negative. "
                f"Received: `start_step={start_step}`."
            )

        # No more than an epoch: its texts would be shuffled with the next one.
        buffer = self._count(
            self.train_split, tokenizer, sequence_length, SHUFFLED_TEXTS
        )
        # Whole buffers before the first batch, whole epochs before these.
        buffers, within_buffer = divmod(start_step * batch_size, buffer)
        epochs = within_epoch = 0
        if buffers:
            size = self._count(self.train_split, tokenizer, sequence_length)
            epochs, within_epoch = divmod(buffers * buffer, size)

        def documents():
            for epoch in itertools.count(epochs):
                rng = np.random.default_rng([seed, epoch])
                yield from self.train_split.documents(rng)

        texts = _texts(documents, tokenizer, sequence_length)
        shuffled = (
            _without_first(within_epoch, texts)
            .rebatch(buffer)
            .enumerate(buffers)
            .map(functools.partial(_shuffled, seed))
            .prefetch(1)
        )
        batches = (
            _without_first(within_buffer, shuffled)
            .rebatch(batch_size, drop_remainder=True)
            .enumerate(start_step)
        )
        count = tf.data.INFINITE_CARDINALITY
        if steps is not None:
            check_positive_int("steps", steps)
            batches, count = batches.take(steps), steps
        return _examples(batches, count, tokenizer, seed)

    def validation(self, tokenizer, batch_size, sequence_length):
        """Returns the validation split, in a fixed order and masking, once."""
        return self._evaluation(
            self.validation_split, tokenizer, batch_size, sequence_length
        )

    def test(self, tokenizer, batch_size, sequence_length):
        """Returns the test split, in a fixed order and masking, once."""
        return self._evaluation(
            self.test_split, tokenizer, batch_size, sequence_length
        )

    def _evaluation(self, split, tokenizer, batch_size, sequence_length):
        self._check(batch_size, sequence_length)
        texts = _texts(split.documents, tokenizer, sequence_length)
        batches = texts.rebatch(batch_size).enumerate()
        count = self._count(split, tokenizer, sequence_length)
        count = -(-count // batch_size)
        return _examples(batches, count, tokenizer, _EVALUATION_SEED)

    def _check(self, batch_size, sequence_length):
        check_positive_int("batch_size", batch_size)
        check_positive_int("sequence_length", sequence_length)
        fewest = _FEWEST_TOKENS + NUM_SPECIAL
        if sequence_length < fewest:
            raise ValueError(
                f"`sequence_length` must be at least {fewest}: a text of "
                f"{_FEWEST_TOKENS} tokens and {NUM_SPECIAL} special ones. "
                f"Received: `sequence_length={sequence_length}`."
            )

    def _count(self, split, tokenizer, sequence_length, most=None):
        """The number of a split's texts, at least one and `most` at most."""
        key = id(split), id(tokenizer), sequence_length, most
        if key not in self._counts:
            count = 0
            for ids, _ in _texts(split.documents, tokenizer, sequence_length):
                count += len(ids)
                if most is not None and count >= most:
                    count = most
                    break
            if not count:
                raise ValueError(
                    f"The corpus has no document of {_FEWEST_TOKENS} tokens. "
                    f"Received: {self.name!r}, {split}."
                )
            # With the tokenizer, lest another one take its place in memory.
            self._counts[key] = count, tokenizer
        return self._counts[key][0]


def _texts(documents, tokenizer, sequence_length):
    """Dataset of `(token_ids, sentence_starts)` for `pair_segments`.

    A batch is what a document gives.
    """
    dataset = tf.data.Dataset.from_generator(
        documents, output_signature=tf.TensorSpec((), "string")
    )
    dataset = dataset.map(
        _cutting(tokenizer, sequence_length - NUM_SPECIAL),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return untuned(dataset.filter(lambda ids, starts: tf.shape(ids)[0] > 0))


# Once for all splits and seeds: TensorFlow takes half a second to trace it.
@functools.lru_cache(_KEPT_GRAPHS)
def _cutting(tokenizer, width):
    """A function from a document to its windows of so many tokens."""

    @tf.function(input_signature=[tf.TensorSpec((), "string")])
    def cut(document):
        sentences = tf.strings.split(
            tf.strings.regex_replace(document, _SENTENCE_END, "\\1\n"), "\n"
        )
        found = tokenizer(sentences)
        starts = tf.scatter_nd(
            found.row_starts()[:, None],
            tf.ones_like(found.row_starts(), "int32"),
            # Sentences without tokens at the end start behind the last one.
            tf.size(found.values, "int64")[None] + 1,
        )[:-1]
        rows = _window_starts(found, width)
        ids, starts = (
            tf.RaggedTensor.from_row_starts(values, rows).to_tensor(
                default, shape=(None, width)
            )
            for values, default in ((found.values, -1), (starts > 0, False))
        )
        long_enough = tf.reduce_sum(tf.cast(ids >= 0, "int32"), axis=1) >= (
            _FEWEST_TOKENS
        )
        return ids[long_enough], starts[long_enough]

    return cut


def _window_starts(sentences, width):
    """Where the windows of a document begin, int64.

    Before the last sentence that begins in reach of the one before, or, where
    one is too long, within it.
    """
    count = tf.size(sentences.values, "int64")
    begins = sentences.row_starts()

    def step(place, found):
        reach = place + width
        last = begins[tf.searchsorted(begins, [reach], side="right")[0] - 1]
        following = tf.where(last > place, last, reach)
        return (
            tf.where(reach >= count, count, following),
            found.write(found.size(), place),
        )

    _, found = tf.while_loop(
        lambda place, found: place < count,
        step,
        (
            tf.constant(0, "int64"),
            tf.TensorArray("int64", 0, dynamic_size=True, element_shape=()),
        ),
    )
    return found.stack()


def _without_first(count, batches):
    """The batches, of any sizes, without so many rows at their beginning."""
    if not count:
        return batches

    def cut(left, parts):
        size = tf.shape(parts[0], out_type="int64")[0]
        rest = tuple(part[tf.minimum(left, size) :] for part in parts)
        return tf.maximum(left - size, 0), rest

    batches = batches.scan(tf.constant(count, "int64"), cut)
    return batches.filter(lambda *parts: tf.shape(parts[0])[0] > 0)


def _shuffled(seed, number, texts):
    """The texts in another order, by the seed and their number alone.

    `tf.data`'s own `shuffle` goes by TensorFlow's global seed too.
    """
    order = tf.random.experimental.stateless_shuffle(
        tf.range(tf.shape(texts[0])[0]),
        seed=tf.stack([tf.cast(seed, "int64"), number]),
    )
    return tuple(tf.gather(part, order) for part in texts)


def _examples(batches, count, tokenizer, seed):
    _, texts = batches.element_spec
    example = _masking(tokenizer, *texts)
    # A generator's length is unknown, and `fit` complains where it ends.
    batches = batches.apply(tf.data.experimental.assert_cardinality(count))
    batches = batches.map(
        lambda step, texts: example(
            tf.stack([tf.cast(seed, "int64"), step]), *texts
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return batches.prefetch(2)


@functools.lru_cache(_KEPT_GRAPHS)
def _masking(tokenizer, ids, starts):
    """A function from a seed and texts of these specs to a batch of them."""

    @tf.function(input_signature=[tf.TensorSpec((2,), "int64"), ids, starts])
    def example(seed, ids, starts):
        seeds = tf.random.experimental.stateless_split(seed, 2)
        pairs = pair_segments(ids, starts, tokenizer, seeds[0])
        # What the vocabulary does not know is nothing to be guessed.
        known = tf.gather(tf.constant(tokenizer.is_text), pairs.token_ids)
        masked = mask_spans(
            pairs.token_ids, pairs.ordinary & known, tokenizer, seeds[1]
        )
        return (
            {
                "token_ids": masked.token_ids,
                "segment_ids": pairs.segment_ids,
                "padding_mask": pairs.padding_mask,
                "mask_positions": masked.positions,
            },
            {"masked_lm": masked.ids, "sentence_order": pairs.swapped},
            {
                "masked_lm": masked.weights,
                "sentence_order": tf.cast(pairs.whole, "float32"),
            },
        )

    return example
