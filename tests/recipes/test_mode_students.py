"""Students of teachers whose experts teach each other: what is compared."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("eager")

SHORT = (
    "--num_layers=1",
    "--teacher_steps=2",
    "--evaluations=1",
    "--batch_size=16",
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


def test_alphas_side_by_side(tmp_path, recipe):
    flags = (f"--output_dir={tmp_path}", "--seeds=0")
    printed = recipe(*flags, "--alphas=0,5")
    # A teacher, and a student that is distilled; gathering takes no steps.
    assert printed.count("steps in") == 4
    printed = recipe(*flags, "--alphas=0,5,0.5")
    assert printed.count("steps in") == 2
    assert (tmp_path / "report.png").stat().st_size > 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["alpha"] for each in report["similarity"]] == [0, 5, 0.5]
    for each in report["scores"]:
        folder = tmp_path / f"alpha_{each['alpha']:g}" / "seed_0"
        content = json.loads((folder / "results.json").read_text())
        assert content["settings"]["mutual_distillation"] == each["alpha"]
        record = content["records"][f"{each['row']}-{each['budget']}"]
        assert each["by_seed"] == [record["score"]]
    assert len(report["scores"]) == 9
    table = (tmp_path / "report.md").read_text()
    (line,) = [row for row in table.splitlines() if "| average | 1 |" in row]
    zero, five = (
        100 * each["by_seed"][0]
        for each in report["scores"]
        if each["row"] == "average" and each["budget"] == 1
        if each["alpha"] in (0, 5)
    )
    assert f"| {zero:.2f} |" in line
    assert f"| {five - zero + 1e-9:+.2f} |" in line
    losses = [
        json.loads(
            (tmp_path / f"alpha_{alpha}" / "seed_0/results.json").read_text()
        )["records"]["teacher-0"]["loss"]
        for alpha in ("0", "5")
    ]
    assert not np.isclose(*losses, rtol=1e-6)


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
