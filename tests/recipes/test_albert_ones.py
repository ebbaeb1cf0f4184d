"""The text recipe as a user runs it: a command line, its files, its errors."""

import functools
import json
import types

import keras
import numpy as np
import pytest

import ones_keras
from ones_keras.data.text.docstrings import split_docstrings

pytestmark = pytest.mark.usefixtures("eager")

SHORT = (
    "--corpus=text",
    "--vocabulary_size=150",
    "--sequence_length=24",
    "--num_layers=1",
    "--teacher_steps=4",
    "--student_steps=2",
    "--evaluations=2",
    "--batch_size=8",
    "--evaluation_batch_size=128",
    "--methods=layer_fit",
    "--calibration_batches=20",
    "--fine_tune_steps=2",
    "--fine_tune_batch_size=8",
)


@pytest.fixture
def recipe(import_recipe, run_recipe, monkeypatch):
    """Runs the recipe in this process; returns what it printed."""
    module = import_recipe("albert_ones")
    # Ten seconds less.
    load = functools.partial(
        ones_keras.data.load_package_task, ("keras", "matplotlib")
    )
    monkeypatch.setattr(ones_keras.data, "load_package_task", load)
    # A minute less.
    gather = ones_keras.gather
    monkeypatch.setattr(
        ones_keras,
        "gather",
        lambda teacher, method, **options: gather(
            teacher,
            method,
            **(options | ({"steps": 5} if method == "layer_fit" else {})),
        ),
    )
    return functools.partial(run_recipe, module)


@pytest.fixture(scope="session")
def books(tmp_path_factory):
    """Docstrings, a hundred and fifty a file."""
    folder = tmp_path_factory.mktemp("books")
    texts = [text.text for text in split_docstrings(("keras",))[0][:450]]
    for number in range(3):
        part = texts[number::3]
        path = folder / f"book_{number}.txt"
        path.write_text("\n\n".join(part), encoding="utf-8")
    return folder


def test_whole_comparison_and_its_files(recipe, books, tmp_path):
    flags = (*SHORT, f"--data_dir={books}", f"--output_dir={tmp_path}")
    printed = recipe(*flags)
    for word in ("teacher", "dense", "layer_fit", "nats"):
        assert word in printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["higher_is_better"] is False
    results = {row["method"]: row for row in report["results"]}
    assert list(results) == ["teacher", "dense", "layer_fit"]
    # Untrained, in nats: near the logarithm of the vocabulary.
    for row in results.values():
        assert 0.6 * np.log(150) < row["score"] < 1.2 * np.log(150)
    assert results["dense"]["parameters"] == results["layer_fit"]["parameters"]
    assert [row["steps"] for row in results.values()] == [4, 4, 2]
    tuned = json.loads((tmp_path / "fine_tuned.json").read_text())
    assert [row["method"] for row in tuned["results"]] == list(results)
    assert all(0 <= row["score"] <= 1 for row in tuned["results"])
    for name in ("report", "fine_tuned"):
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
    # The student and its vocabulary are enough to go on with.
    student = keras.models.load_model(tmp_path / "student.keras")
    assert type(student).__module__.partition(".")[0] == "keras"
    tokenizer = ones_keras.data.load_tokenizer(tmp_path / "vocabulary")
    bias = student.get_layer("masked_lm_bias").get_weights()[0]
    assert bias.shape[-1] == tokenizer.vocabulary_size == 150
    assert not list(tmp_path.glob(".*"))
    batches = ones_keras.data.load_text_corpus("text", books).test(
        tokenizer, batch_size=128, sequence_length=24
    )
    agreeing = []
    teacher = keras.models.load_model(tmp_path / "teacher.keras")
    for x, _, weights in batches:
        x = {name: np.asarray(value) for name, value in x.items()}
        first, second = (
            np.argmax(model.predict_on_batch(x)["masked_lm"], axis=-1)
            for model in (student, teacher)
        )
        agreeing.append((first == second)[np.asarray(weights["masked_lm"]) > 0])
    assert results["layer_fit"]["agreement"] == pytest.approx(
        np.mean(np.concatenate(agreeing)), abs=1e-3
    )
    assert results["teacher"]["agreement"] is None

    # What was chosen by is the loss: the lowest.
    record = json.loads((tmp_path / "seed_0" / "results.json").read_text())
    students = {row: record["validation"][row] for row in list(results)[2:]}
    assert record["student"] == min(students, key=students.get)
    assert list(record["details"]) == list(results)
    for found in record["details"].values():
        assert 0 <= found["accuracy"] <= 1
        assert (found["order"] is None) == (found["order_examples"] == 0)

    before = (tmp_path / "report.json").read_text()
    printed = recipe(*flags)
    assert "seed 0: finished before" in printed
    assert "4 steps in" not in printed
    assert (tmp_path / "report.json").read_text() == before

    # Of other text another vocabulary would be learned.
    vocabulary = (tmp_path / "vocabulary").read_bytes()
    (tmp_path / "vocabulary").write_bytes(vocabulary + b"1")
    with pytest.raises(SystemExit, match="another vocabulary"):
        recipe(*flags)


