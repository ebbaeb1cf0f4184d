"""One progress bar a training run, one line when it is done."""

import time

from rich import console, progress
from training_log import TrainingLog


class Progress:
    """Context manager whose `announce(name, steps)` starts a bar.

    Args:
        log_every: int. After how many steps a training says a line; 0 is
            never. Defaults to `0`.
        tensorboard: bool. Whether logs are for TensorBoard too. Defaults to
            `False`.
    """

    def __init__(self, log_every=0, tensorboard=False):
        self.log_every = log_every
        self._tensorboard = tensorboard
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
        # One line a line, however narrow a log file is taken to be.
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def log(self, folder, name, title):
        """The `TrainingLog` of what is trained.

        Args:
            folder: path. Of `<name>.csv`, and `<name>` for TensorBoard.
            name: string.
            title: string. In lines.
        """
        board = folder / name if self._tensorboard else None
        return TrainingLog(folder / f"{name}.csv", title, self, board)

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
