import numpy as np

from ones_keras.data import ArrayExamples


def test_batches_are_a_function_of_seed_and_step():
    numbers = np.arange(6)
    examples = ArrayExamples({"a": numbers, "b": 10 * numbers}, -numbers)
    assert len(examples) == 6

    def batches(seed, start_step, count):
        dataset = examples.training_batches(2, seed, start_step).take(count)
        return [(x["a"].numpy(), x["b"].numpy(), y.numpy()) for x, y in dataset]

    found = batches(0, 0, 6)
    for a, b, labels in found:
        np.testing.assert_array_equal(b, 10 * a)
        np.testing.assert_array_equal(labels, -a)
    first, second = (
        np.concatenate([a for a, _, _ in part])
        for part in (found[:3], found[3:])
    )
    assert sorted(first) == sorted(second) == list(range(6))
    assert list(first) != list(second)
    np.testing.assert_array_equal(batches(0, 4, 2), found[4:])
    assert not np.array_equal(batches(1, 0, 6), found)
