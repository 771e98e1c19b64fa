"""A página de quem ensina, seguida ao pé da letra: o exercício dela é criado e corrigido fora do repositório."""

from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path

import pytest
from corpus.base import notebook

from course_grader import command
from course_grader.assignment import define
from course_grader.inside.wire import Caps
from course_grader.result import Deadlines
from course_grader.submission import MAX_BYTES, MAX_CELLS

PAGE = Path(__file__).resolve().parents[2] / "chapters" / "instrutores.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


WILDCARD = """
class Whatever:
    def __eq__(self, other):
        return True


center = covariance = lambda x: Whatever()
"""


@pytest.fixture
def exercise():
    """O exercício da página e a célula do estudante."""
    (definition,) = (block for block in BLOCKS if block.startswith("# centrar.py"))
    (answer,) = (block for block in BLOCKS if block.startswith("# célula do estudante"))
    return definition, answer


def test_the_limits_on_the_page_are_the_graders():
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    limits, caps = Deadlines(), Caps()
    assert f"Uma célula tem {limits.cell:.0f} segundos de processador, {limits.compiling:.0f} se o caderno usa" in text
    assert f"todas juntas, {limits.cells:.0f}; uma chamada, {limits.call:.0f}" in text
    assert limits.total == 180
    assert "a entrega inteira, três minutos" in text
    nodes, characters = (f"{n:,}".replace(",", ".") for n in (caps.nodes, caps.text))
    size = caps.array_bytes // 2**20
    assert f"até {size} MB em arrays, {nodes} itens e {characters} caracteres por texto" in text
    assert f"até {MAX_BYTES // 2**20} MB e {MAX_CELLS} células de código" in text


def test_the_example_is_short(exercise):
    lines = [line for line in exercise[0].splitlines() if line.strip()]
    assert len(lines) <= 35


def test_the_example_is_authored_and_graded(exercise, needs_sandbox, tmp_path, monkeypatch):
    definition, answer = exercise
    monkeypatch.chdir(tmp_path)
    Path("centrar.py").write_text(definition, encoding="utf-8")
    Path("entregas").mkdir()
    submissions = {
        "Ana": answer,
        "Bia": answer.replace("(len(x) - 1)", "len(x)"),
        "Caio": answer.replace("x.mean(0)", "x.mean()"),
        "Davi": "def center(x):\n    raise NotImplementedError\n",
        "Eva": WILDCARD,
    }
    for name, code in submissions.items():
        Path("entregas", f"{name}.ipynb").write_bytes(notebook(code))
    assert command.main(["centrar.py", "entregas", "--saida", "notas"]) == 0
    with open("notas/notas.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    header, *table = rows
    marks = {row[0]: [row[header.index(name)] for name in ("q1", "q2")] for row in table}
    assert marks == {"Ana": ["2", "3"], "Bia": ["2", "0"], "Caio": ["0", "0"], "Davi": ["0", "0"], "Eva": ["0", "0"]}
    (path,) = Path("notas", "relatorios").glob("bia-*.html")
    report = path.read_text(encoding="utf-8")
    assert "divida por n - 1" in report


def test_every_hint_of_the_example_is_reachable(exercise):
    """As dicas da página não são enfeite: cada uma tem um engano que a merece."""
    import numpy as np

    from course_lib.exercises.answers import Mistake

    questions = {question.name: question for question in define(exercise[0], "centrar.py", 0).exercise.questions}
    x = questions["q1"].make_inputs(5)["x"]
    centred = x - x.mean(0)
    wrong = {
        "q1": [x.mean(0), x - x.mean(), x],
        "q2": [centred, centred.T @ centred / len(x), x.T @ x / (len(x) - 1)],
    }
    for name, answers in wrong.items():
        hints = set()
        for answer in answers:
            with pytest.raises(Mistake) as raised:
                questions[name].judge({"x": x}, answer)
            hints.add(str(raised.value))
        assert len(hints) == 3
    questions["q1"].judge({"x": x}, centred)
    questions["q2"].judge({"x": x}, np.cov(x, rowvar=False))


SHEET = "Identificador,Nome completo,Nota,Nota máxima,Última modificação (envio)\r\n"
HANDED = {
    ("Ana Souza", 101): "terça-feira, 1 dezembro 2026, 22:00",  # prorrogada por três dias
    ("Álvaro D’Ávila", 102): "domingo, 29 novembro 2026, 20:00",
    ("Bia Lima", 103): "terça-feira, 1 dezembro 2026, 09:00",  # dois dias começados: perde um quinto
}


def test_a_term_played_by_the_page_alone(exercise, needs_sandbox, tmp_path, monkeypatch, capsys):
    """Na caixa de verdade: o prazo e as prorrogações da página, uma questão consertada, e o que volta ao Moodle."""
    definition, answer = exercise
    monkeypatch.chdir(tmp_path)
    (rules,) = re.findall(r"```toml\n(prazo = .*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    Path("regras.toml").write_text(rules.replace("102", "999"), encoding="utf-8")
    mistaken = definition.replace("np.cov(x, rowvar=False)", "np.cov(x, rowvar=False) * 39 / 40")
    mistaken = mistaken.replace("yield right * 39 / 40", "yield right * 40 / 39")
    assert mistaken.count("39 / 40") == 1
    Path("centrar.py").write_text(mistaken, encoding="utf-8")
    sheet = SHEET
    for (name, number), when in HANDED.items():
        folder = Path(f"entregas/{name}_{number}_assignsubmission_file_")
        folder.mkdir(parents=True)
        (folder / "centrar.ipynb").write_bytes(notebook(f"# {number}\n{answer}"))
        sheet += f'Participante {number},{name},,"10,00","{when}"\r\n'
    Path("planilha.csv").write_bytes(sheet.encode("utf-8-sig"))
    arguments = ["centrar.py", "entregas/", "--saida", "notas/", "--regras", "regras.toml", "--moodle", "planilha.csv"]
    assert command.main(arguments) == 0
    assert "não está na turma: 999" in capsys.readouterr().out
    assert sent("Nota") == ["4,00", "4,00", "3,20"]
    # O engano era do professor: consertado, só a q2 muda, e quem estava certo não se executa outra vez.
    Path("centrar.py").write_text(definition, encoding="utf-8")
    assert command.main(arguments) == 0
    told = capsys.readouterr().out
    assert "Só se corrige de novo o que mudou: q2, em 3 entregas" in told
    assert sent("Nota") == ["10,00", "10,00", "8,00"]
    before, after = Path("planilha.csv").read_bytes(), Path("notas/moodle-planilha.csv").read_bytes()
    assert re.sub(rb',"\d+,00","10,00"', b',,"10,00"', after) == before
    with open("notas/mudancas.csv", encoding="utf-8-sig", newline="") as file:
        changed = {(row["estudante"], row["nota de"]) for row in csv.DictReader(file, delimiter=";")}
    assert {title for _, title in changed} == {"q2", "total", "atraso"}
    with zipfile.ZipFile("notas/devolutivas.zip") as package:
        assert sorted(name.split("_")[1] for name in package.namelist()) == ["101", "102", "103"]


def sent(title):
    """A coluna da planilha que vai ao Moodle."""
    with open("notas/moodle-planilha.csv", encoding="utf-8-sig", newline="") as file:
        return [row[title] for row in csv.DictReader(file)]
