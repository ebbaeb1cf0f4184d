"""SQuAD 1.1 and 2.0 in their official files, and their official metrics."""

import collections
import json
import pathlib
import re
import string
from typing import NamedTuple


class SquadQuestion(NamedTuple):
    """One question.

    Attributes:
        id: string.
        question: string.
        context: string. The text that holds the answer.
        answers: tuple of pairs `(text, start)`, `context` from `start` on
            being the text; empty where there is no answer. Of a file whose
            starts were not checked they are what it says, `None` if nothing.
    """

    id: str
    question: str
    context: str
    answers: tuple[tuple[str, int | None], ...]


def read_squad(path, check_starts=True):
    """Reads the questions of a file.

    Args:
        path: string or path. A JSON file of SQuAD 1.1 or 2.0.
        check_starts: bool. Whether an answer has to be where its
            `answer_start` says, as it must be in training. An evaluation does
            not look at it. Defaults to `True`.

    Returns:
        A list of `SquadQuestion`s.

    Raises:
        ValueError: A file that cannot be read or is no SQuAD, an answer that
            is not in its context, or two questions with one id; file and
            question are named.

    Example:

    ```python
    questions = ones_keras.data.read_squad("train-v2.0.json")
    ```
    """
    path = pathlib.Path(path)
    place = "the file"
    questions = []
    try:
        articles = json.loads(path.read_text(encoding="utf-8-sig"))["data"]
        for index, article in enumerate(articles):
            place = f"article {index}"
            for number, paragraph in enumerate(article["paragraphs"]):
                inside = f"article {index}, paragraph {number}"
                place = inside
                context = _text(paragraph, "context")
                for count, entry in enumerate(paragraph["qas"]):
                    place = f"{inside}, question {count}"
                    place = f"question {_text(entry, 'id')!r}"
                    questions.append(_question(entry, context, check_starts))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{place} has not the form of SQuAD ({error!r}). Received: "
            f"`path={str(path)!r}`."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The questions cannot be read: {place}: {error}. Received: "
            f"`path={str(path)!r}`."
        ) from error
    if not questions:
        raise ValueError(
            f"There are no questions. Received: `path={str(path)!r}`."
        )
    counts = collections.Counter(question.id for question in questions)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f"Several questions have the same id: {twice[:10]}. Received: "
            f"`path={str(path)!r}`."
        )
    return questions


def _text(entry, name):
    if not isinstance(entry[name], str):
        raise ValueError(f"{name!r} must be text, not {entry[name]!r}")
    entry[name].encode()  # JSON may have halves of a character.
    return entry[name]


def _question(entry, context, check_starts):
    answers = []
    if not entry.get("is_impossible", False):
        for answer in entry["answers"]:
            text, start = _text(answer, "text"), answer.get("answer_start")
            if check_starts:
                _check_start(text, start, context)
            elif type(start) is not int:
                start = None
            answers.append((text, start))
        if not answers:
            raise ValueError("a question that is possible has no answer")
    return SquadQuestion(
        entry["id"], _text(entry, "question"), context, tuple(answers)
    )


def _check_start(text, start, context):
    if type(start) is not int or start < 0:
        raise ValueError(
            f"'answer_start' must be an integer of 0 or more, not {start!r}"
        )
    found = context[start : start + len(text)]
    if found != text or not text.strip():
        raise ValueError(
            f"the answer {text!r} is not at {start} of its context, "
            f"but {found!r}"
        )


def squad_metrics(questions, predictions, null_scores=None, version_2=None):
    """Exact match and F1 as the official scripts compute them.

    Args:
        questions: list of `SquadQuestion`.
        predictions: dict from id to the text of the answer, `""` for none.
        null_scores: dict from id to a float, or `None`. How much better no
            answer is than the predicted one; then the thresholds with the best
            results are found too. Defaults to `None`.
        version_2: bool or `None`. Whether answers are compared as the script
            of SQuAD 2.0 does, to which nothing but articles and punctuation is
            no answer; `None` takes that of 1.1 where all questions have
            answers. Defaults to `None`.

    Returns:
        Dict of percentages: `exact_match` and `f1`; where some questions have
        no answer the same of those with (`has_answer_...`) and without
        (`no_answer_...`), and with `null_scores` also `best_exact_match`,
        `best_f1` and the thresholds `best_exact_match_threshold` and
        `best_f1_threshold`, above which a question is left unanswered.

    Raises:
        ValueError: A question without a prediction, or in 1.1 without an
            answer.

    Example:

    ```python
    from ones_keras.data.text.squad import SquadQuestion

    asked = SquadQuestion("a", "Who?", "The cat sat.", (("The cat", 0),))
    squad_metrics([asked], {"a": "cat"})["exact_match"]  # 100.0
    ```
    """
    missing = [q.id for q in questions if q.id not in predictions]
    if missing:
        raise ValueError(
            'Every question needs a prediction, of `""` if there is no '
            f"answer. Received: none for {missing[:10]}."
        )
    exact, f1 = {}, {}
    open_ones = [q.id for q in questions if not q.answers]
    if version_2 is None:
        version_2 = bool(open_ones)
    if open_ones and not version_2:
        raise ValueError(
            "In SQuAD 1.1 every question has an answer. Received: "
            f"`version_2=False` and none for {open_ones[:10]}."
        )
    for question in questions:
        golds = [text for text, _ in question.answers]
        if version_2:
            # Its script takes no answer for one that is empty in the end.
            golds = [text for text in golds if normalize_answer(text)] or [""]
        guess = predictions[question.id]
        exact[question.id] = max(_exact(gold, guess) for gold in golds)
        f1[question.id] = max(_f1(gold, guess, version_2) for gold in golds)
    found = _averages(exact, f1, exact, "")
    answered = {q.id: bool(q.answers) for q in questions}
    if not all(answered.values()):
        found |= _averages(
            exact, f1, [i for i in exact if answered[i]], "has_answer_"
        )
        found |= _averages(
            exact, f1, [i for i in exact if not answered[i]], "no_answer_"
        )
    if null_scores is not None:
        for name, scores in (("exact_match", exact), ("f1", f1)):
            best, threshold = _best_threshold(
                scores, predictions, null_scores, answered
            )
            found[f"best_{name}"] = best
            found[f"best_{name}_threshold"] = threshold
    return found


def normalize_answer(text):
    """Lower case, without punctuation, articles and double spaces."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _exact(gold, guess):
    return float(normalize_answer(gold) == normalize_answer(guess))


def _f1(gold, guess, version_2):
    gold, guess = (
        normalize_answer(gold).split(),
        normalize_answer(guess).split(),
    )
    # To the script of 1.1 nothing in common is nothing right.
    if version_2 and not (gold and guess):
        return float(gold == guess)
    common = (collections.Counter(gold) & collections.Counter(guess)).total()
    if not common:
        return 0.0
    precision, recall = common / len(guess), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def _averages(exact, f1, ids, prefix):
    ids = list(ids)
    return {
        f"{prefix}{name}": 100 * sum(scores[i] for i in ids) / len(ids)
        for name, scores in (("exact_match", exact), ("f1", f1))
        if ids
    }


def _best_threshold(scores, predictions, null_scores, answered):
    """Leave more and more questions unanswered, from the surest on."""
    current = sum(not has for has in answered.values())
    best, threshold = current, 0.0
    for key in sorted(scores, key=null_scores.__getitem__):
        if answered[key]:
            current += scores[key]
        elif predictions[key]:
            current -= 1
        if current > best:
            best, threshold = current, null_scores[key]
    return 100 * best / len(scores), threshold
