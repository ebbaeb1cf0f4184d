"""ImageNet as TensorFlow Datasets prepares it."""

import numpy as np
import tensorflow_datasets as tfds

from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.record_images import RecordImages

BUILDER = "imagenet2012"


def load_imagenet2012(
    data_dir=None,
    image_size=(224, 224),
    validation_share=0.01,
    augment=None,
    max_unreadable=10,
):
    """Loads ImageNet-1k from the files that TFDS prepared.

    ImageNet's `validation` images are the test split, as is the custom; the
    validation split is the last share of the training records, which TFDS has
    shuffled. TFDS cannot download ImageNet: `ILSVRC2012_img_train.tar` and
    `ILSVRC2012_img_val.tar` have to lie in its `downloads/manual`, and
    `tfds build imagenet2012 --file_format=tfrecord` prepares them once.

    Args:
        data_dir: str, path or `None`. Where TFDS keeps its datasets; `None` is
            its default. Defaults to `None`.
        image_size: `(height, width)`. Size of the images in a batch. Defaults
            to `(224, 224)`.
        validation_share: float. Share of the training images that is held out,
            in (0, 1), one at least. Defaults to `0.01`.
        augment: callable or `None`. As of `FileImages`, for the training
            split. Defaults to `None`.
        max_unreadable: int. How many images of a split may be skipped, as
            they cannot be decoded, before training or evaluation fails.
            Defaults to `10`.

    Returns:
        An `ImageDataset`, colour images of shape `(*image_size, 3)`.

    Raises:
        ValueError: If the dataset is not prepared, or not as TFRecord files.

    Example:

    ```python
    dataset = load_imagenet2012("/data/tensorflow_datasets")
    ```
    """
    if not 0.0 < validation_share < 1.0:
        raise ValueError(
            "`validation_share` must lie strictly between 0 and 1. "
            f"Received: `validation_share={validation_share}`."
        )
    received = f"`data_dir={data_dir if data_dir is None else str(data_dir)!r}`"
    try:
        info = tfds.builder(
            BUILDER, data_dir=data_dir, file_format="tfrecord"
        ).info
        splits = [info.splits[name] for name in ("train", "validation")]
    except Exception as error:  # TFDS raises what its file systems raise.
        raise ValueError(
            f"{BUILDER} could not be read ({error}). `tfds build {BUILDER} "
            "--file_format=tfrecord` prepares it from the archives in "
            f"downloads/manual. Received: {received}."
        ) from error
    counts, test_counts = (np.array(split.shard_lengths) for split in splits)
    files, test_files = (tuple(map(str, s.filepaths)) for s in splits)
    total = counts.sum()
    held_out = np.clip(round(validation_share * total), 1, total - 1)
    # How many of each file come before what is held out.
    before = np.cumsum(counts) - counts
    trained = np.clip(total - held_out - before, 0, counts)

    def split(files, counts, starts=None, **options):
        used = counts > 0
        return RecordImages(
            tuple(np.array(files)[used]),
            counts[used],
            image_size,
            None if starts is None else starts[used],
            max_unreadable=max_unreadable,
            **options,
        )

    return ImageDataset(
        name=BUILDER,
        class_names=tuple(info.features["label"].names),
        image_shape=(*image_size, 3),
        train_split=split(files, trained, augment=augment),
        validation_split=split(files, counts - trained, trained),
        test_split=split(test_files, test_counts),
    )
