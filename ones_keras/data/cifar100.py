"""CIFAR-100 through `keras.datasets`."""

import keras

from ones_keras.data.keras_images import load_keras_images


def load_cifar100(image_size=None):
    """Loads CIFAR-100, 32x32 colour images in 100 (fine) classes.

    45,000 training, 5,000 validation and 10,000 test images. Training images
    are padded by 4 pixels, cropped and flipped. Keras does not pass the names
    of the classes on, so they are numbered.

    Args:
        image_size: `(height, width)` or `None`. Size to resize the images to.
            Defaults to `None`.

    Returns:
        An `ImageDataset`.

    Example:

    ```python
    dataset = load_cifar100()
    ```
    """
    return load_keras_images(
        name="cifar100",
        load_data=keras.datasets.cifar100.load_data,
        files=(
            "cifar-100-python.tar.gz, renamed to "
            "cifar-100-python-target_archive"
        ),
        class_names=[str(label) for label in range(100)],
        max_shift=4,
        image_size=image_size,
    )
