"""Um bimestre: prazo, atraso, prorrogações, a melhor entrega, a discussão, a questão consertada e o que mudou."""

from __future__ import annotations

import csv
import json
import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from corpus.base import notebook

from course_grader import batch, command
from course_grader.discussion import Notebook, answer_of, load_given
from course_grader.identity import question_digest
from course_grader.inside.wire import Caps, Decoder
from course_grader.lock import alone
from course_grader.rules import BRASILIA, RulesError, load_rules
from course_grader.spreadsheet import WorksheetError
from course_grader.submission import Submission
from course_grader.term import moment

DEADLINE = datetime(2026, 11, 29, 23, 59, tzinfo=BRASILIA).timestamp()
HOUR = 3600.0

DEFINITION = """
from course_lib.exercises.question import Exercise, Question

FACTOR = {factor}


class Double(Question):
    name, function, points = "q1", "double", 2.0
    start = "Comece."

    def draw(self, seed):
        return {{"x": seed % 7 + 1}}

    def answer(self, x):
        return FACTOR * x


class Parity(Question):
    name, function, points = "q3", "parity", 6.0
    start = "Comece."

    def draw(self, seed):
        return {{"x": seed}}

    def answer(self, x):
        return x % 2


class Next(Parity):
    name, function, points = "q2", "following", 2.0

    def answer(self, x):
        return x + 1


EXERCISE = Exercise("duas", (Double(), Next(), Parity()))
"""
GOOD = ["def double(x):\n    return 2 * x", "def following(x):\n    return x + 1", "def parity(x):\n    return x % 2"]
HALF = [GOOD[0], "def following(x):\n    return -x", "def parity(x):\n    return 0"]


def rules(tmp_path, text):
    path = tmp_path / "regras.toml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path)


def handed(when, student="Ana", identifier=""):
    return Submission(student, identifier, Path("a.ipynb"), when=when)


TEXT = """
prazo = { ate = 2026-11-29T23:59:00, tolerancia = "15 min", desconto = "10 % por dia", no_maximo = "35 %" }
[prorrogacoes]
"Érica D'Ávila" = "2 dias"
"102" = 2026-12-05
"""


@pytest.mark.parametrize(
    ("late", "who", "lost"),
    [
        (-HOUR, ("Ana", ""), 0),
        (0, ("Ana", ""), 0),
        (900, ("Ana", ""), 0),
        (901, ("Ana", ""), 0.1),
        (25 * HOUR, ("Ana", ""), 0.2),
        (90 * 24 * HOUR, ("Ana", ""), 0.35),
        (47 * HOUR, ("erica d’avila", ""), 0),
        (49 * HOUR, ("Érica D'Ávila", "7"), 0.1),
        (6 * 24 * HOUR, ("Bia", "102"), 0),
        (7 * 24 * HOUR, ("Bia", "102"), 0.1),
    ],
)
def test_what_being_late_costs(tmp_path, late, who, lost):
    assert rules(tmp_path, TEXT).lost(handed(DEADLINE + late, *who)) == pytest.approx(lost)


