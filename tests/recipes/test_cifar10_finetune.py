"""The image fine-tuning recipe, on a small student and the digits."""

import functools
import json

import keras
import pytest

import ones_keras

SHORT = (
    "--dataset=digits",
    "--batch_size=64",
    "--learning_rate=0.1",
    "--mixup=0.1",
    "--seeds=0,1",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The file of a student that knows other classes, badly."""
    path = tmp_path_factory.mktemp("trained") / "student.keras"
    ones_keras.models.ViTImageClassifier.from_preset(
        "ones_vit_tiny", num_classes=7, num_layers=1
    ).save(path)
    return path


@pytest.fixture
def recipe(import_recipe, run_recipe):
    return functools.partial(run_recipe, import_recipe("cifar10_finetune"))


def test_fine_tunes_on_other_classes(recipe, trained, tmp_path):
    flags = (*SHORT, f"--model={trained}", f"--output_dir={tmp_path / 'out'}")
    recipe(*flags, "--steps=150")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    # Guessing gets a tenth.
    assert 0.25 < found["summary"]["accuracy"]["mean"] <= 1
    assert set(found["seeds"]) == {"0", "1"}
    student = keras.models.load_model(trained)
    loaded = keras.models.load_model(tmp_path / "out/seed_1/model.keras")
    assert type(loaded).__module__.partition(".")[0] == "keras"
    assert loaded.output_shape == (None, 10)
    # 32 x 32 of the "representation" are gone, and 10 classes are not 7.
    gone = 32 * 32 + 32 - 33 * (10 - 7)
    assert loaded.count_params() == student.count_params() - gone
    assert found["summary"]["parameters"]["mean"] == loaded.count_params()
    assert "finished before" in recipe(*flags, "--steps=150")
    with pytest.raises(SystemExit, match="other settings"):
        recipe(*flags, "--steps=2")


def test_dry_run(recipe, trained, tmp_path):
    output_dir = tmp_path / "out"
    flags = (*SHORT, f"--model={trained}", f"--output_dir={output_dir}")
    printed = recipe(*flags, "--dry_run")
    assert not output_dir.exists()
    assert "2 x 8789 steps of 64 examples" in printed
    assert "(None, 10)" in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model=nowhere.keras"], "--model=nowhere.keras"),
        (["--mixup=-1"], "--mixup=-1"),
        (["--rand_augment=2"], "takes no `augment`"),
        (["--optimizer=adam"], "--optimizer=adam"),
        (["--dataset=cifar10", "--data_dir=/nowhere"], "cifar10"),
    ],
)
def test_bad_input_ends_before_training(
    recipe, trained, tmp_path, flags, message
):
    output_dir = tmp_path / "out"
    with pytest.raises(SystemExit, match=message):
        recipe(
            *SHORT, f"--model={trained}", f"--output_dir={output_dir}", *flags
        )
    assert not output_dir.exists()


def test_paper_settings(import_recipe):
    """OneS, CIFAR-10: 100 epochs of 512 on the 45,000 that are not held out."""
    settings = import_recipe("cifar10_finetune").ImageFineTuningSettings()
    assert settings.steps == 100 * 45000 // 512
    assert settings.warmup_steps == settings.weight_decay == 0
    assert (settings.optimizer, settings.learning_rate) == ("sgd", 0.03)
    assert (settings.mixup, settings.dropout) == (0.5, 0.1)
    assert settings.label_smoothing == 0
