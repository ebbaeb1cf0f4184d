"""The ImageNet of TFDS, on a small dataset that TFDS prepares like it."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from ones_keras.data import imagenet2012, load_image_dataset
from ones_keras.data.imagenet2012 import load_imagenet2012

COUNTS = {"train": 40, "validation": 6}


class FewImages(tfds.core.GeneratorBasedBuilder):
    """What `imagenet2012` offers, of a few images, each of its own grey."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = pathlib.Path(__file__).parent

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                    "file_name": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(name) for name in COUNTS}

    def _generate_examples(self, split):
        for i in range(COUNTS[split]):
            yield (
                i,
                {
                    "image": np.full((12, 16, 3), 5 * i, "uint8"),
                    "label": i % 2,
                    "file_name": f"{split}_{i}.JPEG",
                },
            )


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet2012, "BUILDER", "few_images")
    builder = FewImages(data_dir=tmp_path, file_format="tfrecord")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=3)
    )
    return tmp_path


def numbers(batches):
    """The number of each image, which is in its grey; labels are checked."""
    found = []
    for images, labels in batches.as_numpy_iterator():
        greys = np.round(images.mean(axis=(1, 2, 3)) / 5).astype(int)
        np.testing.assert_array_equal(greys % 2, labels)
        found.extend(greys.tolist())
    return found


@pytest.mark.parametrize("share", [0.025, 0.3, 0.9])
def test_splits(prepared, share):
    dataset = load_imagenet2012(prepared, (8, 8), validation_share=share)
    assert dataset.class_names == ("cat", "dog")
    held_out = numbers(dataset.validation(7))
    assert len(held_out) == len(dataset.validation_split) == 40 * share
    count = len(dataset.train_split)
    trained = numbers(dataset.train(count, steps=3))
    for epoch in range(3):
        once = trained[epoch * count : (epoch + 1) * count]
        assert sorted(once + held_out) == list(range(40))
    assert sorted(numbers(dataset.test(4))) == list(range(6))


def test_by_name_and_of_the_usual_size(prepared):
    dataset = load_image_dataset("imagenet2012", prepared)
    images, _ = next(iter(dataset.train(2)))
    assert images.shape == (2, 224, 224, 3)


def test_the_builder_is_one_of_tfds():
    features = tfds.builder_cls("imagenet2012")
    assert features.VERSION is not None
    assert imagenet2012.BUILDER == "imagenet2012"


def test_what_is_not_prepared(tmp_path):
    with pytest.raises(ValueError, match=f"tfds build.*{tmp_path}"):
        load_imagenet2012(tmp_path)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_leaves_nothing(prepared, share):
    with pytest.raises(ValueError, match=f"validation_share={share}"):
        load_imagenet2012(prepared, validation_share=share)


def test_an_unreadable_record_is_named(prepared):
    path = next(prepared.rglob("few_images-validation*00000-of*"))
    good = [
        tf.train.Example.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    good[0].features.feature["image"].bytes_list.value[0] = b"no image"
    name = good[0].features.feature["file_name"].bytes_list.value[0].decode()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in good:
            writer.write(example.SerializeToString())
    dataset = load_imagenet2012(prepared, (8, 8))
    assert len(numbers(dataset.test(4))) == 5
    assert list(dataset.test_split.unreadable.reasons) == [name]
