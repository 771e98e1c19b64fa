"""O que é um exercício: questões, cada uma com um sorteio de entradas e um juiz que olha só para os dados.

O juiz recebe as entradas intactas e a resposta, e não a função do estudante. Assim a mesma definição serve à
conferência no caderno, que chama a função ali mesmo, e a uma correção que a chame noutro processo e só traga de volta
os números.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib import runtime


class Mistake(Exception):
    """A resposta está errada; o texto é a dica para o estudante.

    A dica ensina sem entregar: nunca contém a entrada sorteada nem o valor esperado.

    Args:
        text: a dica.
        secret: a dica de um caso oculto, quando ``text`` cita um número que quem respondeu escolhe (uma forma, um
            comprimento): por ele sairia um pedaço da entrada oculta. A própria ``text`` quando falta.
    """

    def __init__(self, text: str, secret: str | None = None) -> None:
        super().__init__(text)
        self.secret = text if secret is None else secret

    def about(self, name: str) -> Mistake:
        """O mesmo engano, com o nome do que está errado na frente."""
        return Mistake(f"{name}: {self}", f"{name}: {self.secret}")


@dataclass(frozen=True)
class Question:
    """Uma questão, achada no caderno pelo nome da função que o estudante escreve.

    Attributes:
        name: nome curto (``"q1"``), o que se passa a ``verificar``.
        function: nome da função do estudante.
        points: quanto vale.
        start: por onde começar; é a dica da questão ainda em branco.
        public_seeds: sementes dos casos que a conferência no caderno usa.
        make_inputs: sorteia os argumentos, na ordem da assinatura, a partir de uma semente. A mesma semente dá
            sempre os mesmos argumentos, em objetos novos: o que o estudante altera não chega ao juiz.
        judge: ``judge(inputs, answer)``; levanta :class:`Mistake` se a resposta está errada.

    Raises:
        ValueError: um dos campos não serve.
    """

    name: str
    function: str
    points: float
    start: str
    public_seeds: tuple[int, ...]
    make_inputs: Callable[[int], dict[str, Any]]
    judge: Callable[[Mapping[str, Any], Any], None]

    def __post_init__(self) -> None:
        seeds = self.public_seeds
        runtime.require(
            isinstance(seeds, tuple) and bool(seeds) and all(type(seed) is int for seed in seeds),
            f"{self.name}: as sementes públicas são uma tupla de inteiros, como (1, 2) ou (1,); veio {seeds!r}",
        )
        runtime.require(self.function.isidentifier(), f"{self.name}: {self.function!r} não é nome de função")
        runtime.require(self.points > 0, f"{self.name}: os pontos precisam ser mais que zero; veio {self.points}")
        for part in ("make_inputs", "judge"):
            runtime.require(callable(getattr(self, part)), f"{self.name}: {part} precisa ser uma função")


@dataclass(frozen=True)
class Exercise:
    """Um exercício: o caderno ``solutions/<name>.ipynb`` e as suas questões.

    Raises:
        ValueError: as questões não são uma tupla, ou duas têm o mesmo nome ou a mesma função.
    """

    name: str
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        runtime.require(
            isinstance(self.questions, tuple | list),
            f"{self.name}: as questões vêm numa tupla, e a de uma só leva vírgula no fim: (Question(…),)",
        )
        for attribute in ("name", "function"):
            values = [getattr(question, attribute) for question in self.questions]
            runtime.require(len(set(values)) == len(values), f"questões repetidas em {self.name}: {values}")


def load_exercise(name: str) -> Exercise:
    """A definição do exercício ``NN_tema``, que mora em ``course_lib/exercises/definitions/tema.py``.

    Raises:
        ValueError: não há exercício com esse nome.
    """
    from course_lib.exercises import definitions

    known = {}
    for module in pkgutil.iter_modules(definitions.__path__, f"{definitions.__name__}."):
        exercise = importlib.import_module(module.name).EXERCISE
        known[exercise.name] = exercise
    runtime.require(name in known, f"exercício desconhecido: {name!r}; os exercícios são {', '.join(sorted(known))}")
    return known[name]


def generator(seed: int) -> torch.Generator:
    """Um gerador novo, de onde se sorteiam as entradas de uma questão."""
    return torch.Generator().manual_seed(seed)


def random_images(n: int, source: torch.Generator) -> Tensor:
    """``n`` imagens (n, 1, 28, 28) de pixels sorteados em [-1, 1)."""
    return 2 * torch.rand(n, 1, 28, 28, generator=source) - 1


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


def close(value: Tensor | np.ndarray | float, expected: Tensor | np.ndarray | float) -> bool:
    """Se os dois têm a mesma forma e os mesmos números, a menos do arredondamento de float32."""
    value, expected = torch.as_tensor(value), torch.as_tensor(expected)
    if value.shape != expected.shape:
        return False
    return torch.allclose(value.detach().double(), expected.detach().double(), rtol=1e-4, atol=1e-4)


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