def test_without_rules_nothing_is_late(tmp_path):
    assert load_rules(None).lost(handed(4e9)) == 0
    # Sem desconto escrito, quem passa do prazo perde tudo, e vale a última entrega em dia.
    strict = rules(tmp_path, "prazo = { ate = 2026-11-29T23:59:00-03:00 }")
    late = handed(DEADLINE + 1)
    late.others = [handed(DEADLINE - 9), handed(DEADLINE - 5)]
    assert strict.lost(late) == 1
    assert strict.counted(late).when == DEADLINE - 5
    assert rules(tmp_path, TEXT).strangers([late]) == ["Érica D'Ávila", "102"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prazo = 3", "prazo: veio 3"),
        ("prazo = {}\nvale = 'a média'", "vale: veio 'a média'; esperava 'a última' ou 'a melhor'"),
        ("praso = {}", "não conheço praso"),
        ("prazo = { tolerancia = '1 h' }", "falta a data"),
        ("prazo = { ate = '29/11' }", "uma data sem aspas"),
        ("prazo = { ate = 2026-11-29, desconto = '10' }", "porcentagem"),
        ("prazo = { ate = 2026-11-29, desconto = '110 %' }", "porcentagem"),
        ("prazo = { ate = 2026-11-29, tolerancia = 'pouca' }", "uma duração"),
        ("[prorrogacoes]\nAna = '1 dia'", "falta o prazo"),
        ("prazo = {", "não é TOML"),
    ],
)
def test_a_wrong_rule_says_which_and_what_was_expected(tmp_path, text, message):
    with pytest.raises(RulesError, match=message):
        rules(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("domingo, 29 de novembro de 2026, 22:14", (11, 29, 22, 14)),
        ("Sunday, 29 November 2026, 10:14 PM", (11, 29, 22, 14)),
        ("29 dez. 2026, 00:05", (12, 29, 0, 5)),
        ("terça-feira, 3 mar. 2026, 12:00 AM", (3, 3, 0, 0)),
    ],
)
def test_moodles_dates(text, expected):
    assert moment(text) == datetime(2026, *expected, tzinfo=BRASILIA)


@pytest.mark.parametrize("text", ["-", "", "31 fev. 2026, 10:00", "29 xyz 2026, 10:00"])
def test_what_is_not_a_date(text):
    assert moment(text) is None


class Box:
    """Uma caixa de mentira, sem paredes nem processo: o que se mede aqui é o que a turma faz com as respostas."""

    spent = 0.0

    def __init__(self, *_):
        self.names = {}

    def open(self):
        self.names = {}
        return self

    def request(self, message, blobs, seconds, grace):
        if message["op"] == "cell":
            exec(message["source"], self.names)
            return {}
        inputs = [Decoder(None, Caps()).decode(node) for node in message["inputs"]]
        return {"answer": self.names[message["function"]](*inputs), "altered": []}

    def kill(self):
        pass

    close = abandon = kill


