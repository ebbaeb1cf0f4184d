"""The benchmark of the text pipeline, at its smallest: what it measures."""

import json

import keras

from ones_keras.data.text import text_corpus


def test_speed_and_waiting(run_tool, tmp_path, monkeypatch):
    monkeypatch.setattr(text_corpus, "SHUFFLED_TEXTS", 512)
    text = "A sentence of some length. And another one, quite as long.\n\n"
    lines = [text.replace("some", f"some{i}") for i in range(4000)]
    (tmp_path / "text.txt").write_text("".join(lines))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sentence", "one"]
    (tmp_path / "vocabulary").write_text("\n".join(words))
    path = tmp_path / "input.json"
    run_tool(
        "benchmark_text_input",
        "--corpus=text",
        f"--data_dir={tmp_path}",
        f"--vocabulary={tmp_path / 'vocabulary'}",
        "--batch_size=32",
        "--sequence_length=16",
        "--turns=1",
        f"--json={path}",
    )
    record = json.loads(path.read_text())
    assert record["backend"] == keras.backend.backend()
    assert record["sequences_a_second"] > 0
    assert record["tokens_a_second"] == 16 * record["sequences_a_second"]
    assert 0 < record["waiting_share"] < 1
    assert record["longest_wait_seconds"] < 60
