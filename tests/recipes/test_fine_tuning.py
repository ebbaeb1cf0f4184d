"""GLUE and SQuAD recipes on a small saved student."""

import functools
import json
import shutil

import keras
import pytest

import ones_keras

WORDS = ["the", "film", "is", "good", "bad", "fine", "awful", "great", "dull"]
WORDS += ["story", "plot", "acting", "was", "very", "so", "not", "and", "but"]
WORDS += ["a", "who", "sat", "on", "mat", "cat", "dog", "house", "where"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a student that knows nothing yet, and its vocabulary."""
    folder = tmp_path_factory.mktemp("trained")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocabulary").write_text("\n".join([*special, *WORDS]) + "\n")
    student = ones_keras.models.AlbertMaskedLM.from_preset(
        "ones_albert_tiny",
        vocabulary_size=len(special) + len(WORDS),
        num_layers=1,
        max_sequence_length=32,
    )
    student.save(folder / "student.keras")
    return folder


SHORT = (
    "--batch_size=16",
    "--sequence_length=16",
    "--warmup_steps=1",
    "--learning_rate=0.005",
)


@pytest.fixture
def sst2(tmp_path):
    """Sentences whose label is a word of theirs."""
    folder = tmp_path / "SST-2"
    folder.mkdir()
    for name, count in (("train", 64), ("dev", 24)):
        rows = ["sentence\tlabel"]
        for i in range(count):
            word = ("bad", "good")[i % 2]
            rows.append(f"the {WORDS[8 + i % 5]} was {word}\t{i % 2}")
        (folder / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def glue(import_recipe, run_recipe):
    return functools.partial(run_recipe, import_recipe("glue_finetune"))


def test_glue(glue, trained, sst2, tmp_path):
    output = tmp_path / "run"
    # As a seed's model, whose vocabulary lies in the folder above.
    source = trained / "seed_0" / "student.keras"
    source.parent.mkdir()
    shutil.copy(trained / "student.keras", source)
    flags = (
        *SHORT,
        f"--model={source}",
        f"--data_dir={sst2}",
        f"--output_dir={output}",
        "--learning_rate=0.002",
        "--steps=150",
    )
    assert "1 x 150 steps of 16 examples" in glue(*flags, "--dry_run")
    assert not output.exists()
    printed = glue(*flags)
    assert "dev_accuracy" in printed
    record = json.loads((output / "results.json").read_text())
    # The label is there to be read, so a model that trains finds it.
    assert record["summary"]["dev_accuracy"]["mean"] > 0.95
    assert set(record["seeds"]) == {"0"}
    model = keras.models.load_model(output / "seed_0" / "model.keras")
    assert type(model).__module__.partition(".")[0] == "keras"
    before = (output / "seed_0" / "results.json").read_text()
    assert "seed 0: finished before" in glue(*flags)
    assert (output / "seed_0" / "results.json").read_text() == before
    with pytest.raises(SystemExit, match=r"dropout 0\.0, now 0\.1"):
        glue(*flags, "--dropout=0.1")
    with (sst2 / "train.tsv").open("a") as file:
        file.write("the film was good\t1\n")
    with pytest.raises(SystemExit, match=r"\(train 'SHA-256"):
        glue(*flags)
    with (sst2 / "train.tsv").open("r+") as file:
        file.truncate(file.seek(0, 2) - len("the film was good\t1\n"))
    # Another model under the same name is another model.
    source.write_bytes((output / "seed_0" / "model.keras").read_bytes())
    with pytest.raises(SystemExit, match="other settings"):
        glue(*flags)


def test_mnli_has_two_evaluations_and_settings_of_its_own(
    glue, trained, tmp_path
):
    rows = [
        {"sentence1": "the cat sat", "sentence2": "the dog", "label": label}
        for label in ("neutral", "entailment", "contradiction")
    ]
    for name, count in (
        ("train", 40),
        ("dev_matched", 2),
        ("dev_mismatched", 1),
    ):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows * count)))
    output = tmp_path / "run"
    flags = (
        f"--model={trained / 'student.keras'}",
        "--task=MNLI",
        f"--data_dir={tmp_path}",
        "--sequence_length=16",
        "--steps=2",
        "--warmup_steps=1",
    )
    glue(*flags, f"--output_dir={output}")
    launch = json.loads((output / "launch.json").read_text())
    assert launch["config"] == "MNLI"
    assert launch["settings"]["learning_rate"] == 3e-5
    summary = json.loads((output / "results.json").read_text())["summary"]
    # The three labels are equally frequent, and the inputs the same.
    for name in ("dev_matched", "dev_mismatched"):
        assert summary[f"{name}_accuracy"]["mean"] == pytest.approx(1 / 3)
    # One of the two evaluation files will do.
    (tmp_path / "dev_mismatched.jsonl").unlink()
    glue(*flags, f"--output_dir={tmp_path / 'matched'}")
    summary = json.loads((tmp_path / "matched" / "results.json").read_text())
    assert set(summary["summary"]) == {
        "dev_matched_accuracy",
        "dev_matched_score",
    }


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--model=gone.keras", r"`--model=gone\.keras`"),
        ("--data_dir=gone", r"`--data_dir=gone` with none"),
        ("--task=SST", "`--task=SST`"),
        ("--sequence_length=64", "32 rows .* asks for 64"),
        ("--warmup_steps=70", "`--warmup_steps=70`"),
        ("--seeds=2147483648", r"below 2\*\*31"),
        ("--vocabulary=gone.txt", r"gone\.txt"),
    ],
)
def test_what_cannot_work_is_said_first(
    flag, message, glue, trained, sst2, tmp_path
):
    output = tmp_path / "run"
    flags = (
        *SHORT,
        f"--model={trained / 'student.keras'}",
        f"--data_dir={sst2}",
        f"--output_dir={output}",
        "--steps=60",
        flag,
    )
    with pytest.raises(SystemExit, match=message):
        glue(*flags)
    assert not output.exists()


def test_another_case_than_the_pretraining_is_refused(
    glue, trained, sst2, tmp_path
):
    for name in ("student.keras", "vocabulary"):
        shutil.copy(trained / name, tmp_path / name)
    launched = {"settings": {"lowercase": False}}
    (tmp_path / "launch.json").write_text(json.dumps(launched))
    flags = (
        *SHORT,
        f"--model={tmp_path / 'student.keras'}",
        f"--data_dir={sst2}",
        "--steps=2",
        "--dry_run",
    )
    with pytest.raises(SystemExit, match=r"lowercase=False.*lowercase=True"):
        glue(*flags)
    assert "2 steps" in glue(*flags, "--nolowercase")


def test_a_vocabulary_of_another_size_is_refused(glue, trained, sst2, tmp_path):
    vocabulary = tmp_path / "more"
    words = (trained / "vocabulary").read_text()
    vocabulary.write_text(words + "another\n")
    with pytest.raises(SystemExit, match="token_embedding"):
        glue(
            *SHORT,
            f"--model={trained / 'student.keras'}",
            f"--data_dir={sst2}",
            f"--vocabulary={vocabulary}",
            "--steps=2",
        )


def squad_file(path, count, impossible):
    """Where is the dog? It is where the text says that it sat."""
    paragraphs = []
    for i in range(count):
        place = ("house", "mat")[i % 2]
        context = f"the cat was on a film and the dog sat on the {place}"
        entry = {"id": f"{path.stem}{i}", "question": "where sat the dog"}
        if impossible and i % 3 == 0:
            entry |= {"answers": [], "is_impossible": True}
            entry["question"] = "who was awful"
        else:
            start = context.index(place)
            entry["answers"] = [{"text": place, "answer_start": start}]
        paragraphs.append({"context": context, "qas": [entry]})
    data = [{"title": "Dogs", "paragraphs": paragraphs}]
    path.write_text(json.dumps({"version": "v2.0", "data": data}))
    return path


@pytest.fixture
def squad(import_recipe, run_recipe):
    return functools.partial(run_recipe, import_recipe("squad_finetune"))


@pytest.mark.parametrize("version_2", [False, True])
def test_squad(version_2, squad, trained, tmp_path):
    output = tmp_path / "run"
    printed = squad(
        *SHORT,
        f"--model={trained / 'student.keras'}",
        f"--train_file={squad_file(tmp_path / 'train.json', 48, version_2)}",
        f"--dev_file={squad_file(tmp_path / 'dev.json', 12, version_2)}",
        f"--output_dir={output}",
        "--sequence_length=24",
        "--stride=6",
        "--max_question_length=6",
        "--steps=80",
        f"--version_2={version_2}",
    )
    assert "exact_match" in printed
    record = json.loads((output / "results.json").read_text())
    assert record["summary"]["f1"]["mean"] > 90
    folder = output / "seed_0"
    predictions = json.loads((folder / "predictions.json").read_text())
    assert set(predictions) == {f"dev{i}" for i in range(12)}
    best = json.loads((folder / "nbest.json").read_text())
    assert best["dev1"][0]["text"] == predictions["dev1"]
    assert (folder / "null_odds.json").exists() == version_2
    if version_2:
        assert record["summary"]["best_f1"]["mean"] > 90
        assert predictions["dev0"] == ""


@pytest.mark.parametrize(
    "flag", ["--n_best=0", "--max_answer_length=0", "--null_threshold=1.0"]
)
def test_what_answers_need_is_checked_before_training(flag, squad, trained):
    with pytest.raises(SystemExit, match=f"`{flag}`"):
        squad(
            f"--model={trained / 'student.keras'}",
            "--train_file=none.json",
            "--dev_file=none.json",
            flag,
        )


def test_squad_2_is_not_taken_for_1(squad, trained, tmp_path):
    with pytest.raises(SystemExit, match=r"16 questions .*`--config=v2`"):
        squad(
            *SHORT,
            f"--model={trained / 'student.keras'}",
            f"--train_file={squad_file(tmp_path / 'train.json', 48, True)}",
            f"--dev_file={squad_file(tmp_path / 'dev.json', 12, False)}",
            "--steps=2",
            "--sequence_length=24",
            "--stride=6",
            "--max_question_length=6",
        )
