"""Ponte para as definições ainda por converter; some com a última."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.answers import Mistake, close
from course_lib.exercises.question import Exercise, generator, random_images
from course_lib.exercises.question import Question as _Question

__all__ = ["Exercise", "generator", "random_images"]


class Question(_Question):
    def __init__(self, name, function, points, start, public_seeds, make_inputs, judge):
        self.name, self.function, self.points, self.start, self.public_seeds = (
            name,
            function,
            points,
            start,
            public_seeds,
        )
        self.make_inputs, self.judge = make_inputs, judge


def tensor_answer(
    answer: Any,
    shape: tuple[int, ...],
    *,
    hints: Mapping[tuple[int, ...], str] | None = None,
    infinite: str = "procure uma divisão por zero.",
) -> Tensor:
    """A resposta como tensor float64 na CPU, se tem a forma pedida e só números finitos.

    Args:
        answer: o que a função do estudante devolveu.
        shape: a forma pedida.
        hints: dica para cada forma errada que tem causa conhecida.
        infinite: de onde costuma vir, nesta conta, um NaN ou um infinito.

    Raises:
        Mistake: a resposta não é um tensor, ou a forma, o tipo ou os valores não servem.
    """
    wanted = _readable(shape)
    _require_something(answer)
    if isinstance(answer, list | tuple):
        kind = "uma lista" if isinstance(answer, list) else "uma tupla"
        rest = f"esperava um tensor só, de forma {wanted}. Para juntar tensores iguais num tensor, use `torch.stack`."
        raise Mistake(f"a função devolveu {kind} de {len(answer)} itens; {rest}", f"a função devolveu {kind}; {rest}")
    if isinstance(answer, np.ndarray):
        raise Mistake("a função devolveu um array do NumPy; devolva o tensor, sem `.numpy()`.")
    if not isinstance(answer, Tensor):
        raise Mistake(f"a função devolveu {type(answer).__name__}; esperava um tensor de forma {wanted}.")
    _require_shape(tuple(answer.shape), shape, hints)
    if not answer.is_floating_point():
        raise Mistake(
            f"o tensor é de {str(answer.dtype).removeprefix('torch.')}; esperava números com vírgula (float32)."
        )
    value = answer.detach().cpu().double()
    if not value.isfinite().all():
        raise Mistake(f"há NaN ou infinito na resposta; {infinite}")
    return value


def array_answer(
    answer: Any,
    shape: tuple[int, ...],
    *,
    hints: Mapping[tuple[int, ...], str] | None = None,
    infinite: str = "procure uma divisão por zero.",
) -> np.ndarray:
    """A resposta como array float64, se tem a forma pedida e só números reais e finitos.

    Serve a funções do NumPy, em que uma lista ou um tensor com os números certos também responde.

    Args:
        answer: o que a função do estudante devolveu.
        shape: a forma pedida.
        hints: dica para cada forma errada que tem causa conhecida.
        infinite: de onde costuma vir, nesta conta, um NaN ou um infinito.

    Raises:
        Mistake: a resposta não é de números, ou a forma ou os valores não servem.
    """
    wanted = _readable(shape)
    _require_something(answer)
    if isinstance(answer, Tensor):
        answer = answer.detach().resolve_conj().resolve_neg().cpu()
        answer = (answer.float() if answer.dtype is torch.bfloat16 else answer).numpy()
    try:
        value = np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        raise Mistake(f"a função devolveu uma lista que não vira um array; esperava a forma {wanted}.") from None
    if value.dtype.kind not in "buif":
        came = type(answer).__name__
        if isinstance(answer, np.ndarray):
            came = f"um array de {value.dtype}"
        elif came == "ndarray":
            # Um array que não é de dados (de objetos, por exemplo) chega aqui só com o nome do seu tipo.
            came = "um array que não é de números"
        raise Mistake(f"a função devolveu {came}; esperava um array de números reais, de forma {wanted}.")
    _require_shape(value.shape, shape, hints)
    if not np.isfinite(value).all():
        raise Mistake(f"há NaN ou infinito na resposta; {infinite}")
    return value.astype(float)


def tuple_answer(answer: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """A resposta como tupla de tantos itens quantos os nomes.

    Raises:
        Mistake: não é uma tupla (nem lista), ou o número de itens é outro.
    """
    wanted = f"esperava a tupla ({', '.join(names)})."
    _require_something(answer)
    if not isinstance(answer, list | tuple):
        kind = "um tensor só" if isinstance(answer, Tensor) else type(answer).__name__
        raise Mistake(f"a função devolveu {kind}; {wanted}")
    if len(answer) != len(names):
        raise Mistake(f"a função devolveu {len(answer)} itens; {wanted}", f"o número de itens é outro; {wanted}")
    return tuple(answer)


def number_answer(
    answer: Any,
    *,
    hints: Mapping[tuple[int, ...], str] | None = None,
    infinite: str = "procure uma divisão por zero.",
) -> float:
    """A resposta como ``float``, se é um número finito ou um tensor de um número só.

    Args:
        answer: o que a função do estudante devolveu.
        hints: dica para cada forma errada que tem causa conhecida.
        infinite: de onde costuma vir, nesta conta, um NaN ou um infinito.

    Raises:
        Mistake: a resposta não é um número finito.
    """
    if isinstance(answer, int | float | np.integer | np.floating) and not isinstance(answer, bool):
        answer = torch.tensor(float(answer))
    if isinstance(answer, np.ndarray) and answer.dtype.kind in "iuf":
        answer = torch.from_numpy(answer.astype(float))
    if isinstance(answer, Tensor):
        return tensor_answer(answer, (), hints=hints, infinite=infinite).item()
    _require_something(answer)
    raise Mistake(f"a função devolveu {type(answer).__name__}; esperava um número.")


def require_no_gradient(answer: Tensor) -> None:
    """Confere que a resposta não arrasta o grafo da derivada.

    Raises:
        Mistake: a resposta pede gradiente.
    """
    if answer.requires_grad:
        raise Mistake(
            "os números estão certos, mas o tensor ainda carrega o grafo da derivada, que aqui só gasta memória. "
            "Calcule dentro de `with torch.no_grad():` (ou termine com `.detach()`)."
        )


def compare(
    value: Tensor | np.ndarray | float,
    expected: Tensor | np.ndarray | float,
    mistakes: Iterable[tuple[Tensor | np.ndarray | float, str]],
    otherwise: str,
) -> None:
    """Confere ``value`` com ``expected``; se diferem, explica pelo engano que daria esse valor.

    Args:
        value: o que veio.
        expected: o que se esperava.
        mistakes: pares (o que o engano daria, a dica), do mais provável ao menos.
        otherwise: a dica se nenhum dos enganos explica o que veio.

    Raises:
        Mistake: os dois diferem.
    """
    if close(value, expected):
        return
    for wrong, hint in mistakes:
        if close(value, wrong):
            raise Mistake(hint)
    raise Mistake(otherwise)


def _require_something(answer: Any) -> None:
    if answer is None:
        raise Mistake("a função não devolveu nada; termine-a com `return`.")


def _require_shape(found: tuple[int, ...], shape: tuple[int, ...], hints: Mapping[tuple[int, ...], str] | None) -> None:
    if found != shape:
        cause = (hints or {}).get(found)
        wanted = f"esperava {_readable(shape)}." + (f" {cause}" if cause else "")
        raise Mistake(f"a forma é {_readable(found)}; {wanted}", f"a forma é outra; {wanted}")


def _readable(shape: tuple[int, ...]) -> str:
    if not shape:
        return "() (um número só)"
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
