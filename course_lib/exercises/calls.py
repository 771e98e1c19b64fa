"""A chamada de uma função do estudante: o que pode dar errado nela vira um tropeço com nome e lugar."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch


class StumbleKind(StrEnum):
    """Por que a função não chegou a responder.

    Attributes:
        MISSING: não há no caderno nada com o nome dela.
        NOT_CALLABLE: o que tem o nome dela não é uma função.
        SIGNATURE: não aceita os argumentos do enunciado.
        BLANK: ainda está por escrever.
        HELPER: chama uma auxiliar que ainda está por escrever.
        ERROR: parou com um erro.
    """

    MISSING = "ausente"
    NOT_CALLABLE = "não é função"
    SIGNATURE = "assinatura"
    BLANK = "branco"
    HELPER = "auxiliar"
    ERROR = "erro"


@dataclass
class Stumble(Exception):
    """A função não chegou a responder.

    Attributes:
        kind: por quê.
        text: o nome da função auxiliar, o de uma parecida com a que falta, ou o erro numa frase.
        type: o nome do tipo do erro.
        line: a linha da célula, se é do estudante.
        source: o texto dessa linha.
    """

    kind: StumbleKind
    text: str = ""
    type: str = ""
    line: int = 0
    source: str = ""


def call(function: Callable[..., Any], name: str, given: Mapping[str, Any]) -> Any:
    """Chama a função do estudante com os argumentos por posição.

    Args:
        function: a função.
        name: o nome que o enunciado lhe dá.
        given: os argumentos, na ordem da assinatura.

    Raises:
        Stumble: a função não aceita os argumentos, não está escrita ou levantou um erro.
    """
    try:
        inspect.signature(function).bind(*given.values())
    except TypeError:
        raise Stumble(StumbleKind.SIGNATURE) from None
    except ValueError:
        pass  # Funções escritas em C podem não dizer a sua assinatura.
    try:
        return function(*given.values())
    except NotImplementedError as error:
        unfinished = traceback.extract_tb(error.__traceback__)[-1].name
        blank = unfinished == name
        raise (Stumble(StumbleKind.BLANK) if blank else Stumble(StumbleKind.HELPER, unfinished)) from None
    except (Exception, SystemExit) as error:
        raise _stumble(error, function) from None


def altered(originals: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Os nomes dos tensores que a função alterou."""
    return [
        name
        for name, original in originals.items()
        if isinstance(original, torch.Tensor) and not torch.equal(original, given[name])
    ]


def _stumble(error: BaseException, function: Callable[..., Any]) -> Stumble:
    filename = getattr(getattr(function, "__code__", None), "co_filename", None)
    mine = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    line, source = (mine[-1].lineno or 0, mine[-1].line or "") if mine else (0, "")
    return Stumble(StumbleKind.ERROR, str(error), type(error).__name__, line, source)
