"""Order, choice and bookkeeping of a study whose training is a stub."""

import importlib
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.usefixtures("eager")

FLAGS = (
    "--num_layers=1",
    "--teacher_steps=3",
    "--student_steps=2",
    "--evaluation_batch_size=64",
)


class Images:
    """Eight random digits a split; notes when the test split is opened."""

    image_shape, num_classes = (8, 8, 1), 10

    def __init__(self, events):
        self.events = events

    def validation(self, batch_size):
        rng = np.random.default_rng(0)
        images = rng.uniform(0, 255, size=(8, 8, 8, 1)).astype("float32")
        return tf.data.Dataset.from_tensors((images, np.arange(8)))

    def test(self, batch_size):
        self.events.append("test")
        return self.validation(batch_size)


@pytest.fixture
def study(monkeypatch, import_recipe, run_recipe):
    """Runs the recipe with a validation accuracy for every (row, seed)."""
    recipe = import_recipe("imagenet_ones")
    image_study = importlib.import_module("image_study")
    monkeypatch.setattr(image_study, "LATENCY_REPEATS", 1)
    events = []
    monkeypatch.setattr(
        recipe, "load_images", lambda settings, size: Images(events)
    )

    def run(accuracy, *flags, fail_at=None):
        events.clear()

        def train(model, images, settings, **options):
            row = events.count("train")
            if row == fail_at:
                raise KeyboardInterrupt
            for weight in model.trainable_variables:
                weight.assign(weight + 0.1 * row)
            events.append("train")
            options["progress"](options["steps"], accuracy(row, options))
            return accuracy(row, options)

        monkeypatch.setattr(image_study, "train", train)
        run_recipe(recipe, *FLAGS, *flags)
        return list(events)

    return run


def read(path):
    return json.loads(path.read_text())


def test_an_ablation_adds_rows_that_are_no_students(study, tmp_path):
    # The later the row the better, so that only its kind rules it out.
    events = study(
        lambda row, options: 0.1 * row,
        "--config=ablation",
        f"--output_dir={tmp_path}",
    )
    rows = [
        "teacher",
        "dense",
        "svd",
        "svd, no KD",
        "svd, hard KD",
        "no gathering",
        "dense, longer",
    ]
    report = read(tmp_path / "report.json")
    assert [row["method"] for row in report["results"]] == rows
    assert [row["steps"] for row in report["results"]] == [3, 3, *[2] * 4, 5]
    assert read(tmp_path / "seed_0" / "results.json")["student"] == "svd"
    kept = {path.stem for path in (tmp_path / "seed_0").glob("*.keras")}
    assert kept == {row.replace(",", "").replace(" ", "_") for row in rows}
    # The test split is not opened before the last training is over.
    assert events[: len(rows)] == ["train"] * len(rows)
    assert set(events[len(rows) :]) == {"test"}


def test_seeds_of_several_runs_are_put_together(study, tmp_path):
    def accuracy(row, options):
        return 0.8 if options["seed"] == 4 else 0.6

    flags = ("--methods=average", f"--output_dir={tmp_path}")
    for seed in (3, 4):
        assert study(accuracy, *flags, f"--seeds={seed}").count("train") == 3
    assert study(accuracy, *flags, "--seeds=3,4") == []
    report = read(tmp_path / "report.json")
    teacher = report["rows"][0]
    scores = [
        read(tmp_path / f"seed_{seed}" / "results.json")["results"][0]["score"]
        for seed in (3, 4)
    ]
    assert teacher["scores"] == scores
    assert teacher["score"] == pytest.approx(np.mean(scores))
    best = keras.models.load_model(tmp_path / "seed_4" / "average.keras")
    found = keras.models.load_model(tmp_path / "student.keras")
    for one, other in zip(found.weights, best.weights, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_an_interrupted_seed_goes_on_at_the_next_model(study, tmp_path):
    def accuracy(row, options):
        return 0.5 + 0.1 * row

    folder = tmp_path / "seed_0"
    flags = ("--methods=switch,average", f"--output_dir={tmp_path}")
    with pytest.raises(KeyboardInterrupt):
        study(accuracy, *flags, fail_at=3)
    assert not (folder / "results.json").exists()
    before = {path.name: path.read_bytes() for path in folder.glob("*.keras")}
    assert set(before) == {"teacher.keras", "dense.keras", "switch.keras"}
    with pytest.raises(SystemExit, match=r"alpha 0\.25, now 0\.5"):
        study(accuracy, *flags, "--alpha=0.5")
    first, *others = study(lambda *_: 0.2, *flags)
    assert first == "train"
    assert set(others) == {"test"}
    for name, content in before.items():
        assert (folder / name).read_bytes() == content
    record = read(folder / "results.json")
    assert record["validation"] == pytest.approx(
        {"teacher": 0.5, "dense": 0.6, "switch": 0.7, "average": 0.2}
    )
    assert not list(tmp_path.glob("**/unfinished.json"))
    assert study(accuracy, *flags) == []
