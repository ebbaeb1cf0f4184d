"""The benchmark of SVD gathering, at its smallest: what it measures."""

import json

import pytest


def test_times_error_and_memory(run_tool, tmp_path):
    path = tmp_path / "svd.json"
    run_tool(
        "benchmark_svd",
        "--experts=3",
        "--dim=40",
        "--hidden=60",
        f"--json={path}",
    )
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
