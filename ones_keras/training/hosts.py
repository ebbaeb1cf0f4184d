"""Several processes that train one model together, as JAX can.

All run the same program on the same settings. What one alone decides, or has
on its disk, it tells the others here.
"""

import itertools
import pickle

import keras
import numpy as np

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
            pickled. All hosts have to call this at the same place.
    """
    if num_hosts() == 1:
        return compute()
    from jax.experimental.multihost_utils import broadcast_one_to_all

    content = pickle.dumps(compute()) if host_id() == 0 else b""
    # Its length first: all have to have arrays of the same shape.
    length = int(broadcast_one_to_all(np.array(len(content))))
    padded = np.zeros(length, "uint8")
    padded[: len(content)] = np.frombuffer(content, "uint8")
    return pickle.loads(np.asarray(broadcast_one_to_all(padded)).tobytes())


def stop_together():
    """Whether all hosts stop now, as one of them was sent SIGTERM.

    All call this once a step, and are told so at the same one.
    """
    from jax.experimental.multihost_utils import reached_preemption_sync_point

    return reached_preemption_sync_point(next(_steps))
