"""Dados do curso: imagens (MNIST e os dígitos embutidos), densidades no plano, domínios sem pares, e os seus lotes."""

from course_lib.data.images import (
    Batch,
    Batches,
    ImageDataset,
    Selection,
    embedded_in_use,
    load_embedded_digits,
    load_mnist,
)
from course_lib.data.mnist import DataError
from course_lib.data.photo_domains import PhotoBatches, PhotoDomains
from course_lib.data.toy import Toy
from course_lib.data.unpaired import UnpairedBatch, UnpairedBatches, UnpairedDataset, hollow, restyle, split_domains

__all__ = [
    "Batch",
    "Batches",
    "DataError",
    "ImageDataset",
    "PhotoBatches",
    "PhotoDomains",
    "Selection",
    "Toy",
    "UnpairedBatch",
    "UnpairedBatches",
    "UnpairedDataset",
    "embedded_in_use",
    "hollow",
    "load_embedded_digits",
    "load_mnist",
    "restyle",
    "split_domains",
]
