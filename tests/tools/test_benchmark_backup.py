import json

import pytest


def test_share_of_the_time(run_tool, tmp_path):
    path = tmp_path / "backup.json"
    run_tool(
        "benchmark_backup",
        "--model=widenet_vit_tiny",
        "--repetitions=3",
        f"--json={path}",
    )
    record = json.loads(path.read_text())
    # Three numbers a parameter, of four bytes.
    assert record["mib"] > 3 * 4 * record["parameters"] / 2**20
    assert len(record["seconds"]) == 3
    median = sorted(record["seconds"])[1]
    assert record["share"] == pytest.approx(median / (300 + median))
