"""The measurement at toy shapes: all stages are run and reported."""

import re

import keras
import numpy as np
import pytest


@pytest.mark.usefixtures("eager")
def test_every_stage_has_its_row(run_tool, tmp_path, rng):
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for number in range(4):
                keras.utils.save_img(
                    folder / f"{number}.png",
                    rng.integers(0, 256, size=(8, 8, 3)).astype(np.uint8),
                    scale=False,
                )
    printed = run_tool(
        "measure_real_shapes",
        f"--data_dir={tmp_path}",
        "--preset=widenet_vit_tiny",
        "--image_size=8",
        "--batch_size=2",
        "--steps=2",
        "--method=average",
    )
    rows = re.findall(r"^\| (.+) \| ([\d.]+) \| (\d+) \|$", printed, re.M)
    assert [name for name, _, _ in rows] == [
        "list the images",
        "build the teacher",
        "teacher: first step, with compilation",
        "teacher: one step",
        "gather (average)",
        "student: first step, with compilation",
        "student: one step",
        "save the student",
        "load it",
    ]
    peaks = [int(peak) for _, _, peak in rows]
    # Linux counts the pages of a thread in batches: some are missing at times.
    assert all(later > peaks[0] - 16 for later in peaks)
    assert peaks[-1] > 100  # MiB, which Keras alone needs
    assert "predicts the same after loading" in printed
