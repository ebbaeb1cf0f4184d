"""The sample of tokens: bounded, seeded, uniform, whatever the batches."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ones_keras.gathering.reservoir import Reservoir


def sample(size, batches, seed=0):
    reservoir = Reservoir(size, seed)
    for rows in batches:
        reservoir.add((rows, -rows))
    return reservoir.rows()


@settings(max_examples=50, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 200), max_size=12),
    size=st.integers(1, 250),
    seed=st.integers(0, 10**6),
)
def test_the_rows_of_the_smallest_keys_however_cut(cuts, size, seed):
    rows = np.arange(200)
    found, mirrored = sample(size, np.split(rows, sorted(cuts)), seed)
    keys = np.random.default_rng([seed, 0]).random(200)
    np.testing.assert_array_equal(found, np.argsort(keys)[:size])
    np.testing.assert_array_equal(mirrored, -found)


def test_every_row_is_as_likely_as_another():
    counts = np.zeros(40)
    for seed in range(2000):
        (found, _) = sample(10, np.split(np.arange(40), 4), seed)
        counts[found] += 1
    # 500 expected with a standard deviation of 19.4 each.
    assert abs(counts - 500).max() < 5 * 19.4


def test_streams_draw_from_generators_of_their_own():
    def in_turns(batch):
        reservoir = Reservoir(30, seed=3)
        for start in range(0, 60, batch):
            rows = np.arange(start, start + batch)
            for stream in (0, 1):
                reservoir.add((100 * stream + rows,), stream)
        return set(reservoir.rows()[0].tolist())

    assert in_turns(5) == in_turns(20)


def test_nothing_offered_is_nothing_kept():
    assert Reservoir(3, 0).rows() == []


def test_memory_is_that_of_the_sample_and_one_array_more():
    rows, dim = 2000, 100
    stored = 8 * rows * (2 * dim + 1)
    batches = np.ones((20, 500, dim))
    tracemalloc.start()
    try:
        reservoir = Reservoir(rows, 0)
        for batch in batches:
            reservoir.add((batch, batch))
        found = reservoir.rows()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 2
    # And what of a batch is on its way.
    assert stored < peak < stored + 8 * dim * (rows + 500)
