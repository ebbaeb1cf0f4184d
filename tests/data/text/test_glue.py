"""GLUE's files as they are published, and its metrics by hand."""

import gzip
import json

import numpy as np
import pytest

from ones_keras.data import GLUE_TASKS, glue_metrics, read_glue

# One row of each task's train.tsv, header first where there is one.
ROWS = {
    "CoLA": "gj04\t1\t\tOur friends \"won't buy this analysis.\n",
    "SST-2": "sentence\tlabel\nhide new secretions \t0\n",
    "MRPC": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
        '1\t70\t71\tHe said .\tHe " told .\n'
    ),
    "STS-B": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1"
        "\tsentence2\tscore\n0\tmain\tMSR\t2012\t1\tnone\tnone\tA plane.\t"
        "An air plane.\t3.800\n"
    ),
    "QQP": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
        "133\t21\t22\tHow?\tWhy?\t1\n"
    ),
    "MNLI": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\t"
        "sentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\t"
        "sentence2\tlabel1\tgold_label\n"
        "0\t31\t31n\tgov\t(a)\t(b)\t(c)\t(d)\tProduct.\tGeography.\tneutral\t"
        "contradiction\n"
    ),
    "QNLI": (
        "index\tquestion\tsentence\tlabel\n0\tWhen?\tThen.\tnot_entailment\n"
    ),
    "RTE": "index\tsentence1\tsentence2\tlabel\n0\tYes.\tNo.\tentailment\n",
    "WNLI": "index\tsentence1\tsentence2\tlabel\n0\tIt.\tThe pin.\t1\n",
}
EXPECTED = {
    "CoLA": ("Our friends \"won't buy this analysis.", None, 1),
    "SST-2": ("hide new secretions ", None, 0),
    "MRPC": ("He said .", 'He " told .', 1),
    "STS-B": ("A plane.", "An air plane.", 3.8),
    "QQP": ("How?", "Why?", 1),
    "MNLI": ("Product.", "Geography.", 2),
    "QNLI": ("When?", "Then.", 1),
    "RTE": ("Yes.", "No.", 0),
    "WNLI": ("It.", "The pin.", 1),
}


