"""What a run of an image recipe is made of, and the named configurations."""

import dataclasses
import math

# Rows of the table beside the teacher and the dense baseline. `distill` and
# `switch` are the paper's baselines, the others gather the experts.
GATHER_METHOD = {
    "distill": "random",
    "switch": "switch",
    "sum": "sum",
    "average": "average",
    "top_k": "top_k",
    "svd": "svd",
}
OPTIMIZERS = ("adamw", "lamb")


HELP = {
    "dataset": "digits, fashion_mnist, cifar10, cifar100 or imagefolder.",
    "data_dir": "Image folder, or the KERAS_HOME of a Keras dataset.",
    "image_size": "Side of the images in pixels; 0 is the dataset's.",
    "model": "Preset of the teacher; its dense twin is the student.",
    "patch_size": "Replaces the preset's unless 0.",
    "num_layers": "Replaces the preset's unless 0.",
    "capacity_factor": "Of the teacher in training; 0 leaves the preset's.",
    "teacher": "A trained teacher (.keras) to start from.",
    "methods": f"Students, by row: {', '.join(GATHER_METHOD)}.",
    "ablation": "Also train what Tables 4 and 5 and Figure 3 of OneS compare, "
    "with the same alpha for hard and soft distillation.",
    "seeds": "One whole comparison each.",
    "teacher_steps": "Training steps of the teacher; of one that is given, "
    "what --ablation adds to those of its longer dense model.",
    "student_steps": "Training steps of a student and the dense baseline.",
    "batch_size": "Images a training step.",
    "evaluation_batch_size": "Images a step of validation and test.",
    "optimizer": f"{' or '.join(OPTIMIZERS)}; gradients are clipped at norm 1.",
    "learning_rate": "Peak of the teacher's schedule.",
    "student_learning_rate": "Peak for students and the dense baseline.",
    "weight_decay": "Biases and normalisation are exempt.",
    "warmup_share": "Share of the steps with a rising learning rate; it falls "
    "linearly to zero afterwards.",
    "label_smoothing": "0 is off.",
    "mixup": "The alpha of mixup; 0 is off.",
    "alpha": "Share of the labels in the student's loss.",
    "temperature": "Of the distillation.",
    "svd_ratio": "Share of the singular values that svd keeps, lambda.",
    "evaluations": "Validations a training run; the best weights are kept.",
}


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Data, teacher and training, described in `HELP`."""

    dataset: str = "digits"
    data_dir: str = ""
    image_size: int = 0
    model: str = "widenet_vit_tiny"
    patch_size: int = 0
    num_layers: int = 0
    capacity_factor: float = 0.0
    seeds: tuple[int, ...] = (0,)
    teacher_steps: int = 400
    batch_size: int = 128
    evaluation_batch_size: int = 256
    optimizer: str = "adamw"
    learning_rate: float = 1e-2
    student_learning_rate: float = 1e-2
    weight_decay: float = 0.1
    warmup_share: float = 0.1
    label_smoothing: float = 0.0
    mixup: float = 0.0
    alpha: float = 0.25
    temperature: float = 1.0
    evaluations: int = 5

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
        for name in ("warmup_share", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                refuse(name, getattr(self, name), "in [0, 1)")
        if not 0 <= self.alpha <= 1:
            refuse("alpha", self.alpha, "in [0, 1]")
        for name in ("mixup", "weight_decay", "capacity_factor"):
            if not 0 <= getattr(self, name) < math.inf:
                refuse(name, getattr(self, name), "0 or more")


@dataclasses.dataclass(frozen=True)
class ImageSettings(TrainingSettings):
    """Every setting of a run of `imagenet_ones.py`, described in `HELP`."""

    teacher: str = ""
    methods: tuple[str, ...] = ("distill", "switch", "svd", "top_k")
    ablation: bool = False
    student_steps: int = 400
    svd_ratio: float = 0.75

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        unknown = sorted(set(self.methods) - set(GATHER_METHOD))
        if unknown:
            refuse("methods", unknown, f"names among {sorted(GATHER_METHOD)}")
        if len(set(self.methods)) < len(self.methods):
            refuse("methods", self.methods, "different names")
        if self.student_steps < 1:
            refuse("student_steps", self.student_steps, "at least 1")
        if not 0 < self.svd_ratio <= 1:
            refuse("svd_ratio", self.svd_ratio, "in (0, 1]")


def refuse(name, value, expected):
    """Raise a `ValueError` about a flag."""
    raise ValueError(
        f"`--{name}` must be {expected}. Received: `--{name}={value}`."
    )


# docs/image_results.md says how alpha was chosen.
_STUDY = {
    "teacher_steps": 3000,
    "student_steps": 3000,
    "evaluations": 15,
    "alpha": 0.75,
}

CONFIGS = {
    # A look at everything in about three minutes on two cores.
    "default": {},
    # The full-length comparison, for several seeds.
    "digits_study": {
        **_STUDY,
        "methods": ("distill", "switch", "sum", "average", "svd", "top_k"),
    },
    # Tables 4 and 5 and Figure 3 of OneS, on `--methods`.
    "ablation": {**_STUDY, "methods": ("svd",), "ablation": True},
    # The same small model on Fashion-MNIST, in 16 patches as the digits.
    "fashion_study": {
        **_STUDY,
        "dataset": "fashion_mnist",
        "patch_size": 7,
        "methods": ("distill", "switch", "average", "svd", "top_k"),
    },
}
