"""The recipe of mutual distillation: what it trains, finds and refuses."""

import functools
import gzip
import json
import pathlib

import numpy as np
import pytest
from scipy import stats

import ones_keras

ADULT = pathlib.Path(__file__).parents[3] / "shared" / "data" / "tabular"
SHORT = (
    "--tasks=wine",
    "--gates=dense,sparse",
    "--seeds=0",
    "--steps=4",
    "--evaluations=2",
)


@pytest.fixture
def recipe(import_recipe, run_recipe):
    def run(*flags):
        return run_recipe(import_recipe("mode_experts"), *flags)

    return run


@pytest.mark.usefixtures("eager")
def test_it_is_gone_on_with(tmp_path, recipe):
    printed = recipe(*SHORT, "--alphas=0,1", f"--output_dir={tmp_path}")
    assert printed.count("4 steps in") == 4
    before = (tmp_path / "wine" / "seed_0.json").read_text()
    printed = recipe(*SHORT, "--alphas=0,1,5", f"--output_dir={tmp_path}")
    assert printed.count("4 steps in") == 2
    records = json.loads((tmp_path / "wine" / "seed_0.json").read_text())
    for name, record in json.loads(before)["records"].items():
        assert records["records"][name] == record
    assert "MixtureOfModels" not in printed
    for name in ("report.png", "experts.png", "launch.json"):
        assert (tmp_path / name).stat().st_size > 0

    report = json.loads((tmp_path / "report.json").read_text())
    assert [(row["gate"], row["alpha"]) for row in report["rows"]] == [
        (gate, alpha) for gate in ("dense", "sparse") for alpha in (0, 1, 5)
    ]
    for gate in ("dense", "sparse"):
        rows = [row for row in report["rows"] if row["gate"] == gate]
        means = [np.mean(row["validation"]) for row in rows]
        chosen = [row["chosen_by_validation"] for row in rows]
        assert sum(chosen) == 1
        assert means[chosen.index(True)] == max(means)
    row = report["rows"][1]
    record = records["records"]["dense gate, alpha 1"]
    assert row["accuracy"][0] == record["probe"]["mixture_accuracy"]
    assert row["validation"][0] == record["validation"]
    assert record["steps"] == 4

    with pytest.raises(SystemExit, match="results of other settings"):
        recipe(*SHORT, "--batch_size=7", f"--output_dir={tmp_path}")


def test_alphas_begin_alike_and_bring_experts_together(tmp_path, recipe):
    task = "breast_cancer"
    flags = (f"--tasks={task}", "--seeds=0", "--steps=100", "--evaluations=1")
    recipe(*flags, "--alphas=0,1e-15,1", f"--output_dir={tmp_path}")
    content = json.loads((tmp_path / task / "seed_0.json").read_text())
    none, hardly, much = (
        content["records"][f"dense gate, alpha {alpha}"]["probe"]["similarity"]
        for alpha in ("0", "1e-15", "1")
    )
    assert hardly == pytest.approx(none, abs=1e-3)
    assert much > none + 0.1


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("task", ["digits", "docstrings"])
def test_images_and_texts(task, tmp_path, recipe, monkeypatch):
    flags = (f"--tasks={task}", "--alphas=0", "--seeds=0", "--steps=2")
    flags += ("--evaluations=1", "--gates=sparse", f"--output_dir={tmp_path}")
    # Ten seconds less.
    load = functools.partial(
        ones_keras.data.load_package_task, ("keras", "matplotlib")
    )
    monkeypatch.setattr(ones_keras.data, "load_package_task", load)
    recipe(*flags)
    content = json.loads((tmp_path / task / "seed_0.json").read_text())
    probe = content["records"]["sparse gate, alpha 0"]["probe"]
    accuracy = np.array(probe["accuracy"], "float64")
    own = np.nansum(np.array(probe["share"]) * accuracy)
    assert own == pytest.approx(probe["own_accuracy"])
    if task == "digits":
        # 450 test images under 10 transforms each.
        hits = 4500 * probe["mixture_accuracy"]
        assert hits == pytest.approx(round(hits), abs=1e-6)
        return

    # Other docstrings, as of another version of a package.
    def changed():
        train, *others = load()
        train.first[0] += " And more."
        return train, *others

    monkeypatch.setattr(ones_keras.data, "load_package_task", changed)
    with pytest.raises(SystemExit, match=r"other settings \(data"):
        recipe(*flags)


