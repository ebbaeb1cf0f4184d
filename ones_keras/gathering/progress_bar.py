import contextlib

from rich import progress


@contextlib.contextmanager
def progress_bar(description, verbose):
    """Lends a callable that is called once a batch; how many is not known."""
    if not verbose:
        yield lambda: None
        return
    columns = (
        progress.TextColumn("{task.description}"),
        progress.SpinnerColumn(finished_text=""),
        progress.TextColumn("{task.completed} batches"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns) as bar:
        task = bar.add_task(description, total=None)
        yield lambda: bar.advance(task)
        # An end, which stops the spinner.
        bar.update(task, total=bar.tasks[task].completed)
