"""The study: its trainings, what it keeps, and what it makes of them."""

import importlib
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

pytestmark = pytest.mark.usefixtures("eager")

FLAGS = (
    "--num_layers=1",
    "--teacher_steps=3",
    "--budgets=2,5",
    "--methods=average,units",
    "--calibration_sizes=60",
    "--calibration_images=50",
    "--short_learning_rate=0.004",
)


class Images:
    """Random digits; notes when the test split is opened."""

    image_shape, num_classes = (8, 8, 1), 10

    def __init__(self, events):
        self.events = events

    def _batches(self, count):
        rng = np.random.default_rng(0)
        images = rng.uniform(0, 255, size=(count, 8, 8, 1)).astype("float32")
        return tf.data.Dataset.from_tensors((images, np.arange(count) % 10))

    def train(self, batch_size, seed):
        return self._batches(64).repeat()

    def validation(self, batch_size):
        return self._batches(8)

    def test(self, batch_size):
        self.events.append("test")
        return self._batches(20)


@pytest.fixture
def study(monkeypatch, import_recipe, run_recipe):
    """Runs the recipe without training; returns what was done, in order."""
    recipe = import_recipe("gathering_study")
    runs = importlib.import_module("gathering_runs")
    events = []
    monkeypatch.setattr(
        recipe, "load_images", lambda settings, size: Images(events)
    )

    def run(*flags, fail_at=None):
        events.clear()

        def train(model, images, settings, **options):
            if len(events) == fail_at:
                raise KeyboardInterrupt
            events.append((options["steps"], options["learning_rate"]))
            options["progress"](options["steps"], 0.5)
            return 0.5

        def predict_logits(model, batches):
            # Without a graph of every model.
            ((images, labels),) = batches
            return np.asarray(ops.convert_to_numpy(model(images))), labels

        monkeypatch.setattr(runs, "train", train)
        monkeypatch.setattr(runs, "predict_logits", predict_logits)
        printed = run_recipe(recipe, *FLAGS, *flags)
        return list(events), printed

    return run


def read(path):
    return json.loads(path.read_text())


def points(folder, name="report"):
    return {
        (point["method"], point["seed"], point["x"]): point["score"]
        for point in read(folder / f"{name}.json")["points"]
    }


def test_every_row_budget_and_control(study, tmp_path):
    events, printed = study(f"--output_dir={tmp_path}", "--seeds=4,7")
    steps = [3, 2, 5, 8, 2, 5, 2, 2, 5, 5]
    # The teacher, and what is short.
    trained = [(3, 0.01), *((count, 0.004) for count in steps[1:])]
    # The test split is opened after the last training of a seed, once.
    assert events == [*trained, "test", *trained, "test"]
    expected = {
        ("teacher", 0),
        ("dense", 2),
        ("dense", 5),
        ("dense, longer", 8),
        ("teacher, longer", 2),
        ("teacher, longer", 5),
        *((row, x) for row in ("average", "units") for x in (0, 2, 5)),
    }
    found = points(tmp_path)
    assert set(found) == {
        (row, seed, x) for row, x in expected for seed in (4, 7)
    }
    assert set(points(tmp_path, "calibration")) == {
        *(
            (row, seed, 0)
            for row in ("teacher", "dense, longer")
            for seed in (4, 7)
        ),
        ("units", 4, 60),
        ("units", 7, 60),
    }
    record = read(tmp_path / "seed_4" / "results.json")["records"]["units-0"]
    assert record["gathering"]["agreement"]["num_predictions"] < 30
    assert record["made_by"] == ["select_units", {}, 1]
    # A stub does not train, so that every budget is the student as gathered.
    assert found["units", 4, 5] == found["units", 4, 0]
    model = keras.models.load_model(tmp_path / "seed_4" / "units-5.keras")
    (images, labels), *_ = Images([]).test(1)
    choices = model.predict(np.asarray(images), verbose=0).argmax(-1)
    assert found["units", 4, 5] == np.mean(choices == np.asarray(labels))
    for word in ("minus teacher, longer (5)", "MoE benefits", "60"):
        assert word in (tmp_path / "report.md").read_text()
    assert "dense, longer: trained for 8 steps" in printed
    for name in ("report.png", "calibration.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def check_that_other_records_are_refused(study, flags, folder):
    with pytest.raises(SystemExit, match=r"alpha 0\.25, now 0\.5"):
        study(*flags, "--alpha=0.5")
    path = folder / "seed_0" / "results.json"
    before = path.read_text()
    content = json.loads(before)
    content["records"]["average-0"]["made_by"][1]["down_scale"] = 2.0
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r"average-0 in .*down_scale': 2\.0"):
        study(*flags)
    path.write_text("{")
    with pytest.raises(SystemExit, match=re.escape(str(path))):
        study(*flags)
    path.write_text(before)


def test_it_goes_on_where_it_was_stopped(study, tmp_path):
    flags = (f"--output_dir={tmp_path}",)
    with pytest.raises(KeyboardInterrupt):
        study(*flags, fail_at=4)
    assert not list(tmp_path.glob("**/.*"))
    before = (tmp_path / "seed_0" / "teacher-0.keras").read_bytes()
    events, _ = study(*flags)
    assert events[:-1] == [(count, 0.004) for count in (2, 5, 2, 2, 5, 5)]
    assert (tmp_path / "seed_0" / "teacher-0.keras").read_bytes() == before
    # Finished, it only reports; a new row and budget are all that is added.
    assert study(*flags)[0] == []
    check_that_other_records_are_refused(study, flags, tmp_path)
    found = points(tmp_path)
    more = ("--methods=average,units,top_k", "--budgets=5,1000")
    events, _ = study(*flags, *more)
    long = (1000, 0.01)
    assert events[:-1] == [
        *(long, (1003, 0.01), long, (5, 0.004)),
        *(long, long, long),
    ]
    after = points(tmp_path)
    assert {key: after[key] for key in found if key in after} == {
        key: score for key, score in found.items() if key in after
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--methods=svdd"], "`--methods=['svdd']`"),
        (["--methods="], "`--methods=()`"),
        (["--methods=svd,svd"], "`--methods=('svd', 'svd')`"),
        (["--budgets=0,5"], "`--budgets=(0, 5)`"),
        (["--budgets=x"], "`--budgets=x`"),
        (["--calibration_images=0"], "`--calibration_images=0`"),
        (["--calibration_sizes=0"], "`--calibration_sizes=(0,)`"),
        (["--alpha=2"], "`--alpha=2.0`"),
        (["--short_learning_rate=0"], "`--short_learning_rate=0.0`"),
        (["--methods=units", "--calibration_images=2"], "2 examples, none of"),
        (["--model=ones_vit_tiny"], "no `MoEFeedForward` layer"),
    ],
)
def test_bad_input_ends_before_training(flags, message, study, tmp_path):
    output_dir = tmp_path / "out"
    with pytest.raises(SystemExit, match=re.escape(message)):
        study(f"--output_dir={output_dir}", *flags)
    assert not output_dir.exists()


def test_real_training_on_the_built_in_data(
    import_recipe, run_recipe, tmp_path
):
    printed = run_recipe(
        import_recipe("gathering_study"),
        f"--output_dir={tmp_path}",
        "--num_layers=1",
        "--teacher_steps=2",
        "--budgets=1",
        "--methods=least_squares",
        "--evaluations=1",
        "--batch_size=16",
        "--evaluation_batch_size=540",
        "--calibration_images=64",
    )
    assert "least_squares" in printed
    found = points(tmp_path)
    assert found["least_squares", 0, 0] != found["least_squares", 0, 1]
