"""`--dry_run`: what is printed, and that nothing is started."""

import importlib

import keras
import pytest
import tensorflow as tf

import ones_keras


@pytest.fixture
def estimate_memory(recipes_on_path):
    return importlib.import_module("memory_estimate").estimate_memory


@pytest.mark.parametrize(
    ("recipe", "flags"),
    [
        ("imagenet_ones", ["--config=digits_study", "--seeds=3,4"]),
        ("gathering_study", ["--budgets=7", "--methods=svd,average"]),
        ("albert_ones", ["--corpus=text", "--vocabulary_size=60"]),
    ],
)
def test_nothing_is_started(
    recipe, flags, import_recipe, run_recipe, tmp_path, capsys
):
    if recipe == "albert_ones":
        text = tmp_path / "text.txt"
        text.write_text(
            "\n\n".join(f"Sentence {i} of it. And one." for i in range(9000))
        )
        flags = [*flags, f"--data_dir={text}"]
    output_dir = tmp_path / "out"
    printed = run_recipe(
        import_recipe(recipe), *flags, f"--output_dir={output_dir}", "--dry_run"
    )
    assert not output_dir.exists()
    for said in (
        "student_learning_rate",
        "Total params",
        "Nothing was started",
    ):
        assert said in printed
    printed = " ".join(printed.replace("│", " ").split())
    if recipe == "gathering_study":
        assert "teacher, longer, 7 steps 1 x 7 steps" in printed
        assert "average, 7 steps 1 x 7 steps" in printed
    if recipe == "imagenet_ones":
        for preset in ("widenet_vit_tiny", "ones_vit_tiny"):
            model = ones_keras.models.ViTImageClassifier.from_preset(
                preset, num_classes=10
            )
            assert f"Total params: {model.count_params():,}" in printed
        assert "2 x 3000 steps of 128 examples" in printed
        assert "12 x 3000 steps of 128 examples" in printed


def test_trainings_of_an_ablation(import_recipe, run_recipe, tmp_path):
    recipe = import_recipe("imagenet_ones")
    output = f"--output_dir={tmp_path / 'out'}"
    printed = run_recipe(recipe, "--config=ablation", output, "--dry_run")
    printed = " ".join(printed.replace("│", " ").split())
    assert "dense, longer 1 x 6000 steps" in printed
    # svd, without distillation, with the hard one; and no gathering.
    assert "students 4 x 3000 steps" in printed


def test_bad_input_is_refused_as_ever(import_recipe, run_recipe, tmp_path):
    with pytest.raises(SystemExit, match="svd_ratio=2"):
        run_recipe(import_recipe("imagenet_ones"), "--svd_ratio=2", "--dry_run")


def test_memory_by_hand(estimate_memory):
    """A layer that is called twice counts twice."""
    inputs = keras.Input((5,))
    layer = keras.layers.Dense(5)
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(layer(inputs))))
    spec = tf.TensorSpec((7, 5), "float32")
    found = estimate_memory(model, spec, "adamw")
    assert found.activations == 4 * 7 * (5 + 5 + 2)
    assert found.weights == 4 * 4 * (30 + 12)
    found = estimate_memory(model, spec, "sgd", teacher=model)
    assert found.weights == 4 * (3 + 1) * (30 + 12)
    assert str(found).startswith("about 1.01 kB: 672 B of weights")


def test_memory_within_attention_and_experts(estimate_memory):
    model = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    dense = ones_keras.gather(model, method="switch")
    spec = tf.TensorSpec((3, 8, 8, 1), "float32")
    sparse, plain = (
        estimate_memory(one, spec, "adamw").activations
        for one in (model, dense)
    )
    # 4 layers. 16 tokens to 2 experts each: hidden units before and after the
    # activation, tokens there and back; an output, where a dense layer has two.
    experts = 16 * 2 * 2 * (32 + 32)
    assert sparse - plain == 4 * 3 * 4 * (experts + 16 * 32 - 2 * 16 * 32)
    whole = estimate_memory(
        model, tf.TensorSpec((6, 8, 8, 1), "float32"), "adamw"
    )
    # All but the positions, which are the same for every image.
    assert whole.activations == pytest.approx(2 * sparse, rel=0.01)
