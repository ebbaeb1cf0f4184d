import numpy as np

from ones_keras.reporting import draw_learning_curves


def log(values):
    rows = [{"step": 10 * n, "loss": value} for n, value in enumerate(values)]
    rows[-1]["val"] = 1.0
    return rows


def test_a_line_a_method_and_seed():
    logs = {"teacher": [log([3, 2])], "svd": [log([2, 1]), log([4, 3, 2])]}
    picture = draw_learning_curves(logs, {"loss": "a loss", "val": "a score"})
    left, right = picture.axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("a loss", "a score")
    drawn = [np.array(line.get_ydata()) for line in left.get_lines()]
    for found, expected in zip(drawn, ([3, 2], [2, 1], [4, 3, 2]), strict=True):
        np.testing.assert_array_equal(found, expected)
    # Validated at the end alone.
    assert [list(line.get_xdata()) for line in right.get_lines()] == [
        [10],
        [10],
        [20],
    ]
    teacher, one, other = (line.get_color() for line in left.get_lines())
    assert one == other != teacher
    (legend,) = picture.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["teacher", "svd"]
