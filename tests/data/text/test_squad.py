"""SQuAD's files, windows over contexts, answers, and the metrics by hand."""

import gzip
import json

import numpy as np
import pytest

from ones_keras.data import (
    load_tokenizer,
    read_squad,
    squad_answers,
    squad_metrics,
    squad_windows,
)
from ones_keras.data.text.squad import SquadQuestion, normalize_answer

CONTEXT = "The cat sat on a mat, and the old dog ran very far home."


def question(key, *answers, context=CONTEXT, text="the dog?"):
    return SquadQuestion(
        key, text, context, tuple((a, context.index(a)) for a in answers)
    )


def content(*entries, context=CONTEXT, **more):
    paragraph = {"context": context, "qas": list(entries), **more}
    return {"data": [{"title": "Cats", "paragraphs": [paragraph]}]}


def entry(key="a", answers=(("cat", 4),), **more):
    return {
        "id": key,
        "question": "Who?",
        "answers": [{"text": t, "answer_start": s} for t, s in answers],
        **more,
    }


def write(tmp_path, data):
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(data))
    return path


def test_official_form(tmp_path):
    plausible = [{"text": "mat", "answer_start": 17}]
    path = write(
        tmp_path,
        content(
            entry(),
            entry("b", is_impossible=False),
            entry("c", (), is_impossible=True, plausible_answers=plausible),
        ),
    )
    found = read_squad(path)
    assert [q.id for q in found] == ["a", "b", "c"]
    assert found[0].answers == found[1].answers == (("cat", 4),)
    assert found[2].answers == ()
    assert found[0].context == CONTEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"version": "1.1"}, r"'data'"),
        ([1], "form of SQuAD"),
        (content({"id": "q7", "question": "Who?"}), "question 'q7'.*answers"),
        (content(entry(answers=(("dog", 4),))), "question 'a'.*'dog'.*at 4"),
        (content(entry(answers=())), "question 'a'.*no answer"),
        (content(entry(), entry()), r"same id: \['a'\]"),
        (content(), "no questions"),
    ],
)
def test_bad_files_are_named(data, message, tmp_path):
    path = write(tmp_path, data)
    with pytest.raises(ValueError, match=message) as raised:
        read_squad(path)
    assert str(path) in str(raised.value)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.json"):
        read_squad(tmp_path / "gone.json")
    (tmp_path / "half.json").write_text('{"data": [')
    with pytest.raises(ValueError, match=r"half\.json"):
        read_squad(tmp_path / "half.json")


def test_answers_elsewhere_may_be_allowed(tmp_path):
    path = write(tmp_path, content(entry(answers=(("dog", 4),))))
    assert read_squad(path, check_starts=False)[0].answers == (("dog", 4),)


@pytest.fixture
def windows(tokenizer):
    questions = [
        question("a", "old dog"),
        question("b", text="very old cat, very old dog"),
        question("c", "cat"),
    ]
    found = squad_windows(
        questions,
        tokenizer,
        sequence_length=16,
        stride=4,
        max_question_length=5,
    )
    return questions, found


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


def test_bad_windows_and_logits(windows, tokenizer):
    questions, found = windows
    with pytest.raises(ValueError, match="`stride=14`"):
        squad_windows(questions, tokenizer, 20, 14, 5)
    with pytest.raises(ValueError, match="`stride=0`"):
        squad_windows(questions, tokenizer, 20, 0, 5)
    with pytest.raises(ValueError, match=r"\(2, 2, 16\)"):
        squad_answers(questions, found, np.zeros((2, 2, 16)))


def test_normalization():
    assert normalize_answer("The  (old) Dog's an A.B.") == "old dogs ab"


def test_metrics_by_hand():
    questions = [
        question("a", "old dog", "the old dog"),
        question("b", "mat"),
        question("c"),
        question("d"),
    ]
    predictions = {"a": "Old Dog!", "b": "a mat, and", "c": "", "d": "cat"}
    found = squad_metrics(questions, predictions)
    # b: "mat and" against "mat": precision 1/2, recall 1.
    assert found == pytest.approx(
        {
            "exact_match": 50.0,
            "f1": 100 * (1 + 2 / 3 + 1 + 0) / 4,
            "has_answer_exact_match": 50.0,
            "has_answer_f1": 100 * (1 + 2 / 3) / 2,
            "no_answer_exact_match": 50.0,
            "no_answer_f1": 50.0,
        }
    )
    # Answered in the order a, b, d with rising thresholds: 2, then a is right,
    # b adds its f1, and an answer to d would be wrong.
    null_scores = {"a": -3.0, "b": -1.0, "c": 2.0, "d": 1.0}
    found = squad_metrics(questions, predictions, null_scores)
    assert found["best_exact_match"] == 75.0
    assert found["best_exact_match_threshold"] == -3.0
    assert found["best_f1"] == pytest.approx(100 * (1 + 2 / 3 + 2) / 4)
    assert found["best_f1_threshold"] == -1.0
    with pytest.raises(ValueError, match=r"\['d'\]"):
        squad_metrics(questions, {"a": "", "b": "", "c": ""})
    only = squad_metrics(questions[:2], predictions)
    assert set(only) == {"exact_match", "f1"}


