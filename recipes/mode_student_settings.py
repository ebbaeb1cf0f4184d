"""What a run of `mode_students.py` is made of."""

import dataclasses

import gathering_settings
from gathering_settings import StudySettings
from mode_settings import check_alphas
from settings import refuse

HELP = {
    **gathering_settings.HELP,
    "alphas": "Weights of mutual distillation of the teachers' experts; 0 is "
    "what all are compared with.",
}


@dataclasses.dataclass(frozen=True)
class StudentSettings(StudySettings):
    """A gathering study for each alpha, described in `HELP`."""

    alphas: tuple[float, ...] = (0.0, 0.1)

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        if self.mutual_distillation:
            refuse(
                "mutual_distillation", self.mutual_distillation, "`--alphas`"
            )
        if self.calibration_sizes:
            refuse("calibration_sizes", self.calibration_sizes, "none here")
        check_alphas(self.alphas)

    def of_alpha(self, alpha):
        """The `StudySettings` of the students of one alpha."""
        found = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(StudySettings)
        }
        return StudySettings(**{**found, "mutual_distillation": alpha})


CONFIGS = {
    # A look at everything.
    "default": {"methods": ("average", "layer_fit")},
    # What docs/mode.md rests on, with the training of docs/gathering.md.
    "digits": {
        **gathering_settings.CONFIGS["digits"],
        "methods": ("switch", "average", "svd", "layer_fit"),
        "budgets": (100, 1000),
        "calibration_sizes": (),
        "alphas": (0.0, 0.01, 0.1, 1.0),
        "seeds": (0, 1, 2, 3, 4),
    },
}
