"""Models that are sparse teachers or dense students of one architecture."""

from ones_keras.models.albert.albert_backbone import AlbertBackbone
from ones_keras.models.albert.albert_masked_lm import AlbertMaskedLM
from ones_keras.models.albert.albert_span_extractor import AlbertSpanExtractor
from ones_keras.models.albert.albert_text_classifier import (
    AlbertTextClassifier,
)
from ones_keras.models.image_heads import add_image_classifier
from ones_keras.models.text_heads import (
    add_span_extractor,
    add_text_classifier,
)
from ones_keras.models.vit.vit_backbone import ViTBackbone
from ones_keras.models.vit.vit_image_classifier import ViTImageClassifier

__all__ = [
    "AlbertBackbone",
    "AlbertMaskedLM",
    "AlbertSpanExtractor",
    "AlbertTextClassifier",
    "ViTBackbone",
    "ViTImageClassifier",
    "add_image_classifier",
    "add_span_extractor",
    "add_text_classifier",
]
