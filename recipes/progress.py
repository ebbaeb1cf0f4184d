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

    def announce(self, name, steps, note="best validation {:.1%}"):
        """Returns a callable to be given steps done and the best score.

        Args:
            name: string. What is trained.
            steps: int.
            note: string. How the score is said, as a format.
        """
        task = self._bars.add_task(name, total=steps, note="compiling")
        start = time.time()

        def update(done, best=None):
            self._bars.update(task, completed=done)
            if best is None:
                return
            said = note.format(best)
            self._bars.update(task, note=said)
            if done == steps:
                self._bars.remove_task(task)
                self.say(
                    f"{name}: {steps} steps in {time.time() - start:.0f} s, "
                    f"{said}"
                )

        return update
