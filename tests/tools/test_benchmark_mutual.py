"""The benchmark of mutual distillation, at its smallest: what it measures."""

import json
import statistics

import pytest


def test_ratios(run_tool, tmp_path):
    path = tmp_path / "mutual.json"
    printed = run_tool(
        "benchmark_mutual",
        "--model=mixture",
        "--batch_size=2",
        "--steps=2",
        "--repetitions=3",
        f"--json={path}",
    )
    assert "mixture, cpu:" in printed
    found = json.loads(path.read_text())["models"]["mixture"]
    for clock, seconds in found["seconds"].items():
        ratios = [
            slow / fast
            for slow, fast in zip(
                seconds["with"], seconds["without"], strict=True
            )
        ]
        assert len(ratios) == 3
        assert found["ratio"][clock]["median"] == pytest.approx(
            statistics.median(ratios)
        )
