r"""Fine-tune a text model on SQuAD 1.1 or 2.0, without a teacher.

    python recipes/squad_finetune.py --train_file=train-v1.1.json \
        --dev_file=dev-v1.1.json --sequence_length=128 --stride=32 \
        --max_question_length=32 --model=runs/albert_ones/long/student.keras

The defaults are the paper's for SQuAD 1.1 (Table 7 of OneS), 384 tokens long; a
model has places for the `--sequence_length` that it was pretrained with, here
`albert_ones.py --sequence_length=128 --output_dir=runs/albert_ones/long`.
`--config=v2` (or `--version_2`) holds those for SQuAD 2.0, where questions may
have no answer.

`--output_dir` gets exact match and F1 of all seeds, as the official scripts
compute them (results.json), launch.json, and of each seed its model,
predictions.json in the leaderboard's form, of SQuAD 2.0 null_odds.json, and
nbest.json. Of SQuAD 2.0, `best_...` is what the best of all thresholds gives;
the official script finds it in these files if all questions are answered in
predictions.json, as with a large `--null_threshold`.

Killed at any moment, the same command line goes on where it was: a finished
seed is not trained again, and the one in training is backed up every five
minutes (`--backup_minutes`) and at SIGTERM.
"""

import dataclasses
import json
import math

import devices
from absl import app, flags
from fine_tune_seeds import fine_tune_seeds
from launch import define_flags
from settings import refuse
from text_fine_tuning_settings import HELP, TextFineTuningSettings


@dataclasses.dataclass(frozen=True)
class SquadSettings(TextFineTuningSettings):
    """Every setting of a run, described in `HELP`."""

    train_file: str = ""
    dev_file: str = ""
    version_2: bool = False
    steps: int = 3649
    warmup_steps: int = 365
    batch_size: int = 48
    learning_rate: float = 5e-5
    sequence_length: int = 384
    stride: int = 128
    max_question_length: int = 64
    n_best: int = 20
    max_answer_length: int = 30
    null_threshold: float = 0.0

    @property
    def files(self):
        return {
            **super().files,
            "train_file": self.train_file,
            "dev_file": self.dev_file,
        }

    def check(self):
        super().check()
        for name in ("train_file", "dev_file"):
            if not getattr(self, name):
                refuse(name, getattr(self, name), "a file of SQuAD")
        for name in ("n_best", "max_answer_length"):
            if getattr(self, name) < 1:
                refuse(name, getattr(self, name), "at least 1")
        if not math.isfinite(self.null_threshold):
            refuse("null_threshold", self.null_threshold, "a number")
        if self.null_threshold and not self.version_2:
            refuse("null_threshold", self.null_threshold, "for --version_2")


CONFIGS = {
    "default": {},
    "v2": {
        "version_2": True,
        "steps": 8144,
        "warmup_steps": 814,
        "learning_rate": 3e-5,
        "sequence_length": 512,
    },
}

define_flags(
    SquadSettings,
    {
        **HELP,
        "train_file": "Questions to train on.",
        "dev_file": "Questions to answer.",
        "version_2": "Whether questions may have no answer.",
        "stride": "Tokens from one window over a context to the next.",
        "max_question_length": "Tokens of a question; a longer one is cut.",
        "n_best": "Starts and ends that are combined.",
        "max_answer_length": "Tokens of an answer.",
        "null_threshold": "Of SQuAD 2.0: no answer where it is better than the "
        "best one by more.",
    },
    CONFIGS,
)


def main(argv):
    if flags.FLAGS.config == "default" and flags.FLAGS.version_2:
        flags.FLAGS.config = "v2"
    fine_tune_seeds(argv, SquadSettings, CONFIGS, prepare, train_seed)


def prepare(settings):
    from trained_text import prepare_text

    from ones_keras.data import ArrayExamples
    from ones_keras.models import add_span_extractor

    data, make_model = prepare_text(
        read_windows,
        lambda model: add_span_extractor(model, settings.dropout),
        settings,
    )
    examples = ArrayExamples(data[0].x, data[0].labels)

    def batches(start_step, seed):
        return devices.strategy().own_part(
            examples.training_batches(settings.batch_size, seed, start_step)
        )

    return data, make_model, batches


def read_windows(settings, tokenizer):
    """Windows to train on, and the questions to answer with their windows."""
    from ones_keras.data import read_squad, squad_windows

    train = read_squad(settings.train_file)
    # Of what is only evaluated the answers' places do not matter.
    dev = read_squad(settings.dev_file, check_starts=False)
    for name, questions in (("train_file", train), ("dev_file", dev)):
        without = sum(not question.answers for question in questions)
        if without and not settings.version_2:
            raise ValueError(
                f"{without} questions have no answer, so this is SQuAD 2.0: "
                f"give `--config=v2`. Received: "
                f"`--{name}={getattr(settings, name)}`."
            )
    sizes = (
        settings.sequence_length,
        settings.stride,
        settings.max_question_length,
    )
    train = train[: settings.max_examples or None]
    return (
        squad_windows(train, tokenizer, *sizes),
        dev,
        squad_windows(dev, tokenizer, *sizes),
    )


def train_seed(settings, model, data, batches, seed, output_dir, **how):
    import keras
    from fine_tuning import fit

    _, dev, windows = data
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(model, batches, loss, settings, **how)
    logits = model.predict(windows.x, settings.evaluation_batch_size, verbose=0)
    return answer(settings, dev, windows, logits, output_dir, seed)


def answer(settings, questions, windows, logits, output_dir, seed):
    """Write the answers, and return their metrics."""
    from ones_keras.data import squad_answers, squad_metrics
    from ones_keras.write_aside import write_aside

    def answers(threshold):
        return squad_answers(
            questions,
            windows,
            logits,
            settings.n_best,
            settings.max_answer_length,
            threshold,
        )

    version_2 = settings.version_2
    threshold = settings.null_threshold if version_2 else None
    given = answers(threshold)
    found = squad_metrics(questions, given.predictions, version_2=version_2)
    files = {"predictions": given.predictions, "nbest": given.n_best}
    if version_2:
        files["null_odds"] = given.null_scores
        best = squad_metrics(
            questions,
            answers(None).predictions,
            given.null_scores,
            version_2,
        )
        found |= {key: best[key] for key in best if key.startswith("best_")}
    folder = output_dir / f"seed_{seed}"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        with write_aside(folder / f"{name}.json") as aside:
            aside.write_text(json.dumps(content, indent=1) + "\n")
    return found


if __name__ == "__main__":
    app.run(main)
