"""What the fine-tuning recipes do alike, from the command line to the table.

Keras must not be imported before the backend is chosen.
"""

import functools
import pathlib
import sys

from absl import app, flags
from launch import (
    check_output_path,
    choose_backend,
    exit_when_stopped,
    make_output_dir,
    make_progress,
    output_path,
    read_settings,
)

FLAGS = flags.FLAGS


def fine_tune_seeds(
    argv,
    settings_class,
    configs,
    prepare,
    train_seed,
    keras_home=lambda settings: None,
):
    """The main function of a recipe.

    Args:
        argv: list of strings. As absl gives it.
        settings_class: class of the settings.
        configs: dict from name to settings.
        prepare: callable, given settings, that returns the data, a callable
            that returns the trained model with its new head, and a callable
            that, given a number of steps and the seed, returns the training
            batches after them; or raises a `ValueError`.
        train_seed: callable, given settings, model, data, training batches by
            steps done, seed, output folder, and how to train, as in
            `fine_tuning.fit`. It trains the model, and returns a dict of
            metrics.
        keras_home: callable, given settings, as `choose_backend` wants it.
    """
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    try:
        settings, _ = read_settings(settings_class, configs)
        check_output_path(settings)
        choose_backend(settings, keras_home(settings))
        from seed_file import (
            backup,
            load_results,
            save_results,
            write_summary,
        )

        data, make_model, batches = prepare(settings)
        if FLAGS.dry_run:
            show(settings, make_model(), batches(0, 0))
            return
        results = load_results(settings, output_path())
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {error}")

    import keras

    with exit_when_stopped(), make_progress() as progress:
        for seed in settings.seeds:
            if results[seed]:
                progress.say(f"seed {seed}: finished before")
                continue
            keras.utils.set_random_seed(seed)
            model = make_model()
            metrics = train_seed(
                settings,
                model,
                data,
                functools.partial(batches, seed=seed),
                seed,
                output_dir,
                backup=functools.partial(backup, settings, output_dir, seed),
                progress=progress.announce(
                    f"seed {seed}", settings.steps, "training loss {:.3f}"
                ),
                log=progress.log(
                    output_dir / f"seed_{seed}" / "logs",
                    "model",
                    f"seed {seed}",
                ),
            )
            results[seed] = save_results(
                settings, output_dir, seed, model, metrics
            )
    write_summary(settings, output_dir, results)


def show(settings, model, batches):
    """Print what a run would be."""
    from dry_run import dry_run

    training = ("Model", None, settings.steps, len(settings.seeds))
    dry_run(
        settings,
        {"Model": model},
        batches.element_spec[0],
        {"fine-tuning": training},
    )
