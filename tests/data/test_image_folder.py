"""Image folders: layouts, formats, crops, and every kind of damage."""

import itertools
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ones_keras.data import load_image_dataset
from ones_keras.data.decode_image import decode_image
from ones_keras.data.file_images import FileImages
from ones_keras.data.image_folder import load_image_folder


def save_image(path, rng, mode="RGB", size=(20, 14)):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    pixels = rng.integers(0, 256, (size[1], size[0], *channels))
    Image.fromarray(pixels.astype("uint8")).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path, rng):
    """Two classes, ten training and three test images each."""
    for split, count in (("train", 10), ("val", 3)):
        for name, i in itertools.product(("cat", "dog"), range(count)):
            save_image(tmp_path / split / name / f"{i}.png", rng)
    return tmp_path


def load(folder, image_size=8):
    return load_image_dataset(
        "imagefolder", data_dir=folder, image_size=image_size
    )


def test_splits(folder):
    dataset = load(folder)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.image_shape == (8, 8, 3)
    train, validation, test = (
        set(split.paths)
        for split in (
            dataset.train_split,
            dataset.validation_split,
            dataset.test_split,
        )
    )
    assert (len(train), len(validation), len(test)) == (18, 2, 6)
    assert train.isdisjoint(validation)
    assert all("/val/" in path for path in test)
    np.testing.assert_array_equal(dataset.validation_split.labels, [0, 1])
    # Labels follow the folder's name.
    for path, label in zip(
        dataset.train_split.paths, dataset.train_split.labels, strict=True
    ):
        assert f"/{dataset.class_names[label]}/" in path


def test_an_unreadable_folder_is_named(folder, monkeypatch):
    iterdir = pathlib.Path.iterdir

    def refuse(path):
        if path.name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    # Permissions would not stop a test that runs as root.
    monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
    with pytest.raises(ValueError, match=r"Permission denied.*dog"):
        load(folder)


def test_split_is_fixed(folder):
    first, second = load(folder), load(folder)
    np.testing.assert_array_equal(
        first.validation_split.paths, second.validation_split.paths
    )


def test_imagenet_mini(shared_data):
    dataset = load(shared_data / "imagenet_mini", image_size=(32, 48))
    assert dataset.num_classes == 10
    assert len(dataset.train_split) == 900
    np.testing.assert_array_equal(
        np.bincount(dataset.validation_split.labels), 10
    )
    assert len(dataset.test_split) == 200
    images, labels = next(iter(dataset.train(batch_size=16)))
    assert images.shape == (16, 32, 48, 3)
    assert images.dtype == "float32"
    assert labels.dtype == "int32"
    counts = [len(labels) for _, labels in dataset.test(batch_size=64)]
    assert counts == [64, 64, 64, 8]


def test_batches_are_a_function_of_seed_and_step(folder):
    def batches(**arguments):
        return list(load(folder).train(4, **arguments).as_numpy_iterator())

    whole = batches(seed=2, steps=6)  # crosses an epoch of 18
    resumed = batches(seed=2, start_step=3, steps=3)
    for (x, y), (x_again, y_again) in zip(whole[3:], resumed, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)
    other = batches(seed=1, steps=1)
    assert not np.array_equal(whole[0][0], other[0][0])
    assert min(x.min() for x, _ in whole) >= 0
    assert max(x.max() for x, _ in whole) <= 255.001


def test_an_epoch_sees_every_file_once(folder):
    dataset = load(folder)
    _, labels = next(iter(dataset.train(batch_size=18)))
    np.testing.assert_array_equal(np.bincount(labels), [9, 9])


