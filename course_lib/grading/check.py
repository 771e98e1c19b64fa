"""A conferência que o estudante faz no caderno: acha a função pelo nome, roda os casos públicos e dá a dica."""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch

from course_lib import runtime
from course_lib.grading.exercise import Exercise, Mistake, Question, load_exercise


class CheckFailed(Exception):
    """A questão ainda não está certa; o texto é o veredito com a dica.

    É uma exceção para que "Executar tudo" pare na primeira questão errada, e para que um caderno em branco nunca passe
    por resolvido.
    """

    def _render_traceback_(self) -> list[str]:
        # O IPython mostra isto no lugar da pilha de chamadas, que só falaria do nosso código.
        return [str(self)]


class Verifier:
    """O ``verificar`` do caderno: ``verificar("q1")`` confere uma questão.

    Args:
        exercise: a definição do exercício.
        namespace: o dicionário em que estão as funções do estudante.
    """

    def __init__(self, exercise: Exercise, namespace: Mapping[str, Any]) -> None:
        self.exercise = exercise
        self.namespace = namespace
        self._questions = {question.name: question for question in exercise.questions}

    def __call__(self, name: str) -> None:
        """Confere a questão ``name`` e escreve o veredito.

        Raises:
            CheckFailed: a resposta está errada ou em branco, ou a questão não existe.
        """
        if name not in self._questions:
            raise CheckFailed(f"✘ não há questão {name!r}; as deste exercício são {', '.join(self._questions)}.")
        question = self._questions[name]
        hint = self._find_mistake(question)
        if hint is not None:
            # Fora do except: assim a exceção sai sozinha, sem a corrente de exceções internas atrás de si.
            raise CheckFailed(f"✘ {question.name} · {question.function}: {hint}")
        points = f"{question.points:g}".replace(".", ",") + (" ponto" if question.points == 1 else " pontos")
        print(f"✔ {question.name} · {question.function}: certo em {len(question.public_seeds)} casos ({points})")

    def _find_mistake(self, question: Question) -> str | None:
        try:
            function = self._find_function(question)
            for seed in question.public_seeds:
                inputs, given = question.make_inputs(seed), question.make_inputs(seed)
                with runtime.isolated_seed(seed):
                    answer = _call(function, question, given)
                _require_untouched(inputs, given)
                question.judge(inputs, answer)
        except Mistake as mistake:
            return str(mistake)
        return None

    def _find_function(self, question: Question) -> Callable[..., Any]:
        function = self.namespace.get(question.function)
        if callable(function):
            return function
        if function is not None:
            raise Mistake(f"`{question.function}` existe, mas não é uma função. Rode de novo a célula que a define.")
        mine = [name for name, value in self.namespace.items() if inspect.isfunction(value)]
        similar = difflib.get_close_matches(question.function, mine, n=1, cutoff=0.7)
        seen = f" Achei `{similar[0]}`: o nome precisa ser exatamente o do enunciado." if similar else ""
        raise Mistake(f"não encontrei essa função. Rode antes a célula que a define.{seen}")


def open_exercise(name: str, namespace: dict[str, Any]) -> Verifier:
    """Prepara a conferência de um exercício.

    Args:
        name: nome do caderno, sem a extensão (``"09_interpolacao"``).
        namespace: ``globals()`` do caderno, onde a conferência procura as funções pelo nome.

    Returns:
        O verificador, que se chama com o nome de cada questão.

    Raises:
        ValueError: o exercício não existe.
        TypeError: ``namespace`` não é um dicionário.
    """
    if not isinstance(namespace, Mapping):
        raise TypeError(f"namespace: veio {type(namespace).__name__}; passe globals(), com os parênteses")
    return Verifier(load_exercise(name), namespace)


def _call(function: Callable[..., Any], question: Question, given: dict[str, Any]) -> Any:
    arguments = ", ".join(given)
    try:
        inspect.signature(function).bind(*given.values())
    except TypeError:
        raise Mistake(f"a função precisa receber ({arguments}), nesta ordem.") from None
    except ValueError:
        pass  # Funções escritas em C podem não dizer a sua assinatura.
    try:
        return function(*given.values())
    except NotImplementedError as error:
        unfinished = traceback.extract_tb(error.__traceback__)[-1].name
        if unfinished == question.function:
            hint = f"ainda em branco (ou a linha do `raise` ficou no lugar). {question.start}"
        else:
            hint = f"ela chama `{unfinished}`, que ainda está em branco. Resolva-a antes."
        raise Mistake(hint) from None
    except (Exception, SystemExit) as error:
        raise Mistake(_describe(error, function)) from None


def _describe(error: BaseException, function: Callable[..., Any]) -> str:
    """O erro do estudante em uma frase, com a linha do código dele em que aconteceu."""
    message = f"a função parou com {type(error).__name__}" + (f": {error}" if str(error) else "")
    filename = getattr(getattr(function, "__code__", None), "co_filename", None)
    mine = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    if mine:
        line = f" `{mine[-1].line}`" if mine[-1].line else ""
        message += f"\n  na linha {mine[-1].lineno} da célula:{line}"
    return message


def _require_untouched(inputs: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name, original in inputs.items():
        if isinstance(original, torch.Tensor) and not torch.equal(original, given[name]):
            raise Mistake(
                f"a função alterou o argumento `{name}`, que é de quem a chamou. Crie um tensor novo em vez de "
                "usar `+=`, `x[...] = ` ou métodos terminados em `_`."
            )
