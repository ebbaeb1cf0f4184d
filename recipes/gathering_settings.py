"""What a run of `gathering_study.py` is made of: rows, budgets, settings."""

import dataclasses
import math
from typing import NamedTuple

import image_settings
from image_settings import ImageTrainingSettings
from settings import refuse

# What every student is compared with, beside the teacher itself.
DENSE = "dense"
DENSE_LONGER = "dense, longer"
TEACHER_LONGER = "teacher, longer"


# Budgets below it are trained with a learning rate of their own.
SHORT = 1000


class Row(NamedTuple):
    """One way of gathering.

    Attributes:
        method: string. As `ones_keras.gather` takes it.
        options: dict.
        width: int. Width of the student, in those of an expert.
    """

    method: str
    options: dict
    width: int = 1


CORE = {
    "switch": Row("switch", {}),
    "average": Row("average", {}),
    "top_k": Row("top_k", {}),
    "svd": Row("svd", {}),
    "aligned": Row("aligned_average", {}),
    "do_acp": Row("select_experts", {}),
    "units": Row("select_units", {}),
    "least_squares": Row("least_squares", {}),
    "layer_fit": Row("layer_fit", {}),
}
ROWS = {
    **CORE,
    "distill": Row("random", {}),
    "sum": Row("sum", {}),
    "frequency": Row("frequency_average", {}),
    "frequency_aligned": Row("frequency_average", {"align": True}),
    **{
        f"{score}{suffix}": Row(
            "select_experts", {"score": score, "down_scale": scale}
        )
        for score in ("frequency", "cp", "acp", "do_acp")
        for suffix, scale in (("_experts", "count"), ("_gate", "gate"))
        if (score, scale) != ("do_acp", "count")
    },
    **{
        f"{name}_ls": Row("least_squares", {"selection": CORE[name].method})
        for name in ("average", "aligned", "top_k", "svd", "do_acp", "units")
    },
    "aligned_fit": Row("layer_fit", {"start": "aligned_average"}),
    **{
        f"{name}_wide": CORE[name]._replace(width=2)
        for name in ("switch", "do_acp", "units", "least_squares", "layer_fit")
    },
}

HELP = {
    **image_settings.HELP,
    "teacher_steps": "Training steps of the teacher.",
    "methods": f"Rows of the study. The core: {', '.join(CORE)}. Also: "
    f"{', '.join(row for row in ROWS if row not in CORE)}.",
    "budgets": "Distillation steps of a student, each of its own training; the "
    "student as gathered is always there.",
    "calibration_images": "Training images, without labels, that the methods "
    "are given.",
    "calibration_sizes": "Also gather with so many images, without training.",
    "short_learning_rate": f"Peak for trainings of less than {SHORT} steps: a "
    "higher one undoes what was gathered.",
    "front_to_back": "Gather on the student's own tokens too.",
}


@dataclasses.dataclass(frozen=True)
class StudySettings(ImageTrainingSettings):
    """Every setting of a study, described in `HELP`."""

    methods: tuple[str, ...] = ("svd", "average", "least_squares", "layer_fit")
    budgets: tuple[int, ...] = (100, 400)
    short_learning_rate: float = 5e-3
    calibration_images: int = 2048
    calibration_sizes: tuple[int, ...] = ()
    front_to_back: bool = False

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        unknown = sorted(set(self.methods) - set(ROWS))
        if unknown:
            refuse("methods", unknown, f"names among {sorted(ROWS)}")
        for name in ("methods", "budgets", "calibration_sizes"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                refuse(name, getattr(self, name), "different entries")
        if not self.methods:
            refuse("methods", self.methods, "one row at least")
        if min(self.budgets, default=0) < 1:
            refuse("budgets", self.budgets, "one or more, each 1 or more")
        if not 0 < self.short_learning_rate < math.inf:
            refuse("short_learning_rate", self.short_learning_rate, "positive")
        if self.calibration_images < 1:
            refuse("calibration_images", self.calibration_images, "at least 1")
        if min(self.calibration_sizes, default=1) < 1:
            refuse("calibration_sizes", self.calibration_sizes, "1 or more")


# As in the studies of imagenet_ones.py.
_STUDY = {
    "teacher_steps": 3000,
    "evaluations": 15,
    "alpha": 0.75,
    "methods": tuple(CORE),
    "budgets": (100, 300, 1000, 3000),
    "calibration_sizes": (64, 256, 1024, 4096),
}

CONFIGS = {
    # A look at everything in some minutes on two cores.
    "default": {},
    # What docs/gathering.md rests on.
    "digits": _STUDY,
    "fashion": {**_STUDY, "dataset": "fashion_mnist", "patch_size": 7},
    # Every row.
    "digits_full": {**_STUDY, "methods": tuple(ROWS)},
}
