import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ones_keras")
class LinearWarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to a peak, then linear decay.

    Args:
        peak: float. Learning rate at the end of the warm-up.
        total_steps: int. Step at which the rate reaches its end.
        warmup_steps: int. Defaults to `0`.
        final: float. The end, at least 0 and less than the peak. Defaults to
            `0.0`.

    Example:

    ```python
    import keras
    import ones_keras

    schedule = ones_keras.training.LinearWarmupDecay(
        0.004, total_steps=1000, warmup_steps=100
    )
    optimizer = keras.optimizers.AdamW(schedule)
    ```

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          section 4.1
    """

    def __init__(self, peak, total_steps, warmup_steps=0, final=0.0):
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "`warmup_steps` must be at least 0 and less than "
                f"`total_steps`. Received: `warmup_steps={warmup_steps}`, "
                f"`total_steps={total_steps}`."
            )
        if not 0 <= final < peak:
            raise ValueError(
                "`final` must be at least 0 and less than `peak`. Received: "
                f"`final={final}`, `peak={peak}`."
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.final = final

    def __call__(self, step):
        step = ops.cast(step, "float32")
        # The first step already moves: it is number 1 of the warm-up.
        rising = (step + 1) / (self.warmup_steps + 1)
        falling = (self.total_steps - step) / (
            self.total_steps - self.warmup_steps
        )
        falling = ops.maximum(falling, 0.0)
        return ops.minimum(
            self.peak * rising, self.final + (self.peak - self.final) * falling
        )

    def get_config(self):
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "final": self.final,
        }
