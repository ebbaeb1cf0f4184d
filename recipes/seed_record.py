"""What one seed leaves behind, and how a finished one is found again."""

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
from importlib import metadata

import keras

from ones_keras.gathering.registry import get_method
from ones_keras.reporting import MethodResult
from ones_keras.write_aside import write_aside


@dataclasses.dataclass(frozen=True)
class SeedRecord:
    """The results of one seed, as in `seed_<n>/results.json`.

    Attributes:
        settings: dict. What decides the results: the recipe's settings without
            the seeds, and the backend.
        environment: dict. Versions and machine.
        results: tuple of `MethodResult`, on the test split.
        tuned: tuple of `MethodResult`, after fine-tuning on another task.
        validation: dict. What validation chose by, by row.
        student: string or `None`. Row of the saved student, the best in
            validation.
        router: dict. Router statistics of the teacher by layer.
        gathering: dict. Report of the gathering by row.
    """

    settings: dict
    environment: dict
    results: tuple[MethodResult, ...]
    validation: dict
    student: str | None
    router: dict
    gathering: dict
    tuned: tuple[MethodResult, ...] = ()


def identity(settings):
    """The part of the settings that decides what a seed's results are."""
    fields = json.loads(json.dumps(dataclasses.asdict(settings)))
    del fields["seeds"]
    fields["backend"] = keras.backend.backend()
    # The defaults of the methods are nobody's flags, and may change.
    fields["gathering"] = {
        row: get_method(settings.rows[row]).options for row in settings.methods
    }
    if getattr(settings, "teacher", ""):
        content = pathlib.Path(settings.teacher).read_bytes()
        fields["teacher_sha256"] = hashlib.sha256(content).hexdigest()
    return fields


def environment():
    """Versions and machine, for the record."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **{
            name: metadata.version(name)
            for name in ("ones_keras", "keras", keras.backend.backend())
        },
    }


def save_seed(folder, study, results, tuned=()):
    """Write the models and, last, the record that says they are complete.

    Args:
        folder: path.
        study: `SeedStudy` that has been trained.
        results: list of `MethodResult`.
        tuned: list of `MethodResult`. After fine-tuning. Defaults to `()`.

    Returns:
        A `SeedRecord`.
    """
    folder.mkdir(exist_ok=True)
    settings, runs = study.settings, study.runs
    # What an ablation adds to them is there to be compared with.
    students = [run for run in runs if run.name in settings.methods]
    best = max(
        students, key=lambda run: study.sign * run.validation, default=None
    )
    for name, model in (
        ("teacher", runs[0].model),
        ("student", best.model if best else None),
    ):
        if model is not None:
            with write_aside(folder / f"{name}.keras") as aside:
                model.save(aside)
    record = SeedRecord(
        settings=identity(settings),
        environment=environment(),
        results=tuple(results),
        validation={run.name: run.validation for run in runs},
        student=best.name if best else None,
        router={
            name: found.to_dict() for name, found in study.router().items()
        },
        gathering={run.name: run.gathering for run in runs if run.gathering},
        tuned=tuple(tuned),
    )
    with write_aside(folder / "results.json") as aside:
        aside.write_text(json.dumps(dataclasses.asdict(record), indent=2))
    return record


def load_seed(folder, settings):
    """The record of a finished seed, or `None`.

    Raises a `ValueError` if it cannot be read or is of other settings.
    """
    path = pathlib.Path(folder) / "results.json"
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_text())
        for name in ("results", "tuned"):
            fields[name] = tuple(
                MethodResult(**result) for result in fields.get(name, ())
            )
        record = SeedRecord(**fields)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"The record of an earlier run cannot be read ({error}); remove it "
            f"to train that seed again. Received: {path}."
        ) from error
    # A setting that is newer than the record had its default then.
    before = {
        **dataclasses.asdict(type(settings)()),
        **record.settings,
    }
    differences = [
        f"{name} {before.get(name)!r}, now {value!r}"
        for name, value in identity(settings).items()
        if json.dumps(before.get(name)) != json.dumps(value)
    ]
    if differences:
        raise ValueError(
            f"{folder} holds the results of other settings "
            f"({'; '.join(differences)}). Choose another `--output_dir`, or "
            "remove that folder."
        )
    return record
