import keras
from keras import ops
from keras_hub.models import MaskedLM

from ones_keras.models.albert.albert_backbone import (
    AlbertBackbone,
    albert_initializer,
)
from ones_keras.models.checked_tokens import CheckedTokens
from ones_keras.models.sparse_task import SparseTask, head_policy


@keras.saving.register_keras_serializable(package="ones_keras")
class AlbertMaskedLM(CheckedTokens, SparseTask, MaskedLM):
    """ALBERT's pretraining: masked language model and sentence order.

    Logits of the vocabulary at the masked positions alone, through a matrix
    tied to the token embedding, so that neither memory nor time is spent on
    the other positions; and logits of whether the two segments are in their
    order (0) or swapped (1). Both float32 unless `head_dtype` says otherwise.

    Distil the masked language model only, as OneS does:
    `ones_keras.Distiller(teacher, student, outputs="masked_lm")`.

    Args:
        backbone: An `AlbertBackbone`.
        preprocessor: A KerasHub preprocessor or `None`. Defaults to `None`.
        head_dtype: string, `keras.DTypePolicy` or `None`. Policy of the layers
            before the logits; `None` takes the backbone's. Defaults to `None`.

    Input:
        The backbone's, and `mask_positions`, int32 of shape `(B, P)`.

    Output:
        Dict: `masked_lm` of shape `(B, P, vocabulary_size)`, `sentence_order`
        of shape `(B, 2)`.

    Example:

    ```python
    import numpy as np
    import ones_keras

    teacher = ones_keras.models.AlbertMaskedLM.from_preset(
        "widenet_albert_tiny"
    )
    ones = np.ones((2, 16), "int32")
    inputs = {"token_ids": ones, "segment_ids": ones, "padding_mask": ones}
    inputs["mask_positions"] = np.array([[3, 5], [1, 9]])
    teacher(inputs)["masked_lm"].shape  # (2, 2, 1000)
    ```

    References:
        - [ALBERT](https://arxiv.org/abs/1909.11942), section 3.1
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          section 4.2
    """

    backbone_cls = AlbertBackbone

    def __init__(self, backbone, preprocessor=None, head_dtype=None, **kwargs):
        # === Layers ===
        head_dtype = head_policy(head_dtype)
        policy = head_dtype or backbone.dtype_policy
        self.backbone = backbone
        self.preprocessor = preprocessor
        transform = keras.layers.Dense(
            backbone.token_embedding.output_dim,
            activation=backbone.activation,
            kernel_initializer=albert_initializer(),
            dtype=policy,
            name="masked_lm_transform",
        )
        transform_norm = keras.layers.LayerNormalization(
            epsilon=backbone.layer_norm_epsilon,
            dtype=policy,
            name="masked_lm_norm",
        )
        # One row of an Embedding: a bias without a layer of ours.
        bias = keras.layers.Embedding(
            1,
            backbone.vocabulary_size,
            embeddings_initializer="zeros",
            dtype="float32",
            name="masked_lm_bias",
        )
        logits = keras.layers.Add(dtype="float32", name="masked_lm")
        sentence_order = keras.layers.Dense(
            2,
            kernel_initializer=albert_initializer(),
            dtype=head_dtype or "float32",
            name="sentence_order",
        )

        # === Functional Model ===
        positions = keras.Input((None,), dtype="int32", name="mask_positions")
        hidden = ops.take_along_axis(
            backbone.output["sequence_output"],
            ops.expand_dims(positions, -1),
            axis=1,
        )
        hidden = transform_norm(transform(hidden))
        masked_lm = logits(
            [
                backbone.token_embedding(hidden, reverse=True),
                bias(ops.zeros_like(positions[:1, :1])),
            ]
        )
        super().__init__(
            inputs={**backbone.input, "mask_positions": positions},
            outputs={
                "masked_lm": masked_lm,
                "sentence_order": sentence_order(
                    backbone.output["pooled_output"]
                ),
            },
            **kwargs,
        )

        # === Config ===
        self.head_dtype = head_dtype

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        weighted_metrics="auto",
        **kwargs,
    ):
        """Configure the training; see `keras.Model.compile`.

        Args:
            optimizer: Defaults to `"auto"`, KerasHub's for masked language
                models.
            loss: Defaults to `"auto"`, the sum of the cross-entropies of both
                outputs.
            weighted_metrics: Defaults to `"auto"`, the accuracies. Padded
                places among the masked positions count for neither, if their
                `sample_weight` is 0.
            **kwargs: See `keras.Model.compile`.
        """
        names = ("masked_lm", "sentence_order")
        if loss == "auto":
            loss = {
                name: keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True
                )
                for name in names
            }
        if weighted_metrics == "auto":
            weighted_metrics = {
                name: [keras.metrics.SparseCategoricalAccuracy("accuracy")]
                for name in names
            }
        super().compile(
            optimizer, loss, weighted_metrics=weighted_metrics, **kwargs
        )
