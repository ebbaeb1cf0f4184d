"""Why a training ended before its end."""


class TrainingStopped(RuntimeError):  # noqa: N818 - it may be no error
    """Raised by a `TrainingBackup` where going on is of no use.

    The loss is not finite, the disk is full, or the process was asked to stop
    (SIGTERM). The message says which, and what there is to go on from.
    """
