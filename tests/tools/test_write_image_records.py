"""The tool that writes TFRecord files: written, verified, damaged."""

import re

import numpy as np
import pytest
from PIL import Image

from ones_keras.data import load_image_dataset


@pytest.fixture
def written(tmp_path, run_tool):
    for split, count in (("train", 6), ("val", 2)):
        for number in range(count):
            for name in ("cat", "dog"):
                path = tmp_path / "images" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((9, 9, 3), number, "uint8")).save(path)
    printed = run_tool(
        "write_image_records",
        f"--data_dir={tmp_path / 'images'}",
        f"--output_dir={tmp_path / 'records'}",
        "--shard_mb=0.0005",
    )
    assert re.search(r"train: 10 images, 0\.0 MB in \d+ files", printed)
    return tmp_path / "records"


def test_what_was_written_is_found_whole(written, run_tool):
    assert len(load_image_dataset("imagerecords", written).test_split) == 4
    printed = run_tool(
        "write_image_records", f"--output_dir={written}", "--verify"
    )
    assert "files are as they were written" in printed


def test_a_damaged_file_is_named(written, run_tool):
    path = next(written.glob("test-*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=f"1 of .* damaged:\n  {path}"):
        run_tool("write_image_records", f"--output_dir={written}", "--verify")


def test_a_folder_that_is_not_there(tmp_path, run_tool):
    with pytest.raises(SystemExit, match="write_image_records: No folder"):
        run_tool(
            "write_image_records",
            f"--data_dir={tmp_path / 'none'}",
            f"--output_dir={tmp_path / 'records'}",
        )
