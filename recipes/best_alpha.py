"""Which weight of mutual distillation validation chooses."""


def best_alpha(validation):
    """The alpha of the greatest accuracy, the smallest of several.

    Args:
        validation: dict from alpha to the mean accuracy over seeds.
    """
    # Means of the same numbers in another order differ by their last bits.
    return max(validation, key=lambda a: (round(validation[a], 9), -a))
