r"""Fine-tune a text model on a task of GLUE, without a teacher.

    python recipes/glue_finetune.py --task=SST-2 --data_dir=glue/SST-2 \
        --model=runs/albert_ones/default/student.keras --seeds=0,1

The files are GLUE's own (`train.tsv` and `dev.tsv`; of MNLI `dev_matched.tsv`
and `dev_mismatched.tsv`), or JSON lines of the same names, in `--data_dir`.
The defaults are the paper's for SST-2 (Table 7 of OneS); `--config=MNLI` holds
those for MNLI.

`--output_dir` gets the metrics of all seeds (results.json), launch.json, and of
each seed its model and its results. A seed that is finished there is not
trained again.
"""

import dataclasses
import pathlib
import sys

from absl import app, flags
from fine_tuning_settings import HELP, FineTuningSettings
from launch import (
    check_output_path,
    choose_backend,
    define_flags,
    make_output_dir,
    output_path,
    read_settings,
)
from settings import refuse

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class GlueSettings(FineTuningSettings):
    """Every setting of a run, described in `HELP`."""

    task: str = "SST-2"
    data_dir: str = ""
    steps: int = 5234
    warmup_steps: int = 314

    def check(self):
        super().check()
        if not self.data_dir:
            refuse("data_dir", self.data_dir, "the folder of the task")


CONFIGS = {
    "default": {},
    "MNLI": {
        "task": "MNLI",
        "steps": 10000,
        "warmup_steps": 1000,
        "learning_rate": 3e-5,
    },
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
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    try:
        settings, _ = read_settings(GlueSettings, CONFIGS)
        check_output_path(settings)
        choose_backend()
        from fine_tuning import load_trained
        from seed_file import load_results

        from ones_keras.data import TextExamples, keep_tensorflow_off_gpu

        keep_tensorflow_off_gpu()
        _, tokenizer = load_trained(settings)
        splits = {
            name: TextExamples(*split, tokenizer, settings.sequence_length)
            for name, split in read_splits(settings).items()
        }
        results = load_results(settings, output_path())
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"glue_finetune: {error}")
    run(settings, splits, output_dir, results)


def read_splits(settings):
    """Training and evaluation files by name, as `LabelledTexts`."""
    from ones_keras.data import GLUE_TASKS, read_glue

    if settings.task not in GLUE_TASKS:
        refuse("task", settings.task, f"one of {list(GLUE_TASKS)}")
    found = {}
    for name in ("train", *GLUE_TASKS[settings.task].evaluation):
        paths = [
            pathlib.Path(settings.data_dir) / f"{name}{suffix}"
            for suffix in (".tsv", ".jsonl")
        ]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise ValueError(
                f"The task needs one of {[str(path) for path in paths]}. "
                f"Received: `--data_dir={settings.data_dir}`."
            )
        found[name] = read_glue(path, settings.task)
    if settings.max_examples:
        first, second, labels = found["train"]
        count = settings.max_examples
        found["train"] = type(found["train"])(
            first[:count], second and second[:count], labels[:count]
        )
    return found


def run(settings, splits, output_dir, results):
    import keras
    from fine_tuning import fit, load_trained, predict
    from progress import Progress
    from seed_file import save_results, write_summary

    from ones_keras.data import GLUE_TASKS, glue_metrics
    from ones_keras.models import add_text_classifier

    task = GLUE_TASKS[settings.task]
    loss = "mse"
    if task.labels:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with Progress() as progress:
        for seed in settings.seeds:
            if results[seed]:
                progress.say(f"seed {seed}: finished before")
                continue
            keras.utils.set_random_seed(seed)
            model, _ = load_trained(settings)
            model = add_text_classifier(
                model, task.num_classes, settings.dropout
            )
            fit(
                model,
                splits["train"].training_batches(settings.batch_size, seed),
                loss,
                settings,
                progress.announce(
                    f"seed {seed} · {settings.task}",
                    settings.steps,
                    "training loss {:.3f}",
                ),
            )
            found = {}
            for name in task.evaluation:
                split = splits[name]
                batches = split.batches(settings.evaluation_batch_size)
                outputs = predict(model, (x for x, _ in batches))
                metrics = glue_metrics(settings.task, split.labels, outputs)
                found |= {
                    f"{name}_{key}": value for key, value in metrics.items()
                }
            results[seed] = save_results(
                settings, output_dir, seed, model, found
            )
    write_summary(settings, output_dir, results)


if __name__ == "__main__":
    app.run(main)
