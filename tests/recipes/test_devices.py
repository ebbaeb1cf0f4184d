"""Recipes on several devices and hosts, as a user launches them."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import ones_keras

BACKEND = keras.backend.backend()
FOREIGN = "mirrored" if BACKEND == "jax" else "data_parallel"
ROOT = pathlib.Path(__file__).parents[2]
SHORT = (
    "--methods=svd",
    "--num_layers=1",
    "--teacher_steps=3",
    "--student_steps=3",
    "--evaluations=2",
    "--batch_size=16",
    # Whose last batch is not full, of 1080 images.
    "--evaluation_batch_size=400",
)


def start(devices, *flags):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.recipes.on_devices"),
            *(str(devices), "imagenet_ones", *SHORT, *flags),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": BACKEND},
    )


def check(folder):
    """What the devices have found in validation is true of the files."""
    record = json.loads((folder / "seed_0" / "results.json").read_text())
    digits = ones_keras.data.load_image_dataset("digits")
    for name, found in record["validation"].items():
        model = keras.models.load_model(
            folder / "seed_0" / f"{name}.keras", compile=False
        )
        hits = [
            np.argmax(model.predict_on_batch(np.asarray(x)), -1) == np.array(y)
            for x, y in digits.validation(400)
        ]
        accuracy = np.mean(np.concatenate(hits))
        # One image that lies on the border to another class, at most.
        assert found == pytest.approx(accuracy, abs=1.1 / 1080)
    return record


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="on JAX the hosts below have two each"
)
def test_several_devices(tmp_path):
    process = start(2, "--strategy=mirrored", f"--output_dir={tmp_path}")
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    check(tmp_path)


def two_hosts(folder, *flags):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return [
        start(
            2,
            *flags,
            f"--job_addresses=127.0.0.1:{port}",
            "--num_processes=2",
            f"--process_id={number}",
            f"--output_dir={folder / str(number)}",
        )
        for number in (0, 1)
    ]


@pytest.mark.skipif(BACKEND != "jax", reason="several hosts are of JAX")
def test_two_hosts(tmp_path, import_recipe, run_recipe):
    """Learn together what one learns alone; the first writes and prints.

    Each keeps the teacher's outputs of its own part.

    One is stopped, upon which both stop, and both are started again.
    """
    # A device's own capacity is enough: no token is dropped.
    flags = ("--teacher_steps=40", "--capacity_factor=4", "--teacher_cache=3")
    hosts = two_hosts(tmp_path, *flags)
    backups = tmp_path / "0" / "seed_0" / "unfinished" / "teacher"
    while not (backups / "step_0.npz").exists():
        assert hosts[0].poll() is None, hosts[0].communicate()
        time.sleep(0.1)
    hosts[1].terminate()
    printed = [host.communicate(timeout=600)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [1, 1], printed
    step = int(re.search(r"is of step (\d+)\.", printed[0])[1])
    assert 0 < step < 40
    assert "The first host has the backups" in printed[1]

    hosts = two_hosts(tmp_path, *flags)
    printed = [host.communicate(timeout=600)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], printed
    assert "MoE benefits" in printed[0]
    assert "MoE benefits" not in printed[1]
    assert not (tmp_path / "1").exists()
    record, alone = check(tmp_path / "0"), tmp_path / "alone"
    recipe = import_recipe("imagenet_ones")
    run_recipe(recipe, *SHORT, *flags, f"--output_dir={alone}")
    for one, other in zip(
        record["results"], check(alone)["results"], strict=True
    ):
        assert one["method"] == other["method"]
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([f"--strategy={FOREIGN}"], "`strategy` must be one of"),
        (["--process_id=1"], "come with `--job_addresses`"),
    ],
)
def test_what_cannot_be(flags, message, tmp_path, import_recipe, run_recipe):
    with pytest.raises(SystemExit, match=message):
        run_recipe(
            import_recipe("imagenet_ones"), *flags, f"--output_dir={tmp_path}/a"
        )
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(BACKEND == "jax", reason="there they are")
def test_no_hosts_on_other_backends(tmp_path, import_recipe, run_recipe):
    with pytest.raises(SystemExit, match="on JAX only"):
        run_recipe(
            import_recipe("imagenet_ones"),
            "--job_addresses=localhost:1234",
            f"--output_dir={tmp_path}/a",
        )
