"""What a training of any recipe is made of."""

import dataclasses
import math
from typing import ClassVar

# Rows of a table beside the teacher and the dense baseline. `distill` and
# `switch` are the paper's baselines, the others gather the experts.
GATHER_METHOD = {
    "distill": "random",
    "switch": "switch",
    "sum": "sum",
    "average": "average",
    "top_k": "top_k",
    "svd": "svd",
}
OPTIMIZERS = ("adamw", "lamb", "sgd")

HELP = {
    "model": "Preset of the teacher; its dense twin is the student.",
    "seeds": "One whole comparison each.",
    "teacher_steps": "Training steps of the teacher.",
    "batch_size": "Examples a training step.",
    "evaluation_batch_size": "Examples a step of validation and test.",
    "optimizer": "adamw, lamb, or sgd with a momentum of 0.9; gradients are "
    "clipped at norm 1.",
    "learning_rate": "Peak of the teacher's schedule.",
    "student_learning_rate": "Peak for students and the dense baseline.",
    "weight_decay": "Biases and normalisation are exempt.",
    "warmup_share": "Share of the steps with a rising learning rate; it falls "
    "linearly afterwards.",
    "final_learning_rate": "Where it falls to.",
    "alpha": "Share of the labels in the student's loss.",
    "temperature": "Of the distillation.",
    "teacher_cache": "Training steps of which the teacher's outputs are kept "
    "on disk: students see these again and again, and no teacher runs. 0 is "
    "off.",
    "teacher_cache_top_k": "How many of the greatest logits are kept of each "
    "example, or masked token; 0 is all.",
    "evaluations": "Validations a training run; the best weights are kept.",
    "backup_minutes": "Between two backups of what is being trained; they take "
    "no more than a fortieth of the time.",
}


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Teacher and training, described in `HELP`.

    Attributes:
        rows: dict from row of the table to the method that gathers it.
    """

    rows: ClassVar = GATHER_METHOD

    model: str = ""
    seeds: tuple[int, ...] = (0,)
    teacher_steps: int = 400
    batch_size: int = 128
    evaluation_batch_size: int = 256
    optimizer: str = "adamw"
    learning_rate: float = 1e-2
    student_learning_rate: float = 1e-2
    weight_decay: float = 0.1
    warmup_share: float = 0.1
    final_learning_rate: float = 0.0
    alpha: float = 0.25
    temperature: float = 1.0
    evaluations: int = 5
    backup_minutes: float = 5.0

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        if self.optimizer not in OPTIMIZERS:
            refuse("optimizer", self.optimizer, f"one of {OPTIMIZERS}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            refuse("seeds", self.seeds, "one or more different integers")
        if max(self.seeds) >= 2**31:
            refuse("seeds", self.seeds, "below 2**31")
        for name in (
            "teacher_steps",
            "batch_size",
            "evaluation_batch_size",
            "evaluations",
        ):
            if getattr(self, name) < 1:
                refuse(name, getattr(self, name), "at least 1")
        for name in ("learning_rate", "student_learning_rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                refuse(name, getattr(self, name), "positive")
        check_backups(self)
        lowest = min(self.learning_rate, self.student_learning_rate)
        if not 0 <= self.final_learning_rate < lowest:
            refuse(
                "final_learning_rate",
                self.final_learning_rate,
                "0 or more, and less than the peaks",
            )
        if not 0 <= self.warmup_share < 1:
            refuse("warmup_share", self.warmup_share, "in [0, 1)")
        if not 0 <= self.alpha <= 1:
            refuse("alpha", self.alpha, "in [0, 1]")
        if not 0 <= self.weight_decay < math.inf:
            refuse("weight_decay", self.weight_decay, "0 or more")


def check_students(settings):
    """Raise a `ValueError` on what cannot be said of the students."""
    methods = settings.methods
    unknown = sorted(set(methods) - set(settings.rows))
    if unknown:
        refuse("methods", unknown, f"names among {sorted(settings.rows)}")
    if len(set(methods)) < len(methods):
        refuse("methods", methods, "different names")
    if settings.student_steps < 1:
        refuse("student_steps", settings.student_steps, "at least 1")
    if not 0 < settings.svd_ratio <= 1:
        refuse("svd_ratio", settings.svd_ratio, "in (0, 1]")
    for name in ("teacher_cache", "teacher_cache_top_k"):
        if getattr(settings, name) < 0:
            refuse(name, getattr(settings, name), "0 or more")
    if settings.teacher_cache_top_k and not settings.teacher_cache:
        refuse("teacher_cache", 0, "above 0 with `--teacher_cache_top_k`")


def check_backups(settings):
    """Raise a `ValueError` on a time between backups that there is not."""
    if not 0 <= settings.backup_minutes < math.inf:
        refuse("backup_minutes", settings.backup_minutes, "0 or more")


def refuse(name, value, expected):
    """Raise a `ValueError` about a flag."""
    raise ValueError(
        f"`--{name}` must be {expected}. Received: `--{name}={value}`."
    )
