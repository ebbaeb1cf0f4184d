import keras
from keras import ops


class PerExpertInitializer(keras.initializers.Initializer):
    """Initialise each expert on its own and stack them.

    Applied to the stacked `(E, D, H)` shape, a fan-based initializer would take
    the expert axis for a convolution's receptive field and shrink the weights
    by `sqrt(E)`; and one seeded initializer called `E` times would give `E`
    equal experts.
    """

    def __init__(self, initializer):
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None):
        return ops.stack(
            [
                self._for_expert(expert)(shape[1:], dtype=dtype)
                for expert in range(shape[0])
            ]
        )

    def _for_expert(self, expert):
        seed = getattr(self.initializer, "seed", None)
        if isinstance(seed, keras.random.SeedGenerator) or not hasattr(
            self.initializer, "get_config"
        ):
            return self.initializer  # Draws anew at every call, or cannot.
        config = self.initializer.get_config()
        if isinstance(config.get("seed"), int):
            config["seed"] += expert
        return self.initializer.__class__.from_config(config)

    def get_config(self):
        return {"initializer": keras.initializers.serialize(self.initializer)}
