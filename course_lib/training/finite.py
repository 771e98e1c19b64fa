"""NaN e infinito, achados antes que estraguem um treinamento inteiro."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

NON_FINITE_CAUSES = (
    "Causas prováveis: taxa de aprendizado alta demais, log ou divisão por um número perto de zero, NaN nos dados. "
    "Os pesos de agora não servem; volte ao último checkpoint ou recrie o modelo."
)


class NonFiniteLossError(ArithmeticError):
    """Uma perda ou um peso virou NaN ou infinito; a mensagem diz qual, em que época e as causas prováveis."""


def check_terms(means: Mapping[str, float], epoch: int, index: int) -> None:
    """As médias dos termos até o passo ``index`` da época ``epoch`` (a partir de 0): um só NaN as estraga.

    Raises:
        NonFiniteLossError: uma delas não é finita.
    """
    for name, value in means.items():
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"o termo {name!r} deixou de ser finito na época {epoch + 1}, até o passo {index}. {NON_FINITE_CAUSES}"
            )


def check_weights(parts: Mapping[str, Any], epoch: int) -> None:
    """O último passo da época pode estragar os pesos depois de uma perda ainda finita: sem isto, iriam ao disco.

    Args:
        parts: nome → parte do treinamento; olham-se as que são redes.
        epoch: a época que terminou, a partir de 0.

    Raises:
        NonFiniteLossError: um peso não é finito.
    """
    networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
    for part_name, network in networks.items():
        for name, weights in network.named_parameters():
            if not weights.isfinite().all():
                raise NonFiniteLossError(
                    f"os pesos {name} de {part_name} deixaram de ser finitos na época {epoch + 1}. {NON_FINITE_CAUSES}"
                )
