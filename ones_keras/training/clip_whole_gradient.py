import keras


def clip_whole_gradient(optimizer):
    """Has an optimizer clip what is the gradient of the whole batch.

    On TensorFlow Keras 3.15 clips what it is the sum of: under `tf.distribute`
    the gradient of each replica, and of an embedding the rows that belong to
    one entry. Both make the norm another one than on JAX and PyTorch. Here
    they are summed first.

    Args:
        optimizer: `keras.Optimizer` with `clipnorm`, `global_clipnorm` or
            `clipvalue`.

    Returns:
        The same optimizer.

    Example:

    ```python
    optimizer = clip_whole_gradient(
        keras.optimizers.AdamW(1e-3, global_clipnorm=1.0)
    )
    ```
    """
    done = getattr(optimizer, "_clips_whole_gradient", False)
    if done or keras.backend.backend() != "tensorflow":
        return optimizer
    import tensorflow as tf

    clip = optimizer._clip_gradients

    def sum_and_clip(gradients):
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(
                tf.distribute.ReduceOp.SUM, gradients
            )
        return clip(gradients)

    optimizer._clip_gradients = sum_and_clip
    optimizer._clips_whole_gradient = True
    # Summed already.
    optimizer._all_reduce_sum_gradients = list
    return optimizer
