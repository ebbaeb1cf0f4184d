import contextlib

from rich import progress


@contextlib.contextmanager
def progress_bar(description, unit, verbose, total=None):
    """Lends a callable that is called once a `unit`, of `total` if known."""
    if not verbose:
        yield lambda: None
        return
    of = "" if total is None else f" of {total}"
    columns = (
        progress.TextColumn("{task.description}"),
        progress.SpinnerColumn(finished_text=""),
        progress.TextColumn(f"{{task.completed}}{of} {unit}"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns) as bar:
        task = bar.add_task(description, total=None)
        yield lambda: bar.advance(task)
        # An end, which stops the spinner.
        bar.update(task, total=bar.tasks[task].completed)
