"""Fashion-MNIST through `keras.datasets`."""

import keras

from ones_keras.data.keras_images import load_keras_images


def load_fashion_mnist(image_size=None):
    """Loads Fashion-MNIST, 28x28 grey images of clothes in 10 classes.

    55,000 training, 5,000 validation and 10,000 test images. Training images
    are shifted by up to 2 pixels and flipped.

    Args:
        image_size: `(height, width)` or `None`. Size to resize the images to.
            Defaults to `None`.

    Returns:
        An `ImageDataset`.

    Example:

    ```python
    dataset = load_fashion_mnist()
    ```

    References:
        - [Fashion-MNIST](https://arxiv.org/abs/1708.07747)
    """
    return load_keras_images(
        name="fashion_mnist",
        load_data=keras.datasets.fashion_mnist.load_data,
        files=(
            "fashion-mnist/{train,t10k}-images-idx3-ubyte.gz and "
            "fashion-mnist/{train,t10k}-labels-idx1-ubyte.gz"
        ),
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        max_shift=2,
        image_size=image_size,
    )
