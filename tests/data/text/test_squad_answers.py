"""Answers of logits, against loops and from real labels."""

import numpy as np
import pytest

from ones_keras.data import (
    load_tokenizer,
    read_squad,
    squad_answers,
    squad_metrics,
    squad_windows,
)
from tests.data.text.squad_cases import CONTEXT, unpack


def test_answers_of_perfect_logits(windows):
    questions, found = windows
    logits = np.full((len(found.question), 2, 16), -5.0)
    rows = np.arange(len(logits))
    logits[rows, 0, found.labels[:, 0]] = 5
    logits[rows, 1, found.labels[:, 1]] = 5
    answers = squad_answers(questions, found, logits, null_threshold=0.0)
    assert answers.predictions == {"a": "old dog", "b": "", "c": "cat"}
    assert answers.null_scores["a"] < 0 < answers.null_scores["b"]
    best = answers.n_best["a"]
    assert best[0]["text"] == "old dog"
    scores = [guess["score"] for guess in best]
    assert scores == sorted(scores, reverse=True)
    assert sum(guess["probability"] for guess in best) == pytest.approx(1.0)
    # SQuAD 1.1 has an answer to every question.
    answers = squad_answers(questions, found, logits)
    assert answers.predictions["b"]


def test_where_no_start_comes_before_an_end_all_is_finite(windows):
    questions, found = windows
    logits = np.zeros((len(found.question), 2, 16))
    for row in range(len(logits)):
        context = np.flatnonzero(found.starts[row] >= 0)
        logits[row, 0, context] = np.arange(len(context))
        logits[row, 1, context] = -np.arange(len(context))
    answers = squad_answers(questions, found, logits, n_best=1)
    assert np.isfinite(list(answers.null_scores.values())).all()
    assert "" in answers.predictions.values()


def test_spans_against_a_loop_over_all(windows, rng):
    """Every pair of tokens, with nothing left out."""
    questions, found = windows
    logits = rng.normal(size=(len(found.question), 2, 16))
    answers = squad_answers(
        questions, found, logits, n_best=99, max_answer_length=3
    )
    for number, asked in enumerate(questions):
        scores = {}
        for row in np.flatnonzero(found.question == number):
            for first in range(16):
                for last in range(first, min(first + 3, 16)):
                    if not found.most_context[row, first]:
                        continue
                    if found.starts[row, last] < 0:
                        continue
                    a, b = found.starts[row, first], found.ends[row, last]
                    score = logits[row, 0, first] + logits[row, 1, last]
                    text = CONTEXT[a:b]
                    scores[text] = max(score, scores.get(text, -99))
        best = max(scores, key=scores.get)
        assert answers.predictions[asked.id] == best
        kept = {guess["text"] for guess in answers.n_best[asked.id]}
        assert kept - {""} == set(scores)


def test_logits_of_other_windows_are_refused(windows):
    questions, found = windows
    with pytest.raises(ValueError, match=r"\(2, 2, 16\)"):
        squad_answers(questions, found, np.zeros((2, 2, 16)))


def test_what_has_no_answer_is_refused(windows):
    questions, found = windows
    logits = np.zeros((len(found.question), 2, 16))
    for others in (questions[:2], [*questions, questions[0]]):
        with pytest.raises(ValueError, match=f"3 questions, {len(others)} "):
            squad_answers(others, found, logits)
    logits[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 that are not"):
        squad_answers(questions, found, logits)


def test_labels_of_real_questions_give_their_answers(shared_data, tmp_path):
    """From characters to tokens and back, through windows that overlap."""
    path = unpack(shared_data, tmp_path, "v2-16articles-train.json")
    questions = read_squad(path)[:400]
    tokenizer = load_tokenizer(
        shared_data / "vocab" / "albert-base-v2.spiece.model"
    )
    windows = squad_windows(questions, tokenizer, 128, 40, 32)
    logits = np.full((len(windows.question), 2, 128), -5.0, "float32")
    rows = np.arange(len(logits))
    logits[rows, 0, windows.labels[:, 0]] = 5
    logits[rows, 1, windows.labels[:, 1]] = 5
    answers = squad_answers(questions, windows, logits, null_threshold=0.0)
    found = squad_metrics(questions, answers.predictions)
    assert found["no_answer_f1"] == 100.0
    # An answer that ends inside of a token is given with the rest of it.
    assert found["has_answer_exact_match"] > 93
    assert found["has_answer_f1"] > 96
