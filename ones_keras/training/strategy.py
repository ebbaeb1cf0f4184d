"""Where a model is trained: as it is, on one device."""

import contextlib

import keras
import tensorflow as tf

from ones_keras.data.own_part import own_part
from ones_keras.training.hosts import host_id, num_hosts
from ones_keras.training.local_value import local_value


class Strategy:
    """Trains models on the devices that there are.

    `choose_strategy` returns one. Models are made, gathered and saved as
    always; what is fitted is a copy of them that lies on all devices.

    Attributes:
        name: string. As in `choose_strategy`.
        num_devices: int. Devices of all hosts.
        part: pair of ints. Which part of each batch this host is to feed, and
            of how many.
    """

    name = "none"
    num_devices = 1

    @property
    def part(self):
        return host_id(), num_hosts()

    @contextlib.contextmanager
    def spread(self, model):
        """Lends the model as it is to be trained, and takes over its weights.

        Args:
            model: `keras.Model` or `ones_keras.Distiller`. Not compiled, or
                that is not looked at: within, `compile` comes first.

        Yields:
            What is to be compiled and fitted: a copy on all devices or, with
            one device, the model. The weights that it has at the end are those
            of the model then, unless an error came between.
        """
        yield model

    def check_batch_size(self, name, batch_size):
        """Raises a `ValueError` if the devices cannot share such a batch."""
        if batch_size % self.num_devices:
            raise ValueError(
                f"`{name}` must be a multiple of the {self.num_devices} "
                f"devices. Received: `{name}={batch_size}`, "
                f"`strategy={self.name!r}`."
            )

    def own_part(self, batches):
        """The part of each batch that this host is to feed.

        Args:
            batches: `tf.data.Dataset` of whole batches.
        """
        if self.part == (0, 1):
            return batches
        return batches.map(lambda *batch: own_part(batch, self.part))

    def evaluation_batches(self, batches, batch_size):
        """Batches that all devices can share, for `validation_data`.

        Args:
            batches: `tf.data.Dataset` of `(x, y)` or `(x, y, sample_weight)`.
            batch_size: int. Examples of all of them but the last.

        Returns:
            The same batches, of which the last one is filled up with examples
            whose weights are zero: to be averaged by `weighted_metrics`.
        """
        if self.num_devices == 1:
            return batches
        filled = batches.map(
            lambda *batch: _filled_up(*batch, batch_size=batch_size)
        )
        return self.own_part(filled)


def _filled_up(x, y, weights=None, *, batch_size):
    count = tf.shape(keras.tree.flatten(x)[0])[0]
    if weights is None:
        weights = tf.ones([count])
    # Examples that are there, so that they are ordinary ones.
    places = tf.range(batch_size)
    x, y, weights = keras.tree.map_structure(
        lambda values: tf.gather(values, places % count), (x, y, weights)
    )
    counts = tf.cast(places < count, "float32")
    return x, y, keras.tree.map_structure(lambda w: _times(w, counts), weights)


def _times(weights, counts):
    shape = [-1, *[1] * (len(weights.shape) - 1)]
    return weights * tf.cast(tf.reshape(counts, shape), weights.dtype)


class SpreadStrategy(Strategy):
    """Trains a copy of the model, which lies on all devices.

    A subclass has `scope(models)`, a context manager in which the models that
    are made lie there.
    """

    def scope(self, models):
        raise NotImplementedError

    @contextlib.contextmanager
    def spread(self, model):
        student = getattr(model, "student", model)
        # Of a `Distiller` the teacher too, unless its outputs are on disk.
        teacher = getattr(model, "teacher", None)
        runs = isinstance(teacher, keras.Model)
        with self.scope([student, teacher] if runs else [student]):
            spread = trained = _copy(student)
            if student is not model:
                if runs:
                    teacher = _copy(teacher)
                trained = model.remade(teacher, spread)
            yield trained
        _assign(student, spread)


def _copy(model):
    copy = type(model).from_config(model.get_config())
    layers = zip(copy._flatten_layers(), model._flatten_layers(), strict=True)
    for layer, other in layers:
        # Of this layer alone: `trainable =` would reach those within it too.
        layer._trainable = other._trainable
    for variable, other in zip(copy.variables, model.variables, strict=True):
        variable.trainable = other.trainable
    _assign(copy, model)
    return copy


def _assign(model, other):
    # All variables: the states of random generators are no weights.
    for variable, value in zip(model.variables, other.variables, strict=True):
        variable.assign(local_value(value))
