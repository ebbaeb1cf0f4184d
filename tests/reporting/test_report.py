"""`Report`: rows by hand, round trip, table, picture, and bad input."""

import io
import json
import math

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ones_keras.metrics import moe_benefits
from ones_keras.reporting import MethodResult, Report
from ones_keras.reporting.draw_report import draw_report
from ones_keras.write_aside import write_aside

SCORES = {
    "teacher": [0.92, 0.94],
    "dense": [0.89, 0.91],
    "svd": [0.905, 0.925],
    "top_k": [0.93, 0.94],
}


def results(scores=SCORES, **fields):
    return [
        MethodResult(method, seed=seed, score=score, **fields)
        for method, values in scores.items()
        for seed, score in enumerate(values)
    ]


def full_results():
    """One seed with everything that can be measured."""
    return [
        MethodResult(
            "teacher", 0, 0.92, 0.25, None, None, 29_690_000, 3.7, 3000
        ),
        MethodResult("dense", 0, 0.89, 0.35, None, None, 10_800_000, 1.0, 3000),
        MethodResult("svd", 0, 0.905, 0.3, 0.107, 0.951, 10_800_000, 1.0, 3000),
    ]


def printed(report, width=140):
    stream = io.StringIO()
    report.print(Console(file=stream, width=width))
    return stream.getvalue()


def test_rows_by_hand():
    rows = {row.method: row for row in Report.from_results(results()).rows()}
    assert list(rows) == ["teacher", "dense", "svd", "top_k"]
    row = rows["svd"]
    assert row.score == pytest.approx(0.915)
    assert row.score_std == pytest.approx(0.02 / math.sqrt(2))
    assert row.scores == (0.905, 0.925)
    assert row.benefits == moe_benefits(
        SCORES["svd"], SCORES["teacher"], SCORES["dense"]
    )
    assert row.benefits.value == pytest.approx(0.5)
    assert rows["top_k"].benefits.value == pytest.approx(0.035 / 0.03)
    assert row.loss is None
    assert row.speedup is None


def test_speedup_and_means_over_seeds():
    report = Report.from_results(
        [
            MethodResult("teacher", 0, 0.9, loss=0.2, latency_ms=3.0),
            MethodResult("teacher", 1, 0.9, loss=0.4, latency_ms=5.0),
            MethodResult("svd", 0, 0.9, score_before=0.1, latency_ms=1.0),
            MethodResult("svd", 1, 0.9, score_before=0.3, latency_ms=1.0),
        ]
    )
    teacher, svd = report.rows()
    assert teacher.loss == pytest.approx(0.3)
    assert teacher.speedup == 1.0
    assert svd.speedup == pytest.approx(4.0)
    assert svd.score_before == pytest.approx(0.2)


def test_seeds_are_paired_whatever_their_order():
    shuffled = results()
    shuffled.reverse()
    ordered = {r.method: r for r in Report.from_results(results()).rows()}
    for row in Report.from_results(shuffled).rows():
        assert row == ordered[row.method]


def test_markdown():
    report = Report.from_results(full_results())
    lines = report.to_markdown().splitlines()
    assert lines[0] == (
        "| method | test accuracy (%) | loss | at start (%) | agrees (%) | "
        "MoE benefits | params | latency (ms) | steps |"
    )
    assert lines[2] == (
        "| teacher | 92.00 | 0.2500 | - | - | 100 % | 29.69M | 3.7 (1.0x) | "
        "3,000 |"
    )
    assert lines[3].split(" | ")[5] == "0 %"
    assert lines[4] == (
        "| svd | 90.50 | 0.3000 | 10.70 | 95.1 | 50.0 % | 10.80M | 1 (3.7x) | "
        "3,000 |"
    )
    assert "ms per image" in report.to_markdown()


def test_what_was_not_measured_has_no_column():
    text = Report.from_results(results()).to_markdown()
    header = text.splitlines()[0]
    assert header == "| method | test accuracy (%) | MoE benefits |"
    assert "93.50 ± 0.71" in text
    assert "Mean over 2 seeds" in text


@pytest.mark.parametrize("width", [80, 140])
def test_console_table_keeps_every_method(width):
    text = printed(Report.from_results(full_results(), title="Digits"), width)
    for part in ("Digits", "teacher", "dense", "svd", "29.69M", "50.0"):
        assert part in text
    assert "…" not in text


