"""Models that are sparse teachers or dense students of one architecture."""

from ones_keras.models.vit.vit_backbone import ViTBackbone
from ones_keras.models.vit.vit_image_classifier import ViTImageClassifier

__all__ = ["ViTBackbone", "ViTImageClassifier"]
