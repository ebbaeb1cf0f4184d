"""What a fine-tuning is made of, of whatever model."""

import dataclasses
import math
from typing import ClassVar

import settings
from settings import OPTIMIZERS, check_backups, refuse

HELP = {
    "model": "The trained model (.keras): a student, a teacher, any model with "
    "the layers of ours.",
    "seeds": settings.HELP["seeds"],
    "steps": "Training steps.",
    "warmup_steps": "Steps with a rising learning rate; it falls linearly to "
    "zero afterwards.",
    "batch_size": settings.HELP["batch_size"],
    "evaluation_batch_size": "Examples a step of the evaluation.",
    "learning_rate": "Peak of the schedule.",
    "optimizer": settings.HELP["optimizer"],
    "weight_decay": settings.HELP["weight_decay"],
    "dropout": "Rate before the logits.",
    "backup_minutes": settings.HELP["backup_minutes"],
}


@dataclasses.dataclass(frozen=True)
class FineTuningSettings:
    """A trained model and its training, described in `HELP`."""

    model: str = ""
    seeds: tuple[int, ...] = (0,)
    steps: int = 1000
    warmup_steps: int = 0
    batch_size: int = 128
    evaluation_batch_size: int = 128
    learning_rate: float = 4e-5
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    dropout: float = 0.0
    backup_minutes: float = 5.0

    # They fall to zero.
    final_learning_rate: ClassVar = 0.0

    @property
    def warmup_share(self):
        """As `make_optimizer` wants it."""
        return self.warmup_steps / self.steps

    @property
    def files(self):
        """Paths by name: what is in them decides the results."""
        return {"model": self.model}

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        if not self.model:
            refuse("model", self.model, "a file")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            refuse("seeds", self.seeds, "one or more different integers")
        if max(self.seeds) >= 2**31:
            refuse("seeds", self.seeds, "below 2**31")
        for name in ("steps", "batch_size", "evaluation_batch_size"):
            if getattr(self, name) < 1:
                refuse(name, getattr(self, name), "at least 1")
        if not 0 <= self.warmup_steps < self.steps:
            refuse("warmup_steps", self.warmup_steps, "fewer than --steps")
        if not 0 < self.learning_rate < math.inf:
            refuse("learning_rate", self.learning_rate, "positive")
        if self.optimizer not in OPTIMIZERS:
            refuse("optimizer", self.optimizer, f"one of {OPTIMIZERS}")
        if not 0 <= self.weight_decay < math.inf:
            refuse("weight_decay", self.weight_decay, "0 or more")
        if not 0 <= self.dropout < 1:
            refuse("dropout", self.dropout, "in [0, 1)")
        check_backups(self)
