"""Each method against the paper's formula, written out another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gathering.expert_cases import EXPERTS, HIDDEN, make_experts, run


def assert_same(found, expected):
    for one, other in zip(found[:4], expected[:4], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_average_and_sum_of_equal_experts():
    one = make_experts(num_experts=1)
    experts = one._replace(
        **{
            name: np.repeat(getattr(one, name), 4, axis=0)
            for name in one._fields[:4]
        }
    )
    single = [weight[0] for weight in one[:4]]
    assert_same(run("average", experts), single)
    summed = [4 * single[0], single[1], 4 * single[2], single[3]]
    assert_same(run("sum", experts), summed)
    halved = run("average", experts, down_scale=0.5)
    np.testing.assert_allclose(halved.down_kernel, single[2] / 2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), num_experts=st.integers(1, 5))
def test_full_svd_is_the_sum(seed, num_experts):
    experts = make_experts(seed, num_experts)
    assert_same(run("svd", experts, svd_ratio=1.0), run("sum", experts))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), svd_ratio=st.floats(0.01, 1.0))
def test_svd_is_equation_14_by_stacked_factors(seed, svd_ratio):
    experts = make_experts(seed)
    found = run("svd", experts, svd_ratio=svd_ratio)
    for kernels, gathered, part in (
        (experts.up_kernel, found.up_kernel, "up"),
        (experts.down_kernel, found.down_kernel, "down"),
    ):
        lefts, values, rights, ranks = [], [], [], []
        for kernel in kernels:
            left, singular, right = np.linalg.svd(kernel, full_matrices=False)
            rank = next(
                count
                for count in range(1, len(singular) + 1)
                if singular[:count].sum() >= (svd_ratio - 1e-9) * singular.sum()
            )
            lefts.append(left[:, :rank])
            values.append(singular[:rank])
            rights.append(right[:rank])
            ranks.append(rank)
        product = (
            np.concatenate(lefts, axis=1)
            @ np.diag(np.concatenate(values))
            @ np.concatenate(rights, axis=0)
        )
        assert ranks == found.details[f"{part}_rank"]
        np.testing.assert_allclose(gathered, product, atol=1e-9)
    np.testing.assert_allclose(found.up_bias, experts.up_bias.mean(0))
    np.testing.assert_allclose(found.down_bias, experts.down_bias.mean(0))


def test_svd_scales():
    experts = make_experts()
    plain = run("svd", experts)
    mean = run("svd", experts, scale="mean")
    np.testing.assert_allclose(mean.up_kernel * EXPERTS, plain.up_kernel)
    norm = run("svd", experts, scale="norm")
    np.testing.assert_allclose(
        np.linalg.norm(norm.down_kernel),
        np.linalg.norm(experts.down_kernel, axis=(1, 2)).mean(),
    )


def test_top_k_keeps_whole_units_by_score():
    experts = make_experts()
    found = run("top_k", experts, down_scale=1.0)
    assert found.details["units"] == [3, 3, 2]
    rows = iter(range(HIDDEN))
    for expert, count in enumerate([3, 3, 2]):
        scores = [
            np.linalg.norm(experts.up_kernel[expert][:, unit])
            * np.linalg.norm(experts.down_kernel[expert][unit])
            for unit in range(HIDDEN)
        ]
        for unit in sorted(
            sorted(range(HIDDEN), key=lambda u: -scores[u])[:count]
        ):
            row = next(rows)
            np.testing.assert_array_equal(
                found.up_kernel[:, row], experts.up_kernel[expert][:, unit]
            )
            assert found.up_bias[row] == experts.up_bias[expert][unit]
            np.testing.assert_array_equal(
                found.down_kernel[row], experts.down_kernel[expert][unit]
            )
    np.testing.assert_allclose(found.down_bias, experts.down_bias.mean(0))


def test_top_k_of_one_expert_preserves_the_function():
    experts = make_experts(num_experts=1)
    found = run("top_k", experts, down_scale=1.0)
    assert_same(found, [weight[0] for weight in experts[:4]])


def test_top_k_default_scale_is_one_over_the_experts():
    experts = make_experts()
    default, plain = run("top_k", experts), run("top_k", experts, down_scale=1)
    np.testing.assert_allclose(EXPERTS * default.down_kernel, plain.down_kernel)
    assert default.details["down_scale"] == 1 / EXPERTS


@pytest.mark.parametrize("part", ["up", "down"])
def test_top_k_per_matrix_takes_the_longest_columns(part):
    experts = make_experts()
    found = run("top_k", experts, per_matrix=True, down_scale=1.0)
    kernels = getattr(experts, f"{part}_kernel")
    biases = getattr(experts, f"{part}_bias")
    kernel = getattr(found, f"{part}_kernel")
    bias = getattr(found, f"{part}_bias")
    counts = found.details[f"{part}_columns"]
    assert sum(counts) == kernel.shape[1] == kernels.shape[2]
    assert max(counts) - min(counts) <= 1
    column = 0
    for expert, count in enumerate(counts):
        lengths = np.linalg.norm(kernels[expert], axis=0)
        for index in sorted(np.argsort(-lengths)[:count]):
            np.testing.assert_array_equal(
                kernel[:, column], kernels[expert][:, index]
            )
            assert bias[column] == biases[expert][index]
            column += 1


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("svd", {"svd_ratio": 0}, r"`svd_ratio=0`"),
        ("svd", {"svd_ratio": 1.01}, r"`svd_ratio=1\.01`"),
        ("svd", {"svd_ratio": float("nan")}, r"`svd_ratio=nan`"),
        ("svd", {"scale": "max"}, "`scale='max'`"),
        ("top_k", {"down_scale": 0}, "`down_scale=0`"),
        ("sum", {"down_scale": -1}, "`down_scale=-1`"),
        ("average", {"down_scale": float("nan")}, "`down_scale=nan`"),
    ],
)
def test_bad_options_are_named(method, options, message):
    with pytest.raises(ValueError, match=message):
        run(method, make_experts(), **options)
