"""`moe_benefits` against the paper's own tables and hand-worked numbers."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ones_keras.metrics import moe_benefits


# (student, MoE, dense) top-1 or average score, and the printed benefits.
@pytest.mark.parametrize(
    ("student", "moe", "dense", "printed"),
    [
        (75.7, 77.5, 72.8, 61.7),  # OneS-B, Table 1
        (78.4, 79.5, 76.9, 57.7),  # OneS-L
        (73.8, 77.5, 72.8, 21.3),  # Distill-B
        (77.3, 79.5, 76.9, 15.3),  # Distill-L; exactly 15.38
        (74.8, 77.5, 72.8, 42.6),  # Switch-B
        (77.8, 79.5, 76.9, 34.6),  # Switch-L
        (84.63, 84.71, 84.03, 88.2),  # OneS, text
        (84.21, 84.71, 84.03, 26.5),  # Distill, text
        (84.20, 84.71, 84.03, 25.0),  # Switch, text
    ],
)
def test_reproduces_the_paper(student, moe, dense, printed):
    benefits = moe_benefits(student=student, moe=moe, dense=dense)
    # The paper cuts 15.38 to 15.3: a tenth of a percent, not half of one.
    assert 100 * benefits.value == pytest.approx(printed, abs=0.1)
    assert benefits.low is None
    assert benefits.high is None


def test_one_seed_prints_without_an_interval():
    assert str(moe_benefits(75.7, 77.5, 72.8)) == "61.7 %"
    assert str(moe_benefits([75.7], [77.5], [72.8])) == "61.7 %"


def test_ratio_of_means_not_mean_of_ratios():
    # Differences to dense: student 1, 4; MoE 2, 3. Means 2.5 / 2.5.
    # The mean of the ratios would be (1/2 + 4/3) / 2 = 0.917.
    benefits = moe_benefits([11.0, 14.0], [12.0, 13.0], [10.0, 10.0])
    assert benefits.value == pytest.approx(1.0)
    assert benefits.num_seeds == 2


def test_interval_equals_the_exhaustive_bootstrap():
    """Three seeds have 27 equally likely resamples: enumerate them."""
    student, moe, dense = [11.0, 14.0, 12.0], [13.0, 13.5, 12.5], [10.0] * 3
    gained, available = np.subtract(student, 10), np.subtract(moe, 10)
    ratios = [
        gained[list(pick)].mean() / available[list(pick)].mean()
        for pick in np.ndindex(3, 3, 3)
    ]
    benefits = moe_benefits(student, moe, dense, confidence=0.6)
    low, high = np.quantile(ratios, [0.2, 0.8], method="inverted_cdf")
    assert benefits.low == pytest.approx(low, abs=0.05)
    assert benefits.high == pytest.approx(high, abs=0.05)
    assert benefits.low < benefits.value < benefits.high


def test_seeds_are_resampled_in_pairs():
    """A student proportional to its teacher has no uncertainty at all."""
    dense = np.array([10.0, 50.0, 90.0])
    gap = np.array([1.0, 2.0, 3.0])
    benefits = moe_benefits(dense + 0.5 * gap, dense + gap, dense)
    assert benefits.value == pytest.approx(0.5)
    assert benefits.low == pytest.approx(0.5)
    assert benefits.high == pytest.approx(0.5)
    assert str(benefits) == "50.0 % [50.0, 50.0]"


def test_same_seed_same_interval():
    scores = ([11.0, 14.0, 12.0], [13.0, 13.5, 12.5], 10.0)
    assert moe_benefits(*scores) == moe_benefits(*scores)


def test_noise_is_not_divided_by():
    # Differences +1, -1, +1: mean 1/3, standard error 2/3.
    benefits = moe_benefits([9.0] * 3, [11.0, 9.0, 11.0], [10.0] * 3)
    assert benefits.value is None
    assert str(benefits) == "n/a"
    assert "standard errors" in benefits.reason
    # Differences 1, 1, 0.9: far outside the noise.
    assert moe_benefits([9.0] * 3, [11, 11, 10.9], [10.0] * 3).value < 0


def test_two_standard_errors_is_the_limit():
    # Differences d-1, d+1: standard error exactly 1, so 2 is "within".
    assert moe_benefits([0, 0], [1.0, 3.0], [0, 0]).value is None
    assert moe_benefits([0, 0], [1.01, 3.01], [0, 0]).value == 0.0


def test_a_seed_of_ties_leaves_an_interval():
    # A resample of that seed alone would be 0 / 0.
    dense = np.zeros(5)
    moe = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    benefits = moe_benefits(0.8 * moe, moe, dense)
    assert benefits.value == pytest.approx(0.8)
    assert benefits.low == pytest.approx(0.8)
    assert benefits.high == pytest.approx(0.8)


def test_one_seed_without_a_gap():
    assert str(moe_benefits(0.9, 0.8, 0.8)) == "n/a"


def test_non_finite_scores_are_reported_not_raised():
    benefits = moe_benefits([1.0, math.nan], [2.0, 2.0], [0.0, 0.0])
    assert benefits.reason == "a score is not finite"


def test_one_teacher_for_all_seeds():
    benefits = moe_benefits([75.0, 76.0], 77.0, [73.0, 73.0])
    assert benefits.value == pytest.approx(2.5 / 4.0)


@given(share=st.floats(-2, 3), gap=st.floats(0.5, 10), dense=st.floats(-50, 50))
def test_lower_is_better_scores_give_the_same(share, gap, dense):
    higher = moe_benefits(dense + share * gap, dense + gap, dense)
    lower = moe_benefits(-dense - share * gap, -dense - gap, -dense)
    assert higher.value == pytest.approx(share, abs=1e-6)
    assert lower.value == pytest.approx(higher.value)


def test_json():
    benefits = moe_benefits([75.0, 76.0], [77.0, 78.0], [73.0, 73.0])
    loaded = json.loads(json.dumps(benefits.to_dict()))
    assert loaded["value"] == benefits.value
    assert loaded["num_seeds"] == 2


@pytest.mark.parametrize(
    "scores",
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], 0.0),
        ([], [], []),
        ([[1.0]], 2.0, 0.0),
    ],
)
def test_unpaired_scores_are_refused(scores):
    with pytest.raises(ValueError, match=r"by seed\. Received: `student"):
        moe_benefits(*scores)


def test_confidence_is_checked():
    with pytest.raises(ValueError, match="Received: `confidence=95`"):
        moe_benefits(1.0, 2.0, 0.0, confidence=95)
