"""What the fine-tuning recipes do alike, from the command line to the table.

Keras must not be imported before the backend is chosen.
"""

import functools
import pathlib
import sys

from absl import app
from launch import (
    check_output_path,
    choose_backend,
    exit_when_stopped,
    make_output_dir,
    output_path,
    read_settings,
)


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
        prepare: callable, given settings, that returns the data and a
            callable that returns the trained model, or raises a `ValueError`.
        train_seed: callable, given settings, trained model, data, seed,
            output folder, what makes the backup and what is to be told of the
            progress. It returns the fine-tuned model and a dict of metrics.
        keras_home: callable, given settings, as `choose_backend` wants it.
    """
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    try:
        settings, _ = read_settings(settings_class, configs)
        check_output_path(settings)
        choose_backend(keras_home(settings))
        from seed_file import (
            backup,
            load_results,
            save_results,
            write_summary,
        )

        data, load_trained = prepare(settings)
        results = load_results(settings, output_path())
        output_dir = make_output_dir(settings)
    except ValueError as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {error}")

    import keras
    from progress import Progress

    with exit_when_stopped(), Progress() as progress:
        for seed in settings.seeds:
            if results[seed]:
                progress.say(f"seed {seed}: finished before")
                continue
            keras.utils.set_random_seed(seed)
            model = load_trained()
            update = progress.announce(
                f"seed {seed}", settings.steps, "training loss {:.3f}"
            )
            model, metrics = train_seed(
                settings,
                model,
                data,
                seed,
                output_dir,
                functools.partial(backup, settings, output_dir, seed),
                update,
            )
            results[seed] = save_results(
                settings, output_dir, seed, model, metrics
            )
    write_summary(settings, output_dir, results)
