"""What GLUE and SQuAD runs are made of."""

import dataclasses
import math

import settings
from settings import OPTIMIZERS, check_backups, refuse

HELP = {
    "model": "The trained model (.keras): a student, a teacher, any text model "
    "with the layers of ours.",
    "vocabulary": "Its vocabulary; default the file `vocabulary` beside it or "
    "in the folder above.",
    "lowercase": "Whether the vocabulary is uncased; as in the pretraining.",
    "seeds": settings.HELP["seeds"],
    "steps": "Training steps.",
    "warmup_steps": "Steps with a rising learning rate; it falls linearly to "
    "zero afterwards.",
    "batch_size": settings.HELP["batch_size"],
    "evaluation_batch_size": "Examples a step of the evaluation.",
    "learning_rate": "Peak of the schedule.",
    "sequence_length": "Tokens of a sequence, special ones included.",
    "optimizer": settings.HELP["optimizer"],
    "weight_decay": settings.HELP["weight_decay"],
    "dropout": "Rate before the logits.",
    "backup_minutes": settings.HELP["backup_minutes"],
    "max_examples": "Training examples that are used, the first of the file; 0 "
    "is all of them.",
}


@dataclasses.dataclass(frozen=True)
class FineTuningSettings:
    """A trained model and its training, described in `HELP`."""

    model: str = ""
    vocabulary: str = ""
    lowercase: bool = True
    seeds: tuple[int, ...] = (0,)
    steps: int = 1000
    warmup_steps: int = 60
    batch_size: int = 128
    evaluation_batch_size: int = 128
    learning_rate: float = 4e-5
    sequence_length: int = 512
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    dropout: float = 0.0
    max_examples: int = 0
    backup_minutes: float = 5.0

    @property
    def warmup_share(self):
        """As `make_optimizer` wants it."""
        return self.warmup_steps / self.steps

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        if not self.model:
            refuse("model", self.model, "a file")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            refuse("seeds", self.seeds, "one or more different integers")
        for name in (
            "steps",
            "batch_size",
            "evaluation_batch_size",
            "sequence_length",
        ):
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
        if self.max_examples < 0:
            refuse("max_examples", self.max_examples, "0 or more")
