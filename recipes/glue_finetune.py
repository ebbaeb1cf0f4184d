r"""Fine-tune a text model on a task of GLUE, without a teacher.

    python recipes/glue_finetune.py --task=SST-2 --data_dir=glue/SST-2 \
        --model=runs/albert_ones/default/student.keras --seeds=0,1 \
        --sequence_length=32 --output_dir=runs/glue_finetune/student

The files are GLUE's own (`train.tsv` and `dev.tsv`; of MNLI `dev_matched.tsv`
and `dev_mismatched.tsv`, or one of them), or JSON lines of the same names, in
`--data_dir`.
The defaults are the paper's for SST-2 (Table 7 of OneS), 512 tokens long; a
model has places for the `--sequence_length` that it was pretrained with.
`--task=MNLI` and the others bring their own. Another model is another
`--output_dir`.

`--output_dir` gets the metrics of all seeds (results.json), launch.json, and of
each seed its model and its results. Killed at any moment, the same command line
goes on where it was: a finished seed is not trained again, and the one in
training is backed up every five minutes (`--backup_minutes`) and at SIGTERM.
"""

import dataclasses
import pathlib

import devices
from absl import app, flags
from fine_tune_seeds import fine_tune_seeds
from launch import define_flags
from settings import refuse
from text_fine_tuning_settings import HELP, TextFineTuningSettings

# The first one that there is.
_SUFFIXES = (".tsv", ".jsonl")


@dataclasses.dataclass(frozen=True)
class GlueSettings(TextFineTuningSettings):
    """Every setting of a run, described in `HELP`."""

    task: str = "SST-2"
    data_dir: str = ""
    steps: int = 5234
    warmup_steps: int = 314

    @property
    def task_files(self):
        """Those that there are, by the name of the split."""
        folder = pathlib.Path(self.data_dir)
        found = {}
        for name in ("train", "dev", "dev_matched", "dev_mismatched"):
            for path in (folder / f"{name}{suffix}" for suffix in _SUFFIXES):
                if path.exists():
                    found.setdefault(name, path)
        return found

    @property
    def files(self):
        return {**super().files, **self.task_files}

    def check(self):
        super().check()
        if not self.data_dir:
            refuse("data_dir", self.data_dir, "the folder of the task")


def _config(task, batch_size, steps, warmup_steps, learning_rate):
    return {
        "task": task,
        "batch_size": batch_size,
        "steps": steps,
        "warmup_steps": warmup_steps,
        "learning_rate": learning_rate,
    }


CONFIGS = {
    # OneS, Table 7: SST-2.
    "default": {},
    # OneS too.
    "MNLI": _config("MNLI", 128, 10000, 1000, 3e-5),
    # ALBERT's own (https://arxiv.org/abs/1909.11942, appendix A.4), recalled.
    "CoLA": _config("CoLA", 16, 5336, 320, 1e-5),
    "MRPC": _config("MRPC", 32, 800, 200, 2e-5),
    "QNLI": _config("QNLI", 32, 33112, 1986, 1e-5),
    "QQP": _config("QQP", 128, 14000, 1000, 5e-5),
    "RTE": _config("RTE", 32, 800, 200, 3e-5),
    "STS-B": _config("STS-B", 16, 3598, 214, 2e-5),
    "WNLI": _config("WNLI", 16, 2000, 250, 2e-5),
}

define_flags(
    GlueSettings,
    {
        **HELP,
        "task": "One of CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI.",
        "data_dir": "The folder of its files.",
    },
    CONFIGS,
)


def main(argv):
    # A task has settings of its own, unless others are asked for.
    if flags.FLAGS.config == "default" and flags.FLAGS.task in CONFIGS:
        flags.FLAGS.config = flags.FLAGS.task
    fine_tune_seeds(argv, GlueSettings, CONFIGS, prepare, train_seed)


def prepare(settings):
    from trained_text import prepare_text

    from ones_keras.data import GLUE_TASKS
    from ones_keras.models import add_text_classifier

    splits, make_model = prepare_text(
        load_splits,
        lambda model: add_text_classifier(
            model, GLUE_TASKS[settings.task].num_classes, settings.dropout
        ),
        settings,
    )

    def batches(start_step, seed):
        return devices.strategy().own_part(
            splits["train"].training_batches(
                settings.batch_size, seed, start_step
            )
        )

    return splits, make_model, batches


def load_splits(settings, tokenizer):
    """Training and evaluation files by name, as `TextExamples`."""
    from ones_keras.data import TextExamples

    return {
        name: TextExamples(*split, tokenizer, settings.sequence_length)
        for name, split in read_splits(settings).items()
    }


def read_splits(settings):
    """Training and evaluation files by name, as `LabelledTexts`."""
    from ones_keras.data import GLUE_TASKS, read_glue

    if settings.task not in GLUE_TASKS:
        refuse("task", settings.task, f"one of {list(GLUE_TASKS)}")
    paths = settings.task_files
    evaluation = GLUE_TASKS[settings.task].evaluation
    found = {
        name: read_glue(paths[name], settings.task)
        for name in ("train", *evaluation)
        if name in paths
    }
    if "train" not in found or len(found) == 1:
        raise ValueError(
            f"The task needs a file train and one of {list(evaluation)}, "
            f"'.tsv' or '.jsonl'. Received: `--data_dir={settings.data_dir}` "
            f"with {list(found) or 'none'}."
        )
    if settings.max_examples:
        first, second, labels = found["train"]
        count = settings.max_examples
        found["train"] = type(found["train"])(
            first[:count], second and second[:count], labels[:count]
        )
    return found


def train_seed(settings, model, splits, batches, seed, output_dir, **how):
    import keras
    from fine_tuning import fit, predict

    from ones_keras.data import GLUE_TASKS, glue_metrics

    task = GLUE_TASKS[settings.task]
    loss = "mse"
    if task.labels:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(model, batches, loss, settings, **how)
    found = {}
    for name in [name for name in task.evaluation if name in splits]:
        split = splits[name]
        examples = split.batches(settings.evaluation_batch_size)
        outputs = predict(model, (x for x, _ in examples))
        scores = glue_metrics(settings.task, split.labels, outputs)
        found |= {f"{name}_{key}": score for key, score in scores.items()}
    return found


if __name__ == "__main__":
    app.run(main)
