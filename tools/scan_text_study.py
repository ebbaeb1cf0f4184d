"""Trains the models of albert_ones.py in compiled loops, for a GPU.

Models as small as those of the built-in text task leave a GPU idle between
their steps. Here the batches of a seed are read once, a stretch between two
validations is one `jax.lax.scan` over its steps, and the students of a seed
are trained side by side, under `jax.vmap`, beside one pass of their teacher.
Batches, losses, schedule and the choice of the weights are the recipe's:

    python tools/scan_text_study.py --config=builtin_study --backend=jax \
        --output_dir=study
    python recipes/albert_ones.py --config=builtin_study --backend=jax \
        --output_dir=study

The second command finds the models trained; it opens the test split,
fine-tunes, and writes the reports. On JAX and one device; all batches of a
seed are held in memory (2 GB with `--config=builtin_study`). Killed at any
moment, the same command line goes on where it was (`--backup_minutes`).
"""

import pathlib
import sys
import time

RECIPES = pathlib.Path(__file__).resolve().parents[1] / "recipes"
sys.path.insert(0, str(RECIPES))

from absl import app, flags  # noqa: E402
from devices import strategy  # noqa: E402
from launch import (  # noqa: E402
    check_output_path,
    choose_backend,
    define_flags,
    make_output_dir,
    make_progress,
    read_settings,
)
from text_settings import CONFIGS, HELP, TextSettings  # noqa: E402

FLAGS = flags.FLAGS

define_flags(TextSettings, HELP, CONFIGS)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    start = time.time()
    try:
        settings, _ = read_settings(TextSettings, CONFIGS)
        check_output_path(settings)
        choose_backend(settings)
        import keras

        if keras.backend.backend() != "jax":
            raise ValueError(
                "Compiled loops are JAX's. Received: "
                f"`--backend={keras.backend.backend()}`."
            )
        found = strategy()
        if found.num_devices > 1:
            raise ValueError(
                "Compiled loops run on one device. Give `--strategy=none`. "
                f"Received: `--strategy={found.name}` with "
                f"{found.num_devices} devices."
            )
        if settings.teacher_cache:
            raise ValueError(
                "Students side by side have one pass of their teacher as it "
                f"is. Received: `--teacher_cache={settings.teacher_cache}`."
            )
        from scanned_text_study import ScannedTextStudy
        from seed_record import kept_models
        from text_study import load_vocabulary

        from ones_keras.data import load_text_corpus

        corpus = load_text_corpus(settings.corpus, settings.data_dir or None)
        tokenizer = load_vocabulary(settings, corpus)
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"scan_text_study: {error}")
    tokenizer.save(output_dir / "vocabulary")
    with make_progress() as progress:
        for seed in settings.seeds:
            kept = kept_models(output_dir / f"seed_{seed}", settings)
            ScannedTextStudy(
                settings, corpus, tokenizer, seed, progress, kept
            ).train_all()
    print(f"{output_dir}: trained in {time.time() - start:.0f} s")


if __name__ == "__main__":
    app.run(main)
