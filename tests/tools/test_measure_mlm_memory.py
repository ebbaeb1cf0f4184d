"""The tool that measures distillation's memory, at its smallest."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "measure_mlm_memory.py"


def test_ratios_of_both_variants(tmp_path):
    path = tmp_path / "memory.json"
    done = subprocess.run(
        [
            sys.executable,
            str(TOOL),
            "--teacher=widenet_albert_tiny",
            "--num_layers=1",
            "--vocabulary_size=50",
            "--batch_size=2",
            "--sequence_length=16",
            "--steps=1",
            "--runs=1",
            f"--json={path}",
        ],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
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
