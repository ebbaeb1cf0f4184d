"""Nothing but errors is logged, where what is said is of no interest."""

import contextlib

from absl import logging


@contextlib.contextmanager
def quietly():
    """Context manager, e.g. for trying things on an untrained model."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
