"""The MoE benchmark, at toy shapes: what it compares and what it writes."""

import json

import keras
import pytest
from absl import app

TOY = (
    "--num_tokens=40",
    "--dim=8",
    "--intermediate_dim=16",
    "--num_experts=4",
    "--preset=widenet_vit_tiny",
    "--num_layers=1",
    "--batch_size=2",
    "--repetitions=2",
)
COMPILATIONS = {
    "tensorflow": ["xla", "graph"],
    "jax": ["jit"],
    "torch": ["eager"],
}[keras.backend.backend()]


def check_spread(spread):
    assert 0 < spread["min"] <= spread["median"] <= spread["max"]


def test_outputs_are_compared_and_the_record_is_complete(run_tool, tmp_path):
    path = tmp_path / "moe.json"
    printed = run_tool(
        "benchmark_moe",
        *TOY,
        "--nomemory",
        "--case=forward+backward, dropping",
        f"--json={path}",
    )
    record = json.loads(path.read_text())
    assert record["backend"] == keras.backend.backend()
    assert record["flags"]["num_tokens"] == 40

    layer = record["layer"]
    assert [(r["routing"], r["compilation"]) for r in layer] == [
        (routing, compilation)
        for routing in ("balanced", "skewed")
        for compilation in COMPILATIONS
    ]
    # 70 % of the first choices are 35 % of the pairs of top 2, and the expert
    # is some others' second choice.
    assert layer[0]["largest_load"] < 0.35 < layer[-1]["largest_load"] <= 0.5
    (model,) = record["model"][:1]
    assert set(model["images_per_second"]) == {
        "student",
        "sparse teacher",
        "einsum teacher",
    }
    assert model["ffn_flops_times_student"] == {
        "sparse teacher": 2,
        "einsum teacher": 4,
    }
    differences = [
        entry["largest_difference"] for entry in (*layer, *record["model"])
    ]
    # Two ways to compute differ a little: 0 would mean nothing compared.
    assert 0 < max(differences) < 1e-5
    for entry in layer:
        assert set(entry["ms"]) == {"sparse", "einsum", "mixtral"}
        for spread in entry["times_sparse"].values():
            check_spread(spread)
    for entry in record["model"]:
        assert set(entry["times_student"]) == {
            "sparse teacher",
            "einsum teacher",
        }
        for spread in entry["times_student"].values():
            check_spread(spread)

    # Two tables, each with a header, a rule and a line a record.
    lines = [line for line in printed.splitlines() if line[0:1] == "|"]
    assert len(lines) == 2 + len(layer) + 2 + len(record["model"])


def test_memory_of_one_variant(run_tool):
    printed = run_tool(
        "benchmark_moe", *TOY, f"--memory_of=einsum,{COMPILATIONS[0]},forward"
    )
    found = json.loads(printed)
    assert 0 <= found["growth_mib"] < found["peak_mib"]


def test_an_output_that_cannot_be_written_is_refused_at_once(run_tool):
    with pytest.raises(app.UsageError, match="Cannot write --json=/no/such"):
        run_tool("benchmark_moe", *TOY, "--json=/no/such/folder/moe.json")
