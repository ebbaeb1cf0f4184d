"""Crops that are decoded alone, against crops of whole images."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ones_keras.data.decode_image import (
    _decode_window,
    decode_central_crop,
    decode_image,
    decode_random_crop,
)

MODES = {"L": "L.jpg", "RGB": "RGB.jpg", "CMYK": "CMYK.jpg", "P": "P.png"}


@pytest.fixture
def contents(tmp_path, rng):
    """An encoded image of 60 x 90 pixels of a mode."""

    def encode(mode):
        coarse = rng.integers(0, 256, (6, 9, 3)).astype("uint8")
        image = Image.fromarray(coarse).resize((90, 60), Image.BICUBIC)
        path = tmp_path / MODES[mode]
        image.convert(mode).save(path)
        return path.read_bytes()

    return encode


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "window", [(0, 0, 60, 90), (7, 13, 21, 34), (59, 89, 1, 1)]
)
def test_a_window_is_that_part_of_the_image(contents, mode, window):
    encoded = contents(mode)
    part = _decode_window(encoded, lambda shape: tf.constant(window)).numpy()
    y, x, height, width = window
    whole = decode_image(encoded).numpy()
    # At its edge a JPEG's colours are interpolated from fewer pixels.
    np.testing.assert_allclose(
        part.astype(int),
        whole[y : y + height, x : x + width].astype(int),
        atol=0 if mode in "LP" else 30,
    )
    inner = whole[y + 2 : y + height - 2, x + 2 : x + width - 2]
    np.testing.assert_array_equal(part[2:-2, 2:-2], inner)


def test_formats_give_the_same_crops(contents):
    """Whether a JPEG's window is decoded, or a PNG's cut from the whole."""
    jpeg = contents("RGB")
    png = tf.io.encode_png(decode_image(jpeg))
    for seed in range(8):
        found = [
            decode_random_crop(x, (20, 20), (0, seed)) for x in (jpeg, png)
        ]
        assert np.abs(found[0] - found[1]).mean() < 1
    found = [decode_central_crop(x, (20, 20)) for x in (jpeg, png)]
    assert np.abs(found[0] - found[1]).mean() < 1
