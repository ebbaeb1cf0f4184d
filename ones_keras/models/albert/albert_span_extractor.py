import keras
from keras_hub.models import Task

from ones_keras.models.albert.albert_backbone import AlbertBackbone
from ones_keras.models.checked_tokens import CheckedTokens
from ones_keras.models.sparse_task import SparseTask, head_policy
from ones_keras.models.text_heads import span_logits


@keras.saving.register_keras_serializable(package="ones_keras")
class AlbertSpanExtractor(CheckedTokens, SparseTask, Task):
    """Where an answer starts and ends in a text, as in SQuAD.

    One linear layer gives every token a logit as the first and one as the last
    of the answer; padding is ruled out. Train it with
    `keras.losses.SparseCategoricalCrossentropy(from_logits=True)` on labels of
    shape `(B, 2)`, the positions of the first and the last token.

    Args:
        backbone: An `AlbertBackbone`.
        preprocessor: A KerasHub preprocessor or `None`. Defaults to `None`.
        dropout: float. Rate before the logits. Defaults to `0.0`.
        head_dtype: string, `keras.DTypePolicy` or `None`. Policy of the head;
            `None` takes the backbone's. Defaults to `None`.

    Output:
        Float32 logits of shape `(B, 2, T)`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    extractor = ones_keras.models.AlbertSpanExtractor.from_preset(
        "ones_albert_tiny"
    )
    ones = np.ones((3, 16), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    extractor(inputs).shape  # (3, 2, 16)
    ```
    """

    backbone_cls = AlbertBackbone

    def __init__(
        self,
        backbone,
        preprocessor=None,
        dropout=0.0,
        head_dtype=None,
        **kwargs,
    ):
        # === Layers ===
        head_dtype = head_policy(head_dtype)
        self.backbone = backbone
        self.preprocessor = preprocessor

        # === Functional Model ===
        logits = span_logits(
            backbone.output["sequence_output"],
            backbone.input["padding_mask"],
            dropout,
            head_dtype or backbone.dtype_policy,
        )
        super().__init__(inputs=backbone.input, outputs=logits, **kwargs)

        # === Config ===
        self.dropout = dropout
        self.head_dtype = head_dtype

    def compile(
        self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs
    ):
        """Configure the training; see `keras.Model.compile`.

        Args:
            optimizer: Defaults to `"auto"`, Adam at 5e-5.
            loss: Defaults to `"auto"`, cross-entropy of both positions.
            metrics: Defaults to `"auto"`, the accuracy of the positions.
            **kwargs: See `keras.Model.compile`.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if metrics == "auto":
            metrics = [keras.metrics.SparseCategoricalAccuracy("accuracy")]
        super().compile(
            optimizer=optimizer, loss=loss, metrics=metrics, **kwargs
        )
