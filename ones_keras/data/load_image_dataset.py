"""Image datasets by name."""

import inspect

from ones_keras.data.cifar10 import load_cifar10
from ones_keras.data.cifar100 import load_cifar100
from ones_keras.data.digits import load_digits
from ones_keras.data.fashion_mnist import load_fashion_mnist
from ones_keras.data.image_folder import load_image_folder
from ones_keras.data.image_records import load_image_records
from ones_keras.data.imagenet2012 import load_imagenet2012
from ones_keras.data.keep_tensorflow_off_gpu import keep_tensorflow_off_gpu

# To add a dataset, write a loader that returns an `ImageDataset` and name it
# here. Of `data_dir` and `image_size` it takes those that mean something.
IMAGE_DATASETS = {
    "digits": load_digits,
    "fashion_mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "imagefolder": load_image_folder,
    "imagerecords": load_image_records,
    "imagenet2012": load_imagenet2012,
}


def load_image_dataset(name, data_dir=None, image_size=None, **options):
    """Loads an image dataset, with its splits and augmentation.

    Args:
        name: str. One of `"digits"`, `"fashion_mnist"`, `"cifar10"`,
            `"cifar100"`, `"imagefolder"` (class folders), `"imagerecords"`
            (TFRecord files of `write_image_records`) and `"imagenet2012"`
            (as TFDS prepares it).
        data_dir: str, path or `None`. The folder of the last three. The
            datasets that Keras downloads are kept, and found offline, below
            the folder that the environment variable `KERAS_HOME` names when
            Keras is imported. Defaults to `None`.
        image_size: int, `(height, width)` or `None`. Size of the images, in
            pixels. Defaults to `None`, the dataset's own size, or 224 for the
            last three.
        **options: Of `load_image_folder`, `load_image_records` or
            `load_imagenet2012`: `augment`, `max_unreadable` and, unless the
            splits are written already, `validation_share`.

    Returns:
        An `ImageDataset`.

    Raises:
        ValueError: If the name is unknown, the dataset takes no `data_dir` or
            not an option, or the data is missing or unreadable.

    Example:

    ```python
    dataset = ones_keras.data.load_image_dataset("digits")
    images, labels = next(iter(dataset.train(batch_size=128)))
    images.shape  # (128, 8, 8, 1)
    ```
    """
    if name not in IMAGE_DATASETS:
        raise ValueError(
            "`name` must be one of "
            f"{', '.join(repr(known) for known in IMAGE_DATASETS)}. "
            f"Received: `name={name!r}`."
        )
    loader = IMAGE_DATASETS[name]
    known = inspect.signature(loader).parameters
    if data_dir is not None:
        if "data_dir" not in known:
            raise ValueError(
                f'The dataset "{name}" takes no `data_dir`. (The datasets that '
                "Keras downloads are found through the environment variable "
                f"KERAS_HOME.) Received: `data_dir={str(data_dir)!r}`."
            )
        options["data_dir"] = data_dir
    for option, value in options.items():
        if option not in known:
            raise ValueError(
                f'The dataset "{name}" takes no `{option}`. Received: '
                f"`{option}={value!r}`."
            )
    if image_size is not None:
        options["image_size"] = _size_pair(image_size)
    keep_tensorflow_off_gpu()
    return loader(**options)


def _size_pair(image_size):
    pair = (image_size,) * 2 if isinstance(image_size, int) else image_size
    pair = tuple(pair)
    if len(pair) != 2 or any(int(side) != side or side < 1 for side in pair):
        raise ValueError(
            "`image_size` must be a positive int or a pair of them. "
            f"Received: `image_size={image_size}`."
        )
    return pair