def test_the_papers_settings_can_be_built(import_recipe):
    import_recipe("albert_ones")
    from text_settings import CONFIGS, TextSettings
    from text_study import build_teacher

    settings = TextSettings(**CONFIGS["paper"])
    settings.check()
    vocabulary = types.SimpleNamespace(vocabulary_size=settings.vocabulary_size)
    teacher = build_teacher(settings, vocabulary)
    assert teacher.backbone.max_sequence_length == settings.sequence_length
    # Table 4 of OneS: 26M parameters, without the head.
    assert round(teacher.backbone.count_params() / 1e6) == 26


@pytest.mark.parametrize("lowercase", [True, False])
def test_case_of_a_vocabulary(lowercase, import_recipe, books, tmp_path):
    import_recipe("albert_ones")
    from text_settings import TextSettings
    from text_study import load_vocabulary

    corpus = ones_keras.data.load_text_corpus("text", books)
    settings = TextSettings(vocabulary_size=150, lowercase=lowercase)
    learned = load_vocabulary(settings, corpus)
    learned.save(tmp_path / "vocabulary")
    settings = TextSettings(
        vocabulary=str(tmp_path / "vocabulary"), lowercase=lowercase
    )
    for tokenizer in (learned, load_vocabulary(settings, corpus)):
        upper, lower = tokenizer(["THE CASE", "the case"]).to_list()
        assert (upper == lower) is lowercase


def test_a_vocabulary_that_is_not_there(recipe, books, tmp_path):
    flags = [flag for flag in SHORT if "vocabulary" not in flag]
    with pytest.raises(SystemExit, match=r"gone\.model"):
        recipe(
            *flags,
            f"--data_dir={books}",
            f"--output_dir={tmp_path / 'run'}",
            "--vocabulary=gone.model",
        )
    assert not (tmp_path / "run").exists()


def test_scores_against_a_loop(import_recipe, books, rng):
    import_recipe("albert_ones")
    import text_training

    corpus = ones_keras.data.load_text_corpus("text", books)
    tokenizer = ones_keras.data.train_tokenizer(
        corpus.train_split.documents(), 150
    )
    model = ones_keras.models.AlbertMaskedLM.from_preset(
        "ones_albert_tiny", vocabulary_size=150, num_layers=1
    )
    model.set_weights([rng.normal(0, 0.2, w.shape) for w in model.weights])
    batches = corpus.test(tokenizer, 5, 100).take(4)
    found = text_training.masked_lm_scores(model, batches)
    nats, choices, hits, orders = [], [], [], []
    for x, y, weights in batches:
        x = {name: np.asarray(value) for name, value in x.items()}
        outputs = model.predict(x, verbose=0)
        for row in range(len(x["token_ids"])):
            if weights["sentence_order"][row] > 0:
                order = outputs["sentence_order"][row].argmax()
                orders.append(order == int(y["sentence_order"][row]))
            for place in range(x["mask_positions"].shape[1]):
                if weights["masked_lm"][row, place] == 0:
                    continue
                logits = outputs["masked_lm"][row, place].astype("float64")
                label = int(y["masked_lm"][row, place])
                nats.append(np.log(np.exp(logits).sum()) - logits[label])
                choices.append(logits.argmax())
                hits.append(choices[-1] == label)
    np.testing.assert_array_equal(found.pop("choices"), choices)
    assert found == pytest.approx(
        {
            "nats": np.mean(nats),
            "accuracy": np.mean(hits),
            "order": np.mean(orders),
            "order_examples": len(orders),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--corpus=books", "`--corpus` must be one of"),
        ("--student_steps=5", "a multiple of --evaluations, 2"),
        ("--methods=svd,merge", r"`--methods=\['merge'\]`"),
        ("--alpha=1.5", r"`--alpha=1\.5`"),
        ("--vocabulary=gone.model", "cannot change one that is given"),
        ("--data_dir=nowhere", "nowhere"),
        ("--model=ones_albert_tiny", "must have experts"),
        ("--vocabulary_size=9", "`vocabulary_size=9`"),
        ("--tokenizer=bpe", "`--tokenizer=bpe`"),
        ("--fine_tune_steps=3", "a multiple of --evaluations, 2"),
        ("--calibration_batches=1", "Too few calibration tokens"),
        ("--final_learning_rate=0.004", "of --fine_tune_learning_rate"),
    ],
)
def test_what_cannot_work_is_said_before_training(
    flag, message, recipe, books, tmp_path
):
    output = tmp_path / "run"
    flags = (*SHORT, f"--data_dir={books}", f"--output_dir={output}", flag)
    with pytest.raises(SystemExit, match=message):
        recipe(*flags)
    assert not output.exists()
