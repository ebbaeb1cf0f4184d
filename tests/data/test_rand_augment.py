"""RandAugment, each operation against Pillow's."""

import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from ones_keras.data.rand_augment import OPERATIONS, rand_augment

SIDES = (40, 60)
SHEAR, SHIFT = 0.3, 100 / 224
ENHANCEMENTS = {
    "saturation": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "brightness": ImageEnhance.Brightness,
    "sharpness": ImageEnhance.Sharpness,
}


@pytest.fixture(scope="module")
def image():
    """A smooth picture with some noise, no channel of its full range."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(30, 200, (6, 8, 3)).astype("uint8")
    smooth = Image.fromarray(coarse).resize(SIDES[::-1], Image.BICUBIC)
    noise = rng.integers(0, 20, (*SIDES, 3)).astype("uint8")
    return np.asarray(ImageChops.add(smooth, Image.fromarray(noise)))


def apply(name, image, level, draws=(0.1, 0.5, 0.5)):
    found = OPERATIONS[name](image, level, tf.constant(draws))
    assert found.dtype == "uint8"
    return found.numpy()


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 1.5])
@pytest.mark.parametrize("name", sorted(ENHANCEMENTS))
def test_enhancements(image, name, level):
    factor = 1.8 * level + 0.1
    enhanced = ENHANCEMENTS[name](Image.fromarray(image)).enhance(factor)
    # Pillow rounds its grey, its means and its smoothing first.
    found = apply(name, image, level).astype(int)
    assert np.abs(found - np.asarray(enhanced)).max() <= 1 + factor


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("auto_contrast", 1.0, ImageOps.autocontrast),
        ("equalize", 1.0, ImageOps.equalize),
        ("invert", 1.0, ImageOps.invert),
        ("posterize", 0.5, lambda x: ImageOps.posterize(x, 2)),
        ("posterize", 1.5, lambda x: ImageOps.posterize(x, 6)),
        ("posterize", 3.0, lambda x: x),
        ("solarize", 0.5, lambda x: ImageOps.solarize(x, 128)),
        ("solarize", 0.3, lambda x: ImageOps.solarize(x, 76)),
        (
            "solarize_add",
            0.5,
            lambda x: x.point(lambda v: min(v + 55, 255) if v < 128 else v),
        ),
    ],
)
def test_color_tables(image, name, level, expected):
    found = apply(name, image, level).astype(int)
    reference = np.asarray(expected(Image.fromarray(image))).astype(int)
    assert np.abs(found - reference).max() <= 1
    assert np.mean(found != reference) < 0.05


@pytest.mark.parametrize("name", ["auto_contrast", "equalize"])
def test_one_colour_stays(name):
    image = np.full((4, 4, 3), (3, 200, 255), "uint8")
    np.testing.assert_array_equal(apply(name, image, 1.0), image)


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize(
    "name", ["rotation", "shear_x", "shear_y", "shift_x", "shift_y"]
)
@pytest.mark.parametrize("level", [0.4, 1.5])
def test_geometry(image, name, level, direction):
    draws = (0.1 if direction < 0 else 0.9, 0.5, 0.5)
    found = apply(name, image, level, draws).astype(int)
    reference = _transformed(image, name, direction * level).astype(int)
    grey = np.all(reference == 128, axis=-1)
    # Pillow leaves out what has a neighbour outside.
    inner = ~np.asarray(
        Image.fromarray(grey).convert("L").filter(ImageFilter.MaxFilter(3))
    ).astype(bool)
    inner[[0, -1]] = inner[:, [0, -1]] = False
    assert inner.sum() > 100
    assert np.abs(found - reference)[inner].max() <= 2
    outer = np.asarray(
        Image.fromarray(grey).convert("L").filter(ImageFilter.MinFilter(3))
    ).astype(bool)
    assert np.all(found[outer] == 128)


def _transformed(image, name, level):
    height, width = SIDES
    # Pillow's pixels have their centre at a half.
    first, second = [1, 0, 0], [0, 1, 0]
    if name == "rotation":
        return np.asarray(
            Image.fromarray(image).rotate(
                30 * level, Image.BILINEAR, fillcolor=(128,) * 3
            )
        )
    if name == "shear_x":
        first[1:] = level * SHEAR, -level * SHEAR / 2
    elif name == "shear_y":
        second[0], second[2] = level * SHEAR, -level * SHEAR / 2
    elif name == "shift_x":
        first[2] = level * SHIFT * width
    else:
        second[2] = level * SHIFT * height
    return np.asarray(
        Image.fromarray(image).transform(
            (width, height),
            Image.AFFINE,
            (*first, *second),
            Image.BILINEAR,
            fillcolor=(128,) * 3,
        )
    )


def test_cutout(image):
    found = apply("cutout", image, 1.0, (0.1, 0.5, 0.0))
    changed = np.any(found != image, axis=-1) | np.all(image == 128, axis=-1)
    rows, columns = np.nonzero(changed)
    # 40 / 224 of a side in each direction from row 20 and column 0.
    assert (rows.min(), rows.max()) == (13, 27)
    assert (columns.min(), columns.max()) == (0, 10)
    assert np.all(found[13:28, :11] == 128)


def test_function_of_the_seed(image):
    first = rand_augment(image, (3, 4)).numpy()
    np.testing.assert_array_equal(rand_augment(image, (3, 4)), first)
    others = [rand_augment(image, (3, n)).numpy() for n in range(5, 15)]
    assert sum(np.any(other != first) for other in others) >= 9


def test_all_operations_are_drawn_alike(image):
    """One that marks the image with its own number, and no other work."""
    counts = np.zeros(len(OPERATIONS), int)
    marks = {
        name: lambda image, level, draws, mark=mark: tf.zeros_like(image) + mark
        for mark, name in enumerate(OPERATIONS)
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, mark in marks.items():
            patch.setitem(OPERATIONS, name, mark)
        augment = tf.function(lambda n: rand_augment(image, (0, n), 1))
        for seed in tf.range(1600):
            counts[augment(seed)[0, 0, 0]] += 1
    # Binomial, 100 each with a deviation of 9.7.
    assert counts.min() > 60
    assert counts.max() < 145


def test_in_a_pipeline_of_images_of_any_size():
    sizes = [(30, 40), (50, 20)]

    def read(n):
        image = tf.zeros(tf.gather(sizes, n), "uint8")
        image = tf.tile(image[..., None], (1, 1, 3))
        return rand_augment(image, tf.stack([0, n]))

    for n, image in enumerate(
        tf.data.Dataset.range(2, output_type="int32").map(read)
    ):
        assert image.shape == (*sizes[n], 3)


def test_no_operations_leave_the_image(image):
    np.testing.assert_array_equal(rand_augment(image, (0, 0), 0), image)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"num_ops": -1}, "num_ops=-1"),
        ({"num_ops": 1.5}, "num_ops=1.5"),
        ({"magnitude": 31}, "magnitude=31"),
        ({"magnitude": math.nan}, "magnitude=nan"),
    ],
)
def test_bad_arguments(image, options, named):
    with pytest.raises(ValueError, match=named):
        rand_augment(image, (0, 0), **options)
