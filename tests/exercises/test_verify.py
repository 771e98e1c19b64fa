"""A conferência: acha a função pelo nome e transforma qualquer tropeço numa dica, sem pilha de chamadas."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from course_lib.exercises import CheckFailed, Verifier, open_exercise
from course_lib.exercises.question import Exercise, Question


class Double(Question):
    name, function, points = "q1", "double", 1.5
    start = "Multiplique."
    public_seeds = (0, 1)

    def draw(self, source):
        return {"x": torch.randn(3, generator=source), "scale": 2}

    def answer(self, x, scale):
        return scale * x

    def mistakes(self):
        yield ..., "esperava o dobro."


EXERCISE = Exercise("00_dobro", (Double(),))


def fail(source: str) -> str:
    """Executa a resposta ``source`` e devolve o texto da conferência, que precisa falhar."""
    namespace = {"torch": torch}
    exec(compile(source, "<resposta>", "exec"), namespace)
    with pytest.raises(CheckFailed) as caught:
        Verifier(EXERCISE, namespace)("q1")
    # Em Python puro, só a nossa exceção aparece: nada de "During handling of the above exception…".
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


def test_right_answer_prints_one_line(capsys):
    Verifier(EXERCISE, {"double": lambda x, scale: scale * x})("q1")
    assert capsys.readouterr().out == "✔ q1 · double: certo em 2 casos (1,5 pontos)\n"


def test_the_function_is_looked_up_at_each_check():
    namespace = {"double": lambda x, scale: x}
    verify = Verifier(EXERCISE, namespace)
    with pytest.raises(CheckFailed):
        verify("q1")
    namespace["double"] = lambda x, scale: x + x
    verify("q1")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("", "não encontrei essa função"),
        ("def doble(x, scale): return 2 * x", "Achei `doble`"),
        ("double = 3", "não é uma função"),
        ("def double(x): return 2 * x", "precisa receber (x, scale), nesta ordem"),
        ("def double(x, scale): raise NotImplementedError('Escreva')", "ainda em branco"),
        ("def double(x, scale): raise NotImplementedError", "Multiplique."),
        ("def f(): raise NotImplementedError\ndef double(x, scale): return f()", "chama `f`, que ainda está em branco"),
        ("def double(x, scale):\n  y = x\n  return y / 'a'", "parou com TypeError"),
        ("def double(x, scale):\n  y = x\n  return y / 'a'", "na linha 3 da célula"),
        ("def double(x, scale): return missing", "name 'missing' is not defined"),
        ("def double(x, scale): exit()", "parou com SystemExit"),
        ("def double(x, scale): return double(x, scale)", "parou com RecursionError"),
        ("def double(x, scale): assert False", "parou com AssertionError\n"),
        ("def double(x, scale): return x.mul_(2)", "alterou o argumento `x`"),
        ("def double(x, scale): return x", "esperava o dobro."),
        ("double = int", "parou com TypeError"),
    ],
)
def test_stumble_becomes_a_hint(source, hint):
    message = fail(source)
    assert message.startswith("✘ q1 · double: ")
    assert hint in message


def test_interrupt_is_not_swallowed():
    def double(x, scale):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Verifier(EXERCISE, {"double": double})("q1")


def test_mutating_answer_cannot_fool_the_judge():
    # Zerando o argumento, a resposta (o dobro de zero) só pareceria certa a um juiz que o visse alterado.
    assert "alterou" in fail("def double(x, scale):\n  x.zero_()\n  return x")


def test_check_leaves_the_random_stream_alone():
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    Verifier(EXERCISE, {"double": lambda x, scale: 2 * x + 0 * torch.rand(())})("q1")
    assert torch.equal(torch.rand(4), expected)


def test_unknown_question_lists_the_known_ones():
    with pytest.raises(CheckFailed, match="não há questão 'q9'; as deste exercício são q1"):
        Verifier(EXERCISE, {})("q9")


def test_unknown_exercise_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"exercício desconhecido: '99_nada'.*09_interpolacao"):
        open_exercise("99_nada", {})


def test_globals_without_parentheses_is_explained():
    with pytest.raises(TypeError, match=r"passe globals\(\), com os parênteses"):
        open_exercise("09_interpolacao", globals)


def test_repeated_question_is_refused():
    question = EXERCISE.questions[0]
    with pytest.raises(ValueError, match="repetidas"):
        Exercise("00_dobro", (question, question))


def test_plain_python_ends_with_the_hint():
    source = "from course_lib.exercises import open_exercise\nopen_exercise('09_interpolacao', globals())('q1')"
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 1
    assert (
        result.stderr.strip().split("\n")[-1].endswith("não encontrei essa função. Rode antes a célula que a define.")
    )
    assert "During handling" not in result.stderr


def test_ipython_shows_the_hint_and_no_traceback(capsys):
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    # Sem histórico: o teste não escreve na pasta da pessoa.
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        shell.run_cell("from course_lib.exercises import open_exercise")
        result = shell.run_cell("open_exercise('09_interpolacao', globals())('q1')")
    finally:
        InteractiveShell.clear_instance()
    assert isinstance(result.error_in_exec, CheckFailed)
    assert capsys.readouterr().out.strip() == str(result.error_in_exec)
