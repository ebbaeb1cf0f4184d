"""The tool that measures distillation's memory, at its smallest."""

import json

import pytest


def test_ratios_of_both_variants(run_tool, tmp_path):
    path = tmp_path / "memory.json"
    run_tool(
        "measure_mlm_memory",
        "--teacher=widenet_albert_tiny",
        "--num_layers=1",
        "--vocabulary_size=50",
        "--batch_size=2",
        "--sequence_length=16",
        "--steps=1",
        "--runs=1",
        f"--json={path}",
    )
    record = json.loads(path.read_text())
    found = record["mib"]
    assert found["plain"]["teacher_weights"] == 0
    assert found["distilled"]["teacher_weights"] > 0
    for measured in found.values():
        assert measured["added"] == pytest.approx(
            measured["peak"] - measured["before"]
        )
    ratio = found["distilled"]["added"] / found["plain"]["added"]
    assert record["added_by_training_ratio"] == pytest.approx(ratio)
