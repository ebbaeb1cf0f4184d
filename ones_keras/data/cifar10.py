"""CIFAR-10 through `keras.datasets`."""

import keras

from ones_keras.data.keras_images import load_keras_images


def load_cifar10(image_size=None):
    """Loads CIFAR-10, 32x32 colour images in 10 classes.

    45,000 training, 5,000 validation and 10,000 test images. Training images
    are padded by 4 pixels, cropped and flipped.

    Args:
        image_size: `(height, width)` or `None`. Size to resize the images to.
            Defaults to `None`.

    Returns:
        An `ImageDataset`.

    Example:

    ```python
    dataset = load_cifar10(image_size=(224, 224))
    ```
    """
    return load_keras_images(
        name="cifar10",
        load_data=keras.datasets.cifar10.load_data,
        files=(
            "cifar-10-python.tar.gz, renamed to "
            "cifar-10-batches-py-target_archive"
        ),
        class_names=(
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
        max_shift=4,
        image_size=image_size,
    )
