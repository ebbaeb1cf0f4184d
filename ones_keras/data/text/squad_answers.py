"""The texts that a model's logits stand for."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ones_keras.validation import check_positive_int


class SquadAnswers(NamedTuple):
    """What a model answers.

    Attributes:
        predictions: dict from id to text, `""` for no answer: the contents of
            the leaderboard's `predictions.json`.
        n_best: dict from id to a list of dicts with `text`, `score` and
            `probability`, the best first, no answer among them.
        null_scores: dict from id to float. The logits of no answer minus those
            of the best one.
    """

    predictions: dict
    n_best: dict
    null_scores: dict


def squad_answers(
    questions,
    windows,
    logits,
    n_best=20,
    max_answer_length=30,
    null_threshold=None,
):
    """Finds the answers of questions in what a model says of their windows.

    The score of a span is the sum of the logits of its ends, of no answer that
    of `[CLS]`, the smallest over the windows of a question. A token counts in
    the window where it has the most context.

    Args:
        questions: list of `SquadQuestion`.
        windows: `SquadWindows` of these.
        logits: array of shape `(n, 2, T)`, as from `AlbertSpanExtractor`.
        n_best: int. Starts and ends that are combined, and answers kept.
            Defaults to `20`.
        max_answer_length: int. Tokens of an answer. Defaults to `30`.
        null_threshold: float or `None`. No answer where it is better than the
            best span by more than that; `None` always answers, as SQuAD 1.1
            wants it. Defaults to `None`.

    Returns:
        `SquadAnswers`.

    Raises:
        ValueError: Windows of other questions, logits of another shape or not
            finite, or an argument out of its range.

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), sections 4.2 and 4.3
    """
    check_positive_int("n_best", n_best)
    check_positive_int("max_answer_length", max_answer_length)
    logits = np.asarray(logits, "float32")
    if logits.shape != (len(windows.question), 2, windows.starts.shape[1]):
        raise ValueError(
            "`logits` must be of shape (windows, 2, tokens). Received: "
            f"{logits.shape} for {windows.starts.shape} windows and tokens."
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            "`logits` must be finite. Received: "
            f"{np.sum(~np.isfinite(logits))} that are not."
        )
    if set(windows.question) != set(range(len(questions))):
        raise ValueError(
            "`windows` must be those of `questions`. Received: windows of "
            f"{len(set(windows.question))} questions, {len(questions)} "
            "questions."
        )
    candidates = [{} for _ in questions]
    nulls = np.full(len(questions), np.inf)
    for row, number in enumerate(windows.question):
        start_logits, end_logits = logits[row]
        nulls[number] = min(nulls[number], start_logits[0] + end_logits[0])
        for first, last in _spans(
            windows, row, start_logits, end_logits, n_best, max_answer_length
        ):
            text = (
                questions[number]
                .context[windows.starts[row, first] : windows.ends[row, last]]
                .strip()
            )
            score = float(start_logits[first] + end_logits[last])
            found = candidates[number]
            if text and score > found.get(text, -np.inf):
                found[text] = score
    predictions, best_of, null_scores = {}, {}, {}
    for question, found, null in zip(questions, candidates, nulls, strict=True):
        best = sorted(found.items(), key=lambda item: -item[1])[:n_best]
        ranked = sorted([*best, ("", float(null))], key=lambda item: -item[1])
        shares = special.softmax([score for _, score in ranked])
        best_of[question.id] = [
            {"text": text, "score": score, "probability": float(share)}
            for (text, score), share in zip(ranked, shares, strict=True)
        ]
        # Where no start comes before an end, there is nothing to prefer.
        text, score = best[0] if best else ("", float(null))
        null_scores[question.id] = float(null) - score
        if null_threshold is not None and null - score > null_threshold:
            text = ""
        predictions[question.id] = text
    return SquadAnswers(predictions, best_of, null_scores)


def _spans(windows, row, start_logits, end_logits, n_best, max_answer_length):
    context = windows.starts[row] >= 0
    starts = np.flatnonzero(context & windows.most_context[row])
    ends = np.flatnonzero(context)
    starts = starts[np.argsort(-start_logits[starts])[:n_best]]
    ends = ends[np.argsort(-end_logits[ends])[:n_best]]
    for first in starts:
        for last in ends:
            if first <= last < first + max_answer_length:
                yield first, last
