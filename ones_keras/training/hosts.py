"""Several processes that train one model together, as JAX can.

All run the same program on the same settings. What one alone decides, or has
on its disk, it tells the others here.
"""

import itertools
import pickle

import keras
import numpy as np

# Bytes that are sent at once.
_PIECE = 2**26
_steps = itertools.count()


def num_hosts():
    """How many processes there are."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def host_id():
    """The number of this one. The first, 0, is the one that writes."""
    if keras.backend.backend() != "jax":
        return 0
    import jax

    return jax.process_index()


def from_first_host(compute):
    """What `compute()` returns on the first host, on all of them.

    Args:
        compute: callable. Runs on the first host only; returns what can be
            pickled, or raises, and then all do. All hosts have to call this
            at the same place.
    """
    if num_hosts() == 1:
        return compute()
    content = b""
    if host_id() == 0:
        try:
            content = pickle.dumps((compute(), None))
        except Exception as error:
            # The others would wait for it for ever.
            content = pickle.dumps((None, error))
    found, error = pickle.loads(_broadcast(content))
    if error is not None:
        raise error
    return found


def _broadcast(content):
    """The bytes that the first host has, in pieces of one size."""
    from jax.experimental.multihost_utils import broadcast_one_to_all

    pieces = -(-len(content) // _PIECE)
    last = len(content) - (pieces - 1) * _PIECE
    # Small numbers, as JAX cuts integers to 32 bits.
    pieces, last = map(int, broadcast_one_to_all(np.array([pieces, last])))
    found = bytearray()
    for number in range(pieces):
        piece = np.zeros(_PIECE if number < pieces - 1 else last, "uint8")
        if host_id() == 0:
            start = number * _PIECE
            own = content[start : start + len(piece)]
            piece = np.frombuffer(own, "uint8")
        found += np.asarray(broadcast_one_to_all(piece)).tobytes()
    return bytes(found)


def stop_together():
    """Whether all hosts stop now, as one of them was sent SIGTERM.

    All call this once a step, and are told so at the same one.
    """
    from jax.experimental.multihost_utils import reached_preemption_sync_point

    return reached_preemption_sync_point(next(_steps))
