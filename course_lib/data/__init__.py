"""Dados do curso: imagens (MNIST e os dígitos embutidos) e os lotes que o laço de treinamento percorre."""

from course_lib.data.images import Batch, Batches, DataError, ImageDataset, load_embedded_digits, load_mnist

__all__ = ["Batch", "Batches", "DataError", "ImageDataset", "load_embedded_digits", "load_mnist"]
