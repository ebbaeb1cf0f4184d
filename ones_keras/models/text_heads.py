"""New heads on a text model that is trained, however it was saved."""

import keras
from keras import ops

from ones_keras.layers import MoEFeedForward
from ones_keras.models.checked_tokens import CheckedTokens
from ones_keras.portable_saving import PortableModel
from ones_keras.validation import check_positive_int

_INPUTS = ("token_ids", "segment_ids", "padding_mask")


def add_text_classifier(model, num_classes, dropout=0.0):
    """A classifier on the layers of a trained text model.

    One linear layer on the pooled output. The layers are the model's own: to
    train the classifier trains them.

    Args:
        model: A model with the layers `sequence_output` and `pooled_output`,
            as an `AlbertMaskedLM`, its dense student, or what `load_model`
            makes of its file; or a KerasHub task or backbone with these
            outputs.
        num_classes: int. Of a regression `1`.
        dropout: float. Rate before the logits. Defaults to `0.0`.

    Returns:
        A functional `keras.Model` from a dict of int32 `token_ids`,
        `segment_ids` and `padding_mask` of shape `(B, T)` to logits
        `(B, num_classes)`. Without experts it saves as plain Keras.

    Raises:
        ValueError: A model that has no such layers or inputs.

    Example:

    ```python
    student = ones_keras.models.AlbertMaskedLM.from_preset("ones_albert_tiny")
    classifier = ones_keras.models.add_text_classifier(student, num_classes=2)
    ```
    """
    check_positive_int("num_classes", num_classes)
    inputs, sequence, pooled = _features(model)
    if pooled is None:  # A span extractor has none.
        pooled = keras.layers.Dense(
            sequence.shape[-1], activation="tanh", name="pooled_output"
        )(ops.take(sequence, 0, axis=1))
    logits = classifier_logits(pooled, num_classes, dropout)
    return _TextModel(inputs, logits, name=f"{model.name}_classifier")


def add_span_extractor(model, dropout=0.0):
    """A finder of answers on the layers of a trained text model.

    See `AlbertSpanExtractor` for what it returns and how it is trained. The
    layers are the model's own: to train the extractor trains them.

    Args:
        model: As in `add_text_classifier`.
        dropout: float. Rate before the logits. Defaults to `0.0`.

    Returns:
        A functional `keras.Model` from a dict of int32 `token_ids`,
        `segment_ids` and `padding_mask` of shape `(B, T)` to logits
        `(B, 2, T)`. Without experts it saves as plain Keras.

    Raises:
        ValueError: A model that has no such layers or inputs.

    Example:

    ```python
    student = ones_keras.models.AlbertMaskedLM.from_preset("ones_albert_tiny")
    extractor = ones_keras.models.add_span_extractor(student)
    ```
    """
    inputs, sequence, _ = _features(model)
    logits = span_logits(sequence, inputs["padding_mask"], dropout)
    return _TextModel(inputs, logits, name=f"{model.name}_span_extractor")


def classifier_logits(pooled, num_classes, dropout, dtype=None):
    """Logits `(B, num_classes)` of a pooled output `(B, D)`."""
    pooled = keras.layers.Dropout(dropout, dtype=dtype, name="output_dropout")(
        pooled
    )
    return _linear(num_classes, dtype)(pooled)


def span_logits(sequence, padding_mask, dropout, dtype=None):
    """Float32 logits `(B, 2, T)` of hidden states `(B, T, D)`."""
    # Layers with names throughout: a loaded graph may have taken those that
    # operations are given by themselves.
    sequence = keras.layers.Dropout(
        dropout, dtype=dtype, name="output_dropout"
    )(sequence)
    logits = keras.layers.Permute((2, 1), dtype=dtype, name="span_logits")(
        _linear(2, dtype)(sequence)
    )
    # 0 for a token and -1e9 for padding. Not infinite: the loss would be NaN.
    padding = keras.layers.Rescaling(
        1e9, offset=-1e9, dtype="float32", name="span_padding"
    )(keras.layers.Reshape((1, -1), name="span_mask")(padding_mask))
    return keras.layers.Add(dtype="float32", name="spans")([logits, padding])


def _linear(units, dtype):
    return keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        dtype=dtype,
        name="predictions",
    )


def _features(model):
    """Inputs, hidden states and pooled output of a model's graph."""
    hub = getattr(model, "backbone", None)
    graph = model if hub is None else hub
    inputs = getattr(graph, "input", None)
    if not isinstance(inputs, dict) or not set(_INPUTS) <= set(inputs):
        raise ValueError(
            f"`model` must be a functional model of the inputs {_INPUTS}. "
            f"Received: `model={model.name}` with {inputs}."
        )
    found = {}
    if isinstance(graph.output, dict):
        found.update(graph.output)
    for layer in graph.layers:
        if layer.name in ("sequence_output", "pooled_output"):
            found[layer.name] = layer.output
    if "sequence_output" not in found:
        raise ValueError(
            "`model` must have a layer or output `sequence_output`, its last "
            f"hidden states. Received: `model={model.name}` with the layers "
            f"{[layer.name for layer in graph.layers]}."
        )
    return (
        {name: inputs[name] for name in _INPUTS},
        found["sequence_output"],
        found.get("pooled_output"),
    )


@keras.saving.register_keras_serializable(package="ones_keras")
class _TextModel(CheckedTokens, PortableModel):
    """A trained text model with a new head."""

    @property
    def is_sparse(self):
        return any(isinstance(layer, MoEFeedForward) for layer in self.layers)

    @property
    def max_sequence_length(self):
        """Positions that there are embeddings of, `None` if it is not known.

        KerasHub's own layers refuse longer sequences by themselves.
        """
        return self._rows("position_embedding")

    @property
    def vocabulary_size(self):
        """Tokens that there are embeddings of, `None` if it is not known."""
        return self._rows("token_embedding")

    @property
    def num_segments(self):
        """Segments that there are embeddings of, `None` if it is not known."""
        return self._rows("segment_embedding")

    def _rows(self, name):
        for layer in self.layers:
            if layer.name == name:
                return getattr(layer, "input_dim", None)
        return None
