"""The benchmark of SVD gathering, at its smallest: what it measures."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "benchmark_svd.py"


def test_times_error_and_memory(tmp_path):
    path = tmp_path / "svd.json"
    done = subprocess.run(
        [
            sys.executable,
            str(TOOL),
            "--experts=3",
            "--dim=40",
            "--hidden=60",
            f"--json={path}",
        ],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(path.read_text())
    assert record["relative_error"] < 1e-5
    assert record["kernel"] == [40, 60]
    ratios = [
        slow / fast
        for slow, fast in zip(
            record["seconds"]["numpy"],
            record["seconds"]["ones_keras"],
            strict=True,
        )
    ]
    assert record["times_as_fast"]["median"] == pytest.approx(sum(ratios) / 2)
