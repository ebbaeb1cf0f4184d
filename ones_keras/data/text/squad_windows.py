"""Questions as windows over their contexts, and answers out of windows."""

import collections
from typing import NamedTuple

import numpy as np

from ones_keras.data.text.token_offsets import token_offsets
from ones_keras.validation import check_positive_int


class SquadWindows(NamedTuple):
    """Windows of `[CLS] question [SEP] part of the context [SEP]`.

    Attributes:
        x: dict of int32 arrays `(n, T)`: `token_ids`, `segment_ids` and
            `padding_mask`.
        labels: int32 array `(n, 2)`. First and last token of the answer; 0 and
            0, the `[CLS]`, where it is not in the window.
        question: int array `(n,)`. Number of the question.
        starts, ends: int32 arrays `(n, T)`. The place of each token in the
            context, in characters; -1 where it is none of it.
        most_context: bool array `(n, T)`. Whether of all windows that hold
            this token this one has the most around it.
    """

    x: dict
    labels: np.ndarray
    question: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    most_context: np.ndarray


def squad_windows(
    questions,
    tokenizer,
    sequence_length=384,
    stride=128,
    max_question_length=64,
):
    """Cuts contexts into windows that overlap.

    Args:
        questions: list of `SquadQuestion`.
        tokenizer: `TextTokenizer`.
        sequence_length: int. Tokens `T` of a window. Defaults to `384`.
        stride: int. Tokens from one window to the next. Defaults to `128`.
        max_question_length: int. Tokens of a question; a longer one is cut.
            Defaults to `64`.

    Returns:
        `SquadWindows`.

    Raises:
        ValueError: Windows without room for a context, or a stride that is
            longer than that.

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), section 4.2, and its code
          for the overlap
    """
    for name, value in (
        ("sequence_length", sequence_length),
        ("stride", stride),
        ("max_question_length", max_question_length),
    ):
        check_positive_int(name, value)
    room = sequence_length - max_question_length - 3
    if room < 1 or stride > room:
        raise ValueError(
            "Windows must have room for `stride` tokens of the context beside "
            f"the question and 3 special ones. Received: "
            f"`sequence_length={sequence_length}`, `stride={stride}`, "
            f"`max_question_length={max_question_length}`."
        )
    contexts = list(dict.fromkeys(question.context for question in questions))
    contexts = dict(
        zip(contexts, token_offsets(contexts, tokenizer), strict=True)
    )
    asked = tokenizer([question.question for question in questions]).to_list()
    columns = collections.defaultdict(list)
    for number, (question, ids) in enumerate(
        zip(questions, asked, strict=True)
    ):
        ids = ids[:max_question_length]
        context = contexts[question.context]
        width = sequence_length - len(ids) - 3
        answer = _answer_tokens(question, context)
        spans = list(_spans(len(context.ids), width, stride))
        for span in spans:
            _add_window(columns, tokenizer, ids, context, span, sequence_length)
            columns["question"].append(number)
            columns["labels"].append(_labels(answer, span, len(ids) + 2))
            row = np.zeros(sequence_length, bool)
            row[len(ids) + 2 :][: len(range(*span))] = _has_most(span, spans)
            columns["most_context"].append(row)
    # One after the other, so that no more than one is there twice.
    arrays = {name: np.array(columns.pop(name)) for name in list(columns)}
    names = ("token_ids", "segment_ids", "padding_mask")
    return SquadWindows(
        {name: arrays.pop(name).astype("int32") for name in names},
        labels=arrays.pop("labels").astype("int32"),
        **arrays,
    )


def _spans(count, width, stride):
    """Start and end of the windows over so many tokens of a context."""
    start = 0
    while True:
        end = min(start + width, count)
        yield start, end
        if end == count:
            return
        start += min(width, stride)


def _has_most(span, spans):
    """Of every token in `span` whether no other span has more around it."""
    tokens = np.arange(*span)

    def context(start, end):
        before, after = tokens - start, end - 1 - tokens
        inside = (before >= 0) & (after >= 0)
        most = np.minimum(before, after) + 0.01 * (end - start)
        return np.where(inside, most, -1.0)

    # The first of equals.
    scores = np.array([context(*other) for other in spans])
    return scores.argmax(0) == spans.index(span)


def _answer_tokens(question, context):
    """First and last token that the first answer has a part of, or `None`."""
    text, start = question.answers[0] if question.answers else ("", None)
    if start is None:
        return None
    end = start + len(text)
    inside = np.flatnonzero((context.ends > start) & (context.starts < end))
    return (inside[0], inside[-1]) if len(inside) else None


def _labels(answer, span, offset):
    if answer is None or answer[0] < span[0] or answer[1] >= span[1]:
        return 0, 0
    return answer[0] - span[0] + offset, answer[1] - span[0] + offset


def _add_window(columns, tokenizer, question, context, span, length):
    part = slice(*span)
    ids = [
        tokenizer.cls_id,
        *question,
        tokenizer.sep_id,
        *context.ids[part],
        tokenizer.sep_id,
    ]
    before, after = len(question) + 2, length - len(ids)
    ids = np.array(ids, "int32")
    columns["token_ids"].append(
        np.pad(ids, (0, after), constant_values=tokenizer.pad_id)
    )
    columns["padding_mask"].append(np.arange(length) < len(ids))
    segments = np.arange(length) >= before
    columns["segment_ids"].append(segments & columns["padding_mask"][-1])
    for name in ("starts", "ends"):
        values = getattr(context, name)[part]
        columns[name].append(
            np.pad(values, (before, after + 1), constant_values=-1)
        )