@pytest.mark.parametrize("task", GLUE_TASKS)
def test_official_rows(task, tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text(ROWS[task], encoding="utf-8")
    found = read_glue(path, task)
    first, second, label = EXPECTED[task]
    assert found.first == [first]
    assert found.second == (None if second is None else [second])
    assert found.labels.tolist() == pytest.approx([label])
    assert found.labels.dtype == ("float32" if task == "STS-B" else "int32")


def test_json_lines(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [
        {"premise": "A", "hypothesis": "B", "label": "neutral"},
        {"sentence1": "C", "sentence2": "D", "label": 2},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    found = read_glue(path, "MNLI")
    assert found.first == ["A", "C"]
    assert found.second == ["B", "D"]
    assert found.labels.tolist() == [1, 2]


def test_torn_rows_of_qqp_and_blank_lines_are_left_out(tmp_path):
    path = tmp_path / "train.tsv"
    # As row 97931 of the official file.
    path.write_text(ROWS["QQP"] + '"\tWhat?\t0\n\n', encoding="utf-8")
    assert read_glue(path, "QQP").second == ["Why?"]
    path.write_text(ROWS["SST-2"] + "\n", encoding="utf-8")
    assert len(read_glue(path, "SST-2").first) == 1
    path.write_text(ROWS["SST-2"] + "torn\n", encoding="utf-8")
    with pytest.raises(ValueError, match="row 3: 1 columns"):
        read_glue(path, "SST-2")


def test_labels_with_a_point(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"sentence": "fine", "label": 1.0}\n')
    assert read_glue(path, "SST-2").labels.tolist() == [1]
    path.write_text('{"sentence": "fine", "label": 0.5}\n')
    with pytest.raises(ValueError, match=r"row 1: the label .* not 0\.5"):
        read_glue(path, "SST-2")


def test_real_sst2_and_mnli(shared_data, tmp_path):
    for task, packed, count in (
        ("SST-2", shared_data / "glue" / "SST-2" / "dev.tsv.gz", 872),
        ("MNLI", shared_data / "mnli" / "small_dev.jsonl.gz", 1910),
    ):
        path = tmp_path / packed.stem
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        found = read_glue(path, task)
        assert len(found.first) == len(found.labels) == count
        assert set(found.labels) == set(range(GLUE_TASKS[task].num_classes))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sentence\tlabel\ngood\t1\nbad\t0\textra\n", "row 3: 3 columns"),
        ("sentence\tlabel\nso\rgood\t2\n", r"row 2: the label .*'2'"),
        (f"sentence\tlabel\n{'good' * 40000}\t2\n", "row 2: the label"),
        ("sentence\tlabel\ngood\t2\n", r"row 2: the label .*'2'"),
        ("sentence\tclass\ngood\t1\n", "row 2: no column 'label'"),
        ("sentence\tlabel\n", "no examples"),
        ("", "no examples"),
    ],
)
def test_bad_rows_are_named(content, message, tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as raised:
        read_glue(path, "SST-2")
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("score", ["null", '"nan"', '"much"'])
def test_scores_that_are_no_numbers_are_named(score, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(
        f'{{"sentence1": "A", "sentence2": "B", "score": {score}}}\n'
    )
    with pytest.raises(ValueError, match=r"row 1: the label must be a number"):
        read_glue(path, "STS-B")


def test_bad_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.tsv"):
        read_glue(tmp_path / "gone.tsv", "SST-2")
    with pytest.raises(ValueError, match="`task='sst2'`"):
        read_glue(tmp_path / "gone.tsv", "sst2")
    latin = tmp_path / "latin.tsv"
    latin.write_bytes(b"sentence\tlabel\nna\xefve\t1\n")
    with pytest.raises(ValueError, match=r"latin\.tsv, line 2 .*utf-8"):
        read_glue(latin, "SST-2")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"sentence": "fine", "label": 1}\n{"sentence": ')
    with pytest.raises(ValueError, match=r"row 2: .*broken\.jsonl"):
        read_glue(broken, "SST-2")
    # Half of a character.
    broken.write_text('{"sentence": "\\ud83d", "label": 1}\n')
    with pytest.raises(ValueError, match=r"row 1: .*surrogates.*broken\.jsonl"):
        read_glue(broken, "SST-2")


@pytest.mark.parametrize(
    ("task", "outputs", "message"),
    [
        ("SST", np.zeros((2, 2)), "`task='SST'`"),
        ("SST-2", np.array([[0.0, 1.0], [np.nan, 0.0]]), "1 that are not"),
        ("SST-2", np.zeros((2, 3)), r"of shape \(2, 2\).* \(2, 3\)"),
        ("SST-2", np.zeros((3, 2)), r"of shape \(2, 2\).* \(3, 2\)"),
    ],
)
def test_outputs_that_have_no_metrics_are_refused(task, outputs, message):
    with pytest.raises(ValueError, match=message):
        glue_metrics(task, np.array([0, 1]), outputs)


def test_a_constant_has_no_correlation():
    found = glue_metrics("STS-B", np.array([1.0, 2.0, 3.0]), np.ones((3, 1)))
    assert found == {"pearson": 0.0, "spearman": 0.0, "score": 0.0}
    assert glue_metrics("STS-B", np.ones(1), np.ones((1, 1))) == found
    nobody = glue_metrics("MRPC", np.zeros(2, int), np.array([[1, 0]] * 2))
    assert nobody == {"accuracy": 1.0, "f1": 0.0, "score": 0.5}


def test_metrics_by_hand():
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    guesses = np.array([1, 1, 0, 1, 0, 0, 0, 0])
    logits = np.eye(2)[guesses]
    # 2 true and 1 false positives, 4 true and 1 false negatives.
    assert glue_metrics("SST-2", labels, logits)["score"] == 6 / 8
    found = glue_metrics("MRPC", labels, logits)
    f1 = 2 * 2 / (2 * 2 + 1 + 1)
    assert found == pytest.approx(
        {"accuracy": 6 / 8, "f1": f1, "score": (6 / 8 + f1) / 2}
    )
    matthews = (2 * 4 - 1 * 1) / np.sqrt(3 * 3 * 5 * 5)
    found = glue_metrics("CoLA", labels, logits)
    assert found["matthews"] == pytest.approx(matthews)
    scores = np.array([0.0, 1.0, 2.0, 5.0])
    outputs = np.array([[0.0], [1.0], [4.0], [3.0]])
    found = glue_metrics("STS-B", scores, outputs)
    assert found["pearson"] == pytest.approx(
        np.corrcoef(scores, outputs[:, 0])[0, 1]
    )
    assert found["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))
