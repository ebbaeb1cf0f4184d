"""TensorFlow as a mere data loader beside JAX or PyTorch."""

import keras
import tensorflow as tf
from absl import logging


def keep_tensorflow_off_gpu():
    """Hides the GPUs from TensorFlow unless it is the Keras backend.

    `tf.data` runs on the CPU, but TensorFlow reserves nearly all GPU memory as
    soon as it first looks at a GPU, and JAX or PyTorch in the same process
    then find none left. Has to run before TensorFlow's first operation; later
    it can change nothing any more and logs a warning.

    Example:

    ```python
    keep_tensorflow_off_gpu()
    dataset = tf.data.Dataset.range(10)
    ```
    """
    if keras.backend.backend() == "tensorflow":
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        logging.log_first_n(
            logging.WARNING,
            "TensorFlow was in use before the data was loaded, so its GPUs "
            "cannot be hidden any more and it may hold their memory: %s",
            1,
            error,
        )
