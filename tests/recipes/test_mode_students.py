"""Students of teachers whose experts teach each other: what is compared."""

import importlib
import json

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("eager")

SHORT = (
    "--num_layers=1",
    "--teacher_steps=2",
    "--methods=average",
    "--budgets=1",
    "--calibration_images=50",
    "--evaluation_batch_size=2250",
)


@pytest.fixture
def recipe(import_recipe, run_recipe):
    def run(*flags):
        return run_recipe(import_recipe("mode_students"), *SHORT, *flags)

    return run


def test_alphas_side_by_side(tmp_path, recipe, recipes_on_path, monkeypatch):
    trained = []

    def train(model, images, settings, **options):
        """Moves the logits, by more the larger alpha is."""
        trained.append((settings.mutual_distillation, options["steps"]))
        dense = getattr(model, "student", model)
        bias = dense.get_layer("predictions").bias
        shift = np.arange(10) * (1 + settings.mutual_distillation)
        bias.assign(np.array(bias) + shift)
        return 0.5 + settings.mutual_distillation

    monkeypatch.setattr(
        importlib.import_module("gathering_runs"), "train", train
    )
    flags = (f"--output_dir={tmp_path}", "--seeds=0")
    recipe(*flags, "--alphas=0,5")
    # A teacher, and a student that is distilled; gathering takes no steps.
    assert trained == [(0, 2), (0, 1), (5, 2), (5, 1)]
    recipe(*flags, "--alphas=0,5")
    assert len(trained) == 4
    assert (tmp_path / "report.png").stat().st_size > 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["alpha"] for each in report["similarity"]] == [0, 5]
    assert len(report["scores"]) == 6
    for each in report["scores"]:
        folder = tmp_path / f"alpha_{each['alpha']:g}" / "seed_0"
        record = json.loads((folder / "results.json").read_text())["records"]
        name = f"{each['row']}-{each['budget']}"
        assert each["by_seed"] == [record[name]["score"]]
        # As gathered there was no validation.
        liked = each["alpha"] == 5 and not name.endswith("average-0")
        assert each["chosen_by_validation"] == liked
        teacher = keras.models.load_model(
            folder / "teacher-0.keras", compile=False
        )
        layer = teacher.backbone.get_layer("feed_forward")
        assert layer.mutual_distillation == each["alpha"]
    table = (tmp_path / "report.md").read_text()
    (line,) = [row for row in table.splitlines() if "| average | 1 |" in row]
    zero, five = (
        100 * each["by_seed"][0]
        for each in report["scores"]
        if (each["row"], each["budget"]) == ("average", 1)
    )
    assert f"| {zero:.2f} | {five - zero + 1e-9:+.2f} * |" in line


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--alphas=0.1", "--alphas"),
        ("--mutual_distillation=1", "--mutual_distillation"),
        ("--calibration_sizes=64", "--calibration_sizes"),
    ],
)
def test_bad_flags(flag, message, tmp_path, recipe):
    with pytest.raises(SystemExit, match=message):
        recipe(flag, f"--output_dir={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()
