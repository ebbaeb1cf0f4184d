"""Images and text, and the batches that training and evaluation take."""

from ones_keras.data.array_images import ArrayImages
from ones_keras.data.file_images import FileImages
from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.keep_tensorflow_off_gpu import keep_tensorflow_off_gpu
from ones_keras.data.load_image_dataset import (
    IMAGE_DATASETS,
    load_image_dataset,
)
from ones_keras.data.mixup import mixup
from ones_keras.data.text.document_files import DocumentFiles
from ones_keras.data.text.document_list import DocumentList
from ones_keras.data.text.load_text_corpus import load_text_corpus
from ones_keras.data.text.text_corpus import TextCorpus
from ones_keras.data.text.text_tokenizer import TextTokenizer, load_tokenizer
from ones_keras.data.text.train_tokenizer import train_tokenizer

__all__ = [
    "IMAGE_DATASETS",
    "ArrayImages",
    "DocumentFiles",
    "DocumentList",
    "FileImages",
    "ImageDataset",
    "TextCorpus",
    "TextTokenizer",
    "keep_tensorflow_off_gpu",
    "load_image_dataset",
    "load_text_corpus",
    "load_tokenizer",
    "mixup",
    "train_tokenizer",
]
