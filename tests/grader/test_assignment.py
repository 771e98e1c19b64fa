"""A definição de um exercício: o engano de quem a escreve aparece antes da primeira entrega, e diz onde está."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from course_grader.assignment import define
from course_lib.exercises.answers import Mistake, array_answer, tuple_answer

DEFINITION = """
import numpy as np
from course_lib.exercises.answers import number_answer
from course_lib.exercises.question import Exercise, Question

class Same(Question):
    name, function, points, start = "q1", "f", 1.0, "x"
    public_seeds = (1,)
    def draw(self, seed): return {"x": seed}
    def judge(self, inputs, answer): number_answer(answer)

EXERCISE = Exercise("a", (Same(),))
"""
OWN_JUDGE = "def judge(self, inputs, answer): number_answer(answer)"
RECORDING_JUDGE = """def judge(self, inputs, answer):
        from course_lib.exercises.answers import Mistake
        JUDGED.append(answer)
        if answer is None and len(JUDGED) == 1 or isinstance(answer, str) and answer == "engano":
            raise Mistake("dica", "oculta")
        if isinstance(answer, str) and answer == "erro":
            1 / 0

JUDGED = []
"""


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('{"x": seed}', "3", "q1: draw devolveu int; esperava um dicionário"),
        ('{"x": seed}', '{"x": 1 / 0}', "q1: draw parou com ZeroDivisionError"),
        ('{"x": seed}', '{"x": {1, 2}}', "q1: uma das entradas não serve"),
        ('{"x": seed}', '{"x": np.random.rand(3)}', "entradas diferentes com a mesma semente"),
        ("(1,)", "(1)", r"q1: as sementes públicas são uma tupla de inteiros, como \(1, 2\)"),
        ("(Same(),)", "(Same())", "leva vírgula no fim"),
        ("(Same(),)", "(Same,)", "a: .* com os parênteses"),
        ("def draw", "def drew", "q1: falta dizer `draw`"),
        ('name, function, points, start = "q1", ', "function, points, start = ", "Same: falta dizer `name`"),
        (OWN_JUDGE, "judge = None", "q1: judge precisa ser uma função"),
        ("number_answer(answer)", "pass", "q1: o juiz aceitou None"),
        ("number_answer(answer)", "number_anwser(answer)", "q1: o juiz parou com NameError"),
        (OWN_JUDGE, "", "q1: falta dizer `answer`"),
        (OWN_JUDGE, "def answer(self, y): return y", "q1: o juiz parou com TypeError: .*'y'"),
        (OWN_JUDGE, "def answer(self, x): return x\n    def mistakes(self): yield z, 'x'", "juiz parou com NameError"),
        ("1.0", "0", "q1: os pontos precisam ser mais que zero"),
        ('"f"', '"f(x)"', "não é nome de função"),
    ],
)
def test_a_mistaken_definition_is_one_clear_line(right, wrong, message):
    assert right in DEFINITION
    define(DEFINITION, "a.py", 0).draw()
    with pytest.raises(ValueError, match=message):
        define(DEFINITION.replace(right, wrong), "a.py", 0).draw()


@pytest.mark.parametrize(
    "answer",
    [
        np.ones((2, 1), np.float32),
        [[1], [1.0]],
        ((np.float64(1),), (True,)),
        torch.ones(2, 1, requires_grad=True),
        torch.ones(2, 1, dtype=torch.bfloat16),
        [torch.tensor([1.0]), torch.tensor([1.0])],
    ],
    ids=repr,
)
def test_numbers_are_an_answer_however_they_come(answer):
    value = array_answer(answer, (2, 1))
    assert value.dtype == np.float64
    np.testing.assert_array_equal(value, np.ones((2, 1)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "não devolveu nada"),
        ([[1.0], [2.0, 3.0]], "não vira um array"),
        ([torch.ones(1, requires_grad=True), 1.0], "não vira um array"),
        ([["1"], ["2"]], "devolveu list; esperava um array de números"),
        ([[10**400], [1]], "esperava um array de números"),
        (np.zeros((2, 1), complex), "esperava um array de números"),
        (torch.zeros(2, 1, dtype=torch.complex64), "esperava um array de números"),
        (3.0, r"a forma é \(\) \(um número só\); esperava \(2, 1\)"),
        (np.zeros(2), r"a forma é \(2,\).* É a coluna"),
        ([[np.nan], [1.0]], "NaN ou infinito"),
    ],
    ids=repr,
)
def test_what_is_not_an_array_of_numbers_gets_a_hint(answer, hint):
    with pytest.raises(Mistake, match=hint):
        array_answer(answer, (2, 1), {(2,): "É a coluna que falta."}.get)


@pytest.mark.parametrize(
    "wrong",
    [lambda: array_answer(np.zeros((860_863, 0)), (3,)), lambda: tuple_answer([0] * 860_863, ("a", "b"))],
    ids=["forma", "itens"],
)
def test_a_hidden_case_never_quotes_a_number_the_student_chose(wrong):
    with pytest.raises(Mistake) as caught:
        wrong()
    assert "860863" in str(caught.value)
    assert "860863" not in caught.value.secret
    assert "860863" not in caught.value.about("média").secret


def test_equal_answers_are_judged_once_and_others_each_on_its_own():
    assignment = define(DEFINITION.replace(OWN_JUDGE, RECORDING_JUDGE), "a.py", 0)
    assignment.draw()
    (question,), (case, other, *_) = assignment.exercise.questions, assignment.hidden["q1"]
    judged = sys.modules[type(question).__module__].JUDGED
    judged[:] = ["o ensaio do sorteio já passou"]
    answers = [
        *(1, 1.0, True, "1", None, [1], (1,), {"a": 1}, {"b": 1}, 2**1000, 2**1001, 0.0, -0.0),
        *(torch.ones(2), torch.ones(2).double(), torch.ones(2, 1), torch.ones(2).requires_grad_(), np.ones(2)),
        *(np.float64(1), np.array(1.0), torch.tensor([1.0, torch.nan]), [torch.zeros(1), torch.ones(1)]),
        [torch.ones(1), torch.zeros(1)],
    ]
    for _ in range(2):
        for answer in answers:
            assert assignment.judge(question, case, answer).hint is None
    assert len(judged) == 1 + len(answers)
    assignment.judge(question, other, answers[0])
    assert len(judged) == 2 + len(answers)
    assert assignment.judge(question, case, "engano").hint == assignment.judge(question, case, "engano").hint == "dica"
    assert assignment.judge(question, case, "engano").secret == "oculta"
    assert assignment.judge(question, case, "erro").failure == "ZeroDivisionError"
