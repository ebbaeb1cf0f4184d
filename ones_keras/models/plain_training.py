import keras


class PlainTraining:
    """Mixin: without a preprocessor, `fit` and the rest are `keras.Model`'s.

    KerasHub's tasks turn arrays into a dataset to preprocess them, and so
    never shuffle them, whatever `shuffle` says; and take no dict of labels for
    a batch. Without a preprocessor there is no reason to pay that price.
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

    def train_on_batch(self, *args, **kwargs):
        """See `keras.Model.train_on_batch`."""
        if self.preprocessor is None:
            return keras.Model.train_on_batch(self, *args, **kwargs)
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """See `keras.Model.test_on_batch`."""
        if self.preprocessor is None:
            return keras.Model.test_on_batch(self, *args, **kwargs)
        return super().test_on_batch(*args, **kwargs)
