"""The nine tasks of GLUE, in their official files."""

import functools
import json
import math
import pathlib
import warnings
from typing import NamedTuple

import numpy as np
from absl import logging
from scipy import stats
from sklearn import metrics

from ones_keras.data.text.document_files import read_lines


class GlueTask(NamedTuple):
    """What there is to know of a task.

    Attributes:
        first, second: string. Columns of the sentences; `second` is `None`
            where there is one.
        label: string. Column of the label.
        labels: tuple of strings, in the order of their numbers; empty where
            the label is a number itself.
        metrics: tuple of strings. Official ones: `"accuracy"`, `"f1"`,
            `"matthews"`, `"pearson"`, `"spearman"`.
        evaluation: tuple of strings. Names of the labelled evaluation files.
        header: tuple of strings. Columns of files that do not name them.
        has_torn_rows: bool. Whether the official file has rows of too few
            columns, which are left out.
    """

    first: str
    second: str | None
    label: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    evaluation: tuple[str, ...] = ("dev",)
    header: tuple[str, ...] = ()
    has_torn_rows: bool = False

    @property
    def num_classes(self):
        """Outputs of a model, 1 for a regression."""
        return len(self.labels) or 1


_BINARY = ("0", "1")
_ENTAILMENT = ("entailment", "not_entailment")
_PAIR = ("sentence1", "sentence2")

GLUE_TASKS = {
    "CoLA": GlueTask(
        "sentence",
        None,
        "label",
        _BINARY,
        ("matthews",),
        header=("source", "label", "mark", "sentence"),
    ),
    "SST-2": GlueTask("sentence", None, "label", _BINARY, ("accuracy",)),
    "MRPC": GlueTask(
        "#1 String", "#2 String", "Quality", _BINARY, ("accuracy", "f1")
    ),
    "STS-B": GlueTask(*_PAIR, "score", (), ("pearson", "spearman")),
    "QQP": GlueTask(
        "question1",
        "question2",
        "is_duplicate",
        _BINARY,
        ("accuracy", "f1"),
        has_torn_rows=True,
    ),
    "MNLI": GlueTask(
        *_PAIR,
        "gold_label",
        ("entailment", "neutral", "contradiction"),
        ("accuracy",),
        ("dev_matched", "dev_mismatched"),
    ),
    "QNLI": GlueTask(
        "question", "sentence", "label", _ENTAILMENT, ("accuracy",)
    ),
    "RTE": GlueTask(*_PAIR, "label", _ENTAILMENT, ("accuracy",)),
    "WNLI": GlueTask(*_PAIR, "label", _BINARY, ("accuracy",)),
}

# As `datasets` and others name them in JSON lines.
_OTHER_NAMES = {
    "sentence1": ("premise",),
    "sentence2": ("hypothesis",),
    "#1 String": ("sentence1",),
    "#2 String": ("sentence2",),
    "Quality": ("label",),
    "score": ("label",),
    "is_duplicate": ("label",),
    "gold_label": ("label",),
}


class LabelledTexts(NamedTuple):
    """The examples of one file.

    Attributes:
        first: list of strings.
        second: list of strings, or `None`.
        labels: array of shape `(n,)`, int32, of a regression float32.
    """

    first: list
    second: list | None
    labels: np.ndarray


def read_glue(path, task):
    """Reads the examples of a file, `.tsv` or `.jsonl`.

    Args:
        path: string or path. A file of the task with labels, in GLUE's tab
            separated form, or one JSON object a line with the same names or
            `sentence1`, `sentence2`, `premise`, `hypothesis` and `label`.
        task: string. One of `GLUE_TASKS`.

    Returns:
        `LabelledTexts`.

    Raises:
        ValueError: A file that cannot be read or is empty, a row that has not
            as many columns as the first (but for some of QQP's own file, which
            are logged and left out), lacks a column, or has another label;
            file and row are named.

    Example:

    ```python
    train = ones_keras.data.read_glue("SST-2/train.tsv", "SST-2")
    ```
    """
    _check_task(task)
    task = GLUE_TASKS[task]
    path = pathlib.Path(path)
    read = _json_rows if path.suffix == ".jsonl" else _tsv_rows
    first, second, labels = [], [], []
    try:
        for number, row in read(read_lines(path), task):
            try:
                first.append(_text(row, task.first))
                if task.second is not None:
                    second.append(_text(row, task.second))
                labels.append(_label(row, task))
            except ValueError as error:
                raise ValueError(f"row {number}: {error}") from error
    except ValueError as error:
        raise ValueError(
            f"The examples cannot be read ({error}). Received: "
            f"`path={str(path)!r}`."
        ) from error
    if not first:
        raise ValueError(
            f"There are no examples. Received: `path={str(path)!r}`."
        )
    dtype = "int32" if task.labels else "float32"
    return LabelledTexts(
        first,
        second if task.second is not None else None,
        np.array(labels, dtype),
    )