def test_noise_is_not_available_and_says_why():
    scores = {**SCORES, "teacher": [0.90, 0.90], "dense": [0.89, 0.91]}
    report = Report.from_results(results(scores))
    assert {row.benefits.value for row in report.rows()} == {None}
    assert "n/a: MoE - dense is within two standard errors" in printed(report)
    assert "| n/a |" in report.to_markdown()


def test_a_worse_teacher_has_no_benefits():
    scores = {"teacher": [0.8], "dense": [0.9], "svd": [0.85]}
    *_, row = Report.from_results(results(scores)).rows()
    assert row.benefits.reason == "the MoE is worse than the dense model"


def test_without_the_references():
    report = Report.from_results(results({"a": [0.5], "b": [0.6]}))
    assert "n/a: needs the methods" in report.to_markdown()
    assert report.rows()[0].speedup is None


def test_lower_is_better():
    scores = {"teacher": [1.8], "dense": [2.1], "svd": [1.95]}
    report = Report.from_results(
        results(scores),
        metric="MLM loss",
        percent=False,
        higher_is_better=False,
    )
    *_, row = report.rows()
    assert row.benefits.value == pytest.approx(0.5)
    text = report.to_markdown()
    assert "| svd | 1.9500 | 50.0 % |" in text
    assert "| MLM loss |" in text
    worse = Report.from_results(
        results({**scores, "teacher": [2.2]}), higher_is_better=False
    )
    assert "worse than the dense" in worse.to_markdown()


def test_json_round_trip(tmp_path):
    report = Report.from_results(
        full_results(), title="Digits", metric="top-1", latency_of="batch"
    )
    path = tmp_path / "report.json"
    report.save_json(path)
    assert Report.load(path) == report
    content = json.loads(path.read_text())
    svd = content["rows"][2]
    assert svd["method"] == "svd"
    assert svd["benefits"]["value"] == pytest.approx(0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_run_that_diverged_is_still_reported(tmp_path):
    scores = {**SCORES, "svd": [math.nan, math.nan]}
    report = Report.from_results(results(scores, loss=math.inf))
    report.save_json(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    row = Report.load(tmp_path / "report.json").rows()[2]
    assert math.isnan(row.score)
    assert str(row.benefits) == "n/a"
    assert "nan" in printed(report)
    report.plot(tmp_path / "report.png")


@pytest.mark.parametrize("before", [None, 0.2, math.nan])
@pytest.mark.parametrize("higher_is_better", [True, False])
def test_picture(tmp_path, before, higher_is_better):
    report = Report.from_results(
        results(score_before=before),
        title="Digits",
        higher_is_better=higher_is_better,
    )
    report.plot(tmp_path / "report.png")
    with Image.open(tmp_path / "report.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
        # Drawn, not blank.
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50


def test_picture_shows_scores_references_and_benefits():
    report = Report.from_results(results(score_before=0.2))
    scores, before = draw_report(report).axes
    texts = [text.get_text() for text in scores.texts]
    assert "50.0 % [50.0, 50.0]" in texts
    assert "91.50 ± 1.41" in texts
    # Teacher and dense are vertical lines at their means.
    verticals = [
        line.get_xdata()[0]
        for line in scores.lines
        if list(line.get_ydata()) == [0, 1]
    ]
    assert sorted(verticals) == pytest.approx([90.0, 93.0])
    assert [bar.get_width() for bar in before.patches] == [20.0] * 4
    assert before.get_xlim()[0] == 0


def test_the_better_side_is_the_right_one():
    for higher_is_better in (True, False):
        report = Report.from_results(
            results(), higher_is_better=higher_is_better
        )
        left, right = draw_report(report).axes[0].get_xlim()
        assert (left < right) == higher_is_better


def test_a_failing_plot_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.png"
    path.write_bytes(b"old")

    def savefig(_, aside, **__):
        aside.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", savefig)
    with pytest.raises(OSError, match="disk full"):
        Report.from_results(results()).plot(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_aside_replaces_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with write_aside(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
        assert aside.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "needs one result"),
        (
            [MethodResult("svd", 0, 0.9), MethodResult("svd", 0, 0.8)],
            r"`method='svd'` with seeds \[0, 0\]",
        ),
        (
            [MethodResult("svd", 0, 0.9), MethodResult("dense", 1, 0.8)],
            "same seeds. Received: {'svd'",
        ),
    ],
)
def test_bad_input(bad, message):
    with pytest.raises(ValueError, match=message):
        Report.from_results(bad)
