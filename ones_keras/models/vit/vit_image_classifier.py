import keras
from keras_hub.models import ImageClassifier, Task

from ones_keras.models.sparse_task import SparseTask, head_policy
from ones_keras.models.vit.vit_backbone import ViTBackbone
from ones_keras.validation import check_positive_int


@keras.saving.register_keras_serializable(package="ones_keras")
class ViTImageClassifier(SparseTask, ImageClassifier):
    """Image classifier on a `ViTBackbone`, with WideNet's head.

    Mean over the patches, a tanh layer of the backbone's width
    ("representation"), and a linear layer to the logits. Its graph is flat, so
    that a dense classifier saves as plain Keras.

    Args:
        backbone: A `ViTBackbone`.
        num_classes: int.
        preprocessor: A KerasHub preprocessor or `None`, as rescaling is in the
            graph. Defaults to `None`.
        dropout: float. Rate before the logits. Defaults to `0.0`.
        head_dtype: string, `keras.DTypePolicy` or `None`. Policy of the head;
            `None` takes the backbone's. Defaults to `None`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    teacher.predict(np.zeros((2, 8, 8, 1)), verbose=0).shape  # (2, 10) logits
    ```

    References:
        - [Go Wider Instead of Deeper](https://arxiv.org/abs/2107.11817)
    """

    backbone_cls = ViTBackbone
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
        policy = head_dtype or backbone.dtype_policy
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooler = keras.layers.GlobalAveragePooling1D(
            dtype=policy, name="pooler"
        )
        self.representation = keras.layers.Dense(
            backbone.hidden_dim,
            activation="tanh",
            dtype=policy,
            name="representation",
        )
        self.output_dropout = keras.layers.Dropout(
            dropout, dtype=policy, name="output_dropout"
        )
        self.output_dense = keras.layers.Dense(
            num_classes,
            dtype=policy,
            name="predictions",
        )

        # === Functional Model ===
        x = self.pooler(backbone.output)
        x = self.representation(x)
        x = self.output_dropout(x)
        # KerasHub's ImageClassifier would pool a feature map of rank 4.
        Task.__init__(
            self,
            inputs=backbone.input,
            outputs=self.output_dense(x),
            **kwargs,
        )

        # === Config ===
        self.num_classes = num_classes
        self.dropout = dropout
        self.head_dtype = head_dtype
        self.activation = None
