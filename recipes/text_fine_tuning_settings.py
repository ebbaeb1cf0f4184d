"""What GLUE and SQuAD runs are made of."""

import dataclasses
import pathlib

import fine_tuning_settings
from fine_tuning_settings import FineTuningSettings
from settings import refuse

HELP = {
    **fine_tuning_settings.HELP,
    "vocabulary": "Its vocabulary; default the file `vocabulary` beside it or "
    "in the folder above.",
    "lowercase": "Whether the vocabulary is uncased; as in the pretraining.",
    "sequence_length": "Tokens of a sequence, special ones included.",
    "max_examples": "Training examples that are used, the first of the file; 0 "
    "is all of them.",
}


@dataclasses.dataclass(frozen=True)
class TextFineTuningSettings(FineTuningSettings):
    """A trained text model and its training, described in `HELP`."""

    vocabulary: str = ""
    lowercase: bool = True
    warmup_steps: int = 60
    weight_decay: float = 0.01
    sequence_length: int = 512
    max_examples: int = 0

    @property
    def vocabulary_file(self):
        """The one that is given, or that of the pretraining."""
        if self.vocabulary:
            return pathlib.Path(self.vocabulary)
        folder = pathlib.Path(self.model).parent
        # That of a seed's models lies in the folder above.
        beside, above = folder / "vocabulary", folder.parent / "vocabulary"
        found = above if above.exists() and not beside.exists() else beside
        if not found.exists():
            raise ValueError(
                f"The model needs its `--vocabulary`; there is none in "
                f"{beside} or {above}. Received: `--model={self.model}`."
            )
        return found

    @property
    def files(self):
        return {**super().files, "vocabulary": self.vocabulary_file}

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        if self.sequence_length < 1:
            refuse("sequence_length", self.sequence_length, "at least 1")
        if self.max_examples < 0:
            refuse("max_examples", self.max_examples, "0 or more")
