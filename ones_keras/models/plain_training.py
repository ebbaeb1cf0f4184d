import keras


class PlainTraining:
    """Mixin: without a preprocessor, `fit` and the rest are `keras.Model`'s.

    KerasHub's tasks turn arrays into a dataset to preprocess them, and so
    never shuffle them, whatever `shuffle` says. With rescaling in the graph
    there is nothing to preprocess and no reason to pay that price.
    """

    def fit(self, *args, **kwargs):
        """See `keras.Model.fit`."""
        if self.preprocessor is None:
            return keras.Model.fit(self, *args, **kwargs)
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """See `keras.Model.evaluate`."""
        if self.preprocessor is None:
            return keras.Model.evaluate(self, *args, **kwargs)
        return super().evaluate(*args, **kwargs)

    def predict(self, *args, **kwargs):
        """See `keras.Model.predict`."""
        if self.preprocessor is None:
            return keras.Model.predict(self, *args, **kwargs)
        return super().predict(*args, **kwargs)