def test_paired_statistics(recipes_on_path, rng):
    from paired_difference import PairedDifference

    without, taught = rng.normal(0.8, 0.05, size=(2, 7))
    found = PairedDifference(taught, without)
    expected = stats.ttest_rel(taught, without)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.mean / found.standard_error == pytest.approx(
        expected.statistic
    )
    assert str(PairedDifference([0.5, 0.7], [0.5, 0.6])) == "+5.00 ± 5.00"
    again = PairedDifference(taught, without, test_to_train=0.5)
    assert again.standard_error == pytest.approx(
        found.standard_error * np.sqrt(1 + 7 * 0.5)
    )
    assert again.p > found.p
    surely = PairedDifference([0.5, 0.6, 0.70001], [0.1, 0.2, 0.3])
    assert surely.p_text == "<0.001"
    alone = PairedDifference([0.7], [0.6])
    assert str(alone) == "+10.00"
    assert np.isnan(alone.p)
    assert alone.p_text == ""


class Given:
    """Records in place of those of trainings."""

    def __init__(self, found):
        self.found = found

    def read(self, mixture):
        return self.found[mixture]


def test_rows_of_the_report(recipes_on_path, rng):
    from mode_report import make_rows
    from mode_runs import list_mixtures
    from mode_settings import ModeSettings

    settings = ModeSettings(
        tasks=("wine", "digits"), alphas=(0.0, 2.0, 0.5), seeds=(3, 1, 2)
    )
    found = {}
    for mixture in list_mixtures(settings):
        on_all = rng.random(4)
        # Both alphas above 0 are liked, by means of other numbers.
        liked = {0.0: [0.1, 0.1, 0.1], 2.0: [0.2, 0.4, 0.3]}
        liked[0.5] = [0.4, 0.2, 0.3]
        found[mixture] = {
            "validation": liked[mixture.alpha][mixture.seed - 1],
            "probe": {
                **dict.fromkeys(("routing_accuracy", "chance"), None),
                "mixture_accuracy": rng.random(),
                "own_accuracy": rng.random(),
                "accuracy_on_all": on_all,
                "similarity": 0.5,
                "share": [0.25] * 4,
                "accuracy": [0.5, None, 0.5, 0.5],
            },
        }
    rows = make_rows(settings, Given(found))
    assert [(row.task, row.alpha) for row in rows] == [
        (task, alpha) for task in settings.tasks for alpha in settings.alphas
    ]
    for row in rows:
        assert row.chosen == (row.alpha == 0.5)
        for name, key in (
            ("accuracy", "mixture_accuracy"),
            ("own", "own_accuracy"),
        ):
            one, other = (
                [
                    found[row.task, "dense", alpha, seed]["probe"][key]
                    for seed in settings.seeds
                ]
                for alpha in (row.alpha, 0.0)
            )
            np.testing.assert_array_equal(row.values[name], one)
            if not row.alpha:
                assert not row.differences
                continue
            expected = stats.ttest_rel(one, other).statistic
            if row.task == "wine":  # 25 % and 60 % of its examples.
                expected /= np.sqrt(1 + 3 * 25 / 60)
            difference = row.differences[name]
            assert difference.mean / difference.standard_error == (
                pytest.approx(expected)
            )
        best = [
            max(
                found[row.task, "dense", row.alpha, s]["probe"][
                    "accuracy_on_all"
                ]
            )
            for s in settings.seeds
        ]
        np.testing.assert_array_equal(row.values["best"], best)


def test_experts_by_their_share(recipes_on_path):
    from mode_pictures import by_share

    shares, accuracy = by_share(
        {
            "share": np.array([[0.3, 0.0, 0.7], [0.6, 0.4, 0.0]]),
            "own_by_expert": np.array([[0.5, np.nan, 0.9], [0.7, 0.2, np.nan]]),
        }
    )
    np.testing.assert_allclose(shares, [0.65, 0.35, 0])
    np.testing.assert_allclose(accuracy, [0.8, 0.35, np.nan])


