"""Mixup of whole batches, the same in every run of a seed."""

import tensorflow as tf


def mixup(dataset, alpha, seed=0, start_step=0):
    """Mixes every example with its neighbour in the batch.

    `x = w * x_i + (1 - w) * x_(i-1)`, and the labels likewise, with a `w` from
    Beta(alpha, alpha) for every example. The weights of batch number n depend
    on `(seed, n)` alone. For distillation the mixing has to happen here, once,
    before either model: teacher and student must see the same mixture.

    Args:
        dataset: `tf.data.Dataset` of batches `(images, labels)`, the labels
            one-hot (or soft) floats of shape `(batch_size, num_classes)`.
        alpha: float. Above 0; the papers train with `0.5`.
        seed: int. Seed of the weights. Defaults to `0`.
        start_step: int. Number of the dataset's first batch, for a run that is
            taken up again. Defaults to `0`.

    Returns:
        A `tf.data.Dataset` of the same structure.

    Raises:
        ValueError: If the labels are integers or not one-hot, the elements are
            not pairs, or `alpha` is not positive.

    Example:

    ```python
    dataset = ones_keras.data.load_image_dataset("digits")
    batches = dataset.train(batch_size=128, seed=0).map(
        lambda x, y: (x, tf.one_hot(y, dataset.num_classes))
    )
    batches = mixup(batches, alpha=0.5, seed=0)
    ```

    References:
        - [mixup: Beyond Empirical Risk Minimization](
            https://arxiv.org/abs/1710.09412)
    """
    if alpha <= 0:
        raise ValueError(
            f"`alpha` must be positive. Received: `alpha={alpha}`."
        )
    _check_elements(dataset.element_spec)

    def mix(step, batch):
        images, labels = batch
        # Folded, so as not to share its random bits with the augmentation.
        own_seed = tf.random.fold_in(tf.stack([seed, step]), 1, alg="philox")
        weight = _beta(alpha, tf.shape(images)[0], own_seed)
        return _mixed(images, weight), _mixed(labels, weight)

    batches = dataset.enumerate(start=start_step)
    return batches.map(mix, num_parallel_calls=tf.data.AUTOTUNE)


def _beta(alpha, count, seed):
    """`count` draws from Beta(alpha, alpha), as a ratio of gamma draws."""
    draws = tf.random.stateless_gamma(
        (2, count), seed, alpha=alpha, dtype="float64"
    )
    first, second = tf.unstack(draws)
    return tf.cast(first / (first + second), "float32")


def _mixed(values, weight):
    shape = [-1] + [1] * (values.shape.rank - 1)
    weight = tf.cast(tf.reshape(weight, shape), values.dtype)
    # Batches are shuffled already: the neighbour is as good as any partner.
    return weight * values + (1 - weight) * tf.roll(values, shift=1, axis=0)


def _check_elements(spec):
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(
            "`dataset` must give batches of `(images, labels)`. "
            f"Received elements of: `{spec}`."
        )
    labels = spec[1]
    if not labels.dtype.is_floating or labels.shape.rank != 2:
        raise ValueError(
            "mixup needs one-hot float labels of shape `(batch_size, "
            "num_classes)`: map the dataset with `lambda x, y: (x, "
            "tf.one_hot(y, num_classes))`, and use a categorical, not a "
            "sparse categorical, loss and metric. Received labels of dtype "
            f"`{labels.dtype.name}` and shape `{labels.shape}`."
        )
