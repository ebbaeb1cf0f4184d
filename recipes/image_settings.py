"""What a run of `imagenet_ones.py` is made of, and the named configurations."""

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """Every setting of a run; `--dataset` etc. set the field of that name.

    Attributes:
        dataset, data_dir, image_size: The images.
        model: string. Preset of the teacher; its dense twin is the student.
        patch_size, num_layers: int. Replace the preset's unless 0.
        teacher: string. `.keras` file of a trained teacher, or empty.
        methods: tuple of strings. Students, by row name.
        ablation: bool. Also the runs of Tables 4 and 5 and Figure 3 of OneS.
        seeds: tuple of ints. One whole comparison each.
        teacher_steps, student_steps: int. Training steps; the dense baseline
            takes the student's.
        batch_size, evaluation_batch_size: int.
        optimizer, learning_rate, student_learning_rate, weight_decay,
        warmup_share: The optimisation: warm-up over that share of the steps,
            then linear decay to zero.
        label_smoothing, mixup: float. 0 is off.
        alpha, temperature, svd_ratio: The paper's alpha, T and lambda.
        evaluations: int. Validations a training run; the best is kept.
    """

    dataset: str = "digits"
    data_dir: str = ""
    image_size: int = 0
    model: str = "widenet_vit_tiny"
    patch_size: int = 0
    num_layers: int = 0
    teacher: str = ""
    methods: tuple[str, ...] = ("distill", "switch", "svd", "top_k")
    ablation: bool = False
    seeds: tuple[int, ...] = (0,)
    teacher_steps: int = 400
    student_steps: int = 400
    batch_size: int = 128
    evaluation_batch_size: int = 256
    optimizer: str = "adamw"
    learning_rate: float = 5e-3
    student_learning_rate: float = 5e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    label_smoothing: float = 0.0
    mixup: float = 0.0
    alpha: float = 0.25
    temperature: float = 1.0
    svd_ratio: float = 0.75
    evaluations: int = 5

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        unknown = sorted(set(self.methods) - set(GATHER_METHOD))
        if unknown:
            _refuse("methods", unknown, f"names among {sorted(GATHER_METHOD)}")
        if self.optimizer not in OPTIMIZERS:
            _refuse("optimizer", self.optimizer, f"one of {OPTIMIZERS}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            _refuse("seeds", self.seeds, "one or more different integers")
        for name in (
            "teacher_steps",
            "student_steps",
            "batch_size",
            "evaluation_batch_size",
            "evaluations",
        ):
            if getattr(self, name) < 1:
                _refuse(name, getattr(self, name), "at least 1")
        for name in ("learning_rate", "student_learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                _refuse(name, getattr(self, name), "positive")
        for name in ("alpha", "warmup_share", "label_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                _refuse(name, getattr(self, name), "in [0, 1]")
        for name in ("mixup", "weight_decay"):
            if getattr(self, name) < 0:
                _refuse(name, getattr(self, name), "0 or more")
        if not 0 < self.svd_ratio <= 1:
            _refuse("svd_ratio", self.svd_ratio, "in (0, 1]")


def _refuse(name, value, expected):
    raise ValueError(
        f"`--{name}` must be {expected}. Received: `--{name}={value}`."
    )


_STUDY = {"teacher_steps": 3000, "student_steps": 3000, "evaluations": 15}

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
    # The same small model on Fashion-MNIST's 7x7 patches.
    "fashion_study": {
        **_STUDY,
        "dataset": "fashion_mnist",
        "patch_size": 4,
        "methods": ("distill", "switch", "average", "svd", "top_k"),
    },
}
