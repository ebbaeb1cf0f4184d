"""What a run of the text recipe is made of, and the named configurations."""

import dataclasses
import math
from typing import ClassVar

import settings
from settings import GATHER_METHOD, TrainingSettings, check_students, refuse

CORPORA = ("builtin", "text", "wikitext", "wikipedia")
# Beside the paper's, the best ones without data and with.
ROWS = {
    **GATHER_METHOD,
    "aligned": "aligned_average",
    "layer_fit": "layer_fit",
}

HELP = {
    **settings.HELP,
    "corpus": f"One of {', '.join(CORPORA)}.",
    "data_dir": "Text files (a folder, a file, a glob), the folder of "
    "WikiText, or where TFDS keeps its datasets.",
    "vocabulary": "A SentencePiece model or WordPiece list; learned from the "
    "corpus if it is not given.",
    "vocabulary_size": "Of one that is learned.",
    "tokenizer": "sentencepiece or wordpiece, of one that is learned.",
    "lowercase": "Whether case and accents are removed, as in uncased models.",
    "sequence_length": "Tokens of a sequence, special ones included. Few of "
    "the short ones are of two segments, whose order is learned.",
    "num_layers": "Replaces the preset's unless 0.",
    "num_experts": "Replaces the preset's unless 0.",
    "methods": f"Students, by row: {', '.join(ROWS)}.",
    "teacher_steps": "Training steps of the teacher and the dense baseline.",
    "student_steps": "Training steps of a student.",
    "svd_ratio": "Share of the singular values that svd keeps, lambda.",
    "calibration_batches": "Training batches, without labels, that methods "
    "which look at data are given.",
    "scan": "Train in compiled loops of steps, the students of a seed side by "
    "side; on JAX and one device.",
    "fine_tune_steps": "Training steps, without a teacher, on the task which "
    "package a docstring comes from; 0 leaves it out.",
    "fine_tune_batch_size": "Docstrings a step of these.",
    "fine_tune_learning_rate": "Peak of these.",
}


@dataclasses.dataclass(frozen=True)
class TextSettings(TrainingSettings):
    """Every setting of a run of `albert_ones.py`, described in `HELP`."""

    rows: ClassVar = ROWS

    corpus: str = "builtin"
    data_dir: str = ""
    vocabulary: str = ""
    vocabulary_size: int = 1000
    tokenizer: str = "sentencepiece"
    lowercase: bool = True
    sequence_length: int = 32
    model: str = "widenet_albert_tiny"
    num_layers: int = 0
    num_experts: int = 0
    methods: tuple[str, ...] = (
        "distill",
        "switch",
        "sum",
        "average",
        "svd",
        "top_k",
    )
    teacher_steps: int = 200
    student_steps: int = 200
    batch_size: int = 64
    evaluation_batch_size: int = 128
    evaluations: int = 2
    learning_rate: float = 5e-3
    student_learning_rate: float = 5e-3
    weight_decay: float = 0.01
    alpha: float = 0.75
    svd_ratio: float = 0.25
    teacher_cache: int = 0
    teacher_cache_top_k: int = 0
    calibration_batches: int = 32
    scan: bool = False
    fine_tune_steps: int = 200
    fine_tune_batch_size: int = 32
    fine_tune_learning_rate: float = 3e-3

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        check_students(self)
        if self.corpus not in CORPORA:
            refuse("corpus", self.corpus, f"one of {CORPORA}")
        if self.scan and self.teacher_cache:
            refuse("teacher_cache", self.teacher_cache, "0 with --scan")
        if self.tokenizer not in ("sentencepiece", "wordpiece"):
            refuse("tokenizer", self.tokenizer, "sentencepiece or wordpiece")
        for name in (
            "vocabulary_size",
            "sequence_length",
            "calibration_batches",
            "fine_tune_batch_size",
        ):
            if getattr(self, name) < 1:
                refuse(name, getattr(self, name), "at least 1")
        for name in ("fine_tune_steps", "num_layers", "num_experts"):
            if getattr(self, name) < 0:
                refuse(name, getattr(self, name), "0 or more")
        if not 0 < self.fine_tune_learning_rate < math.inf:
            refuse(
                "fine_tune_learning_rate",
                self.fine_tune_learning_rate,
                "positive",
            )
        if (
            self.fine_tune_steps
            and self.final_learning_rate >= self.fine_tune_learning_rate
        ):
            refuse(
                "final_learning_rate",
                self.final_learning_rate,
                f"less than the {self.fine_tune_learning_rate:g} of "
                "--fine_tune_learning_rate",
            )
        # One reading of the text: stretches of another length begin anew.
        for name in ("teacher_steps", "student_steps", "fine_tune_steps"):
            if getattr(self, name) % self.evaluations:
                refuse(
                    name,
                    getattr(self, name),
                    f"a multiple of --evaluations, {self.evaluations}",
                )


# docs/text_results.md says how they were chosen.
_STUDY = {
    "teacher_steps": 4000,
    "student_steps": 4000,
    "evaluations": 10,
    "learning_rate": 1e-2,
    "student_learning_rate": 1e-2,
    # The paper's 0.75 is behind by far at this length.
    "alpha": 0.05,
}

CONFIGS = {
    # A look at everything.
    "default": {},
    # The full-length comparison, for several seeds.
    "builtin_study": {
        **_STUDY,
        # After 4000 seeds differ as much as teacher and dense.
        "teacher_steps": 8000,
        "student_steps": 8000,
        "methods": (*TextSettings.methods, "layer_fit"),
        "batch_size": 512,
        "fine_tune_steps": 1000,
        "fine_tune_learning_rate": 3e-3,
    },
    # Models for `glue_finetune.py`; give it the `--data_dir`.
    "wikitext_study": {
        **_STUDY,
        "corpus": "wikitext",
        "vocabulary_size": 4000,
        "sequence_length": 64,
        "batch_size": 256,
        "methods": ("svd", "layer_fit"),
        "fine_tune_steps": 0,
    },
    # OneS, section 4.2 and Table 6: WideNet with 4 experts on Wikipedia.
    "paper": {
        "corpus": "wikipedia",
        "model": "widenet_albert_base_4e",
        "vocabulary_size": 30000,
        "sequence_length": 512,
        "methods": ("distill", "switch", "svd"),
        "optimizer": "lamb",
        "batch_size": 4096,
        "teacher_steps": 125000,
        "student_steps": 125000,
        "evaluations": 25,
        "warmup_share": 0.025,
        "learning_rate": 0.00176,
        "student_learning_rate": 0.00352,
        "weight_decay": 0.01,
        "alpha": 0.75,
        "svd_ratio": 0.25,
        "fine_tune_steps": 0,
    },
}
