import contextlib

from rich import progress


@contextlib.contextmanager
def progress_bar(description, unit, verbose, total=None):
    """Lends a callable that takes how many `unit` are done, of `total`.

    `None` is one more; `total=None` is not known.
    """
    if not verbose:
        yield lambda done=None: None
        return
    of = "" if total is None else f" of {total}"
    columns = (
        progress.TextColumn("{task.description}"),
        progress.SpinnerColumn(finished_text=""),
        progress.TextColumn(f"{{task.completed:.10g}}{of} {unit}"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns) as bar:
        task = bar.add_task(description, total=None)

        def advance(done=None):
            if done is None:
                bar.advance(task)
            else:
                bar.update(task, completed=round(done, 2))

        yield advance
        # An end, which stops the spinner.
        bar.update(task, total=bar.tasks[task].completed)
