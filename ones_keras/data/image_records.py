"""A folder of TFRecord files that `write_image_records` wrote."""

import json
import pathlib

from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.record_images import RecordImages

MANIFEST = "images.json"
SPLITS = ("train", "validation", "test")


def load_image_records(
    data_dir=None, image_size=(224, 224), augment=None, max_unreadable=10
):
    """Loads the images that `write_image_records` wrote.

    Splits and labels are those of the image folder that they were written
    from, and images are decoded while training, as `RecordImages` says.

    Args:
        data_dir: str or path. The folder that holds `images.json`.
        image_size: `(height, width)`. Size of the images in a batch. Defaults
            to `(224, 224)`.
        augment: callable or `None`. As of `FileImages`, for the training
            split. Defaults to `None`.
        max_unreadable: int. How many images of a split may be skipped, as
            they cannot be decoded, before training or evaluation fails.
            Defaults to `10`.

    Returns:
        An `ImageDataset`, colour images of shape `(*image_size, 3)`.

    Raises:
        ValueError: If the manifest is missing or unreadable, or a file is
            missing or of another size than it says.

    Example:

    ```python
    dataset = load_image_records("/data/imagenet_records")
    ```
    """
    if data_dir is None:
        raise ValueError(
            'The dataset "imagerecords" needs `data_dir`, a folder that holds '
            f"{MANIFEST}. Received: `data_dir=None`."
        )
    data_dir = pathlib.Path(data_dir)
    manifest = read_manifest(data_dir)
    check_sizes(data_dir, manifest)

    def split(name, **options):
        shards = manifest["splits"][name]
        return RecordImages(
            tuple(str(data_dir / shard["file"]) for shard in shards),
            [shard["examples"] for shard in shards],
            image_size,
            max_unreadable=max_unreadable,
            **options,
        )

    return ImageDataset(
        name="imagerecords",
        class_names=tuple(manifest["class_names"]),
        image_shape=(*image_size, 3),
        train_split=split("train", augment=augment),
        validation_split=split("validation"),
        test_split=split("test"),
    )


def read_manifest(data_dir):
    """The content of a folder's `images.json`, a dict.

    Raises a `ValueError` if it is not there or is not what it should be.
    """
    path = pathlib.Path(data_dir) / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        for name in SPLITS:
            for shard in manifest["splits"][name]:
                # All that is read of one.
                _ = (shard["file"], shard["examples"] + shard["bytes"])
        _ = tuple(manifest["class_names"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no manifest of images ({error!r}); "
            "tools/write_image_records.py writes one when it is done. "
            f"Received: `data_dir={str(data_dir)!r}`."
        ) from error
    return manifest


def check_sizes(data_dir, manifest):
    """Raise a `ValueError` that names files that are missing or half."""
    wrong = []
    for shard in (s for name in SPLITS for s in manifest["splits"][name]):
        path = data_dir / shard["file"]
        size = path.stat().st_size if path.is_file() else None
        if size != shard["bytes"]:
            found = "missing" if size is None else f"{size} bytes"
            wrong.append(f"{path}: {found}, should be {shard['bytes']} bytes")
    if wrong:
        more = f"\n  and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise ValueError(
            f"Files of {data_dir} are not what {MANIFEST} says:\n  "
            + "\n  ".join(wrong[:10])
            + more
        )
