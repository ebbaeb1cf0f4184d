"""Windows over contexts, and the labels in them."""

import numpy as np
import pytest

from ones_keras.data import squad_windows
from tests.data.text.squad_cases import CONTEXT


def test_windows_cover_the_context(windows, tokenizer):
    questions, found = windows
    context = tokenizer([CONTEXT])[0].numpy()
    for number, asked in enumerate(questions):
        seen = np.zeros(len(context), int)
        counted = np.zeros(len(context), int)
        ids = tokenizer([asked.question])[0].numpy()[:5]
        rows = np.flatnonzero(found.question == number)
        for index, row in enumerate(rows):
            tokens = found.x["token_ids"][row]
            np.testing.assert_array_equal(
                tokens[: len(ids) + 2],
                [tokenizer.cls_id, *ids, tokenizer.sep_id],
            )
            width = 16 - len(ids) - 3
            start = 4 * index
            part = context[start : start + width]
            inside = slice(len(ids) + 2, len(ids) + 2 + len(part))
            np.testing.assert_array_equal(tokens[inside], part)
            assert tokens[inside.stop] == tokenizer.sep_id
            mask = found.x["padding_mask"][row]
            np.testing.assert_array_equal(mask, np.arange(16) <= inside.stop)
            np.testing.assert_array_equal(
                found.x["segment_ids"][row],
                (np.arange(16) >= inside.start) & (mask == 1),
            )
            for place, token in zip(range(16)[inside], part, strict=True):
                a, b = found.starts[row, place], found.ends[row, place]
                text = CONTEXT[a:b].lower()
                assert tokenizer.tokenizer.id_to_token(token) == text
            others = np.ones(16, bool)
            others[inside] = False
            assert np.all(found.starts[row, others] == -1)
            assert not found.most_context[row, others].any()
            seen[start : start + len(part)] += 1
            counted[start : start + len(part)] += found.most_context[
                row, inside
            ]
        assert seen.min() == 1
        assert seen.max() > 1
        assert np.all(counted == 1)


def test_labels_are_the_answers_tokens_or_none(windows):
    questions, found = windows
    inside = 0
    for row, number in enumerate(found.question):
        first, last = found.labels[row]
        if first == last == 0:
            continue
        inside += 1
        answer, _ = questions[number].answers[0]
        start, end = found.starts[row, first], found.ends[row, last]
        assert CONTEXT[start:end] == answer
    assert inside >= 3
    assert not found.labels[found.question == 1].any()


def test_an_answer_whose_place_is_not_known_has_no_label(windows, tokenizer):
    questions, found = windows
    unknown = [
        question._replace(answers=tuple((text, None) for text, _ in answers))
        for question in questions
        for answers in [question.answers]
    ]
    again = squad_windows(unknown, tokenizer, 16, 4, 5)
    assert not again.labels.any()
    np.testing.assert_array_equal(again.x["token_ids"], found.x["token_ids"])


def test_bad_strides_are_named(windows, tokenizer):
    questions, _ = windows
    with pytest.raises(ValueError, match="`stride=14`"):
        squad_windows(questions, tokenizer, 20, 14, 5)
    with pytest.raises(ValueError, match="`stride=0`"):
        squad_windows(questions, tokenizer, 20, 0, 5)
