import keras
from keras_hub.models import ImageClassifier, Task

from ones_keras.models.plain_training import PlainTraining
from ones_keras.models.preset_arguments import check_folder, split_overrides
from ones_keras.models.vit.vit_backbone import ViTBackbone
from ones_keras.models.vit.vit_presets import VIT_PRESETS
from ones_keras.portable_saving import PortableSaving
from ones_keras.validation import check_positive_int


@keras.saving.register_keras_serializable(package="ones_keras")
class ViTImageClassifier(PortableSaving, PlainTraining, ImageClassifier):
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
        if head_dtype is not None:
            head_dtype = keras.dtype_policies.get(head_dtype)
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

    @property
    def is_sparse(self):
        return self.backbone.is_sparse

    def get_config(self):
        return {
            **Task.get_config(self),
            "num_classes": self.num_classes,
            "dropout": self.dropout,
            "head_dtype": self.head_dtype
            and keras.dtype_policies.serialize(self.head_dtype),
        }

    def to_dense(self, intermediate_dim=None):
        """A freshly initialised dense classifier of the same architecture.

        It is not compiled: KerasHub's default optimizer would go along into
        every saved file, at twice the size of the weights.

        Args:
            intermediate_dim: int or `None`. Hidden units of its feed-forward
                layers; `None` takes those of one expert.
        """
        return ViTImageClassifier(
            self.backbone.to_dense(intermediate_dim),
            self.num_classes,
            preprocessor=self.preprocessor,
            dropout=self.dropout,
            head_dtype=self.head_dtype,
            compile=False,
            name=f"{self.name}_student",
        )

    @classmethod
    def from_preset(cls, preset, load_weights=True, **overrides):
        """A classifier from a built-in preset or a preset folder.

        Built-in presets are configurations: their weights are fresh.

        Args:
            preset: string. A built-in name or a folder written by
                `save_to_preset`.
            load_weights: bool. Whether a folder's weights are loaded. Defaults
                to `True`.
            **overrides: Arguments of the classifier or of its backbone that
                replace the preset's, `dropout` in both. `activation` is the
                feed-forward layers', as the head has none; of a folder only
                `num_classes` and `dtype` can be replaced.

        Example:

        ```python
        import ones_keras

        ones_keras.models.ViTImageClassifier.from_preset(
            "widenet_vit_tiny", num_classes=10, image_shape=(32, 32, 3)
        )
        ```
        """
        if preset in VIT_PRESETS:
            head, backbone = split_overrides(overrides, cls, ViTBackbone)
            if "dropout" in head:
                backbone["dropout"] = head["dropout"]
            backbone = ViTBackbone.from_preset(preset, **backbone)
            return cls(backbone, **head)
        check_folder(preset, VIT_PRESETS)
        split_overrides(overrides, ("num_classes", "dtype"))
        return super().from_preset(preset, load_weights, **overrides)
