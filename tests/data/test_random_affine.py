"""`random_affine` against scipy's affine transform."""

import numpy as np
import tensorflow as tf
from scipy import ndimage

from ones_keras.data.random_affine import random_affine


def scipy_affine(image, angle, scale, shift_x, shift_y):
    """Pushes points forward, p -> s R (p - c) + c + t, and inverts that."""
    centre = (np.array(image.shape) - 1) / 2  # (row, column)
    # A positive angle turns the x (column) axis towards the y (row) axis.
    rotation = np.array(
        [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    )
    forward = np.eye(3)
    forward[:2, :2] = scale * rotation
    moved_centre = centre + np.array([shift_y, shift_x])
    forward[:2, 2] = moved_centre - forward[:2, :2] @ centre
    return ndimage.affine_transform(
        image, np.linalg.inv(forward), order=1, mode="grid-constant"
    )


def test_equals_scipy(rng):
    images = rng.uniform(0, 255, size=(6, 9, 12, 2)).astype("float32")
    seed = [3, 14]
    result = random_affine(images, seed).numpy()
    draws = tf.random.stateless_uniform(
        (6, 4), seed, -1.0, 1.0, alg="philox"
    ).numpy()
    for image, out, (angle, log_scale, *shift) in zip(
        images, result, draws, strict=True
    ):
        for channel in range(2):
            want = scipy_affine(
                image[..., channel].astype("float64"),
                0.35 * angle,
                np.exp(0.2 * log_scale),
                1.5 * shift[0],
                1.5 * shift[1],
            )
            np.testing.assert_allclose(out[..., channel], want, atol=0.01)


def test_every_image_has_its_own_transform(rng):
    image = rng.uniform(0, 255, size=(1, 8, 8, 1)).astype("float32")
    result = random_affine(np.repeat(image, 20, axis=0), [0, 0]).numpy()
    assert len(np.unique(result.reshape(20, -1), axis=0)) == 20


def test_function_of_the_seed():
    images = np.arange(128, dtype="float32").reshape(2, 8, 8, 1)
    first, again, other = (
        random_affine(images, seed).numpy() for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
