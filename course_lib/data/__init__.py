"""Dados do curso: imagens (MNIST e os dígitos embutidos), densidades no plano, e os lotes do laço de treinamento."""

from course_lib.data.images import Batch, Batches, DataError, ImageDataset, load_embedded_digits, load_mnist
from course_lib.data.toy import Toy

__all__ = ["Batch", "Batches", "DataError", "ImageDataset", "Toy", "load_embedded_digits", "load_mnist"]