@pytest.fixture
def turma(tmp_path, monkeypatch):
    """Três entregas de um exercício do professor, e como corrigi-las."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "Sandbox", Box)
    monkeypatch.setattr(command, "require_sandbox", lambda: None)
    os.makedirs("entregas")
    for name, cells, when in (("Ana", GOOD, -HOUR), ("Bia", HALF, HOUR), ("Bia (1)", GOOD, 25 * HOUR)):
        path = Path("entregas", f"{name}.ipynb")
        path.write_bytes(notebook(*cells))
        os.utime(path, (DEADLINE + when, DEADLINE + when))
    Path("duas.py").write_text(DEFINITION.format(factor=2), encoding="utf-8")

    def correct(*more, toml=""):
        Path("regras.toml").write_text(toml, encoding="utf-8")
        assert command.main(["duas.py", "entregas", "--saida", "notas", "--regras", "regras.toml", *more]) == 0
        with open("notas/notas.csv", encoding="utf-8-sig", newline="") as file:
            header, *table = csv.reader(file, delimiter=";")
        return {row[0]: dict(zip(header, row, strict=True)) for row in table}

    return correct


def test_the_best_attempt_is_after_the_discount(turma):
    late = 'prazo = { ate = 2026-11-29T23:59:00, desconto = "%s por dia" }\nvale = "%s"\npontos = "%s"\n'
    marks = turma(toml=late % ("10 %", "a última", "tudo ou nada"))
    assert (marks["Ana"]["total"], marks["Ana"]["atraso"]) == ("10", "0")
    assert (marks["Bia"]["arquivo"], marks["Bia"]["total"], marks["Bia"]["atraso"]) == ("Bia (1).ipynb", "8", "-2")
    # Por caso: metade dos sorteios de q3 é par, e a primeira entrega ganha 2 + 0 + 3, menos um dia.
    marks = turma(toml=late % ("45 %", "a melhor", "por caso"))
    assert (marks["Bia"]["arquivo"], marks["Bia"]["q3"], marks["Bia"]["total"]) == ("Bia.ipynb", "3", "2,75")
    assert "vale a melhor" in marks["Bia"]["observações"]


def test_a_mended_question_is_the_only_one_graded_again(turma, capsys):
    before = turma()
    kept = {path: json.loads(path.read_text()) for path in Path("notas/resultados").glob("*.json")}
    Path("duas.py").write_text(DEFINITION.format(factor=3), encoding="utf-8")
    capsys.readouterr()
    after = turma()
    told = capsys.readouterr().out
    assert "Só se corrige de novo o que mudou: q1, em 2 entregas" in told
    assert "Ana: q1, de 2 a 0" in told
    for path, old in kept.items():
        new = json.loads(path.read_text())
        assert new["questions"][1:] == old["questions"][1:]
        assert new["questions"][0]["mark"] == 0
    for name, row in after.items():
        assert {key: row[key] for key in ("q2", "q3")} == {key: before[name][key] for key in ("q2", "q3")}
    history = Path("notas/mudancas.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(";")[1:] for line in history[1:]] == [
        ["Ana", "q1", "2", "0"], ["Ana", "total", "10", "8"], ["Bia", "q1", "2", "0"], ["Bia", "total", "10", "8"]
    ]  # fmt: skip
    Path("duas.py").write_text(DEFINITION.format(factor=3) + "\n# um comentário não é um conserto\n", encoding="utf-8")
    turma()
    assert "2 já corrigidas" in capsys.readouterr().out


def test_what_a_question_cites_is_part_of_it():
    from course_grader.assignment import define

    base, more = DEFINITION.format(factor=2), DEFINITION.format(factor=3)
    questions = define(base, "x", 0).exercise.questions
    changed = [question_digest(base, question) != question_digest(more, question) for question in questions]
    assert changed == [True, False, False]
    # q2 herda de q3 o sorteio, e muda com ele.
    drawn = base.replace('"x": seed}', '"x": seed + 1}')
    changed = [question_digest(base, question) != question_digest(drawn, question) for question in questions]
    assert changed == [False, True, True]
    assert question_digest(base + "print()\n", questions[2]) != question_digest(base, questions[2])


def test_the_second_grader_on_one_folder_says_so(turma, capsys):
    with alone(Path("notas")):
        assert command.main(["duas.py", "entregas", "--saida", "notas"]) == 1
        assert "outra correção está em andamento em notas" in capsys.readouterr().err
        assert not Path("notas/turma.json").exists()
    assert turma()


DISCUSSION = '[discussao]\nquestao = "q4"\npontos = 2\nitens = ["A ideia", "O limite"]\nrubrica = "Leia com calma."\n'


def test_the_discussion_is_entered_in_one_file_and_reaches_everything(turma, tmp_path):
    Path("p.csv").write_text("Nome completo;Nota;Nota máxima\nAna;;12,00\nBia;;12,00\n", encoding="utf-8")
    marks = turma("--moodle", "p.csv", toml=DISCUSSION)
    # Ninguém leu ainda: 10 de 12, e não 12 de 12.
    assert (marks["Ana"]["q4"], marks["Ana"]["total"]) == ("", "10")
    assert "Ana;10,00;12,00" in Path("notas/moodle-p.csv").read_text(encoding="utf-8")
    path = Path("notas/discussao.csv")
    assert path.read_bytes().decode("utf-8-sig") == (
        "identificador;estudante;A ideia (0 a 1);O limite (0 a 1);comentário\r\n;Ana;;;\r\n;Bia;;;\r\n"
    )
    # Pela metade ainda não conta: a coluna, o total e a planilha dizem o mesmo.
    begun = path.read_bytes().decode("utf-8-sig").replace(";Ana;;;", ";Ana;1;;")
    path.write_bytes(begun.encode())
    marks = turma("--moodle", "p.csv", toml=DISCUSSION)
    assert (marks["Ana"]["q4"], marks["Ana"]["total"]) == ("", "10")
    path.write_bytes(begun.replace(";Ana;1;;", ";Ana;;;").encode("utf-8-sig"))
    # O Excel grava do seu jeito, e o professor, com vírgula.
    text = path.read_bytes().decode("utf-8-sig").replace(";Ana;;;", ";Ana;1;0,5;Muito bom")
    path.write_bytes(text.replace("\r\n", "\r").encode("cp1252"))
    Path("entregas/Caio.ipynb").write_bytes(notebook(*HALF))
    marks = turma("--moodle", "p.csv", toml=DISCUSSION)
    assert (marks["Ana"]["q4"], marks["Ana"]["total"], marks["Bia"]["q4"]) == ("1,5", "11,5", "")
    assert "Ana;11,50;12,00" in Path("notas/moodle-p.csv").read_text(encoding="utf-8")
    assert path.read_bytes().startswith(text.replace("\r\n", "\r").encode("cp1252"))
    assert ";Caio;;;" in path.read_text(encoding="cp1252")
    (report,) = Path("notas/relatorios").glob("ana-*.html")
    assert "Muito bom" in report.read_text(encoding="utf-8")
    assert "11,5</strong> de 12" in report.read_text(encoding="utf-8")
    teacher = Path("notas/professor.html").read_text(encoding="utf-8")
    assert "Leia com calma." in teacher
    assert "Faltam 2 de 3" in teacher


def test_a_wrong_mark_in_the_discussion_says_the_line(tmp_path):
    discussion = load_given("09_interpolacao", {}).discussion
    book = Notebook(tmp_path, discussion)
    book.add([handed(0, "Ana"), handed(0, "Participante 7", "7")])
    text = book.path.read_text(encoding="utf-8-sig")
    for wrong in ("0,6", "-1", "dez"):
        book.path.write_text(text.replace(";Ana;", f";Ana;{wrong}", 1), encoding="utf-8")
        with pytest.raises(
            WorksheetError, match=f"linha 2, Ana: em “Lê os números” veio '{wrong}'; esperava de 0 a 0,5"
        ):
            Notebook(tmp_path, discussion).load()


def test_every_exercise_of_the_course_leaves_two_points_to_the_teacher():
    for path in sorted((Path(__file__).parents[2] / "solutions").glob("*.ipynb")):
        given = load_given(path.stem, {})
        assert given.discussion.points == sum(item.points for item in given.discussion.items) == 2
        assert given.code
        assert "BEGIN SOLUTION" not in "".join([*given.code, *given.texts])


def test_what_the_student_wrote_is_separated_from_what_was_given(tmp_path):
    given = load_given("09_interpolacao", {})
    path = tmp_path / "a.ipynb"
    for edit in ("depois", "dentro"):
        texts = list(given.texts)
        place = texts.index(given.discussion.statement)
        if edit == "dentro":
            texts[place] += "\n\nAcho que o VAE **ganha**."
        else:
            texts[place + 1] = "Acho que o VAE **ganha**."
        texts.insert(0, "Um texto meu, de outra questão.")
        cells = [{"cell_type": "markdown", "source": text.splitlines(keepends=True)} for text in texts]
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
        assert answer_of(Submission("Ana", "", path), given) == "Acho que o VAE **ganha**."


def test_what_the_page_for_teachers_says_to_write_is_accepted(tmp_path):
    page = (Path(__file__).parents[2] / "chapters" / "instrutores.md").read_text(encoding="utf-8")
    term, own = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    read = rules(tmp_path, term)
    assert (read.grace, read.discount, read.worst, read.best, read.by_case) == (900, 0.1, 0.5, False, False)
    assert not read.by_student
    assert rules(tmp_path, 'casos = "de cada um"').by_student
    assert set(read.extensions) == {"Ana Souza", "102"}
    assert load_given("centrar", rules(tmp_path, own).discussion).discussion.points == 2
    (line,) = re.findall(r"python -m course_grader (.*--regras.*)", page)
    assert command.build_parser().parse_args(line.split()).regras == Path("regras.toml")
