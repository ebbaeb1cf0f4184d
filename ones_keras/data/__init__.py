"""Image datasets, and the batches that training and evaluation take."""

from ones_keras.data.array_images import ArrayImages
from ones_keras.data.file_images import FileImages
from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.keep_tensorflow_off_gpu import keep_tensorflow_off_gpu
from ones_keras.data.load_image_dataset import (
    IMAGE_DATASETS,
    load_image_dataset,
)
from ones_keras.data.mixup import mixup

__all__ = [
    "IMAGE_DATASETS",
    "ArrayImages",
    "FileImages",
    "ImageDataset",
    "keep_tensorflow_off_gpu",
    "load_image_dataset",
    "mixup",
]
