"""Curves over seeds: what is computed, written, drawn and refused."""

import math

import numpy as np
import pytest
from matplotlib import image

from ones_keras.reporting import CurvePoint, CurveReport
from ones_keras.reporting.draw_curves import draw_curves


def points():
    scores = {
        ("teacher", 0): (0.92, 0.94),
        ("dense", 100): (0.60, 0.64),
        ("dense", 1000): (0.90, 0.91),
        ("svd", 0): (0.10, 0.14),
        ("svd", 100): (0.70, 0.72),
        ("svd", 1000): (0.93, 0.96),
    }
    return tuple(
        CurvePoint(method, seed=seed, x=x, score=score)
        for (method, x), own in scores.items()
        for seed, score in zip((5, 3), own, strict=True)
    )


@pytest.fixture
def report():
    return CurveReport(
        points(), x_name="distillation steps", controls=("teacher", "dense")
    )


def test_scores_are_paired_by_seed(report):
    np.testing.assert_array_equal(report.scores("svd", 0), [0.14, 0.10])
    assert report.scores("dense", 0) is None
    assert report.xs == [0, 100, 1000]
    assert report.methods == ["teacher", "dense", "svd"]


def test_the_table_by_hand(report):
    table = report.to_markdown(against=(("teacher", 0), ("dense", 1000)))
    header, _, teacher, dense, svd = table.splitlines()
    assert header == (
        "| distillation steps | 0 | 100 | 1,000 | minus teacher (0) | minus "
        "dense (1,000) |"
    )
    # Standard errors of two numbers are half their distance.
    assert teacher == "| teacher | 93.00 ± 1.00 |  |  |  |  |"
    assert dense == (
        "| dense |  | 62.00 ± 2.00 | 90.50 ± 0.50 | -2.50 ± 0.50 |  |"
    )
    assert svd == (
        "| svd | 12.00 ± 2.00 | 71.00 ± 1.00 | 94.50 ± 1.50 | +1.50 ± 0.50 | "
        "+4.00 ± 1.00 |"
    )


def test_benefits_by_hand(report):
    found = report.benefits("svd", 1000, 1000)
    assert found.value == pytest.approx(4.0 / 2.5)
    assert report.benefits("svd", 5, 1000).value is None


def test_where_a_goal_is_reached_on_the_logarithmic_axis(report):
    # From 71 % at 100 to 94.5 % at 1000: 93 % lies 22 / 23.5 of the way.
    share = 22 / 23.5
    steps = math.exp(share * math.log(1001) + (1 - share) * math.log(101)) - 1
    assert report.first_reaching("svd", 0.93) == pytest.approx(steps)
    assert report.first_reaching("svd", 0.05) == 0
    assert report.first_reaching("svd", 0.99) is None
    assert report.first_reaching("dense", 0.5) == 100


def test_json_round_trip(report, tmp_path):
    report.save_json(tmp_path / "curves.json")
    assert CurveReport.load(tmp_path / "curves.json") == report


def test_the_picture_holds_every_curve(report, tmp_path):
    report.plot(tmp_path / "curves.png")
    assert image.imread(tmp_path / "curves.png").shape[0] > 800
    whole, upper = draw_curves(report).axes
    heights = {round(float(line.get_ydata()[-1]), 6) for line in whole.lines}
    assert heights == {93.0, 90.5, 94.5}
    names = {text.get_text() for text in upper.texts}
    assert names == {"teacher", "dense", "svd"}
    assert_apart(upper)


def assert_apart(axes):
    """Names inside the panel's height, none on another."""
    places = sorted(text.xy[1] for text in axes.texts)
    assert places[0] >= -1e-9
    assert places[-1] <= 1 + 1e-9
    assert min(np.diff(places)) > 0.02


@pytest.mark.parametrize("low", [0.13, 0.9])
def test_many_names_and_one_far_below(low, tmp_path):
    names = [f"method {index}" for index in range(35)]
    scores = [low, *np.linspace(0.91, 0.93, 34)]
    report = CurveReport(
        tuple(
            CurvePoint(name, seed=0, x=x, score=score)
            for name, score in zip(names, scores, strict=True)
            for x in (0, 10)
        ),
        x_name="steps",
    )
    report.plot(tmp_path / "curves.png")
    _, upper = draw_curves(report).axes
    assert len(upper.texts) == 35
    assert_apart(upper)
    found = {text.get_text() for text in upper.texts}
    assert ("↓ method 0" in found) == (low == 0.13)


def test_one_seed_and_equal_scores_are_drawn_too(tmp_path):
    flat = tuple(
        CurvePoint(method, seed=0, x=x, score=0.5)
        for method in ("a", "b")
        for x in (0, 10)
    )
    report = CurveReport(flat, x_name="images")
    assert "| a | 50.00 | 50.00 |" in report.to_markdown()
    report.plot(tmp_path / "curves.png")


def test_bad_points_are_named():
    with pytest.raises(ValueError, match="one point at least"):
        CurveReport((), x_name="steps")
    with pytest.raises(ValueError, match=r"`method='dense'`, `x=100`"):
        CurveReport((*points(), points()[2]), x_name="steps")
    with pytest.raises(ValueError, match="needs the same seeds"):
        CurveReport(points()[1:], x_name="steps")
