"""A folder of image files in ImageNet's layout."""

import functools
import pathlib

import numpy as np
from absl import logging

from ones_keras.data.file_images import FileImages
from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.stratified_split import stratified_split

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png"}


def load_image_folder(
    data_dir=None,
    image_size=(224, 224),
    validation_share=0.1,
    augment=None,
    max_unreadable=10,
):
    """Loads `data_dir/train/<class>/*` and `data_dir/val/<class>/*`.

    The images under `val` are the test split, as is the custom with ImageNet;
    the validation split is a fixed, stratified share of those under `train`.
    Labels number the class folders in alphabetical order. Files are decoded
    while training, as `FileImages` says, and never held in memory together.

    Args:
        data_dir: str or path. The folder that holds `train` and `val`.
        image_size: `(height, width)`. Size of the images in a batch. Defaults
            to `(224, 224)`.
        validation_share: float. Share of the training images that is held out,
            in (0, 1); never less than one image a class. Defaults to `0.1`.
        augment: callable or `None`. As of `FileImages`, for the training
            split, such as `ones_keras.data.rand_augment`. Defaults to `None`.
        max_unreadable: int. How many files of a split may be skipped, as they
            cannot be decoded, before training or evaluation fails. Defaults
            to `10`.

    Returns:
        An `ImageDataset`, colour images of shape `(*image_size, 3)`.

    Raises:
        ValueError: If a folder is missing, empty or unreadable, if `train` and
            `val` hold different classes, or if a class is too small to be
            split.

    Example:

    ```python
    dataset = load_image_folder("/data/imagenet", image_size=(224, 224))
    ```
    """
    if data_dir is None:
        raise ValueError(
            'The dataset "imagefolder" needs `data_dir`, a folder that holds '
            "train/<class>/* and val/<class>/*. Received: `data_dir=None`."
        )
    if not 0.0 < validation_share < 1.0:
        raise ValueError(
            "`validation_share` must lie strictly between 0 and 1. "
            f"Received: `validation_share={validation_share}`."
        )
    data_dir = pathlib.Path(data_dir)
    try:
        train_folders = _class_folders(data_dir, "train")
        test_folders = _class_folders(data_dir, "val")
        _check_same_classes(data_dir, set(train_folders), set(test_folders))
        paths, labels = _list_images(train_folders)
        test_paths, test_labels = _list_images(test_folders)
    except OSError as error:
        raise ValueError(
            f"The image folder cannot be read ({error}). "
            f"Received: `data_dir={str(data_dir)!r}`."
        ) from error
    counts = np.bincount(labels)
    if counts.min() < 2:
        folder = list(train_folders.values())[counts.argmin()]
        raise ValueError(
            "Every class needs two training images at least, one of them for "
            f"validation. {folder} holds one."
        )
    num_classes = len(counts)
    wanted = round(validation_share * len(labels))
    holdout_size = int(np.clip(wanted, num_classes, len(labels) - num_classes))
    train, validation = stratified_split(labels, holdout_size)
    evaluated = functools.partial(
        FileImages, image_size=image_size, max_unreadable=max_unreadable
    )
    return ImageDataset(
        name="imagefolder",
        class_names=tuple(train_folders),
        image_shape=(*image_size, 3),
        train_split=FileImages(
            paths[train], labels[train], image_size, augment, max_unreadable
        ),
        validation_split=evaluated(paths[validation], labels[validation]),
        test_split=evaluated(test_paths, test_labels),
    )


def _class_folders(data_dir, split):
    """The class folders of a split by name, in alphabetical order."""
    folder = data_dir / split
    if not folder.is_dir():
        raise ValueError(
            f"No folder {folder}: `data_dir` must hold train/<class>/* and "
            f"val/<class>/*. Received: `data_dir={str(data_dir)!r}`."
        )
    folders = {
        child.name: child
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    if not folders:
        raise ValueError(f"{folder} holds no class folder.")
    return folders


def _check_same_classes(data_dir, train, test):
    if train == test:
        return
    differences = [
        f"only in {split}: {', '.join(sorted(names)[:5])}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        for split, names in (("train", train - test), ("val", test - train))
        if names
    ]
    raise ValueError(
        f"train and val of {data_dir} must hold the same classes. "
        f"Found {'; '.join(differences)}."
    )


def _list_images(folders):
    """Paths and labels of all images; the label is the folder's number."""
    paths, labels, others = [], [], []
    for label, folder in enumerate(folders.values()):
        visible = [p for p in folder.iterdir() if not p.name.startswith(".")]
        found = sorted(str(p) for p in visible if p.suffix.lower() in _SUFFIXES)
        others += [p for p in visible if p.suffix.lower() not in _SUFFIXES]
        if not found:
            raise ValueError(
                f"The class folder {folder} holds no image "
                f"({', '.join(sorted(_SUFFIXES))})."
            )
        paths.extend(found)
        labels.extend([label] * len(found))
    if others:
        logging.warning(
            "Ignored %d files that are no %s, such as %s.",
            len(others),
            "/".join(sorted(_SUFFIXES)),
            others[0],
        )
    return np.array(paths), np.array(labels)
