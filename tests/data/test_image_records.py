"""Records written from a folder, read again, damaged and interrupted."""

import hashlib
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ones_keras.data import load_image_dataset, record_images
from ones_keras.data.image_folder import load_image_folder
from ones_keras.data.image_records import load_image_records
from ones_keras.data.write_image_records import write_image_records


@pytest.fixture
def folder(tmp_path):
    """Two classes, each image of a grey of its own."""
    for split, count in (("train", 40), ("val", 8)):
        for number in range(count):
            name = ("cat", "dog")[number % 2]
            path = tmp_path / "images" / split / name / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (12, 9), 5 * number).save(path)
    return tmp_path / "images"


SHARD_MB = 0.0006
SHARE = 0.2


def write(folder, output, **options):
    return write_image_records(folder, output, SHARE, SHARD_MB, **options)


@pytest.fixture
def records(folder, tmp_path, monkeypatch):
    """Files of some images each, of which some are read together."""
    monkeypatch.setattr(record_images, "_SHUFFLED", 12)
    write(folder, tmp_path / "records")
    return tmp_path / "records"


def numbers(batches):
    """The number of each image, which is in its grey; labels are checked."""
    found = []
    for images, labels in batches.as_numpy_iterator():
        greys = np.round(images.mean(axis=(1, 2, 3)) / 5).astype(int)
        np.testing.assert_array_equal(greys % 2, labels)
        found.append(greys.tolist())
    return found


def flat(lists):
    return [number for numbers in lists for number in numbers]


def test_the_same_images_as_the_folder(folder, records):
    written = load_image_records(records, (8, 8))
    original = load_image_folder(folder, (8, 8), SHARE)
    assert written.class_names == ("cat", "dog")
    for split in ("validation", "test"):
        found, expected = (
            list(getattr(dataset, split)(3).as_numpy_iterator())
            for dataset in (written, original)
        )
        for (x, y), (x_then, y_then) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(x, x_then)
            np.testing.assert_array_equal(y, y_then)
    assert len(written.train_split.files) > 3
    count = len(written.train_split)
    assert count == len(original.train_split) == 32
    held_out = flat(numbers(written.validation(8)))
    # Full epochs, each in an order of its own.
    epochs = numbers(written.train(count, seed=3, steps=3))
    for epoch in epochs:
        assert sorted(epoch + held_out) == list(range(40))
    assert epochs[0] != epochs[1] != epochs[2]
    assert numbers(written.train(count, seed=4, steps=1)) != epochs[:1]


