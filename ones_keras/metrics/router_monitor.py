import keras

from ones_keras.layers.record_inputs import find_moe_layers
from ones_keras.metrics.router_statistics import router_statistics


class RouterMonitor(keras.callbacks.Callback):
    """Reports what the routers do after every epoch, among the other metrics.

    It adds three numbers a `MoEFeedForward` layer to the epoch's logs, and so
    to the history, the progress bar and any logger after it in the list:
    `<layer>_load`, the share of the (token, choice) pairs that the busiest
    expert gets (`1 / num_experts` is perfect balance), `<layer>_entropy`, of
    the router's probabilities in nats, and `<layer>_dropped`, the share of the
    pairs that the training capacity would drop.

    Args:
        data: NumPy array of inputs, or an iterable of batches that can be
            gone through every epoch, as of `router_statistics`. A few hundred
            examples are enough.
        batch_size: int. Batch size, where `data` is an array: what is dropped
            depends on it. Defaults to `128`.

    Raises:
        ValueError: When training begins, if the model has no `MoEFeedForward`
            layer.

    Example:

    ```python
    import numpy as np
    import ones_keras

    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10, num_layers=1
    )
    teacher.compile(
        "adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.random.uniform(0, 255, size=(20, 8, 8, 1))
    monitor = ones_keras.metrics.RouterMonitor(images)
    history = teacher.fit(images, np.arange(20) % 10, callbacks=[monitor])
    history.history["feed_forward_dropped"]  # one number an epoch
    ```
    """

    def __init__(self, data, batch_size=128):
        super().__init__()
        self.data = data
        self.batch_size = batch_size

    def on_train_begin(self, logs=None):
        if not find_moe_layers(self.model):
            raise ValueError(
                "`RouterMonitor` needs a model with `MoEFeedForward` layers. "
                f"Received: `model={self.model.name}`."
            )

    def on_epoch_end(self, epoch, logs=None):
        found = router_statistics(self.model, self.data, self.batch_size)
        for name, layer in found.items():
            logs[f"{name}_load"] = max(layer.load)
            logs[f"{name}_entropy"] = layer.entropy
            logs[f"{name}_dropped"] = layer.dropped
