"""Os pesos que vêm com o curso, e o juiz de amostras, que é um deles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from course_lib.data import ImageDataset, load_mnist
from course_lib.metrics import Judge
from course_lib.weights.card import Card
from course_lib.weights.store import load_trained

SHIPPED = Path(__file__).parent


def load_shipped(name: str) -> tuple[Any, Card]:
    """O passo e o cartão dos pesos de ``NOME`` que vêm com o curso.

    Raises:
        ValueError: modelo desconhecido.
        WeightsError: não há pesos deste modelo no curso, ou o arquivo está estragado.
    """
    return load_trained(SHIPPED, name)


def load_judge(reference: ImageDataset | None = None) -> Judge:
    """O juiz de amostras que vem com o curso.

    Args:
        reference: imagens reais com que ele compara, inteiras ou sorteadas; o teste do MNIST quando faltam.

    Raises:
        ValueError: ``reference`` são as primeiras imagens de um arquivo, ou são poucas.
        WeightsError: os pesos do juiz faltam ou estão estragados.
    """
    step, card = load_shipped("judge")
    reference = reference if reference is not None else load_mnist("test")
    return Judge(step.model, card.sha256, reference)