def test_all_packages_count_alike(recipes_on_path):
    import mode_tasks

    x, labels, weights = mode_tasks._balanced(
        (np.arange(10), np.array([0, 0, 0, 0, 0, 0, 2, 2, 3, 3]))
    )
    assert x.tolist() == list(range(10))
    for label in (0, 2, 3):
        assert weights[labels == label].sum() == pytest.approx(10 / 3)


def adult_row(number, label):
    cells = [20 + number, "Private", 9, "Bachelors", 13, "Divorced", "Sales"]
    cells += ["Husband", "White", "Male", 0, 0, 40, "Peru", label]
    return ", ".join(map(str, cells))


def test_adult_from_its_files(tmp_path, recipe):
    rows = [adult_row(n, (">50K", "<=50K")[n % 2]) for n in range(40)]
    (tmp_path / "adult.data").write_text("\n".join(rows) + "\n\n")
    # The official test file: a remark, dots, and a country not seen before.
    test = ["|1x3 Cross validator", *(f"{row}." for row in rows[:9])]
    test[1] = test[1].replace("Peru", "Hong")
    (tmp_path / "adult.test").write_text("\n".join(test))
    flags = (
        *("--tasks=adult", "--seeds=0", "--steps=4", "--evaluations=2"),
        *("--alphas=0", f"--adult_dir={tmp_path}"),
        f"--output_dir={tmp_path / 'out'}",
    )
    recipe(*flags)
    content = json.loads((tmp_path / "out/adult/seed_0.json").read_text())
    share = content["records"]["dense gate, alpha 0"]["probe"]["share"]
    assert sum(share) == pytest.approx(1)
    (tmp_path / "adult.data").write_text("\n\n")
    with pytest.raises(SystemExit, match=r"no rows .*adult\.data"):
        recipe(*flags[:-1], f"--output_dir={tmp_path / 'other'}")
    (tmp_path / "adult.data").write_text("\n".join([*rows[:5], "1, 2"]))
    with pytest.raises(SystemExit, match=r"adult\.data, line 6: '1, 2'"):
        recipe(*flags[:-1], f"--output_dir={tmp_path / 'other'}")


@pytest.mark.skipif(not ADULT.exists(), reason="UCI Adult is not at hand")
def test_adult_as_published(recipes_on_path):
    import mode_tasks

    with gzip.open(ADULT / "adult-test.csv.gz", "rt") as lines:
        expected = sum(1 for line in lines if ">50K" in line)
    task = mode_tasks.load_task("adult", ADULT, seed=0)
    x, labels = task.test
    assert len(labels) == 16281
    assert labels.sum() == expected
    assert len(task.validation[1]) == 32561 // 5
    assert x.dtype == "float32"
    assert np.isfinite(x).all()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tasks=mnist"], "--tasks"),
        (["--alphas=0.1"], "--alphas"),
        (["--alphas=0,much"], "must be numbers"),
        (["--top_k=1"], "--top_k"),
        (["--alphas=0,0.1,0.10000001"], "first six digits"),
        (["--steps=7"], "divisor of the 7 steps"),
        (["--evaluations=7"], "Received: `--evaluations=7`"),
        (["--tensorboard"], "without a log"),
        (["--tasks=adult"], "--adult_dir"),
        (["--tasks=adult", "--adult_dir=nowhere"], "must hold adult.data"),
        (["--strategy=mirrored"], "on one device"),
    ],
)
def test_bad_flags(flags, message, tmp_path, recipe):
    with pytest.raises(SystemExit, match=message):
        recipe(*flags, f"--output_dir={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_dry_run(tmp_path, recipe):
    output = f"--output_dir={tmp_path / 'out'}"
    printed = recipe("--config=study", "--tasks=digits", output, "--dry_run")
    # Five seeds, two gates, five alphas.
    assert "digits: 50 x 1500 steps of 64 examples" in printed
    assert not (tmp_path / "out").exists()
