"""The benchmark of the Distiller, at its smallest: what it measures."""

import json

import keras
import pytest


def test_times_and_ratios_of_all_variants(run_tool, tmp_path):
    path = tmp_path / "distiller.json"
    run_tool(
        "benchmark_distiller",
        "--model=mlp",
        "--batch_size=2",
        "--steps=1",
        "--repetitions=2",
        "--nomemory",
        f"--json={path}",
    )
    record = json.loads(path.read_text())
    assert record["backend"] == keras.backend.backend()
    for clock in ("wall", "cpu"):
        found = record["models"]["mlp"][clock]
        variants = {"ours", "keras", "plain", "cached"}
        assert set(found["seconds_a_step"]) == variants
        for name in ("ours / keras", "ours / plain", "cached / plain"):
            ratio = found["ratios"][name]
            assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    # Two turns, so that the median is the mean of the extremes.
    ratio = record["models"]["mlp"]["wall"]["ratios"]["ours / keras"]
    middle = (ratio["min"] + ratio["max"]) / 2
    assert ratio["median"] == pytest.approx(middle)
