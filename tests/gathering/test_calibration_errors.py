"""Calibration data and options that cannot serve."""

import numpy as np
import pytest

from ones_keras.gathering.calibration_batches import (
    CalibrationBatches,
    held_out,
)
from tests.gathering.conftest import make_teacher
from tests.gathering.token_cases import gather, vit_moe


@pytest.fixture(scope="module")
def teacher():
    """One for all of them, as none comes to be gathered."""
    return make_teacher(np.random.default_rng(0))


def test_values_that_are_not_finite_are_named(teacher, images):
    bad = images.copy()
    bad[33] = np.nan
    with pytest.raises(
        ValueError, match=r"inputs of the layer 'feed_forward'.*512 NaN.*"
    ):
        gather(teacher, "select_units", [bad[:20], bad[20:]])


def test_what_is_not_finite_is_named_where_it_is_held_out_too(
    teacher, images, seen
):
    """Also without a report, and before a method that may take long."""
    ((x, examples),) = CalibrationBatches(images)
    bad = x.copy()
    # Still held out by its checksum.
    for row in np.flatnonzero(held_out(examples)):
        for value in range(64):
            bad[row, 0, 0], bad[row, 0, 1] = np.nan, value
            ((_, found),) = CalibrationBatches(bad)
            if held_out(found)[row]:
                break
    bad[~held_out(examples)] = x[~held_out(examples)]
    assert np.isnan(bad).any()
    with pytest.raises(ValueError, match=r"inputs of the layer .* NaN"):
        gather(teacher, "spy", bad)
    assert not seen


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("least_squares", {"data": None}, "needs `calibration_data`"),
        ("svd", {"intermediate_dim": 8}, "width only.*select_units"),
        ("select_units", {"intermediate_dim": 0}, "`intermediate_dim=0`"),
        ("select_units", {"intermediate_dim": 129}, "at most .* 128"),
        ("select_units", {"calibration_tokens": 0}, "`calibration_tokens=0`"),
        ("svd", {"front_to_back": True}, "`front_to_back=True`"),
        ("select_units", {"ridge": 1}, r"no option \['ridge'\]"),
    ],
)
def test_bad_arguments_are_named(method, options, message, teacher, images):
    data = options.pop("data", images)
    with pytest.raises(ValueError, match=message):
        gather(teacher, method, data, return_report=True, **options)


class Unread:
    """Calibration data that must not be looked at yet."""

    def __iter__(self):
        raise AssertionError("The calibration has begun.")


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("frequency_average", {"down_scale": -1}, "`down_scale=-1`"),
        ("select_experts", {"score": "use"}, "`score='use'`"),
        ("select_units", {"intermediate_dim": 129}, "at most .* 128"),
        ("matching_pursuit", {"max_candidates": 0}, "`max_candidates=0`"),
        ("least_squares", {"ridge": -1}, "`ridge=-1`"),
        ("least_squares", {"selection": "switch"}, "that gathers"),
        (
            "least_squares",
            {"calibration_tokens": 9},
            "at least 33 tok.*`calibration_tokens=9`",
        ),
        ("layer_fit", {"calibration_tokens": 63}, "at least 64 tok"),
        ("layer_fit", {"steps": 0}, "`steps=0`"),
        ("layer_fit", {"start": "svd", "intermediate_dim": 9}, "width only"),
        ("layer_fit", {"intermediate_dim": 129}, "at most .* 128"),
        ("layer_fit", {"seed": -1}, "`seed=-1`"),
        ("layer_fit", {"seed": None}, "`seed=None`"),
    ],
)
def test_bad_options_are_named_before_the_pass(
    method, options, message, teacher
):
    with pytest.raises(ValueError, match=message):
        gather(teacher, method, Unread(), **options)


def test_data_that_cannot_serve_is_refused(teacher, images, seen):
    with pytest.raises(ValueError, match="several times"):
        gather(teacher, "spy", iter([images]))
    with pytest.raises(ValueError, match="at least one token"):
        gather(teacher, "spy", images[:0])
    lucky = [
        x[~held_out(examples)] for x, examples in CalibrationBatches(images)
    ]
    with pytest.raises(ValueError, match="none of them held out"):
        gather(teacher, "spy", lucky, return_report=True)
    assert not seen


def test_one_width_does_not_fit_blocks_that_are_dense():
    with pytest.raises(ValueError, match="`expert_every=2`"):
        gather(vit_moe(), "select_units", Unread(), intermediate_dim=8)
