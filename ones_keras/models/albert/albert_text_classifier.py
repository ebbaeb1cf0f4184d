import keras
from keras_hub.models import TextClassifier

from ones_keras.models.albert.albert_backbone import AlbertBackbone
from ones_keras.models.checked_tokens import CheckedTokens
from ones_keras.models.sparse_task import SparseTask, head_policy
from ones_keras.models.text_heads import classifier_logits
from ones_keras.validation import check_positive_int


@keras.saving.register_keras_serializable(package="ones_keras")
class AlbertTextClassifier(CheckedTokens, SparseTask, TextClassifier):
    """Text classifier: one linear layer on the pooled output.

    Args:
        backbone: An `AlbertBackbone`.
        num_classes: int. Of a regression `1`.
        preprocessor: A KerasHub preprocessor or `None`. Defaults to `None`.
        dropout: float. Rate before the logits. Defaults to `0.0`.
        head_dtype: string, `keras.DTypePolicy` or `None`. Policy of the head;
            `None` takes the backbone's. Defaults to `None`.

    Output:
        Logits of shape `(B, num_classes)`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    classifier = ones_keras.models.AlbertTextClassifier.from_preset(
        "ones_albert_tiny", num_classes=3
    )
    ones = np.ones((2, 16), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    classifier(inputs).shape  # (2, 3)
    ```
    """

    backbone_cls = AlbertBackbone
    head_arguments = ("num_classes",)

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        dropout=0.0,
        head_dtype=None,
        **kwargs,
    ):
        check_positive_int("num_classes", num_classes)

        # === Layers ===
        head_dtype = head_policy(head_dtype)
        self.backbone = backbone
        self.preprocessor = preprocessor

        # === Functional Model ===
        logits = classifier_logits(
            backbone.output["pooled_output"],
            num_classes,
            dropout,
            head_dtype or backbone.dtype_policy,
        )
        super().__init__(inputs=backbone.input, outputs=logits, **kwargs)

        # === Config ===
        self.num_classes = num_classes
        self.dropout = dropout
        self.head_dtype = head_dtype
        self.activation = None
