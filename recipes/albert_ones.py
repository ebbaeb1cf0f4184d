r"""Sparse to dense for text: OneS on a WideNet-ALBERT, baselines included.

Pretrains a mixture-of-experts teacher (masked language model and sentence
order), gathers its experts into dense students ("One Student Knows All Experts
Know", https://arxiv.org/abs/2201.10890), distils them on the masked language
model alone, fine-tunes each without a teacher, and prints and draws the
comparison.

    python recipes/albert_ones.py

runs on the docstrings of the installed scientific packages, in about
twelve minutes on two cores; the task they are fine-tuned on is which package a
docstring comes from. docs/text_results.md has what comes out of it, and of the
full-length comparison, eight hours a seed on a core:

    python recipes/albert_ones.py --config=builtin_study --backend=jax --scan \
        --seeds=0,1,2

Other text, and a vocabulary of one's own:

    python recipes/albert_ones.py --corpus=text --data_dir='books/*.txt'
    python recipes/albert_ones.py --corpus=wikitext --data_dir=FOLDER \
        --vocabulary=spiece.model

`--config=paper` holds the paper's settings: Wikipedia through TFDS, 512 tokens,
LAMB, 125000 steps of 4096 sequences. Give it ALBERT's `--vocabulary`.

`--scan` trains in compiled loops, for a GPU that waits between the steps of
models as small as these: a hundred steps are one `jax.lax.scan`, and the
students of a seed learn side by side from one pass of their teacher. All
batches of a seed are in memory then, and logs have a row a validation only.
The models are the same.

`--output_dir` gets student.keras (the student of the lowest validation loss,
plain Keras), its teacher.keras and the vocabulary, report.json, report.md and
report.png, the same of the fine-tuning, launch.json, pictures of the trainings
(curves.png) and of the experts' loads (experts.png), and a folder a seed with
all its models and logs: logs/*.csv and, with `--tensorboard`, TensorBoard's;
`--log_every=1` prints a line a step. Killed at any moment, the same command
line goes on where it was: models that are there are not trained again, and the
one in training is backed up every five minutes (`--backup_minutes`) and at
SIGTERM, with `--scan` at the end of a loop.
"""

import sys
import time

from absl import app, flags
from launch import (
    check_output_path,
    choose_backend,
    define_flags,
    make_output_dir,
    output_path,
    read_settings,
)
from text_settings import CONFIGS, HELP, TextSettings

FLAGS = flags.FLAGS

define_flags(TextSettings, HELP, CONFIGS)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    try:
        settings, given = read_settings(TextSettings, CONFIGS)
        check_vocabulary_flags(settings, given)
        check_output_path(settings)
        choose_backend(settings)
        if settings.scan:
            check_scan()
        from seed_record import load_seed
        from text_study import load_vocabulary, rehearse

        from ones_keras.data import load_text_corpus

        print(f"{settings.corpus}: reading the text")
        corpus = load_text_corpus(settings.corpus, settings.data_dir or None)
        tokenizer = load_vocabulary(settings, corpus)
        check_vocabulary(tokenizer)
        records = {
            seed: load_seed(output_path() / f"seed_{seed}", settings)
            for seed in settings.seeds
        }
        if not all(records.values()):
            rehearse(settings, corpus, tokenizer)
        if FLAGS.dry_run:
            show(settings, corpus, tokenizer)
            return
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"albert_ones: {error}")
    tokenizer.save(output_dir / "vocabulary")
    run(settings, corpus, tokenizer, output_dir, records)
    print(f"{output_dir}: done in {time.time() - start:.0f} s")


def check_scan():
    """Refuse compiled loops where there are none."""
    import keras
    from devices import strategy

    for name in ("log_every", "tensorboard"):
        if FLAGS[name].value:
            raise ValueError(
                "Compiled loops have a log a validation, and none of steps. "
                f"Received: `--scan` with `--{name}={FLAGS[name].value}`."
            )
    backend, devices = keras.backend.backend(), strategy().num_devices
    if backend != "jax" or devices > 1:
        raise ValueError(
            "Compiled loops run on JAX and one device; `--strategy=none` is "
            f"one. Received: `--scan` on {backend} with {devices} devices."
        )


def check_vocabulary_flags(settings, given):
    """Refuse flags of a vocabulary that is learned beside one that is given."""
    for name in ("vocabulary_size", "tokenizer"):
        if settings.vocabulary and name in given:
            raise ValueError(
                f"`--{name}` says how a vocabulary is learned and cannot "
                f"change one that is given. Received: "
                f"`--{name}={given[name]}`, "
                f"`--vocabulary={settings.vocabulary}`."
            )


def check_vocabulary(tokenizer):
    """Refuse a folder whose models were trained with another vocabulary.

    One that is learned goes by the packages that are installed.
    """
    path = output_path() / "vocabulary"
    if path.exists() and path.read_bytes() != tokenizer.content:
        raise ValueError(
            f"The models in {output_path()} have another vocabulary. Give it "
            f"as `--vocabulary`, or choose another `--output_dir`. Received: "
            f"`--output_dir={output_path()}`."
        )


def show(settings, corpus, tokenizer):
    """Print what a run would be."""
    from dry_run import dry_run_study
    from text_study import TextStudy, build_teacher

    batches = corpus.train(
        tokenizer, settings.batch_size, settings.sequence_length
    )
    dry_run_study(
        settings,
        build_teacher(settings, tokenizer),
        batches,
        TextStudy.distilled_outputs,
    )


def run(settings, corpus, tokenizer, output_dir, records):
    """Train the seeds that have no record yet, and report on all of them."""
    from run_seeds import copy_best_models, run_seeds
    from text_study import TextStudy

    study = TextStudy
    if settings.scan:
        import scanned_text_study

        study = scanned_text_study.ScannedTextStudy
    run_seeds(
        settings,
        output_dir,
        records,
        lambda seed, *options: study(
            settings, corpus, tokenizer, seed, *options
        ),
    )
    write_reports(settings, output_dir, records)
    copy_best_models(output_dir, records, TextStudy.sign)


def write_reports(settings, output_dir, records):
    from pictures import draw_pictures

    from ones_keras.reporting import Report

    Report.from_results(
        [result for record in records.values() for result in record.results],
        title=f"Sparse to dense on {settings.corpus} ({settings.model})",
        metric="test loss (nats a masked token)",
        percent=False,
        higher_is_better=False,
    ).publish(output_dir / "report")
    draw_pictures(
        output_dir,
        records,
        {
            "masked_lm_nats": "training loss (nats a masked token)",
            "val_masked_lm_nats": "validation loss (nats a masked token)",
        },
        f"{settings.model} on {settings.corpus}",
    )
    tuned = [result for record in records.values() for result in record.tuned]
    if tuned:
        Report.from_results(
            tuned,
            title="Fine-tuned without a teacher: which package a docstring "
            "comes from",
        ).publish(output_dir / "fine_tuned")


if __name__ == "__main__":
    app.run(main)
