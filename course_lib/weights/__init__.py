"""Pesos treinados: um arquivo ``.safetensors`` e um cartão ``.json`` que diz de onde eles vieram."""

from course_lib.weights.store import WeightsError, load_trained, save_trained

__all__ = ["WeightsError", "load_trained", "save_trained"]
