import numpy as np
import pytest

from ones_keras.reporting import draw_expert_load


@pytest.mark.parametrize("layers", [1, 5])
def test_a_bar_an_expert_and_a_dot_a_seed(layers):
    shares = np.array([[0.5, 0.3, 0.2], [0.3, 0.3, 0.4]])
    loads = {f"layer_{n}": shares for n in range(layers)}
    picture = draw_expert_load(loads, title="a title")
    shown = [axes for axes in picture.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(loads)
    for axes in shown:
        heights = [bar.get_height() for bar in axes.patches]
        np.testing.assert_allclose(heights, [40, 30, 30])
        *dots, equal = axes.get_lines()
        for line, seed in zip(dots, shares, strict=True):
            np.testing.assert_allclose(line.get_ydata(), 100 * seed)
        assert equal.get_ydata()[0] == pytest.approx(100 / 3)
