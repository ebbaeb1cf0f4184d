"""A saved student is plain Keras: it needs no `ones_keras`, on any backend."""

import importlib.util
import os
import re
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.layers import MoEFeedForward
from tests import load_elsewhere

HERE = keras.backend.backend()
ELSEWHERE = sorted({"tensorflow", "jax", "torch"} - {HERE})


def images_and_labels():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (6, 8, 8, 1)).astype("float32"), np.arange(6) % 3


def vit_teacher(dtype=None):
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=3, num_layers=2, dtype=dtype
    )
    # Biases and scales that do something, and logits that tell images apart.
    rng = np.random.default_rng(1)
    teacher.set_weights([rng.normal(0, 0.3, w.shape) for w in teacher.weights])
    return teacher


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def gathered(path, dtype=None):
    x, y = images_and_labels()
    student = ones_keras.gather(vit_teacher(dtype), method="top_k")
    student.save(path)
    return student, x, y


def mixed_bfloat16(path):
    return gathered(path, "mixed_bfloat16")


def bfloat16(path):
    return gathered(path, "bfloat16")


def compiled_and_fitted(path):
    x, y = images_and_labels()
    student = ones_keras.gather(vit_teacher(), method="svd")
    student.compile(keras.optimizers.SGD(0.01, momentum=0.9), cross_entropy())
    student.fit(x, y, batch_size=len(x), verbose=0)
    student.save(path)
    return student, x, y


def checkpoint_of_distiller(path):
    x, y = images_and_labels()
    teacher = vit_teacher()
    student = ones_keras.gather(teacher, method="average")
    distiller = ones_keras.Distiller(teacher=teacher, student=student)
    distiller.compile(optimizer="adamw", loss=cross_entropy())
    checkpoint = keras.callbacks.ModelCheckpoint(path)
    distiller.fit(x, y, callbacks=[checkpoint], verbose=0)
    return student, x, y


def own_model(path):
    """A user's text model, the MoE layer in a nested block called twice."""
    block_inputs = keras.Input((None, 4))
    moe = MoEFeedForward(3, 6, activation="relu")
    x = keras.layers.Add()([block_inputs, moe(block_inputs)])
    block = keras.Model(block_inputs, keras.layers.LayerNormalization()(x))
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 4, embeddings_initializer="normal")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(block(block(x)))
    teacher = keras.Model(inputs, keras.layers.Dense(3)(x))
    student = ones_keras.gather(teacher, method="sum")
    student.save(path)
    tokens = np.random.default_rng(0).integers(0, 9, (6, 5)).astype("int32")
    return student, tokens, np.arange(6) % 3


def own_model_compiled(path):
    inputs = keras.Input((3,))
    hidden = MoEFeedForward(3, 6)(keras.layers.Dense(4)(inputs))
    teacher = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    y = np.arange(6) % 3
    student = ones_keras.gather(teacher, method="average")
    student.compile("adamw", cross_entropy())
    student.fit(x, y, batch_size=len(x), verbose=0)
    student.save(path)
    return student, x, y


def albert(path):
    teacher = ones_keras.models.AlbertMaskedLM.from_preset(
        "widenet_albert_tiny", vocabulary_size=30, num_layers=2
    )
    rng = np.random.default_rng(0)
    teacher.set_weights([rng.normal(0, 0.3, w.shape) for w in teacher.weights])
    student = ones_keras.gather(teacher, method="top_k")
    student.save(path)
    x = {
        "token_ids": rng.integers(0, 30, (6, 12)),
        "segment_ids": np.arange(12) > rng.integers(4, 8, (6, 1)),
        "padding_mask": np.arange(12) < rng.integers(8, 13, (6, 1)),
        "mask_positions": rng.integers(0, 8, (6, 3)),
    }
    return student, {name: x[name].astype("int32") for name in x}, None


CASES = {
    case.__name__: case
    for case in (
        gathered,
        mixed_bfloat16,
        bfloat16,
        compiled_and_fitted,
        checkpoint_of_distiller,
        own_model,
        own_model_compiled,
        albert,
    )
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every case as `<case>.keras`, with what its student does here."""
    folder = tmp_path_factory.mktemp("students")
    for name, case in CASES.items():
        keras.utils.set_random_seed(0)
        student, x, y = case(folder / f"{name}.keras")
        inputs = x if isinstance(x, dict) else {"x": x}
        np.savez(folder / f"{name}.npz", **inputs, y=[] if y is None else y)
        np.savez(
            folder / f"{name}.{HERE}.npz",
            **load_elsewhere.observe(student, x, y),
        )
    return folder


@pytest.mark.parametrize("case", CASES)
def test_file_holds_the_student_alone(case, folder):
    with zipfile.ZipFile(folder / f"{case}.keras") as archive:
        config = archive.read("config.json").decode()
        with archive.open("model.weights.h5") as weights:
            sizes = {}
            h5py.File(weights).visititems(
                lambda name, item: sizes.update(
                    {name: getattr(item, "size", 0)}
                )
            )
    assert not re.search("ones_keras|keras_hub|teacher|Distiller|MoE", config)
    here = np.load(folder / f"{case}.{HERE}.npz")
    parameters = sum(here[name].size for name in here if "weight" in name)
    assert parameters == sum(
        size for name, size in sizes.items() if "optimizer" not in name
    )


@pytest.fixture(scope="module", params=ELSEWHERE)
def backend(request, folder):
    """Another backend, on which all files have been loaded, in one process."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    subprocess.run(
        [sys.executable, load_elsewhere.__file__, str(folder)],
        env={**os.environ, "KERAS_BACKEND": request.param},
        check=True,
    )
    return request.param


@pytest.mark.parametrize("case", CASES)
def test_student_does_the_same_elsewhere(case, backend, folder):
    error = folder / f"{case}.{backend}.error"
    assert not error.exists(), error.read_text()
    here = np.load(folder / f"{case}.{HERE}.npz")
    there = np.load(folder / f"{case}.{backend}.npz")
    assert sorted(here) == sorted(there)
    for name in here:
        if name.startswith("prediction"):
            assert np.ptp(here[name], axis=0).min() > 1e-2
        if name.startswith("weight"):
            np.testing.assert_array_equal(there[name], here[name], name)
            continue
        # bfloat16 has 8 significant bits.
        scale = np.abs(here[name]).max()
        atol = 2**-5 * scale if "bfloat16" in case else 1e-4
        np.testing.assert_allclose(
            there[name], here[name], rtol=0, atol=atol, err_msg=name
        )