def test_answers_that_are_empty_in_the_end():
    """Only the script of SQuAD 2.0 leaves them out."""
    asked = question("a", "The", "The cat")
    found = squad_metrics([asked], {"a": "the"})
    assert found == {"exact_match": 100, "f1": 0}
    found = squad_metrics([asked, question("b")], {"a": "the", "b": "x"})
    assert found["exact_match"] == 0


@pytest.mark.parametrize(
    ("file", "count", "unanswerable"),
    [
        ("train-v1.1.sub44.json", 11877, 0),
        ("v2-16articles-train.json", 6078, 3168),
    ],
)
def test_real_files(shared_data, tmp_path, file, count, unanswerable):
    path = tmp_path / file
    packed = shared_data / "squad" / f"{file}.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    questions = read_squad(path)
    assert len(questions) == count
    assert sum(not q.answers for q in questions) == unanswerable
    perfect = {q.id: q.answers[0][0] if q.answers else "" for q in questions}
    found = squad_metrics(questions, perfect)
    assert found["exact_match"] == found["f1"] == 100.0


def official_f1(gold, guess, is_version_2):
    gold, guess = (
        normalize_answer(gold).split(),
        normalize_answer(guess).split(),
    )
    if is_version_2 and (not gold or not guess):
        return int(gold == guess)
    left, same = list(gold), 0
    for word in guess:
        if word in left:
            left.remove(word)
            same += 1
    if not same:
        return 0
    return 2 * same / (len(gold) + len(guess))


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("dev-v1.1.12articles.recon.json", 3468),
        ("v2-rest-dev.recon.json", 5795),
    ],
)
def test_metrics_of_real_questions_in_a_loop(
    shared_data, tmp_path, rng, file, count
):
    """Of right answers, none, and stretches of the context."""
    path = tmp_path / file
    packed = shared_data / "squad" / f"{file}.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    questions = read_squad(path, check_starts=False)
    assert len(questions) == count
    is_version_2 = file.startswith("v2")
    predictions, exact, f1 = {}, [], []
    for asked in questions:
        golds = [text for text, _ in asked.answers] or [""]
        start = rng.integers(max(1, len(asked.context) - 30))
        stretch = asked.context[start : start + rng.integers(1, 30)]
        guess = (rng.choice(golds), "", stretch, golds[0] + " " + stretch)
        guess = str(guess[rng.integers(4)])
        predictions[asked.id] = guess
        exact.append(
            max(normalize_answer(g) == normalize_answer(guess) for g in golds)
        )
        f1.append(max(official_f1(g, guess, is_version_2) for g in golds))
    found = squad_metrics(questions, predictions)
    assert found["exact_match"] == pytest.approx(100 * np.mean(exact))
    assert found["f1"] == pytest.approx(100 * np.mean(f1))
    assert 10 < found["exact_match"] < 90


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "'id' must be text, not None"),
        ({"question": None}, "question 'b': 'question' must be text"),
    ],
)
def test_what_is_no_text_is_named(change, message, tmp_path):
    entry = {
        "id": "b",
        "question": "Who?",
        "answers": [{"text": "cat", "answer_start": 4}],
    }
    good = {**entry, "id": "a"}
    path = tmp_path / "squad.json"

    def write(*entries):
        paragraph = {"context": "The cat sat.", "qas": list(entries)}
        content = {"data": [{"title": "T", "paragraphs": [paragraph]}]}
        path.write_text(json.dumps(content))

    write(good, {**entry, **change})
    with pytest.raises(ValueError, match=message):
        read_squad(path)
    del entry["id"]
    write(good, entry)
    with pytest.raises(ValueError, match="article 0, paragraph 0, question 1"):
        read_squad(path)


def test_labels_of_real_questions_give_their_answers(shared_data, tmp_path):
    """From characters to tokens and back, through windows that overlap."""
    path = tmp_path / "squad.json"
    packed = shared_data / "squad" / "v2-16articles-train.json.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
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
