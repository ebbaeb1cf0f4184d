"""SQuAD's files, and the metrics by hand."""

import json

import numpy as np
import pytest

from ones_keras.data import read_squad, squad_metrics
from ones_keras.data.text.squad import normalize_answer
from tests.data.text.squad_cases import CONTEXT, question, unpack


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
    # As some editors begin a file.
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
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
        # Counted from the end.
        (content(entry(answers=(("cat", 4 - len(CONTEXT)),))), "not -"),
        (content(entry(answers=(("cat", None),))), "'a'.*not None"),
        (content(entry(), entry()), r"same id: \['a'\]"),
        (content(), "no questions"),
        (content(entry("\ud83d")), r"question 0: .*surrogates not allowed"),
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
    path = write(tmp_path, content(entry(answers=(("dog", None),))))
    (unknown,) = read_squad(path, check_starts=False)
    assert unknown.answers == (("dog", None),)
    assert squad_metrics([unknown], {"a": "Dog."})["f1"] == 100


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
    # The rules may be those of 2.0 where all questions have answers.
    found = squad_metrics([question("a", "The")], {"a": ""}, version_2=True)
    assert found == {"exact_match": 100.0, "f1": 100.0}
    with pytest.raises(ValueError, match=r"none for \['b'\]"):
        squad_metrics([question("b")], {"b": ""}, version_2=False)


@pytest.mark.parametrize(
    ("file", "count", "unanswerable"),
    [
        ("train-v1.1.sub44.json", 11877, 0),
        ("v2-16articles-train.json", 6078, 3168),
    ],
)
def test_real_files(shared_data, tmp_path, file, count, unanswerable):
    path = unpack(shared_data, tmp_path, file)
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
    path = unpack(shared_data, tmp_path, file)
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
