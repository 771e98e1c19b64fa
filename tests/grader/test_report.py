"""Os relatórios e a tabela: tudo escapado, nada oculto, e a planilha do Moodle de volta byte a byte."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest

from course_grader.batch import Marked
from course_grader.copies import Pair
from course_grader.moodle import fill_worksheet
from course_grader.report import Extras, code, report_name, same_code, write_reports
from course_grader.result import QuestionResult, Result
from course_grader.spreadsheet import WorksheetError, harmless
from course_grader.submission import Submission
from course_grader.table import note_changes, write_marks
from course_lib.exercises.question import load_exercise

EXERCISE = load_exercise("09_interpolacao")
EVIL = "<script>alert(1)</script>"


def marked(student="Ana", identifier="", total=8.0, hint="", notes=(), alarms=(), fingerprint="", failure=""):
    submission = Submission(student, identifier, Path(f"/entregas/{student}.ipynb".replace("\0", "")))
    if failure:
        return Marked(submission, None, failure)
    questions, left = [], total
    for question in EXERCISE.questions:
        mark = question.points if left >= question.points else 0.0
        left -= mark
        questions.append(
            QuestionResult(question.name, question.function, question.points, mark, "" if mark else hint or "errado")
        )
    return Marked(submission, Result(questions, list(notes), list(alarms), 1.0, fingerprint))


def test_what_the_student_wrote_is_escaped(tmp_path):
    entry = marked(EVIL, total=0, hint=EVIL, notes=[EVIL], alarms=[EVIL])
    teacher = write_reports(tmp_path, EXERCISE, [entry])
    for path in (teacher, tmp_path / report_name(entry)):
        text = path.read_text(encoding="utf-8")
        assert EVIL not in text
        assert "&lt;script&gt;" in text


def test_code_in_a_hint_is_escaped_too():
    assert code("use `a < b`") == "use <code>a &lt; b</code>"


def test_the_student_does_not_see_the_alarms(tmp_path):
    entry = marked(alarms=["célula 3: cita ctypes"], notes=["célula 2: parou com ValueError"])
    write_reports(tmp_path, EXERCISE, [entry])
    text = (tmp_path / report_name(entry)).read_text(encoding="utf-8")
    assert "ctypes" not in text
    assert "ValueError" in text


def test_report_names_stay_in_their_folder_and_do_not_clash():
    names = [report_name(marked(name)) for name in ("../../etc/passwd", "José", "Jose", "名前", "a" * 300)]
    assert len(set(names)) == 5
    for name in names:
        assert name.startswith("relatorios/")
        assert name.count("/") == 1
        assert len(name) < 100


def test_the_teacher_sees_the_class(tmp_path):
    class_ = [marked("Ana"), marked("Bia", total=5, hint="dica da Bia"), marked("Caio", failure="não foi corrigida: x")]
    text = write_reports(tmp_path, EXERCISE, class_).read_text(encoding="utf-8")
    assert "2 de 3 entregas corrigidas" in text
    assert "<svg" in text
    assert "1 × dica da Bia" in text
    assert "não foi corrigida: x" in text
    hardest = text.index("q5 ·"), text.index("q1 ·")
    assert hardest[0] < hardest[1]


def test_the_same_error_on_other_lines_is_one_mistake(tmp_path):
    told = "a função parou com NameError: name 'x' is not defined\n  na linha {} da célula: `return x  # {}`"
    class_ = [marked(name, total=5, hint=told.format(n, name)) for n, name in enumerate(("Ana", "Bia"), start=3)]
    text = write_reports(tmp_path, EXERCISE, class_).read_text(encoding="utf-8")
    assert "2 × a função parou com NameError: name &#39;x&#39; is not defined</summary>" in text
    for name, line in (("Ana", 3), ("Bia", 4)):
        (own,) = (tmp_path / "relatorios").glob(f"{name.lower()}-*.html")
        assert f"na linha {line} da célula" in own.read_text(encoding="utf-8")


def test_a_class_of_failures_still_has_a_report(tmp_path):
    assert write_reports(tmp_path, EXERCISE, [marked(failure="não foi")]).exists()


def test_same_code_counts_only_who_earned_something():
    class_ = [
        marked("Ana", fingerprint="a"), marked("Bia", fingerprint="a"), marked("Caio", fingerprint="b"),
        marked("Davi", total=0, fingerprint="c"), marked("Eva", total=0, fingerprint="c"),
    ]  # fmt: skip
    assert same_code(class_) == [["Ana", "Bia"]]


def test_marks_open_in_a_spreadsheet(tmp_path):
    path = tmp_path / "notas.csv"
    class_ = [marked("=cmd()", total=2, notes=["duas\nlinhas; e ponto"]), marked("Caio", failure="x")]
    write_marks(path, EXERCISE, class_)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines(), delimiter=";"))
    assert rows[0][:3] == ["estudante", "identificador", "arquivo"]
    assert rows[1][0] == "'=cmd()"
    assert rows[1][-2:] == ["2", "duas linhas; e ponto"]
    assert rows[2][-2:] == ["", "x"]


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1"])
def test_no_cell_is_a_formula(cell):
    assert harmless(cell).startswith("'")


WORKSHEET = (
    "\ufeffIdentificador,Nome completo,Endereço de email,Situação,Nota,Nota máxima,Última modificação (nota),extra\r\n"
    'Participante 12,"Ana ""Aninha"" Souza",ana@uni.br,"Enviado\r\npara avaliação",,"10,00",-,"a,b"\r\n'
    "Participante 13,José da Silva,jose.silva@uni.br,Enviado,,\"10,00\",-, x \r\n"
    "Participante 14,Caio,caio@uni.br,Enviado,\"3,50\",\"10,00\",-,\n"
)  # fmt: skip


def fill(tmp_path, text, entries, encoding="utf-8", full=8.0):
    source, target = tmp_path / "planilha.csv", tmp_path / "cheia.csv"
    source.write_bytes(text.encode(encoding))
    outcome = fill_worksheet(source, target, entries, full)
    return outcome, target.read_bytes().decode(encoding)


def test_only_the_mark_changes(tmp_path):
    entries = [marked("Qualquer", "12", total=8), marked("jose.silva", total=4), marked("Zeca")]
    outcome, text = fill(tmp_path, WORKSHEET, entries)
    assert outcome.filled == 2
    assert outcome.missing == ["Zeca"]
    assert outcome.scale == 1.25
    expected = WORKSHEET.replace('avaliação",,', 'avaliação","10,00",').replace("Enviado,,", 'Enviado,"5,00",')
    assert text == expected


def test_names_match_without_accents_and_case(tmp_path):
    outcome, text = fill(tmp_path, WORKSHEET, [marked("JOSE DA  SILVA", total=8)])
    assert outcome.filled == 1
    assert '"10,00","10,00",-, x ' in text


def test_english_worksheet_in_latin_1(tmp_path):
    text = (
        "Identifier;Full name;Email address;Status;Grade;Feedback comments\nParticipant 7;Conceição;c@x;Sent;;ótimo\n"
    )
    outcome, filled = fill(tmp_path, text, [marked("Conceição", total=5)], "latin-1")
    assert outcome.filled == 1
    assert filled == text.replace("Sent;;", "Sent;5,00;")


def test_two_people_with_one_name_are_left_to_the_teacher(tmp_path):
    text = "Full name,Grade\nAna,\nAna,\n"
    outcome, filled = fill(tmp_path, text, [marked("Ana")])
    assert outcome.doubtful == ["Ana"]
    assert filled == text


def test_no_entry_leaves_every_byte(tmp_path):
    outcome, text = fill(tmp_path, WORKSHEET, [marked("Ana", failure="x")])
    assert outcome.filled == 0
    assert text == WORKSHEET


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "Nota,Situação\n1,2\n"])
def test_another_table_is_refused(tmp_path, text):
    with pytest.raises(WorksheetError):
        fill(tmp_path, text, [marked()])


def test_two_people_for_one_row_are_left_to_the_teacher(tmp_path):
    text = "Nome completo;Identificador;Nota\nAna;Participante 7;\n"
    outcome, filled = fill(tmp_path, text, [marked("Ana", total=8), marked("Bia", identifier="7", total=2)])
    assert outcome.doubtful == ["Ana", "Bia"]
    assert filled == text


def test_a_thousand_notes_still_fit_in_a_spreadsheet_cell(tmp_path):
    write_marks(tmp_path / "notas.csv", EXERCISE, [marked(notes=["célula: parou com ValueError"] * 10_000)])
    assert (tmp_path / "notas.csv").stat().st_size < 5_000


def test_the_teacher_sees_who_made_each_mistake_and_how_each_question_did(tmp_path):
    class_ = [marked("Ana"), marked("Bia", total=5, hint="o sinal"), marked("Caio", total=5, hint="o  sinal")]
    for entry in class_[1:]:
        entry.result.notes += ["célula 3: parou com KeyError: 'a'", "célula 9: parou com KeyError: 'a'"]
    text = write_reports(tmp_path, EXERCISE, class_).read_text(encoding="utf-8")
    assert "q5 · 2 × o sinal" in text
    assert "células · 2 × KeyError: &#39;a&#39;" in text
    assert text.count("<p>Bia, Caio</p>") >= 2
    # q5: um de três acertou, e ninguém acerta as outras sem ela.
    assert '<td class="number">33,3</td>\n<td class="number">100,0</td>' in text


def test_copies_are_escaped_and_side_by_side(tmp_path):
    pair = Pair(EVIL, "Bia", 0.5, [(EVIL, "x = 1")])
    text = write_reports(tmp_path, EXERCISE, [marked()], Extras(copies=[pair])).read_text(encoding="utf-8")
    assert EVIL not in text
    assert "<pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre><pre>x = 1</pre>" in text
    assert "50,0 % em comum" in text


def test_a_notebook_cannot_flood_the_alarms(tmp_path):
    entry = marked(alarms=["célula 1: x\nBia Lima: 0", *(f"célula {n}: {'inside.x ' * 10_000}" for n in range(500))])
    path = write_reports(tmp_path, EXERCISE, [entry])
    assert path.stat().st_size < 50_000
    assert entry.alarms[0] == "célula 1: x Bia Lima: 0"
    assert entry.alarms[-1] == "… e mais 481"


def test_what_was_not_graded_again_yet_is_not_a_change_nor_forgotten(tmp_path):
    now = datetime(2026, 11, 30, 9, 5)
    assert note_changes(tmp_path, [marked("Ana"), marked("Bia")], None, now) == []
    assert note_changes(tmp_path, [marked("Ana", failure="interrompida"), marked("Bia", total=7)], None, now) == [
        ("Bia", "q7", "1", "0"),
        ("Bia", "total", "8", "7"),
    ]
    assert note_changes(tmp_path, [marked("Ana", total=7), marked("Bia", total=7)], None, now) == [
        ("Ana", "q7", "1", "0"),
        ("Ana", "total", "8", "7"),
    ]
    history = (tmp_path / "mudancas.csv").read_text(encoding="utf-8-sig").splitlines()
    assert history[0] == "quando;estudante;nota de;era;é"
    assert history[1] == "2026-11-30 09:05;Bia;q7;1;0"
    assert len(history) == 5
