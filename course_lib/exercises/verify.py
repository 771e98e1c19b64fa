"""A conferência que o estudante faz no caderno: acha a função pelo nome, roda os casos públicos e dá a dica."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from course_lib import runtime
from course_lib.exercises.answers import Mistake
from course_lib.exercises.calls import Stumble, StumbleKind, altered, call
from course_lib.exercises.hints import explain, explain_altered
from course_lib.exercises.question import Exercise, Question, load_exercise
from course_lib.text import number


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
        points = number(question.points) + (" ponto" if question.points == 1 else " pontos")
        print(f"✔ {question.name} · {question.function}: certo em {len(question.public_seeds)} casos ({points})")

    def _find_mistake(self, question: Question) -> str | None:
        try:
            function = self._find_function(question)
        except Stumble as stumble:
            return explain(stumble, question, question.make_inputs(question.public_seeds[0]))
        return find_mistake(question, function, question.public_seeds)

    def _find_function(self, question: Question) -> Callable[..., Any]:
        function = self.namespace.get(question.function)
        if callable(function):
            return function
        if function is not None:
            raise Stumble(StumbleKind.NOT_CALLABLE)
        mine = [name for name, value in self.namespace.items() if inspect.isfunction(value)]
        similar = difflib.get_close_matches(question.function, mine, n=1, cutoff=0.7)
        raise Stumble(StumbleKind.MISSING, next(iter(similar), ""))


def find_mistake(
    question: Question, function: Callable[..., Any], seeds: Iterable[int], *, secret: bool = False
) -> str | None:
    """A dica do primeiro caso que a função erra, ou ``None`` se acerta todos.

    Args:
        question: a questão.
        function: a função do estudante.
        seeds: as sementes dos casos.
        secret: se os casos são ocultos; a dica então não cita nada que quem respondeu escolha.
    """
    for seed in seeds:
        inputs = question.make_inputs(seed)
        try:
            with runtime.isolated_seed(seed):
                judge_call(question, function, inputs, question.make_inputs(seed))
        except Stumble as stumble:
            return explain(stumble, question, inputs, secret=secret)
        except Mistake as mistake:
            return mistake.secret if secret else str(mistake)
    return None


def judge_call(
    question: Question, function: Callable[..., Any], inputs: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """Chama a função com ``given`` e julga o que ela devolve; ``inputs`` são as mesmas entradas, que ela não vê.

    Raises:
        Stumble: a função não chegou a responder.
        Mistake: a resposta está errada, ou a função alterou um argumento.
    """
    answer = call(function, question.function, given)
    for name in altered(inputs, given):
        raise Mistake(explain_altered(name))
    question.judge(inputs, answer)


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
