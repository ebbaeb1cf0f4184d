"""`load_image_dataset`: names, options, and the GPU."""

import keras
import pytest
import tensorflow as tf

from ones_keras.data import (
    IMAGE_DATASETS,
    keep_tensorflow_off_gpu,
    load_image_dataset,
)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"'digits'.*`name='mnist'`"):
        load_image_dataset("mnist")


FROM_FILES = {"imagefolder", "imagerecords", "imagenet2012"}


@pytest.mark.parametrize("name", sorted(set(IMAGE_DATASETS) - FROM_FILES))
def test_data_dir_where_it_means_nothing(name):
    with pytest.raises(ValueError, match=r"KERAS_HOME.*`data_dir='x'`"):
        load_image_dataset(name, data_dir="x")


@pytest.mark.parametrize(
    ("name", "option"),
    [("digits", "augment"), ("imagerecords", "validation_share")],
)
def test_option_that_means_nothing(name, option):
    with pytest.raises(ValueError, match=f'"{name}" takes no `{option}`'):
        load_image_dataset(name, **{option: 0.5})


@pytest.mark.parametrize("size", [0, -3, (8,), (8, 8, 3), (8.5, 8)])
def test_bad_image_size(size):
    with pytest.raises(ValueError, match="`image_size` must be"):
        load_image_dataset("digits", image_size=size)


def test_gpus_are_hidden_from_a_mere_loader(monkeypatch):
    hidden = []
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda *a: hidden.append(a)
    )
    keep_tensorflow_off_gpu()
    on_tensorflow = keras.backend.backend() == "tensorflow"
    assert hidden == ([] if on_tensorflow else [([], "GPU")])


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="keeps its GPUs"
)
def test_too_late_to_hide_is_logged(monkeypatch, caplog):
    def refuse(*_):
        raise RuntimeError("Visible devices cannot be modified")

    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    with caplog.at_level("WARNING", logger="absl"):
        keep_tensorflow_off_gpu()
    assert "Visible devices cannot be modified" in caplog.text
