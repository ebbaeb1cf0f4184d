"""What a run of an image recipe is made of, and the named configurations."""

import dataclasses
import math

import settings
from settings import (
    GATHER_METHOD,
    TrainingSettings,
    check_students,
    refuse,
)

HELP = {
    **settings.HELP,
    "dataset": "digits, fashion_mnist, cifar10, cifar100, imagefolder, "
    "imagerecords (of tools/write_image_records.py) or imagenet2012 (of TFDS).",
    "data_dir": "Image folder, TFRecord folder, where TFDS keeps its datasets, "
    "or the KERAS_HOME of a Keras dataset.",
    "validation_share": "Share of the training images that is held out, of "
    "imagefolder and imagenet2012; 0 is the dataset's, 0.1 and 0.01.",
    "max_unreadable": "How many images of a split may be skipped, as they "
    "cannot be decoded, of the last three datasets.",
    "image_size": "Side of the images in pixels; 0 is the dataset's.",
    "patch_size": "Replaces the preset's unless 0.",
    "num_layers": "Replaces the preset's unless 0.",
    "capacity_factor": "Of the teacher in training; 0 leaves the preset's.",
    "mutual_distillation": "Of the teacher's experts (MoDE's alpha).",
    "teacher": "A trained teacher (.keras) to start from.",
    "methods": f"Students, by row: {', '.join(GATHER_METHOD)}.",
    "ablation": "Also train what Tables 4 and 5 and Figure 3 of OneS compare, "
    "with the same alpha for hard and soft distillation.",
    "teacher_steps": "Training steps of the teacher and the dense baseline; of "
    "a teacher that is given, what --ablation adds to those of its longer "
    "dense model.",
    "student_steps": "Training steps of a student; of the dense baseline too, "
    "if the teacher is given.",
    "label_smoothing": "0 is off.",
    "mixup": "The alpha of mixup; 0 is off.",
    "rand_augment": "Operations of RandAugment on a training image, of the "
    "last three datasets; 0 is off.",
    "rand_augment_magnitude": "Their strength, 10 for rotations of 30 degrees.",
    "svd_ratio": "Share of the singular values that svd keeps, lambda.",
}


@dataclasses.dataclass(frozen=True)
class ImageDataSettings:
    """Images and labels, described in `HELP`."""

    dataset: str = "digits"
    data_dir: str = ""
    validation_share: float = 0.0
    max_unreadable: int = 10
    label_smoothing: float = 0.0
    mixup: float = 0.0
    rand_augment: int = 0
    rand_augment_magnitude: float = 15.0

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        if not 0 <= self.validation_share < 1:
            refuse("validation_share", self.validation_share, "in [0, 1)")
        for name in ("max_unreadable", "rand_augment"):
            if getattr(self, name) < 0:
                refuse(name, getattr(self, name), "0 or more")
        if not 0 <= self.rand_augment_magnitude <= 30:
            refuse(
                "rand_augment_magnitude",
                self.rand_augment_magnitude,
                "in [0, 30]",
            )
        if not 0 <= self.label_smoothing < 1:
            refuse("label_smoothing", self.label_smoothing, "in [0, 1)")
        if not 0 <= self.mixup < math.inf:
            refuse("mixup", self.mixup, "0 or more")


@dataclasses.dataclass(frozen=True)
class ImageTrainingSettings(ImageDataSettings, TrainingSettings):
    """Data, teacher and training, described in `HELP`."""

    model: str = "widenet_vit_tiny"
    image_size: int = 0
    patch_size: int = 0
    num_layers: int = 0
    capacity_factor: float = 0.0
    mutual_distillation: float = 0.0

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        for name in ("capacity_factor", "mutual_distillation"):
            if not 0 <= getattr(self, name) < math.inf:
                refuse(name, getattr(self, name), "0 or more")


@dataclasses.dataclass(frozen=True)
class ImageSettings(ImageTrainingSettings):
    """Every setting of a run of `imagenet_ones.py`, described in `HELP`."""

    teacher: str = ""
    methods: tuple[str, ...] = ("distill", "switch", "svd", "top_k")
    ablation: bool = False
    student_steps: int = 400
    svd_ratio: float = 0.75
    teacher_cache: int = 0
    teacher_cache_top_k: int = 0

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        super().check()
        check_students(self)


# docs/image_results.md says how alpha was chosen.
_STUDY = {
    "teacher_steps": 3000,
    "student_steps": 3000,
    "evaluations": 15,
    "alpha": 0.75,
}

# Of WideNet and OneS; a hundredth of the training images chooses the weights
# that are kept.
_PAPER = {
    "dataset": "imagenet2012",
    "validation_share": 0.01,
    "methods": ("distill", "switch", "svd"),
    "optimizer": "lamb",
    "batch_size": 4096,
    # 300 epochs of the 1,268,355 images that are left.
    "teacher_steps": 92897,
    "student_steps": 92897,
    "evaluations": 60,
    "warmup_share": 0.1,
    "learning_rate": 0.01,
    "student_learning_rate": 0.004,
    "final_learning_rate": 1e-5,
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "mixup": 0.5,
    "rand_augment": 2,
    "rand_augment_magnitude": 15.0,
    "alpha": 0.25,
    "temperature": 1.0,
    "svd_ratio": 0.75,
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
    # OneS, section 4.1 and Table 1: the students; WideNet's own settings for
    # the teachers. Give them the `--data_dir` of TFDS, or another dataset.
    "paper_base": {**_PAPER, "model": "widenet_vit_base"},
    "paper_large": {**_PAPER, "model": "widenet_vit_large"},
}
