"""A base das questões: o que o juiz lê, o que compara e que engano explica cada resposta."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
import torch

from course_lib.exercises.answers import Mistake
from course_lib.exercises.question import Exercise, Question


class Base(Question):
    name, function, points, start = "q1", "f", 1, "Comece."

    def draw(self, seed, source):
        return {"x": torch.randn(3, generator=source), "n": seed}


class Double(Base):
    def __init__(self):
        super().__init__()
        self.computed = []

    def answer(self, x, factor=2):
        return factor * x

    def mistakes(self, right, but, x):
        def watched(value, name):
            self.computed.append(name)
            return value

        yield (4,), "quatro?"
        yield inf, "infinito?"
        yield watched(x, "x"), "você não dobrou."
        yield watched(-right, "-"), "o sinal."
        yield watched(but(factor=3), "3"), "o triplo."
        yield lambda value: value.sum() > 1000, "grande."
        yield ..., "não confere."


class Pair(Base):
    parts = ("soma", "maior")

    def answer(self, x):
        return x.sum(), x.max()

    def mistakes(self, right, x):
        yield None, "veio None."
        yield "soma", right[1], "a ordem."
        yield "maior", x.min(), "é o maior, e não o menor."
        yield x.mean(), "é a média."


class Joined(Pair):
    together = True

    def mistakes(self, right):
        yield -right, "o sinal dos dois."
        yield right.flip(0), "trocados."
        yield "soma", (3,), "some."


class Anything(Base):
    def answer(self, x):
        return x

    def accepts(self, value, expected, n):
        return bool((value > expected + n - 1).all())

    def after(self, answer):
        if answer.requires_grad:
            raise Mistake("com gradiente.")


def hint_of(question, answer, seed=0):
    inputs = question.make_inputs(seed)
    try:
        question.judge(inputs, answer(inputs["x"]))
    except Mistake as mistake:
        return str(mistake)
    return None


def test_a_right_answer_computes_no_mistake():
    question = Double()
    assert hint_of(question, lambda x: 2 * x) is None
    assert question.computed == []


def test_a_wrong_answer_computes_up_to_its_own_mistake():
    question = Double()
    assert hint_of(question, lambda x: -2 * x) == "o sinal."
    assert question.computed == ["x", "-"]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x: x, "você não dobrou."),
        (lambda x: 3 * x, "o triplo."),
        (lambda x: x + 1000, "grande."),
        (lambda x: x + 1, "não confere."),
        (lambda x: torch.zeros(4), "a forma é (4,); esperava (3,). quatro?"),
        (lambda x: torch.zeros(5), "a forma é (5,); esperava (3,)."),
        (lambda x: x * nan, "há NaN ou infinito na resposta; infinito?"),
        (lambda x: None, "a função não devolveu nada; termine-a com `return`."),
    ],
)
def test_each_kind_of_mistake_has_its_hint(answer, hint):
    assert hint_of(Double(), answer) == hint


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x: (x.sum(), x.max()), None),
        (lambda x: (x.max(), x.max()), "soma: a ordem."),
        (lambda x: (x.sum(), x.min()), "maior: é o maior, e não o menor."),
        (lambda x: (x.mean(), x.max()), "soma: é a média."),
        (lambda x: (x.sum(), x.mean()), "maior: é a média."),
        (lambda x: (x.sum(), x.max() + 1), "maior: os números não conferem. Sobra 1."),
        (lambda x: (x.sum(), None), "maior: veio None."),
        (lambda x: (x, None), "soma: a forma é (3,); esperava () (um número só)."),
        (lambda x: x.sum(), "a função devolveu um tensor só; esperava a tupla (soma, maior)."),
    ],
)
def test_an_item_of_a_tuple_is_named(answer, hint):
    assert hint_of(Pair(), answer) == hint


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x: [x.sum(), x.max()], None),
        (lambda x: (-x.sum(), -x.max()), "o sinal dos dois."),
        (lambda x: (x.max(), x.sum()), "trocados."),
        (lambda x: (x, x.max()), "soma: a forma é (3,); esperava () (um número só). some."),
        (lambda x: (x.sum(), x.max() + 1), "os números não conferem. Só o último não confere."),
    ],
)
def test_joined_items_are_compared_at_once(answer, hint):
    assert hint_of(Joined(), answer) == hint


def test_a_question_of_many_answers_says_which_it_accepts():
    assert hint_of(Anything(), lambda x: x + 5) is None
    assert hint_of(Anything(), lambda x: x - 2) is not None
    assert hint_of(Anything(), lambda x: x + 5, seed=9) is not None
    assert hint_of(Anything(), lambda x: (x + 5).requires_grad_()) == "com gradiente."


def test_numbers_and_arrays_are_read_as_what_they_are():
    class Length(Base):
        def answer(self, x):
            return float(len(x))

    class Array(Base):
        def answer(self, x):
            return 2 * x.numpy()

    assert hint_of(Length(), lambda x: np.int64(3)) is None
    assert hint_of(Length(), lambda x: "3") == "a função devolveu str; esperava um número."
    assert hint_of(Array(), lambda x: (2 * x).tolist()) is None
    assert "NumPy" not in hint_of(Array(), lambda x: x.numpy())


def test_the_judge_sees_float64_and_copies_of_networks():
    class Net(Question):
        name, function, points, start = "q1", "f", 1, "Comece."

        def draw(self, source):
            net = torch.nn.Linear(2, 1)
            return {"net": net, "pairs": [(torch.ones(2), {"x": np.ones(2, np.float32)})], "k": torch.ones(1).long()}

        def answer(self, net, pairs, k):
            (x, named), *_ = pairs
            assert net.weight.dtype == x.dtype == torch.float64
            assert named["x"].dtype == np.float64
            assert k.dtype == torch.int64
            net.weight.data.zero_()
            return net(x)

    question = Net()
    inputs = question.make_inputs(0)
    with pytest.raises(Mistake):
        question.judge(inputs, None)
    assert inputs["net"].weight.dtype == torch.float32
    assert inputs["net"].weight.abs().sum() > 0


def test_a_misspelt_change_is_not_silent():
    class Misspelt(Double):
        def mistakes(self, but):
            yield but(facto=3), "o triplo."

    with pytest.raises(TypeError, match="facto"):
        hint_of(Misspelt(), lambda x: x)


def test_an_exercise_takes_questions_already_made():
    with pytest.raises(ValueError, match="com os parênteses"):
        Exercise("a", (Double,))