@pytest.mark.parametrize("size", [(8, 8), (6, 12)])
def test_evaluation_crop_equals_pillow(tmp_path, size):
    """Resize to 8/7 and crop, against Pillow on a smooth image."""
    y, x = np.mgrid[0:64, 0:96]
    pixels = np.stack([x * 2, y * 3, x + y], -1).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    split = FileImages(np.array([str(tmp_path / "a.png")]), [0], size)
    (images, _), *_ = split.batches(1).as_numpy_iterator()

    # 7/8 of the largest window of that shape in the middle of 96x64.
    width, height = {(8, 8): (56, 56), (6, 12): (84, 42)}[size]
    left, top = (96 - width) // 2, (64 - height) // 2
    window = Image.fromarray(pixels).crop(
        (left, top, left + width, top + height)
    )
    want = window.resize(size[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(images[0], np.asarray(want), atol=1)


@pytest.mark.parametrize("name", ["a.jpg", "b.JPEG", "c.png", "d.bmp", "e.gif"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_formats(tmp_path, rng, name, mode):
    save_image(tmp_path / name, rng, mode)
    image = decode_image((tmp_path / name).read_bytes()).numpy()
    assert image.shape == (14, 20, 3)
    with Image.open(tmp_path / name) as reference:
        want = np.asarray(reference.convert("RGB"))
    # Two JPEG decoders differ by a few levels.
    np.testing.assert_allclose(image.astype("int"), want.astype("int"), atol=8)


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    path = tmp_path / "cmyk.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path)
    image = decode_image(path.read_bytes()).numpy()
    assert image.shape == (16, 16, 3)
    np.testing.assert_allclose(image[8, 8], [255, 0, 0], atol=40)


def test_png_under_a_jpeg_name_and_transparency(tmp_path, rng):
    """ImageNet holds such a file."""
    save_image(tmp_path / "a.png", rng, "RGBA")
    (tmp_path / "a.png").rename(tmp_path / "a.JPEG")
    image = decode_image((tmp_path / "a.JPEG").read_bytes())
    assert image.shape == (14, 20, 3)


def test_random_crops_stay_inside_and_differ(tmp_path, rng):
    """Crops of a ramp: values within it, flips and different windows."""
    y, x = np.mgrid[0:60, 0:80]
    pixels = np.stack([x * 3, y * 4, 0 * x], -1).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    split = FileImages(np.array([str(tmp_path / "a.png")]), [0], (6, 6))
    images, _ = next(iter(split.training_batches(64, seed=0, start_step=0)))
    images = images.numpy()
    assert len(np.unique(images.reshape(64, -1), axis=0)) == 64
    slopes = images[:, 3, -1, 0] - images[:, 3, 0, 0]
    assert 15 < np.sum(slopes < 0) < 49  # about half are mirrored
    widths = np.abs(slopes) / 3 * 6 / 5
    heights = (images[:, -1, 3, 1] - images[:, 0, 3, 1]) / 4 * 6 / 5
    areas = widths * heights / (60 * 80)
    assert areas.min() > 0.05
    assert areas.min() < 0.25
    assert areas.max() > 0.75
    assert np.all(np.abs(np.log(widths / heights)) < np.log(4 / 3) + 0.15)


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_corrupt_training_image_is_replaced(folder, caplog, damage):
    path = folder / "train" / "dog" / "1.png"
    whole = load(folder)
    before = list(whole.train(6, steps=6).as_numpy_iterator())
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    dataset = load(folder)
    with caplog.at_level("WARNING", logger="absl"):
        after = list(dataset.train(6, steps=6).as_numpy_iterator())
    # Two epochs, but named once.
    assert caplog.text.count(str(path)) == 1
    assert list(dataset.train_split.unreadable.reasons) == [str(path)]
    replaced = 0
    for (x, y), (x_then, y_then) in zip(after, before, strict=True):
        assert x.shape == (6, 8, 8, 3)
        changed = np.any(x != x_then, axis=(1, 2, 3))
        replaced += changed.sum()
        for place in np.flatnonzero(changed):
            # The next image of the batch stands there as well.
            np.testing.assert_array_equal(x[place], x[(place + 1) % 6])
            assert y[place] == y_then[(place + 1) % 6]
    assert replaced == 2
    # And a run that is taken up sees the same.
    resumed = load(folder).train(6, start_step=3, steps=3)
    for (x, _), (again, _) in zip(
        after[3:], resumed.as_numpy_iterator(), strict=True
    ):
        np.testing.assert_array_equal(x, again)


def test_a_corrupt_test_image_is_left_out(folder, caplog):
    path = folder / "val" / "dog" / "1.png"
    path.write_bytes(b"x")
    dataset = load(folder)
    with caplog.at_level("WARNING", logger="absl"):
        batches = list(dataset.test(4).as_numpy_iterator())
    assert [len(y) for _, y in batches] == [4, 1]
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in batches]), [0, 0, 0, 1, 1]
    )
    assert str(path) in caplog.text
    assert not dataset.validation_split.unreadable.reasons


def test_a_truncated_jpeg_is_named(folder, rng, caplog):
    path = folder / "val" / "cat" / "photo.jpg"
    save_image(path, rng, size=(64, 64))
    path.write_bytes(path.read_bytes()[:-2500])
    dataset = load(folder)
    assert len(list(dataset.test(7).unbatch())) == 6
    assert str(path) in caplog.text


def test_a_removed_file_is_named(folder):
    dataset = load(folder)
    path = folder / "train" / "cat" / "0.png"
    if str(path) in dataset.validation_split.paths:
        path = folder / "train" / "cat" / "1.png"
    path.unlink()
    list(dataset.train(9, steps=2))
    (reason,) = dataset.train_split.unreadable.reasons.values()
    assert "No such file" in reason


def test_too_many_corrupt_images(folder):
    dataset = load_image_folder(folder, (8, 8), max_unreadable=2)
    paths = dataset.train_split.paths[:3]
    for path in paths[:2]:
        pathlib.Path(path).write_bytes(b"x")
    list(dataset.train(9, steps=2))
    pathlib.Path(paths[2]).write_bytes(b"x")
    with pytest.raises(tf.errors.OpError, match="max_unreadable=2") as caught:
        list(dataset.train(9, steps=4))
    assert all(path in str(caught.value) for path in paths)


def test_nothing_but_corrupt_images(folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"x")
    dataset = load_image_folder(folder, (8, 8), max_unreadable=100)
    for batches in (dataset.train(4, steps=1), dataset.test(4)):
        with pytest.raises(tf.errors.OpError, match="No image of a whole"):
            list(batches)


def test_other_errors_are_seen(folder):
    """They are not the image's."""

    def augment(image, seed):
        with tf.control_dependencies([tf.Assert(seed[1] < 0, ["own fault"])]):
            return tf.identity(image)

    dataset = load_image_folder(folder, (8, 8), augment=augment)
    with pytest.raises(tf.errors.OpError, match="own fault"):
        list(dataset.train(4, steps=1))
    assert not dataset.train_split.unreadable.reasons


def test_numbers_of_batches_are_known(folder):
    (folder / "val/dog/1.png").write_bytes(b"x")
    dataset = load(folder)
    assert dataset.train(4).cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.train(4, steps=3).cardinality() == 3
    assert dataset.test(4).cardinality() == len(list(dataset.test(4))) == 2


def test_augmentation_of_the_training_images_alone(folder):
    def augment(image, seed):
        assert image.dtype == "uint8"
        return image // 2 + tf.cast(seed[1] % 2, "uint8")

    plain = load(folder)
    dataset = load_image_folder(folder, (8, 8), augment=augment)
    for (x, y), (halved, same) in zip(
        plain.train(4, steps=3), dataset.train(4, steps=3), strict=True
    ):
        np.testing.assert_array_equal(y, same)
        assert np.abs(x / 2 - halved).max() <= 1.5
        assert halved.dtype == "float32"
    for (x, _), (same, _) in zip(plain.test(4), dataset.test(4), strict=True):
        np.testing.assert_array_equal(x, same)


def test_other_files_are_left_alone(folder, caplog):
    (folder / "train" / "cat" / ".hidden.png").write_bytes(b"x")
    (folder / "train" / "cat" / "notes.txt").write_text("x")
    (folder / "train" / "list.csv").write_text("x")
    (folder / "train" / ".cache").mkdir()
    with caplog.at_level("WARNING", logger="absl"):
        assert len(load(folder).train_split) == 18
    assert "Ignored 1 files" in caplog.text
    assert "notes.txt" in caplog.text


@pytest.mark.parametrize("split", ["train", "val"])
def test_missing_and_empty_folders(tmp_path, folder, split):
    (folder / split).rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"No folder .*/{split}"):
        load(folder)
    (folder / split).mkdir()
    with pytest.raises(ValueError, match="no class folder"):
        load(folder)


def test_a_class_without_images(folder):
    for split in ("train", "val"):
        (folder / split / "eel").mkdir()
    with pytest.raises(ValueError, match=r"train/eel holds no image"):
        load(folder)


def test_a_class_of_one_image(folder, rng):
    save_image(folder / "train" / "eel" / "0.png", rng)
    save_image(folder / "val" / "eel" / "0.png", rng)
    with pytest.raises(ValueError, match="two training images"):
        load(folder)


def test_classes_must_match(folder, rng):
    save_image(folder / "train" / "eel" / "0.png", rng)
    (folder / "val" / "dog").rename(folder / "val" / "fox")
    with pytest.raises(
        ValueError, match="only in train: dog, eel; only in val: fox"
    ):
        load(folder)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_validation_share_is_checked(folder, share):
    with pytest.raises(ValueError, match=f"`validation_share={share}`"):
        load_image_folder(folder, (8, 8), validation_share=share)


def test_data_dir_is_needed(tmp_path):
    with pytest.raises(ValueError, match="needs `data_dir`"):
        load_image_dataset("imagefolder")
    with pytest.raises(ValueError, match="No folder"):
        load(tmp_path / "nowhere")
