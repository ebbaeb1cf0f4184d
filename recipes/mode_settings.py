"""What a run of `mode_experts.py` is made of."""

import dataclasses
import math

import settings
from settings import refuse

# Training steps of each task: first guesses, which nothing was tuned by.
TASKS = {
    "breast_cancer": 300,
    "iris": 200,
    "wine": 200,
    "digits": 1500,
    "docstrings": 600,
    "adult": 1500,
    "fashion_mnist": 2000,
}
GATES = ("dense", "sparse")

HELP = {
    "tasks": f"Among {', '.join(TASKS)}. Tabular, but for the images of digits "
    "and fashion_mnist and the texts of docstrings.",
    "adult_dir": "Folder of UCI Adult: adult.data and adult.test, or "
    "adult-train.csv.gz and adult-test.csv.gz.",
    "keras_home": "Folder that has Keras' datasets/fashion-mnist/; without it "
    "they are downloaded.",
    "alphas": "Weights of mutual distillation; 0 is what all are compared "
    "with.",
    "seeds": settings.HELP["seeds"],
    "gates": "dense (MoDE's DMoE) or sparse (SMoE).",
    "distance": "Between experts: squared (of the logits), or kl.",
    "num_experts": "Experts of a mixture.",
    "top_k": "Experts an example, of a sparse gate.",
    "steps": "Training steps; 0 is a task's own.",
    "batch_size": settings.HELP["batch_size"],
    "learning_rate": "Peak of the schedule.",
    "evaluations": "Validations a training run; the best weights are kept.",
}


@dataclasses.dataclass(frozen=True)
class ModeSettings:
    """Every setting of a run, described in `HELP`."""

    tasks: tuple[str, ...] = (
        *("breast_cancer", "iris", "wine"),
        *("digits", "docstrings"),
    )
    adult_dir: str = ""
    keras_home: str = ""
    alphas: tuple[float, ...] = (0.0, 0.1)
    seeds: tuple[int, ...] = (0, 1)
    gates: tuple[str, ...] = ("dense",)
    distance: str = "squared"
    num_experts: int = 4
    top_k: int = 2
    steps: int = 0
    batch_size: int = 64
    learning_rate: float = 1e-2
    evaluations: int = 10

    def check(self):
        """Raise a `ValueError` on the first setting that cannot work."""
        for name, known in (("tasks", TASKS), ("gates", GATES)):
            values = getattr(self, name)
            unknown = sorted(set(values) - set(known))
            if unknown or not values:
                refuse(name, unknown or "", f"names among {sorted(known)}")
        for name in ("tasks", "seeds", "gates"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                refuse(name, values, "one or more different entries")
        check_alphas(self.alphas)
        if max(self.seeds) >= 2**31:
            refuse("seeds", self.seeds, "below 2**31")
        if self.distance not in ("squared", "kl"):
            refuse("distance", self.distance, "squared or kl")
        if self.num_experts < 2:
            refuse("num_experts", self.num_experts, "at least 2")
        if not 2 <= self.top_k <= self.num_experts:
            refuse("top_k", self.top_k, "from 2 to `--num_experts`")
        for name in ("batch_size", "evaluations"):
            if getattr(self, name) < 1:
                refuse(name, getattr(self, name), "at least 1")
        if self.steps < 0:
            refuse("steps", self.steps, "0 or more")
        for task in self.tasks:
            if self.steps_of(task) % self.evaluations:
                refuse(
                    "evaluations",
                    self.evaluations,
                    f"a divisor of the {self.steps_of(task)} steps of {task}",
                )
        if not 0 < self.learning_rate < math.inf:
            refuse("learning_rate", self.learning_rate, "positive")
        if "adult" in self.tasks and not self.adult_dir:
            refuse("adult_dir", "", "a folder, for adult")

    def steps_of(self, task):
        """Training steps of a mixture."""
        return self.steps or TASKS[task]


def check_alphas(alphas):
    """Refuse weights that are not told apart, or nothing to compare with."""
    if (
        0 not in alphas
        or len({f"{alpha:g}" for alpha in alphas}) < len(alphas)
        or not all(0 <= alpha < math.inf for alpha in alphas)
    ):
        refuse(
            "alphas",
            alphas,
            "0, and weights above it that differ in their first six digits",
        )


CONFIGS = {
    # A look at everything in some minutes.
    "default": {},
    # What docs/mode.md rests on; `--adult_dir` is needed.
    "study": {
        "tasks": tuple(TASKS),
        "alphas": (0.0, 0.01, 0.1, 1.0, 10.0),
        "seeds": (0, 1, 2, 3, 4),
        "gates": GATES,
    },
}
