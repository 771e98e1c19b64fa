"""Planilhas como as pessoas as gravam: qualquer sistema, qualquer codificação, qualquer jeito de escrever um nome."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from test_report import marked

from course_grader.batch import Marked
from course_grader.feedback import write_feedback
from course_grader.moodle import fill_classroom, fill_worksheet
from course_grader.names import in_order
from course_grader.report import report_name
from course_grader.result import QuestionResult, Result
from course_grader.spreadsheet import Spreadsheet, WorksheetError, decimal, harmless
from course_grader.submission import Submission

HEAD = ["Identificador", "Nome completo", "Endereço de email", "Nota", "Nota máxima", "Comentários"]


def entry(student, identifier="", mark=8.0):
    submission = Submission(student, identifier, Path(f"{student}.ipynb"))
    return Marked(submission, Result([QuestionResult("q1", "f", 8.0, mark)]))


def table(delimiter=",", eol="\r\n", maximum="10,00", comment="", names=("Ana Alves", "Bia Brito")):
    rows = [HEAD]
    rows += [[f"Participante {n}", name, f"a{n}@x.br", "", maximum, comment] for n, name in enumerate(names, start=11)]

    def cell(text):
        return f'"{text}"' if delimiter in text or " " in text else text

    return eol.join(delimiter.join(map(cell, row)) for row in rows) + eol


def fill(tmp_path, raw, entries, full=8.0):
    source, target = tmp_path / "p.csv", tmp_path / "q.csv"
    source.write_bytes(raw)
    outcome = fill_worksheet(source, target, entries, full)
    return outcome, target.read_bytes()


@pytest.mark.parametrize(
    "raw",
    [
        table().encode(),
        ("\ufeff" + table()).encode(),
        table(";").encode("cp1252"),
        table(eol="\r").encode(),
        table(";", eol="\r").encode("mac_roman"),
        table("\t").encode("utf-16"),
        ("\ufeff" + table("\t")).encode("utf-16-be"),
        ("sep=;\r\n" + table(";")).encode(),
        (table() + "\r\n").encode(),
        table(comment='"' + "x" * 140_000 + '"', maximum="10").encode(),
        table(comment='disse "sim', maximum="10").encode(),
    ],
    ids=["pt", "bom", "windows", "cr", "mac", "utf16", "utf16be", "sep", "branco", "enorme", "aspas"],
)
def test_every_spreadsheet_is_filled_and_nothing_else_changes(tmp_path, raw):
    outcome, filled = fill(tmp_path, raw, [entry("Ana Alves", "11", 7.5), entry("Bia Brito", "12")], full=10.0)
    assert (outcome.filled, outcome.missing) == (2, [])
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    before, after = raw.decode(encoding), filled.decode(encoding)
    marks = re.findall(r"\d[.,]\d0", after.replace("10,00", ""))
    assert [mark.replace(",", ".") for mark in marks] == ["7.50", "8.00"]
    for mark in marks:
        after = after.replace(f'"{mark}"', "", 1) if f'"{mark}"' in after else after.replace(mark, "", 1)
    assert after == before


def test_a_truncated_or_empty_spreadsheet_is_one_clear_line(tmp_path):
    for raw in (table().encode("utf-16")[:-1], b"\r\n\r\n"):
        with pytest.raises(WorksheetError, match=r"cortado|vazia"):
            fill(tmp_path, raw, [entry("Ana Alves")])


def test_the_scale_is_of_the_whole_exercise_whoever_comes_first(tmp_path):
    unread = Marked(Submission("Ana Alves", "11", Path("a.ipynb")), None, "sem permissão")
    outcome, filled = fill(tmp_path, table(maximum="100,00").encode(), [unread, entry("Bia Brito", "12")], full=10.0)
    assert outcome.scale == 10
    assert b'"80,00","100,00"' in filled
    assert b'"8,00"' not in filled


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Maria D’Arc", "Maria D'Arc"),
        ("Joana D´Avila", "Joana D'Ávila"),
        ("José Sant Anna", "José Sant'Anna"),
        ("Ana-Clara Sá", "Ana Clara Sá"),
        ("Conceic\u0327a\u0303o", "Conceição"),
        ("SOUZA, João de", "João de Souza"),
        ("Nuno_Alves", "Nuno Alves"),
        ("王小明", "王小明"),
        ("अनिल", "अनिल"),
    ],
)
def test_a_name_is_found_however_it_is_written(tmp_path, file, name):
    outcome, _ = fill(tmp_path, table(names=(name, "Outra Pessoa")).encode(), [entry(file)])
    assert (outcome.filled, outcome.missing) == (1, [])


def test_names_of_one_vowel_apart_are_two_people(tmp_path):
    outcome, _ = fill(tmp_path, table(names=("अनिल", "अनील")).encode(), [entry("अनिल")])
    assert (outcome.filled, outcome.doubtful) == (1, [])


def test_a_registration_number_is_not_a_participant_number(tmp_path):
    text = "Identificador,Nome completo,Número de identificação,Nota\nParticipante 7,Ana,12,\nParticipante 12,Bia,7,\n"
    _, filled = fill(tmp_path, text.encode(), [entry("12", mark=3.0), entry("Bia", "12", mark=5.0)])
    assert filled.decode().splitlines()[1:] == ["Participante 7,Ana,12,3.00", "Participante 12,Bia,7,5.00"]


def test_alphabetical_order_of_portuguese():
    names = ["Álvaro Reis", "ana Lima", "Ângela Dias", "Bruno Sá", "Çelia", "Davi", "Érica Luz", "Zélia Paz"]
    assert sorted(set(names), key=in_order) == names


CLASSROOM = (
    "Sobrenome,Nome,Endereço de e-mail,Lista 1,09_interpolacao\r\n"
    ",,Data,2026-11-01,2026-11-29\r\n,,Pontos,10,100\r\n"
    "Alves,Ana,ana@x.br,7,\r\nBrito,Bia,bia@x.br,,\r\n"
)


def test_classroom_gets_its_own_column(tmp_path):
    source, target = tmp_path / "c.csv", tmp_path / "d.csv"
    source.write_text(CLASSROOM, newline="", encoding="utf-8")
    outcome = fill_classroom(source, target, [entry("Ana Alves"), entry("bia", mark=5)], 10.0, ["09_interpolacao"])
    expected = CLASSROOM.replace("ana@x.br,7,", "ana@x.br,7,80.00").replace("bia@x.br,,", "bia@x.br,,50.00")
    assert target.read_bytes().decode() == expected
    assert outcome.filled == 2
    with pytest.raises(WorksheetError, match="--coluna; há Lista 1, 09_interpolacao"):
        fill_classroom(source, target, [], 10.0, ["Lista 9"])


def test_feedback_is_named_as_moodle_reads_it(tmp_path):
    class_ = [marked("Ana_Souza", "7"), marked("Bia/Lima"), marked("Caio", failure="x")]
    for item in class_[:2]:
        path = tmp_path / report_name(item)
        path.parent.mkdir(exist_ok=True)
        path.write_text(item.submission.student)
    path, left = write_feedback(tmp_path, class_, {class_[1].submission.key: "9"})
    again, _ = write_feedback(tmp_path, class_, {})
    names = zipfile.ZipFile(again).namelist()
    assert (left, names) == ([], ["Ana Souza_7_assignfeedback_file_relatorio.html"])
    path, _ = write_feedback(tmp_path, class_, {class_[1].submission.key: "9"})
    with zipfile.ZipFile(path) as archive:
        # Como o importador do Moodle: o nome partido nos quatro primeiros sublinhados.
        parts = [name.split("_", 4) for name in archive.namelist()]
        assert [part[1:4] for part in parts] == [["7", "assignfeedback", "file"], ["9", "assignfeedback", "file"]]
        assert archive.read("Bia Lima_9_assignfeedback_file_relatorio.html") == b"Bia/Lima"


@pytest.mark.parametrize(
    ("value", "written"),
    [(100.25, "100,25"), (12345, "12345"), (7, "7"), (1 / 3, "0,33"), (0, "0"), (-0.001, "0"), (9.999, "10")],
)
def test_a_mark_is_never_rounded_to_four_figures(value, written):
    assert decimal(value) == written


@pytest.mark.parametrize("cell", ["＝1", "\u200c=1", "\u200d\u200c@a", "＋1"])
def test_disguised_formulas_are_harmless_too(cell):
    assert harmless(cell).startswith("'")


def test_rows_are_appended_without_touching_the_others(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'a;b\r\n"x;y";2')
    sheet = Spreadsheet(path)
    sheet.append(["z", 'diz "oi"'])
    sheet.save(path)
    assert path.read_bytes().decode() == 'a;b\r\n"x;y";2\r\nz;"diz ""oi"""\r\n'
