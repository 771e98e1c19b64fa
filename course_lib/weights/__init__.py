"""Pesos treinados: um arquivo ``.safetensors`` e um cartão ``.json`` que diz de onde eles vieram."""

from course_lib.weights.measures import draw, measure
from course_lib.weights.samples import DOCUMENT, FLOOR, SAMPLES_CARD, SampleRow, load_sample_rows
from course_lib.weights.shipped import SHIPPED, load_judge, load_shipped
from course_lib.weights.store import WeightsError, load_trained, round_weights, save_trained

__all__ = [
    "DOCUMENT",
    "FLOOR",
    "SAMPLES_CARD",
    "SHIPPED",
    "SampleRow",
    "WeightsError",
    "draw",
    "load_judge",
    "load_sample_rows",
    "load_shipped",
    "load_trained",
    "measure",
    "round_weights",
    "save_trained",
]
