"""The benchmark of the text pipeline, at its smallest: what it measures."""

import json
import os
import pathlib
import subprocess
import sys

import keras

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "benchmark_text_input.py"


def test_speed_and_waiting(tmp_path):
    text = "A sentence of some length. And another one, quite as long.\n\n"
    lines = [text.replace("some", f"some{i}") for i in range(200)]
    (tmp_path / "text.txt").write_text("".join(lines))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sentence", "one"]
    (tmp_path / "vocabulary").write_text("\n".join(words))
    path = tmp_path / "input.json"
    done = subprocess.run(
        [
            sys.executable,
            str(TOOL),
            "--corpus=text",
            f"--data_dir={tmp_path}",
            f"--vocabulary={tmp_path / 'vocabulary'}",
            "--batch_size=4",
            "--sequence_length=16",
            "--steps=3",
            f"--json={path}",
        ],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(path.read_text())
    assert record["backend"] == keras.backend.backend()
    assert record["sequences_a_second"] > 0
    assert record["tokens_a_second"] == 16 * record["sequences_a_second"]
    assert 0 < record["waiting_share"] < 1
    assert record["longest_wait_seconds"] < 60