def glue_metrics(task, labels, outputs):
    """The official metrics of a task.

    Args:
        task: string. One of `GLUE_TASKS`.
        labels: array of shape `(n,)`.
        outputs: array of shape `(n, num_classes)`. Logits, or of a regression
            the numbers themselves.

    Returns:
        Dict from metric to a float, and `"score"`, their mean, which is what
        GLUE averages over tasks. A correlation with something constant is 0.

    Raises:
        ValueError: An unknown task, outputs that are not of as many rows as
            there are labels and of the task's classes, or are not finite.

    Example:

    ```python
    labels, logits = np.array([0, 1]), np.array([[2.0, 1.0], [0.0, 3.0]])
    glue_metrics("SST-2", labels, logits)  # {"accuracy": 1.0, "score": 1.0}
    ```
    """
    functions = {
        "accuracy": metrics.accuracy_score,
        # 0 without any positive label and guess.
        "f1": functools.partial(metrics.f1_score, zero_division=0.0),
        "matthews": metrics.matthews_corrcoef,
        "pearson": functools.partial(_correlation, stats.pearsonr),
        "spearman": functools.partial(_correlation, stats.spearmanr),
    }
    outputs = np.asarray(outputs)
    _check_task(task)
    shape = (len(labels), GLUE_TASKS[task].num_classes)
    if outputs.shape != shape or not np.isfinite(outputs).all():
        raise ValueError(
            f"`outputs` must be finite numbers of shape {shape}. Received: "
            f"shape {outputs.shape}, {np.sum(~np.isfinite(outputs))} that are "
            "not finite."
        )
    guesses = outputs[:, 0]
    if GLUE_TASKS[task].labels:
        guesses = outputs.argmax(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        found = {
            name: float(np.nan_to_num(functions[name](labels, guesses)))
            for name in GLUE_TASKS[task].metrics
        }
    return {**found, "score": float(np.mean(list(found.values())))}


def _correlation(function, labels, guesses):
    # One example is constant too.
    return function(labels, guesses).statistic if len(labels) > 1 else 0.0


def _check_task(task):
    if task not in GLUE_TASKS:
        raise ValueError(
            f"`task` must be one of {list(GLUE_TASKS)}. Received: "
            f"`task={task!r}`."
        )


def _tsv_rows(lines, task):
    """Pairs of the row's number in the file and its columns by name."""
    # No `csv.reader`: nothing is quoted, and a field may be of any length.
    rows = enumerate((line.split("\t") for line in lines), 1)
    header = task.header or next(rows, (1, ()))[1]
    torn = []
    for number, row in rows:
        if row == [""]:
            continue
        if len(row) < len(header) and task.has_torn_rows:
            torn.append(number)
            continue
        if len(row) != len(header):
            raise ValueError(
                f"row {number}: {len(row)} columns where {len(header)} "
                f"are expected, {list(header)}"
            )
        yield number, dict(zip(header, row, strict=True))
    if torn:
        logging.warning("read_glue: torn rows are left out: %s.", torn)


def _json_rows(lines, task):
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"row {number}: no JSON object")
        yield number, row


def _column(row, name):
    for known in (name, *_OTHER_NAMES.get(name, ())):
        if known in row:
            return row[known]
    raise ValueError(f"no column {name!r}, but {list(row)}")


def _text(row, name):
    text = _column(row, name)
    if not isinstance(text, str):
        raise ValueError(f"{name!r} must be text, not {text!r}")
    text.encode()  # JSON may have halves of a character.
    return text


def _label(row, task):
    label = _column(row, task.label)
    if not task.labels:
        try:
            number = float(label)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"the label must be a number, not {label!r}")
        return number
    # As their number too, in JSON, where some write all numbers with a point.
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    known = {name: index for index, name in enumerate(task.labels)}
    known.update({str(index): index for index in range(len(task.labels))})
    if str(label) not in known:
        raise ValueError(
            f"the label must be one of {task.labels}, not {label!r}"
        )
    return known[str(label)]
