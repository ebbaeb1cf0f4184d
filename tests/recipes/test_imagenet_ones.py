"""The recipe as a user runs it: a command line, its files, its errors."""

import functools
import importlib
import json
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import ones_keras

pytestmark = pytest.mark.usefixtures("eager")

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"


def launch(*flags):
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, str(RECIPES / "imagenet_ones.py"), *flags],
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture
def recipe(import_recipe, run_recipe, monkeypatch):
    """The same in this process, for speed; returns what it printed."""
    module = import_recipe("imagenet_ones")
    image_study = importlib.import_module("image_study")
    monkeypatch.setattr(image_study, "LATENCY_REPEATS", 1)
    return functools.partial(run_recipe, module)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole comparison, three steps a model, with every kind of row."""
    folder = tmp_path_factory.mktemp("run")
    result = launch(
        f"--output_dir={folder}",
        "--teacher_steps=3",
        "--student_steps=3",
        "--evaluations=2",
        "--batch_size=16",
        "--evaluation_batch_size=500",
        "--methods=switch,svd",
        "--num_layers=1",
        "--label_smoothing=0.1",
        "--mixup=0.5",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_prints_the_table_and_the_router(finished):
    _, printed = finished
    for word in ("teacher", "dense", "switch", "svd", "MoE benefits"):
        assert word in printed
    assert "seed 0 · router of feed_forward: load" in printed
    assert "dropped" in printed


def test_writes_report_picture_and_launch_configuration(finished):
    folder, _ = finished
    report = json.loads((folder / "report.json").read_text())
    results = {row["method"]: row for row in report["results"]}
    assert list(results) == ["teacher", "dense", "switch", "svd"]
    assert results["dense"]["parameters"] == results["svd"]["parameters"]
    assert results["teacher"]["score_before"] is None
    # 450 test images under 10 transforms each.
    hits = results["svd"]["score"] * 4500
    assert hits == pytest.approx(round(hits), abs=1e-6)
    picture = (folder / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    for name in ("curves", "experts"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    log = (folder / "seed_0" / "logs" / "svd.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in log] == ["step", "1", "3"]
    assert {"accuracy", "val_accuracy", "loss"} <= set(log[0].split(","))
    launched = json.loads((folder / "launch.json").read_text())
    assert launched["settings"]["mixup"] == 0.5
    record = json.loads((folder / "seed_0" / "results.json").read_text())
    assert record["settings"]["backend"] == keras.backend.backend()
    assert set(record["validation"]) == set(results)
    assert record["student"] in ("switch", "svd")
    assert not list(folder.glob(".*"))


def test_a_finished_seed_is_not_trained_again(finished, recipe):
    folder, _ = finished
    before = (folder / "report.json").read_text()
    launched = json.loads((folder / "launch.json").read_text())
    printed = recipe(*launched["command"][1:])
    assert "seed 0: finished before" in printed
    assert "3 steps in" not in printed
    assert (folder / "report.json").read_text() == before


def test_results_of_other_settings_are_kept(finished, recipe):
    folder, _ = finished
    launched = json.loads((folder / "launch.json").read_text())
    before = (folder / "seed_0" / "results.json").read_bytes()
    with pytest.raises(SystemExit, match=r"alpha 0\.25, now 0\.5"):
        recipe(*launched["command"][1:], "--alpha=0.5")
    assert (folder / "seed_0" / "results.json").read_bytes() == before


def test_results_of_an_older_default_are_kept(finished, recipe):
    folder, _ = finished
    launched = json.loads((folder / "launch.json").read_text())
    path = folder / "seed_0" / "results.json"
    before = path.read_text()
    record = json.loads(before)
    record["settings"]["gathering"]["svd"]["scale"] = "mean"
    path.write_text(json.dumps(record))
    try:
        with pytest.raises(SystemExit, match="holds the results of other"):
            recipe(*launched["command"][1:])
    finally:
        path.write_text(before)


def test_a_backend_that_is_not_installed_is_named(monkeypatch, recipe):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="jax is not installed"):
        recipe("--backend=jax")


def test_tensorboard_that_is_not_installed(monkeypatch, recipe):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"ones_keras\[tensorboard\]"):
        recipe("--tensorboard")


def test_unreadable_results_are_named(tmp_path, recipe):
    path = tmp_path / "seed_3" / "results.json"
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(SystemExit, match=re.escape(str(path))):
        recipe(f"--output_dir={tmp_path}", "--seeds=2,3")
    assert list(tmp_path.iterdir()) == [path.parent]


def test_student_is_plain_keras_and_teacher_can_be_taken_up(
    finished, tmp_path, recipe
):
    folder, _ = finished
    student = keras.models.load_model(folder / "student.keras")
    assert type(student).__module__.startswith("keras.")
    images = np.zeros((2, 8, 8, 1), "float32")
    assert student.predict(images, verbose=0).shape == (2, 10)
    printed = recipe(
        f"--teacher={folder / 'teacher.keras'}",
        f"--output_dir={tmp_path / 'again'}",
        "--student_steps=1",
        "--methods=average",
        "--batch_size=16",
        "--evaluation_batch_size=500",
    )
    first = json.loads((folder / "report.json").read_text())["results"][0]
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again["results"][0]["score"] == first["score"]
    assert "teacher:" not in printed  # It is not trained again.


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--methods=svdd"], "`--methods=['svdd']`"),
        (["--svd_ratio=1.5"], "`--svd_ratio=1.5`"),
        (["--seeds=1,x"], "`--seeds=1,x`"),
        (["--student_steps=0"], "`--student_steps=0`"),
        (["--dataset=imagenet"], "`name='imagenet'`"),
        (["--dataset=imagefolder", "--data_dir=/nowhere"], "/nowhere"),
        (["--model=vit_tiny"], "`preset='vit_tiny'`"),
        (["--model=ones_vit_tiny"], "no `MoEFeedForward` layer"),
        (["--output_dir=/dev/null/results"], "/dev/null/results"),
        (["--teacher=none.keras"], "`--teacher=none.keras`"),
        (["--teacher=a.keras", "--num_layers=2"], "`--num_layers=2`"),
        (["--teacher=a.keras", "--teacher_steps=9"], "`--teacher_steps=9`"),
        (["--teacher=a.keras", "--ablation"], "`--teacher_steps=None`"),
        (["--teacher=a.keras", "--output_dir=."], "a copy of itself"),
        (["--methods=svd,svd"], "`--methods=('svd', 'svd')`"),
        (["--warmup_share=1"], "`--warmup_share=1.0`"),
        (["--temperature=inf"], "`--temperature=inf`"),
        (["--seeds=0,2147483648"], "`--seeds=(0, 2147483648)`"),
        (["--data_dir=/nowhere"], "takes no `data_dir`"),
        (["--image_size=256"], "16384 patches"),
    ],
)
def test_bad_input_ends_before_training(flags, message, tmp_path, recipe):
    output_dir = tmp_path / "out"
    with pytest.raises(SystemExit, match=re.escape(message)):
        recipe(f"--output_dir={output_dir}", *flags)
    assert not output_dir.exists()


def test_the_output_folder_is_refused_before_anything_is_read(
    tmp_path, recipe, monkeypatch
):
    (tmp_path / "seed_1").write_text("in the way")
    module = sys.modules["imagenet_ones"]
    monkeypatch.setattr(module, "load_images", lambda settings, size: 1 / 0)
    with pytest.raises(SystemExit, match="seed_1 is no folder"):
        recipe(f"--output_dir={tmp_path}", "--seeds=0,1")
    assert [path.name for path in tmp_path.iterdir()] == ["seed_1"]


@pytest.fixture
def pictures(tmp_path):
    """Two classes of twelve grey pictures in two splits."""
    for split in ("train", "val"):
        for name in ("a", "b"):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for index in range(12):
                keras.utils.save_img(
                    folder / f"{index}.png",
                    np.full((32, 32, 3), 20 * index),
                    scale=False,
                )
    return tmp_path / "images"


@pytest.mark.parametrize("limit", [0, 2])
def test_corrupt_images(tmp_path, recipe, pictures, limit, caplog):
    """They are named and skipped, up to the limit."""
    broken = pictures / "train" / "b" / "3.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n not an image")
    flags = (
        "--dataset=imagefolder",
        f"--data_dir={pictures}",
        "--image_size=8",
        "--num_layers=1",
        "--batch_size=20",
        "--teacher_steps=2",
        "--methods=",
        "--evaluations=1",
        f"--rand_augment={1 if limit else 0}",
        "--mixup=0.5",
        "--label_smoothing=0.1",
        "--validation_share=0.2",
        f"--max_unreadable={limit}",
        f"--output_dir={tmp_path / 'out'}",
    )
    if limit:
        recipe(*flags)
        assert caplog.text.count(str(broken)) == 1
        assert (tmp_path / "out" / "report.json").exists()
    else:
        with pytest.raises(SystemExit) as caught:
            recipe(*flags)
        assert str(broken) in caught.value.code
        assert caught.value.code.startswith("imagenet_ones: More than 0 images")


def test_paper_settings(import_recipe):
    """WideNet's for the teachers and OneS' for the students (Table 1)."""
    module = import_recipe("imagenet_ones")
    for name in ("base", "large"):
        settings = module.ImageSettings(**module.CONFIGS[f"paper_{name}"])
        settings.check()
        assert settings.model == f"widenet_vit_{name}"
        assert settings.teacher_steps == 300 * 1268355 // 4096
        assert settings.student_steps == settings.teacher_steps
        assert settings.optimizer == "lamb"
        assert settings.batch_size == 4096
        # 30 of 300 epochs.
        assert settings.warmup_share == 0.1
        assert settings.learning_rate == 0.01
        assert settings.student_learning_rate == 0.004
        assert settings.final_learning_rate == 1e-5
        assert settings.weight_decay == settings.label_smoothing == 0.1
        assert settings.mixup == 0.5
        assert settings.rand_augment == 2
        assert settings.rand_augment_magnitude == 15
        assert (settings.alpha, settings.temperature) == (0.25, 1.0)
        assert settings.svd_ratio == 0.75
        preset = ones_keras.models.ViTBackbone.from_preset(settings.model)
        assert preset.dropout == 0.1
        assert preset.image_shape == (224, 224, 3)


def test_students_of_a_cached_teacher(finished, tmp_path, recipe):
    """The steps that are kept are those that an online teacher sees."""
    losses = []
    for name, flags in (
        ("online", ()),
        # Nine of ten logits, so that the last one is known as well.
        ("cached", ("--teacher_cache=2", "--teacher_cache_top_k=9")),
    ):
        printed = recipe(
            f"--teacher={finished[0] / 'teacher.keras'}",
            f"--output_dir={tmp_path / name}",
            "--student_steps=2",
            "--evaluations=1",
            "--methods=svd",
            "--alpha=0",
            "--batch_size=16",
            "--evaluation_batch_size=500",
            *flags,
        )
        assert ("teacher's outputs: 2 steps" in printed) == bool(flags)
        report = json.loads((tmp_path / name / "report.json").read_text())
        losses.append(report["results"][2]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    # What was kept for the students is not kept for ever.
    assert not (tmp_path / "cached" / "seed_0" / "unfinished").exists()
