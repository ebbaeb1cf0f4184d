"""What one seed leaves behind, and how a finished one is found again."""

import dataclasses
import hashlib
import pathlib

import results_file
from kept_models import KeptModels
from results_file import read_results, unreadable, write_results

from ones_keras.gathering.registry import get_method
from ones_keras.reporting import MethodResult


@dataclasses.dataclass(frozen=True)
class SeedRecord:
    """The results of one seed, as in `seed_<n>/results.json`.

    Attributes:
        settings: dict. What decides the results: the recipe's settings without
            the seeds, and the backend.
        environment: dict. Versions and machine.
        results: tuple of `MethodResult`, on the test split.
        tuned: tuple of `MethodResult`, after fine-tuning on another task.
        details: dict. What else the test split says, by row.
        validation: dict. What validation chose by, by row.
        student: string or `None`. Row of the student that is best in
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
    details: dict = dataclasses.field(default_factory=dict)


def identity(settings):
    """The part of the settings that decides what a seed's results are."""
    fields = results_file.identity(settings)
    # The defaults of the methods are nobody's flags, and may change.
    fields["gathering"] = {
        row: get_method(settings.rows[row]).options for row in settings.methods
    }
    if getattr(settings, "teacher", ""):
        content = pathlib.Path(settings.teacher).read_bytes()
        fields["teacher_sha256"] = hashlib.sha256(content).hexdigest()
    return fields


def save_seed(folder, study, results, tuned=()):
    """Write the record that says the models there are complete.

    Args:
        folder: path.
        study: `SeedStudy` that has been trained.
        results: list of `MethodResult`.
        tuned: list of `MethodResult`. After fine-tuning. Defaults to `()`.

    Returns:
        A `SeedRecord`.
    """
    settings, runs = study.settings, study.runs
    # What an ablation adds to them is there to be compared with.
    students = [run for run in runs if run.name in settings.methods]
    best = max(
        students, key=lambda run: study.sign * run.validation, default=None
    )
    record = SeedRecord(
        settings=identity(settings),
        environment=results_file.environment(),
        results=tuple(results),
        validation={run.name: run.validation for run in runs},
        student=best.name if best else None,
        router={
            name: found.to_dict() for name, found in study.router().items()
        },
        gathering={run.name: run.gathering for run in runs if run.gathering},
        tuned=tuple(tuned),
        details=study.details,
    )
    content = dataclasses.asdict(record)
    write_results(folder / "results.json", content.pop("settings"), content)
    return record


def kept_models(folder, settings):
    """The `KeptModels` of a seed that is not finished."""
    return KeptModels(
        folder,
        identity(settings),
        _defaults(settings),
        settings.backup_minutes,
    )


def _defaults(settings):
    """A setting that is newer than a record had its default then."""
    return dataclasses.asdict(type(settings)())


def load_seed(folder, settings):
    """The record of a finished seed, or `None`.

    Raises a `ValueError` if it cannot be read or is of other settings.
    """
    folder = pathlib.Path(folder)
    path = folder / "results.json"
    fields = read_results(path, identity(settings), _defaults(settings))
    if fields is None:
        # What cannot be gone on with is refused here, before any training.
        kept_models(folder, settings)
        return None
    try:
        for name in ("results", "tuned"):
            fields[name] = tuple(
                MethodResult(**result) for result in fields.get(name, ())
            )
        return SeedRecord(**fields)
    except TypeError as error:
        raise unreadable(path, error) from error