@pytest.mark.parametrize("batch_size", [5, 32])
def test_batches_are_a_function_of_seed_and_step(records, batch_size):
    def batches(**options):
        dataset = load_image_records(records, (8, 8))
        found = dataset.train(batch_size, seed=2, **options)
        return list(found.as_numpy_iterator())

    total = 100 // batch_size
    whole = batches(steps=total)
    # In a group, over the end of an epoch, and in the next one.
    for start in (1, total // 2, total - 1):
        rest = batches(start_step=start, steps=total - start)
        for (x, y), (x_then, y_then) in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(x, x_then)
            np.testing.assert_array_equal(y, y_then)


def test_numbers_of_batches_are_known(records):
    dataset = load_image_records(records, (8, 8))
    assert dataset.train(4).cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.test(3).cardinality() == len(list(dataset.test(3))) == 3


def test_images_of_files_are_mixed(records):
    """A batch holds images of several files, and of both classes."""
    split = load_image_records(records, (8, 8)).train_split
    file_of = {}
    for file in split.files:
        for record in tf.data.TFRecordDataset(file):
            example = tf.train.Example.FromString(record.numpy())
            (name,) = example.features.feature["file_name"].bytes_list.value
            file_of[int(pathlib.Path(name.decode()).stem)] = file
    images = load_image_records(records, (8, 8))
    for batch in numbers(images.train(8, seed=0, steps=4))[:-1]:
        assert len({file_of[number] for number in batch}) > 1


def test_the_manifest_says_what_is_there(records):
    manifest = json.loads((records / "images.json").read_text())
    for split, count in (("train", 32), ("validation", 8), ("test", 8)):
        shards = manifest["splits"][split]
        assert sum(shard["examples"] for shard in shards) == count
        for shard in shards:
            content = (records / shard["file"]).read_bytes()
            assert len(content) == shard["bytes"]
            assert hashlib.sha256(content).hexdigest() == shard["sha256"]


def test_goes_on_after_an_interruption(folder, records, tmp_path, monkeypatch):
    """At every file; what is there is not written again."""
    whole = {p.name: p.read_bytes() for p in records.glob("*.tfrecord")}
    again = tmp_path / "again"

    class KilledError(Exception):
        pass

    writer = tf.io.TFRecordWriter
    opened = []

    def one_then_none(path):
        opened.append(pathlib.Path(path).name)
        if len(opened) > 1:
            raise KilledError
        return writer(path)

    monkeypatch.setattr(tf.io, "TFRecordWriter", one_then_none)
    for left in range(len(whole) - 1, 0, -1):
        opened.clear()
        with pytest.raises(KilledError):
            write(folder, again)
        assert len(list(again.glob("*.tfrecord"))) == len(whole) - left
        with pytest.raises(ValueError, match="is no manifest"):
            load_image_records(again)
    opened.clear()
    write(folder, again)
    assert len(opened) == 1
    assert {p.name: p.read_bytes() for p in again.glob("*.tfrecord")} == whole
    assert not [p for p in again.iterdir() if p.name.startswith(".")]
    assert (again / "images.json").read_text() == (
        records / "images.json"
    ).read_text()


def test_files_of_other_images_are_refused(folder, records):
    with pytest.raises(ValueError, match="other images or settings"):
        write(folder, records, seed=1)
    shutil.copy(folder / "val/cat/00.png", folder / "val/cat/new.png")
    with pytest.raises(ValueError, match="other images or settings"):
        write(folder, records)


def test_an_unreadable_image_is_left_out(folder, tmp_path, caplog):
    (folder / "val/cat/00.png").write_bytes(b"x")
    with caplog.at_level("WARNING", logger="absl"):
        manifest = write(folder, tmp_path / "records")
    assert "val/cat/00.png" in caplog.text
    assert "1 images were left out" in caplog.text
    assert sum(s["examples"] for s in manifest["splits"]["test"]) == 7
    found = numbers(load_image_records(tmp_path / "records").test(9))
    assert sorted(flat(found)) == [1, 2, 3, 4, 5, 6, 7]


def test_too_many_unreadable_images(folder, tmp_path):
    for name in ("00", "02", "04"):
        (folder / f"train/cat/{name}.png").write_bytes(b"x")
    with pytest.raises(ValueError, match="max_unreadable=2"):
        write(folder, tmp_path / "records", max_unreadable=2)


@pytest.mark.parametrize("damage", ["half", "gone"])
def test_files_that_are_not_whole_are_named(records, damage):
    path = next(records.glob("train-00001*"))
    content = path.read_bytes()
    path.unlink()
    if damage == "half":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"{path}: ") as caught:
        load_image_records(records)
    assert f"should be {len(content)} bytes" in str(caught.value)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_damaged_record_names_its_file(records, split):
    """One that has its size still."""
    dataset = load_image_records(records, (8, 8))
    path = next(records.glob(f"{split}-00000*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(tf.errors.OpError, match=path.name):
        list(dataset.train(8, steps=4) if split == "train" else dataset.test(8))


@pytest.mark.parametrize(
    "content", ["", "{}", '{"class_names": [], "splits": {"train": 1}}']
)
def test_a_manifest_that_is_none(records, content):
    (records / "images.json").write_text(content)
    with pytest.raises(ValueError, match=r"images\.json is no manifest"):
        load_image_dataset("imagerecords", records)


def test_data_dir_is_needed():
    with pytest.raises(ValueError, match="needs `data_dir`"):
        load_image_dataset("imagerecords")


@pytest.mark.parametrize("size", [0, -1, float("inf")])
def test_size_of_the_files_is_checked(folder, tmp_path, size):
    with pytest.raises(ValueError, match="shard_mb"):
        write_image_records(folder, tmp_path / "records", shard_mb=size)


def test_parts_of_several_hosts(folder, records):
    """Together they are the batches of one, of the folder as of its records."""
    for dataset in (
        load_image_records(records, (8, 8)),
        load_image_folder(folder, (8, 8), SHARE),
    ):
        whole, *parts = (
            list(dataset.train(6, 1, 2, 3, part).as_numpy_iterator())
            for part in ((0, 1), (0, 2), (1, 2))
        )
        for (x, y), *halves in zip(whole, *parts, strict=True):
            assert [len(labels) for _, labels in halves] == [3, 3]
            for found, expected in zip(
                zip(*halves, strict=True), (x, y), strict=True
            ):
                np.testing.assert_array_equal(np.concatenate(found), expected)
        with pytest.raises(ValueError, match=r"Received: `part=\(0, 4\)`"):
            dataset.train(6, part=(0, 4))
