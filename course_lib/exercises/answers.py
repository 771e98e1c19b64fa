"""As respostas: do que a função do estudante devolveu aos números que se comparam, ou à dica do que não serve."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import torch
from torch import Tensor

# A dica para o que se viu na resposta, se há uma: para uma forma errada, ou para ``math.inf`` (há um NaN ou um
# infinito). O ``get`` de um dicionário serve.
Cause = Callable[[Any], str | None]


class Mistake(Exception):
    """A resposta está errada; o texto é a dica para o estudante.

    A dica ensina sem entregar: nunca contém a entrada sorteada nem o valor esperado.

    Args:
        text: a dica.
        secret: a dica de um caso oculto, quando ``text`` cita um número que quem respondeu escolhe (uma forma, um
            comprimento): por ele sairia um pedaço da entrada oculta. A própria ``text`` quando falta.
        vague: se a dica só diz que está errada, e não de que modo.
    """

    def __init__(self, text: str, secret: str | None = None, *, vague: bool = False) -> None:
        super().__init__(text)
        self.secret = text if secret is None else secret
        self.vague = vague

    def about(self, name: str) -> Mistake:
        """O mesmo engano, com o nome do que está errado na frente."""
        return Mistake(f"{name}: {self}", f"{name}: {self.secret}", vague=self.vague)


def close(value: Any, expected: Any) -> bool:
    """Se os dois têm a mesma forma e os mesmos números, a menos do arredondamento de float32."""
    value, expected = torch.as_tensor(value), torch.as_tensor(expected)
    if value.shape != expected.shape:
        return False
    return torch.allclose(value.detach().double(), expected.detach().double(), rtol=1e-4, atol=1e-4)


def read_like(expected: Any, answer: Any, cause: Cause) -> Any:
    """A resposta, lida como o que se espera: um número, um array ou um tensor da mesma forma.

    Raises:
        Mistake: a resposta não é disso, ou não tem a forma.
    """
    if torch.as_tensor(expected).ndim == 0:
        return number_answer(answer, cause)
    read = tensor_answer if isinstance(expected, Tensor) else array_answer
    return read(answer, tuple(expected.shape), cause)


def tensor_answer(answer: Any, shape: tuple[int, ...], cause: Cause = {}.get) -> Tensor:
    """A resposta como tensor float64 na CPU, se tem a forma pedida e só números reais e finitos.

    Os números podem vir num tensor ou num array de qualquer tipo, ou em listas; só uma lista de tensores com eixos é
    outra coisa, porque quem a devolve ainda não os juntou.

    Args:
        answer: o que a função do estudante devolveu.
        shape: a forma pedida.
        cause: a dica de uma forma errada, ou de um NaN ou infinito (``math.inf``), que tem causa conhecida.

    Raises:
        Mistake: a resposta não é de números, ou a forma ou os valores não servem.
    """
    if isinstance(answer, list | tuple) and any(isinstance(item, Tensor) and item.ndim for item in answer):
        kind = "uma lista" if isinstance(answer, list) else "uma tupla"
        rest = f"esperava um tensor só, de forma {_readable(shape)}. Para juntar tensores iguais, use `torch.stack`."
        raise Mistake(f"a função devolveu {kind} de {len(answer)} itens; {rest}", f"a função devolveu {kind}; {rest}")
    return torch.from_numpy(_read(answer, shape, cause, "um tensor"))


def array_answer(answer: Any, shape: tuple[int, ...], cause: Cause = {}.get) -> np.ndarray:
    """A resposta como array float64, se tem a forma pedida e só números reais e finitos.

    Serve a funções do NumPy, em que uma lista ou um tensor com os números certos também responde.

    Args:
        answer: o que a função do estudante devolveu.
        shape: a forma pedida.
        cause: a dica de uma forma errada, ou de um NaN ou infinito (``math.inf``), que tem causa conhecida.

    Raises:
        Mistake: a resposta não é de números, ou a forma ou os valores não servem.
    """
    return _read(answer, shape, cause, "um array")


def number_answer(answer: Any, cause: Cause = {}.get) -> float:
    """A resposta como ``float``, se é um número finito, ou um tensor ou um array de um número só.

    Args:
        answer: o que a função do estudante devolveu.
        cause: a dica de uma forma errada, ou de um NaN ou infinito (``math.inf``), que tem causa conhecida.

    Raises:
        Mistake: a resposta não é um número finito.
    """
    if isinstance(answer, bool | list | tuple):
        raise Mistake(f"a função devolveu {type(answer).__name__}; esperava um número.")
    return float(_read(answer, (), cause, ""))


def _read(answer: Any, shape: tuple[int, ...], cause: Cause, kind: str) -> np.ndarray:
    """Os números da resposta em float64; ``kind`` é do que se esperava que fosse."""
    wanted = f"esperava {kind} de números reais, de forma {_readable(shape)}." if kind else "esperava um número."
    _require_something(answer)
    try:
        value = np.asarray(_plain(answer))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Mistake(f"a função devolveu uma lista que não vira um array; {wanted}") from None
    if value.dtype.kind not in "buif":
        came = type(answer).__name__
        if isinstance(answer, np.ndarray):
            came = f"um array de {value.dtype}"
        elif isinstance(answer, Tensor):
            came = f"um tensor de {value.dtype}"
        elif came == "ndarray":
            # Um array que não é de dados (de objetos, por exemplo) chega aqui só com o nome do seu tipo.
            came = "um array que não é de números"
        raise Mistake(f"a função devolveu {came}; {wanted}")
    _require_shape(value.shape, shape, cause)
    _require_finite(bool(np.isfinite(value).all()), cause)
    return value.astype(float)


def _plain(answer: Any) -> Any:
    """O mesmo, com os tensores em arrays, dentro de listas também."""
    if isinstance(answer, list | tuple):
        return [*map(_plain, answer)]
    if not isinstance(answer, Tensor):
        return answer
    answer = answer.detach().resolve_conj().resolve_neg().cpu()
    return (answer.float() if answer.dtype is torch.bfloat16 else answer).numpy()


def tuple_answer(answer: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """A resposta como tupla de tantos itens quantos os nomes; uma lista, um tensor ou um array deles também serve.

    Raises:
        Mistake: não é uma tupla, ou o número de itens é outro.
    """
    wanted = f"esperava a tupla ({', '.join(names)})."
    _require_something(answer)
    stacked = isinstance(answer, Tensor | np.ndarray)
    if (stacked and answer.shape[:1] != (len(names),)) or not isinstance(answer, list | tuple | Tensor | np.ndarray):
        kind = "um tensor só" if isinstance(answer, Tensor) else type(answer).__name__
        raise Mistake(f"a função devolveu {kind}; {wanted}")
    if len(answer) != len(names):
        raise Mistake(f"a função devolveu {len(answer)} itens; {wanted}", f"o número de itens é outro; {wanted}")
    return tuple(answer)


def require_no_gradient(answer: Any) -> None:
    """Confere que a resposta não arrasta o grafo da derivada.

    Raises:
        Mistake: a resposta pede gradiente.
    """
    if getattr(answer, "requires_grad", False):
        raise Mistake(
            "os números estão certos, mas o tensor ainda carrega o grafo da derivada, que aqui só gasta memória. "
            "Calcule dentro de `with torch.no_grad():` (ou termine com `.detach()`)."
        )


def _require_something(answer: Any) -> None:
    if answer is None:
        raise Mistake("a função não devolveu nada; termine-a com `return`.")


def _require_shape(found: tuple[int, ...], shape: tuple[int, ...], cause: Cause) -> None:
    if found != shape:
        hint = cause(found)
        wanted = f"esperava {_readable(shape)}." + (f" {hint}" if hint else "")
        raise Mistake(f"a forma é {_readable(found)}; {wanted}", f"a forma é outra; {wanted}")


def _require_finite(finite: bool, cause: Cause) -> None:
    if not finite:
        raise Mistake(f"há NaN ou infinito na resposta; {cause(inf) or 'procure uma divisão por zero.'}")


def _readable(shape: tuple[int, ...]) -> str:
    if not shape:
        return "() (um número só)"
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
