"""Pesos treinados: um arquivo ``.safetensors`` e um cartão ``.json`` que diz de onde eles vieram."""

from course_lib.weights.card import Card, DatasetCard, WeightsError
from course_lib.weights.measures import draw, measure
from course_lib.weights.shipped import SHIPPED, fast_forward, load_judge, load_shipped
from course_lib.weights.store import load_trained, round_weights, save_trained

__all__ = [
    "SHIPPED",
    "Card",
    "DatasetCard",
    "WeightsError",
    "draw",
    "fast_forward",
    "load_judge",
    "load_shipped",
    "load_trained",
    "measure",
    "round_weights",
    "save_trained",
]
