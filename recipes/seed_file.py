"""What one seed of a fine-tuning leaves behind, and how it is found again."""

import hashlib
import json
import pathlib
import shutil

import results_file
from fine_tuning import mean_and_spread
from results_file import read_results, unreadable, write_results
from rich import console, table

from ones_keras.training import TrainingBackup
from ones_keras.write_aside import write_aside

_UNFINISHED, _BACKUPS = "unfinished.json", "unfinished"


def identity(settings):
    """The settings, and what is in their files."""
    fields = results_file.identity(settings)
    for name, path in settings.files.items():
        content = pathlib.Path(path).read_bytes()
        fields[name] = f"SHA-256 {hashlib.sha256(content).hexdigest()}"
    return fields


def load_results(settings, folder):
    """The metrics of finished seeds, `None` for the others.

    Raises a `ValueError` if a file cannot be read or is of other settings.
    """
    found = dict.fromkeys(settings.seeds)
    for seed in settings.seeds:
        path = folder / f"seed_{seed}" / "results.json"
        content = read_results(path, identity(settings))
        if content is None:
            # A backup that cannot be gone on with is refused here.
            read_results(path.with_name(_UNFINISHED), identity(settings))
            continue
        try:
            found[seed] = content["metrics"]
        except KeyError as error:
            raise unreadable(path, error) from error
    return found


def backup(settings, folder, seed, model, companions):
    """The `TrainingBackup` of a seed."""
    folder = folder / f"seed_{seed}"
    folder.mkdir(exist_ok=True)
    write_results(folder / _UNFINISHED, identity(settings), {})
    return TrainingBackup(
        folder / _BACKUPS, model, companions, settings.backup_minutes
    )


def save_results(settings, folder, seed, model, metrics):
    """Write the model and, last, the record that says it is complete."""
    folder = folder / f"seed_{seed}"
    folder.mkdir(exist_ok=True)
    with write_aside(folder / "model.keras") as aside:
        model.save(aside)
    write_results(
        folder / "results.json", identity(settings), {"metrics": metrics}
    )
    (folder / _UNFINISHED).unlink(missing_ok=True)
    shutil.rmtree(folder / _BACKUPS, ignore_errors=True)
    return metrics


def write_summary(settings, folder, results):
    """Print all metrics, mean and spread, and write them."""
    summary = mean_and_spread(list(results.values()))
    with write_aside(folder / "results.json") as aside:
        content = {"summary": summary, "seeds": results}
        aside.write_text(json.dumps(content, indent=1) + "\n")
    printed = table.Table(
        "metric", *(f"seed {seed}" for seed in results), "mean"
    )
    for name, values in summary.items():
        spread = "" if values["std"] is None else f" ± {values['std']:.4f}"
        printed.add_row(
            name,
            *(f"{found[name]:.4f}" for found in results.values()),
            f"{values['mean']:.4f}{spread}",
        )
    console.Console().print(printed)
    print(f"{folder}: results.json")
