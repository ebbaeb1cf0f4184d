"""Recipes in processes of their own, which choose their backend."""

import pathlib
import subprocess
import sys

import pytest

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize(
    ("recipe", "flags", "message"),
    [
        # The second after Keras is imported, the others before.
        ("imagenet_ones", ["--svd_ratio=1.5"], "`--svd_ratio=1.5`"),
        ("albert_ones", ["--corpus=text", "--data_dir=nowhere"], "nowhere"),
        ("gathering_study", ["--alpha=2"], "`--alpha=2.0`"),
        ("glue_finetune", [], "`--model=`"),
    ],
)
def test_bad_input_is_an_exit_status_and_one_line(
    recipe, flags, message, tmp_path
):
    result = subprocess.run(
        [
            sys.executable,
            str(RECIPES / f"{recipe}.py"),
            f"--output_dir={tmp_path / 'out'}",
            *flags,
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"{recipe}: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
