"""One progress bar a training run, one line when it is done."""

import time

from rich import console, progress


class Progress:
    """Context manager whose `announce(name, steps)` starts a bar."""

    def __init__(self):
        self._console = console.Console()
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
        )

    def __enter__(self):
        self._bars.start()
        return self

    def __exit__(self, *exception):
        self._bars.stop()

    def say(self, line):
        self._console.print(line, highlight=False, markup=False)

    def announce(self, name, steps):
        """Returns a callable to be given steps done and best accuracy."""
        task = self._bars.add_task(name, total=steps, note="compiling")
        start = time.time()

        def update(done, accuracy=None):
            self._bars.update(task, completed=done)
            if accuracy is None:
                return
            note = f"best validation {100 * accuracy:.1f} %"
            self._bars.update(task, note=note)
            if done == steps:
                self._bars.remove_task(task)
                self.say(
                    f"{name}: {steps} steps in {time.time() - start:.0f} s, "
                    f"{note}"
                )

        return update
