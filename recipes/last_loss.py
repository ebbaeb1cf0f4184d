"""The training loss, of models that no validation chooses."""

import keras
import numpy as np
from optimization import forget_optimizer


class LastLoss(keras.callbacks.Callback):
    """Notes the loss of the last epoch."""

    def __init__(self):
        super().__init__()
        self.best = None

    def on_epoch_end(self, epoch, logs=None):
        self.best = float(logs["loss"])

    def restore(self, model):
        """Leave the model as it is at the end of its training."""
        forget_optimizer(model)

    def get_state(self):
        """As a `TrainingBackup` wants it."""
        return {} if self.best is None else {"loss": np.array(self.best)}

    def set_state(self, state):
        self.best = float(state["loss"]) if state else None
