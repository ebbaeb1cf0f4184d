"""The benchmark of image pipelines, at its smallest: what it measures."""

import json

import pytest


@pytest.mark.filterwarnings("ignore")  # KerasCV's, of all kinds.
def test_rates_in_turns(run_tool, tmp_path):
    path = tmp_path / "input.json"
    printed = run_tool(
        "benchmark_input",
        "--images=16",
        "--image_size=32",
        "--batch_size=4",
        "--seconds=0",
        "--repetitions=2",
        "--pipeline=folder",
        "--pipeline=records",
        "--pipeline=keras",
        "--augmentation=crop",
        f"--json={path}",
    )
    rates = json.loads(path.read_text())["images_a_second"]["crop"]
    assert list(rates) == ["folder", "records", "keras"]
    for turns in rates.values():
        assert len(turns) == 2
        assert min(turns) > 0
    ratios = sorted(
        a / b for a, b in zip(rates["folder"], rates["keras"], strict=True)
    )
    assert f"{sum(ratios) / 2:.2f} times keras" in printed
