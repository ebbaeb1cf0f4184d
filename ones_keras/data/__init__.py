"""Images and text, and the batches that training and evaluation take."""

from ones_keras.data.array_examples import ArrayExamples
from ones_keras.data.array_images import ArrayImages
from ones_keras.data.file_images import FileImages
from ones_keras.data.image_dataset import ImageDataset
from ones_keras.data.keep_tensorflow_off_gpu import keep_tensorflow_off_gpu
from ones_keras.data.load_image_dataset import (
    IMAGE_DATASETS,
    load_image_dataset,
)
from ones_keras.data.mixup import mixup
from ones_keras.data.rand_augment import rand_augment
from ones_keras.data.record_images import RecordImages
from ones_keras.data.text.document_files import DocumentFiles
from ones_keras.data.text.document_list import DocumentList
from ones_keras.data.text.glue import GLUE_TASKS, glue_metrics, read_glue
from ones_keras.data.text.load_text_corpus import load_text_corpus
from ones_keras.data.text.package_task import load_package_task
from ones_keras.data.text.squad import read_squad, squad_metrics
from ones_keras.data.text.squad_answers import squad_answers
from ones_keras.data.text.squad_windows import squad_windows
from ones_keras.data.text.text_corpus import TextCorpus
from ones_keras.data.text.text_examples import TextExamples
from ones_keras.data.text.text_tokenizer import TextTokenizer, load_tokenizer
from ones_keras.data.text.train_tokenizer import train_tokenizer
from ones_keras.data.write_image_records import write_image_records

__all__ = [
    "GLUE_TASKS",
    "IMAGE_DATASETS",
    "ArrayExamples",
    "ArrayImages",
    "DocumentFiles",
    "DocumentList",
    "FileImages",
    "ImageDataset",
    "RecordImages",
    "TextCorpus",
    "TextExamples",
    "TextTokenizer",
    "glue_metrics",
    "keep_tensorflow_off_gpu",
    "load_image_dataset",
    "load_package_task",
    "load_text_corpus",
    "load_tokenizer",
    "mixup",
    "rand_augment",
    "read_glue",
    "read_squad",
    "squad_answers",
    "squad_metrics",
    "squad_windows",
    "train_tokenizer",
    "write_image_records",
]
