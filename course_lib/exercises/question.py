"""O que é um exercício: questões, cada uma com um sorteio de entradas, a resposta e os enganos que têm dica.

O juiz, que é um só, recebe as entradas intactas e a resposta, e não a função do estudante. Assim a mesma definição
serve à conferência no caderno, que chama a função ali mesmo, e a uma correção que a chame noutro processo e só traga de
volta os números.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib import checks
from course_lib.exercises.answers import Mistake, close, read_like, tuple_answer
from course_lib.exercises.diagnosis import diagnose


class Question:
    """Uma questão: o que muda de uma para outra, que se escreve numa subclasse.

    Cada método recebe, pelo nome, o que puser na assinatura: as entradas da questão que usar e o que se diz em cada um.
    As entradas chegam em float64, e as redes em cópias: a resposta se escreve como no livro.

    Attributes:
        name: nome curto (``"q1"``), o que se passa a ``verificar``.
        function: nome da função que o estudante escreve, por onde ela é achada no caderno.
        points: quanto vale.
        start: por onde começar; é a dica da questão ainda em branco.
        public_seeds: sementes dos casos que a conferência no caderno usa.
        parts: os nomes dos itens, se a resposta é uma tupla; cada dica começa pelo nome do seu.
        together: se os itens se comparam de uma vez, emendados num vetor, e não um por um.

    Raises:
        ValueError: falta um dos campos, ou um deles não serve.
    """

    name: str
    function: str
    points: float
    start: str
    public_seeds: tuple[int, ...] = (0, 1, 2)
    parts: tuple[str, ...] = ()
    together: bool = False

    draw: Callable[..., dict[str, Any]]
    """Sorteia os argumentos da função do estudante, na ordem da assinatura; pode pedir ``seed`` e ``source``, o gerador
    dessa semente. A mesma semente dá sempre os mesmos argumentos."""

    answer: Callable[..., Any]
    """A resposta certa: um tensor, um array ou um número; com ``parts``, uma tupla deles. A forma é a que se pede."""

    def __init__(self) -> None:
        own = getattr(self, "name", type(self).__name__)
        needed = ["name", "function", "points", "start", "draw"]
        # Quem escreve o próprio juiz não precisa de uma resposta certa.
        needed += ["answer"] if type(self).judge is Question.judge else []
        for field in needed:
            checks.require(hasattr(self, field), f"{own}: falta dizer `{field}`")
        for field in ("draw", "answer", "mistakes", "judge"):
            checks.require(callable(getattr(self, field, print)), f"{own}: {field} precisa ser uma função")
        seeds = self.public_seeds
        checks.require(
            isinstance(seeds, tuple) and bool(seeds) and all(type(seed) is int for seed in seeds),
            f"{own}: as sementes públicas são uma tupla de inteiros, como (1, 2) ou (1,); veio {seeds!r}",
        )
        checks.require(self.function.isidentifier(), f"{own}: {self.function!r} não é nome de função")
        checks.require(self.points > 0, f"{own}: os pontos precisam ser mais que zero; veio {self.points}")

    def mistakes(self) -> Iterable[tuple[Any, ...]]:
        """Os enganos conhecidos, do mais provável ao menos: pares ``yield engano, dica``; vale o primeiro que serve.

        Só se percorrem se a resposta está errada, e até o que a explica. O engano é uma destas coisas:

        - o valor que ele daria (também achatado);
        - uma forma, ``(n, 784)``: a dica de quem responde com ela;
        - ``math.inf``: a de quem responde com um NaN ou um infinito;
        - ``None``: a de quem põe ``None`` no lugar de um item da tupla;
        - uma função, ``lambda value: value < 0``: diz se a resposta, já lida, é o caso;
        - ``...``: o que nenhum dos outros explica, no fim; a dica leva também o que se vê nos números.

        Com ``parts``, o par é de todos os itens; o de um só leva o nome na frente: ``yield "média", engano, dica``.
        Pode pedir ``right``, a resposta certa, e ``but``, que a calcula de novo com uma coisa mudada:
        ``but(bias=False)``, se ``answer`` tem essa opção, ou ``but(x=-x)``.
        """
        return ()

    def accepts(self, value: Any, expected: Any) -> bool:
        """Se o valor está certo. Outra conta aqui serve à questão de muitas respostas; pode pedir ``part``, o item."""
        return close(value, expected)

    def before(self, answer: Any) -> Any:
        """A resposta, antes de lida: para aceitar o que a leitura recusaria, ou levantar já um :class:`Mistake`."""
        return answer

    def after(self) -> None:
        """O que mais se confere de uma resposta certa; pode pedir ``answer``, como veio, e levanta :class:`Mistake`."""

    def make_inputs(self, seed: int) -> dict[str, Any]:
        """Os argumentos da função do estudante, em objetos novos: o que ele altera não chega ao juiz."""
        return self.draw(**_wanted(self.draw, {"seed": seed, "source": generator(seed)}))

    def expected(self, inputs: Mapping[str, Any]) -> Any:
        """A resposta certa a estas entradas, que ficam intactas."""
        return _Case(self, inputs).right

    def judge(self, inputs: Mapping[str, Any], answer: Any) -> None:
        """Confere a resposta a estas entradas, que ficam intactas.

        Raises:
            Mistake: a resposta está errada.
        """
        case = _Case(self, inputs)
        answer = case.ask(self.before, answer=answer)
        if not self.parts:
            case.compare("", case.read("", answer, case.right), case.right)
        else:
            items = zip(self.parts, tuple_answer(answer, self.parts), case.right, strict=True)
            values = []
            for part, item, expected in items:
                try:
                    values.append(case.read(part, item, expected))
                    if not self.together:
                        case.compare(part, values[-1], expected)
                except Mistake as mistake:
                    raise mistake.about(part) from None
            if self.together:
                case.compare("", _joined(values), _joined(case.right))
        case.ask(self.after, answer=answer)


class _Case:
    """Uma questão com as entradas de um caso, em float64."""

    def __init__(self, question: Question, inputs: Mapping[str, Any]) -> None:
        self.question, self.inputs = question, {name: _exact(value) for name, value in inputs.items()}
        self.right = self.but()

    def ask(self, method: Callable[..., Any], **more: Any) -> Any:
        return method(**_wanted(method, self.inputs | more))

    def but(self, **changes: Any) -> Any:
        """A resposta certa, ou a que seria certa com as mudanças."""
        return self.question.answer(**_wanted(self.question.answer, self.inputs) | changes)

    def mistakes(self, part: str) -> Iterator[tuple[Any, str]]:
        right = _joined(self.right) if self.question.together else self.right
        for *about, wrong, hint in self.ask(self.question.mistakes, right=right, but=self.but):
            if about in ([], [part]):
                yield wrong, hint

    def read(self, part: str, answer: Any, expected: Any) -> Any:
        def cause(seen: Any) -> str | None:
            # O tipo vem antes: comparado com uma forma, um tensor responderia com outro tensor.
            hints = (hint for wrong, hint in self.mistakes(part) if isinstance(wrong, type(seen)) and wrong == seen)
            return next(hints, None)

        if answer is None and (hint := cause(None)):
            raise Mistake(hint)
        return read_like(expected, answer, cause)

    def compare(self, part: str, value: Any, expected: Any) -> None:
        if self.ask(self.question.accepts, value=value, expected=expected, part=part):
            return
        told = "os números não conferem."
        for wrong, hint in self.mistakes(part):
            if _explains(wrong, value):
                if wrong is not ...:
                    raise Mistake(hint)
                told = hint
                break
        raise self.unexplained(part, value, expected, told)

    def unexplained(self, part: str, value: Any, expected: Any, told: str) -> Mistake:
        """O que se diz do que nenhum engano conhecido explica: a dica da questão, e o que se vê nos números."""

        def item(right: Any) -> Any:
            if not self.question.parts:
                return right
            return _joined(right) if self.question.together else right[self.question.parts.index(part)]

        seen = diagnose(value, expected, self.inputs, lambda **changes: item(self.but(**changes)))
        seen = seen or next(self._elsewhere(value, item), "")
        # Num caso oculto só a dica da questão: cada observação a mais seria um sinal que quem respondeu pode escolher.
        return Mistake(f"{told} {seen}".strip(), told, vague=not seen)

    def _elsewhere(self, value: Any, item: Callable[[Any], Any]) -> Iterator[str]:
        """Se o valor é o certo de outro item, ou de outro caso."""
        parts = () if self.question.together else self.question.parts
        for name, right in zip(parts, self.right if parts else (), strict=True):
            if close(value, right):
                yield f"É o item {name}: a ordem da tupla é ({', '.join(self.question.parts)})."
        for seed in self.question.public_seeds:
            if close(value, item(self.question.expected(self.question.make_inputs(seed)))):
                yield "É a resposta de outro caso: a função usa só os seus argumentos?"


def _explains(wrong: Any, value: Any) -> bool:
    if wrong is None or isinstance(wrong, tuple):
        return False
    if wrong is ... or callable(wrong):
        return wrong is ... or bool(wrong(value))
    value, wrong = torch.as_tensor(value), torch.as_tensor(wrong)
    return close(value, wrong.reshape(value.shape) if wrong.numel() == value.numel() else wrong)


def _wanted(method: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """O que o método pede pelo nome; o que falta ele reclama, ou já tem um valor."""
    return {name: given[name] for name in inspect.signature(method).parameters if name in given}


def _exact(value: Any) -> Any:
    """O mesmo em float64, e as redes em cópias."""
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).double()
    if isinstance(value, list | tuple):
        return getattr(value, "_make", type(value))(map(_exact, value))  # uma tupla com nomes se refaz pelo seu `_make`
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(float)
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def _joined(items: Iterable[Any]) -> Tensor:
    return torch.cat([torch.as_tensor(item).flatten() for item in items])


@dataclass(frozen=True)
class Exercise:
    """Um exercício: o caderno ``solutions/<name>.ipynb`` e as suas questões.

    Raises:
        ValueError: as questões não são uma tupla de questões, ou duas têm o mesmo nome ou a mesma função.
    """

    name: str
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        checks.require(
            isinstance(self.questions, tuple | list),
            f"{self.name}: as questões vêm numa tupla, e a de uma só leva vírgula no fim: (Dobro(),)",
        )
        for question in self.questions:
            checks.require(
                isinstance(question, Question),
                f"{self.name}: veio {question!r}; cada questão se cria, com os parênteses: Dobro()",
            )
        for attribute in ("name", "function"):
            values = [getattr(question, attribute) for question in self.questions]
            checks.require(len(set(values)) == len(values), f"questões repetidas em {self.name}: {values}")


def exercise_names() -> list[str]:
    """Os nomes dos exercícios do curso, em ordem."""
    return sorted(_known())


def load_exercise(name: str) -> Exercise:
    """A definição do exercício ``NN_tema``, que mora em ``course_lib/exercises/definitions/tema.py``.

    Raises:
        ValueError: não há exercício com esse nome.
    """
    known = _known()
    checks.require(name in known, f"exercício desconhecido: {name!r}; os exercícios são {', '.join(sorted(known))}")
    return known[name]


def _known() -> dict[str, Exercise]:
    from course_lib.exercises import definitions

    modules = pkgutil.iter_modules(definitions.__path__, f"{definitions.__name__}.")
    found = [importlib.import_module(module.name).EXERCISE for module in modules]
    return {exercise.name: exercise for exercise in found}


def generator(seed: int) -> torch.Generator:
    """Um gerador novo, de onde se sorteiam as entradas de uma questão."""
    return torch.Generator().manual_seed(seed)


def random_images(n: int, source: torch.Generator) -> Tensor:
    """``n`` imagens (n, 1, 28, 28) de pixels sorteados em [-1, 1)."""
    return 2 * torch.rand(n, 1, 28, 28, generator=source) - 1
