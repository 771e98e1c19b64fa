"""As respostas plantadas em ``planted/``: as certas passam, e cada engano recebe a dica que fala dele."""

from __future__ import annotations

import importlib
import pkgutil
import time
from types import ModuleType

import numpy as np
import pytest
import torch

from course_grader.assignment import HIDDEN_CASES
from course_lib.exercises import CheckFailed, definitions, open_exercise
from course_lib.exercises.question import Exercise, Question


def load(stem: str) -> tuple[Exercise, ModuleType]:
    exercise = importlib.import_module(f"{definitions.__name__}.{stem}").EXERCISE
    return exercise, importlib.import_module(f"planted.{stem}")


# Um exercício novo sem respostas plantadas derruba a coleta: nenhum fica sem teste.
LOADED = [load(module.name) for module in pkgutil.iter_modules(definitions.__path__)]
QUESTIONS = [
    pytest.param(exercise, planted, question, id=f"{exercise.name}-{question.name}")
    for exercise, planted in LOADED
    for question in exercise.questions
]
each_question = pytest.mark.parametrize(("exercise", "planted", "question"), QUESTIONS)


def verdict(exercise: Exercise, planted: ModuleType, name: str, answer=None) -> str | None:
    """Roda a conferência com as respostas certas, trocada a da questão por ``answer``; devolve a dica ou None."""
    functions = {question.name: question.function for question in exercise.questions}
    namespace = dict(planted.RIGHT)
    if answer is not None:
        namespace[functions[name]] = answer
    try:
        open_exercise(exercise.name, namespace)(name)
    except CheckFailed as failure:
        return str(failure)
    return None


def inputs_of(question: Question, seed: int) -> list[torch.Tensor]:
    """Os tensores e números das entradas, dentro de tuplas, listas, dicionários e redes também."""

    def flatten(value):
        if isinstance(value, torch.Tensor | int | float):
            return [torch.as_tensor(value)]
        if isinstance(value, torch.nn.Module):
            return list(value.state_dict().values())
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            return [tensor for item in value for tensor in flatten(item)]
        return []

    return flatten(question.make_inputs(seed))


@each_question
def test_right_answer_passes_in_under_two_seconds(exercise, planted, question):
    start = time.process_time()
    assert verdict(exercise, planted, question.name) is None
    assert time.process_time() - start < 2


@each_question
def test_a_right_answer_computes_no_mistake(exercise, planted, question, monkeypatch):
    def explode():
        raise AssertionError("calculou os enganos de uma resposta certa")
        yield

    monkeypatch.setattr(question, "mistakes", explode)
    assert verdict(exercise, planted, question.name) is None


@pytest.mark.parametrize(
    ("exercise", "planted", "name", "answer"),
    [
        pytest.param(exercise, planted, name, answer, id=f"{exercise.name}-{name}")
        for exercise, planted in LOADED
        for name, answer in planted.ALSO_RIGHT
    ],
)
def test_another_right_answer_passes_too(exercise, planted, name, answer):
    assert verdict(exercise, planted, name, answer) is None


@pytest.mark.parametrize(
    ("exercise", "planted", "name", "answer", "hint"),
    [
        pytest.param(exercise, planted, *mistake, id=f"{exercise.name}-{mistake[0]}-{mistake[2]}")
        for exercise, planted in LOADED
        for mistake in planted.MISTAKES
    ],
)
def test_planted_mistake_gets_its_hint(exercise, planted, name, answer, hint):
    message = verdict(exercise, planted, name, answer)
    assert message is not None, "a resposta errada passou"
    assert message.startswith(f"✘ {name} · ")
    assert hint in message


@each_question
def test_every_question_has_at_least_two_planted_mistakes(exercise, planted, question):
    assert sum(name == question.name for name, _, _ in planted.MISTAKES) >= 2


GARBAGE = [
    None,
    0,
    "texto",
    [],
    (),
    {},
    [[1.0, 2.0], [3.0]],
    (None, None),
    (torch.zeros(2), "texto"),
    object(),
    np.array("x"),
    np.zeros((0, 3)),
    1 + 2j,
    torch.empty(0),
    torch.zeros(2, 3, 4, 5, 6),
    torch.zeros((), dtype=torch.complex64),
    torch.tensor([True, False]),
    torch.full((5,), torch.nan),
    float("inf"),
]


@each_question
@pytest.mark.parametrize("answer", GARBAGE, ids=[str(index) for index in range(len(GARBAGE))])
def test_garbage_gets_a_hint_and_never_breaks_the_judge(exercise, planted, question, answer):
    assert verdict(exercise, planted, question.name, lambda *inputs: answer) is not None


@each_question
def test_same_seed_same_inputs_and_other_seed_other_inputs(exercise, planted, question):
    once, again, other = (inputs_of(question, seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert any(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(once, other, strict=False))


@each_question
def test_right_answers_hold_on_fresh_inputs(exercise, planted, question):
    answers = [planted.RIGHT[question.function]]
    answers += [answer for name, answer in planted.ALSO_RIGHT if name == question.name]
    for seed in range(100, 130):
        for answer in answers:
            question.judge(question.make_inputs(seed), answer(*question.make_inputs(seed).values()))


@each_question
def test_planted_mistakes_fail_on_fresh_inputs_too(exercise, planted, question):
    """Casos ocultos não podem, por azar, deixar passar um engano que os públicos pegam."""
    mistakes = [answer for name, answer, _ in planted.MISTAKES if name == question.name]
    for answer in mistakes:
        caught = 0
        # Seis sementes seguidas, como as de uma turma: há questões que alternam seis casos.
        for seed in range(100, 100 + HIDDEN_CASES):
            try:
                question.judge(question.make_inputs(seed), answer(*question.make_inputs(seed).values()))
            except Exception:
                caught += 1
        assert caught >= 1
