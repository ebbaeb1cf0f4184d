"""A fixed split that keeps the share of every class."""

import numpy as np
from sklearn import model_selection

# Splits never follow a run's seed: scores of different seeds, and of
# different people, must be about the same held-out examples.
_SPLIT_SEED = 20220126


def stratified_split(labels, holdout_size):
    """Splits examples into a kept and a held-out part, the same every time.

    Args:
        labels: integer array of shape `(num_examples,)`.
        holdout_size: int. Number of examples to hold out.

    Returns:
        Two sorted integer arrays of indices: those kept and those held out.

    Example:

    ```python
    kept, held_out = stratified_split(np.array([0, 1] * 10), holdout_size=4)
    ```
    """
    kept, held_out = model_selection.train_test_split(
        np.arange(len(labels)),
        test_size=holdout_size,
        stratify=labels,
        random_state=_SPLIT_SEED,
    )
    return np.sort(kept), np.sort(held_out)
