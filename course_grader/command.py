"""``python -m course_grader``: da pasta de entregas às notas."""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from course_grader import batch
from course_grader.assignment import Assignment, load_assignment
from course_grader.batch import Job, Local, Marked, Store
from course_grader.bubblewrap import SandboxError, known_faults, require_out_of_sight, require_sandbox
from course_grader.feedback import write_feedback
from course_grader.lock import alone
from course_grader.moodle import Filled, fill_classroom, fill_worksheet
from course_grader.result import Deadlines, stale
from course_grader.rules import load_rules
from course_grader.sandbox import Confinement
from course_grader.spreadsheet import decimal
from course_grader.submission import Submission, find_submissions, visible
from course_grader.table import CHANGES, note_changes, write_marks
from course_grader.term import Term
from course_lib import REPOSITORY, REVISION, checks, console

UNPROTECTED = "⚠ SEM ISOLAMENTO: o código dos estudantes roda com as suas permissões · "


def build_parser() -> console.Parser:
    """O analisador de argumentos."""
    parser = console.Parser(
        prog="python -m course_grader",
        description="Corrige os cadernos de uma turma: a nota de cada questão, os relatórios e a planilha do Moodle.",
    )
    parser.add_argument(
        "exercicio", metavar="EXERCICIO", help="um exercício do curso (09_interpolacao) ou o arquivo .py de um seu"
    )
    parser.add_argument("entregas", type=Path, metavar="PASTA", help="a pasta com as entregas")
    parser.add_argument("--saida", type=Path, required=True, metavar="PASTA", help="onde gravar notas e relatórios")
    parser.add_argument(
        "--semente",
        type=console.whole_number,
        metavar="N",
        help="semente da turma (padrão: a já guardada na pasta de saída, ou uma sorteada)",
    )
    parser.add_argument(
        "--processos",
        type=console.positive_integer,
        default=1,
        metavar="N",
        help="entregas ao mesmo tempo (padrão: 1)",
    )
    parser.add_argument(
        "--moodle",
        type=Path,
        metavar="PLANILHA",
        help="planilha de notas baixada do Moodle; a preenchida vai para a pasta de saída",
    )
    parser.add_argument(
        "--classroom",
        type=Path,
        metavar="TABELA",
        help="tabela de notas baixada do Google Sala de Aula; a preenchida vai para a pasta de saída",
    )
    parser.add_argument("--coluna", metavar="TÍTULO", help="a coluna da atividade na tabela do Sala de Aula")
    parser.add_argument(
        "--regras",
        type=Path,
        metavar="ARQUIVO",
        help="regras do bimestre, em TOML: prazo, atraso, prorrogações, que entrega vale e como se pontua",
    )
    parser.add_argument(
        "--dask", metavar="tcp://…", help="corrige nas máquinas deste escalonador do dask, em vez de nesta"
    )
    parser.add_argument(
        "--sem-isolamento",
        action="store_true",
        help="corrige sem a caixa isolada; só para cadernos em que você confia como nos seus",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Corrige uma turma; erros esperados saem numa linha, em português, com código 1."""
    options = build_parser().parse_args(arguments)
    return console.run(lambda: grade_class(options), SandboxError)


def grade_class(options: Namespace) -> int:
    """Corrige a turma; devolve 0 se todas as entregas foram corrigidas, 1 se não e 130 se foi interrompida.

    Raises:
        ValueError, SandboxError, OSError: não há o que corrigir, como isolar ou onde gravar.
    """
    say = _teller(options)
    _require_everything(options)
    rules = load_rules(options.regras)
    assignment = replace(load_assignment(options.exercicio, 0), by_case=rules.by_case, by_student=rules.by_student)
    functions = [question.function for question in assignment.exercise.questions]
    submissions, ignored = find_submissions(options.entregas, options.saida, functions)
    # O segundo corretor para aqui, antes de sortear outra semente ou gravar por cima.
    with alone(options.saida):
        assignment = replace(assignment, class_seed=batch.class_seed(options.saida, options.semente))
        assignment.draw()
        term = Term(options.saida, assignment.exercise, rules, options.moodle)
        attempts = term.attempts(submissions)
        deadlines, store = Deadlines(), Store(options.saida)
        marked, jobs = batch.plan(attempts, assignment, deadlines, store)
        term.annotate(marked)
        say(f"{assignment.exercise.name}: {len(attempts)} entregas, {len(marked) - _missing(marked)} já corrigidas")
        if ignored:
            say(f"Não são cadernos e ficaram de fora: {', '.join(ignored)}")
        for fault in [] if options.sem_isolamento or options.dask else known_faults():
            say(f"⚠ {fault}")
        _announce(term, submissions, jobs, assignment, say)
        engine = _engine(options, assignment, deadlines)
        interrupted = _grade(marked, jobs, engine, store, say, prefix=_prefix(options))
        marked = term.settle(marked)
        _publish(options, term, marked, say)
    if interrupted:
        say("Interrompido: o que já foi corrigido está guardado, e o mesmo comando continua daí.")
        return 130
    return 1 if _missing(marked) else 0


def _announce(
    term: Term, submissions: list[Submission], jobs: list[Job], assignment: Assignment, say: Callable[[str], None]
) -> None:
    """O que convém saber antes de a correção começar."""
    strangers = term.rules.strangers(submissions)
    if strangers:
        say(f"⚠ Há prorrogação para quem não está na turma: {', '.join(strangers)}")
    mended = [job for job in jobs if job.previous is not None]
    if mended:
        names = sorted(set().union(*(stale(job.previous, assignment) for job in mended)))
        people = sum(len(job.owners) for job in mended)
        say(f"Só se corrige de novo o que mudou: {', '.join(names)}, em {people} entregas")


def _require_everything(options: Namespace) -> None:
    """O que falta aparece antes da primeira entrega, e não depois da última.

    Raises:
        ValueError: falta um pacote, ou a planilha do Moodle.
        SandboxError: não há como isolar, ou o que é do professor está à vista dos estudantes.
    """
    # Só quem corrige precisa destes; um caderno aberto no Colab, não. No dask, quem abre cadernos são outras máquinas.
    install = f'pip install "course-lib[correcao] @ git+{REPOSITORY}@{REVISION}"'
    for package in ("jinja2", "distributed" if options.dask else "IPython"):
        checks.require(find_spec(package) is not None, f"falta {package}: instale com {install}")
    for path, kind in ((options.moodle, "planilha do Moodle"), (options.classroom, "tabela do Sala de Aula")):
        checks.require(path is None or path.is_file(), f"não há a {kind} {path}")
    # No dask, a caixa é aberta nas outras máquinas.
    if not options.sem_isolamento and not options.dask:
        require_sandbox()
        own = [Path(options.exercicio)] if options.exercicio.endswith(".py") else []
        require_out_of_sight(*own, options.entregas, options.saida)


def _engine(options: Namespace, assignment: Assignment, deadlines: Deadlines) -> Any:
    """Quem corrige: esta máquina, ou as do escalonador do dask."""
    confinement = Confinement(isolated=not options.sem_isolamento)
    if options.dask:
        from course_grader.cluster import Cluster

        return Cluster(options.dask, assignment, confinement, deadlines)
    return Local(assignment, confinement, deadlines, workers=options.processos)


def _grade(
    marked: list[Marked], jobs: list[Job], engine: Any, store: Store, say: Callable[[str], None], *, prefix: str
) -> bool:
    """Corrige o que falta, com uma barra de andamento; verdadeiro se foi interrompida."""
    todo = sum(len(job.owners) for job in jobs)
    try:
        with tqdm(total=todo, desc=f"{prefix}Corrigindo", unit="entrega", file=sys.stderr) as bar:

            def tell(entry: Marked) -> None:
                say(f"{entry.submission.student}: {_mark(entry)}")
                bar.update()

            batch.run(marked, jobs, engine, store, tell=tell)
    except KeyboardInterrupt:
        return True
    finally:
        engine.close()
    return False


def _publish(options: Namespace, term: Term, marked: list[Marked], say: Callable[[str], None]) -> None:
    """Grava as notas, os relatórios e as planilhas, e diz onde estão."""
    from course_grader import report

    exercise, discussion = term.exercise, term.discussion
    full = report.full_marks(exercise, discussion)
    write_marks(options.saida / "notas.csv", exercise, marked, discussion)
    changed = note_changes(options.saida, marked, discussion, datetime.now())
    teacher = report.write_reports(options.saida, exercise, marked, term.extras(marked))
    say(summary(marked, options.saida, full))
    for line in _changed(changed, options.saida):
        say(line)
    if term.book is not None:
        unread = sum(entry.result is not None and not entry.read.complete for entry in marked)
        say(f"Discussão: {term.book.path}" + (f", com {unread} por ler" if unread else ", toda lida"))
    say(f"Relatórios: {teacher}")
    participants = {}
    if options.moodle is not None:
        target = options.saida / f"moodle-{options.moodle.name}"
        filled = fill_worksheet(options.moodle, target, marked, full)
        participants = filled.participants
        say(_describe("do Moodle", filled, target))
    if options.classroom is not None:
        target = options.saida / f"classroom-{options.classroom.name}"
        titles = [options.coluna] if options.coluna else [exercise.name]
        say(_describe("do Sala de Aula", fill_classroom(options.classroom, target, marked, full, titles), target))
    package, _ = write_feedback(options.saida, marked, participants)
    if package is not None:
        say(f"Devolutivas, para o Moodle importar: {package}")


def _changed(changed: list[tuple[str, str, str, str]], folder: Path) -> list[str]:
    """O que mudou nas notas já publicadas, sem encher a tela."""
    if not changed:
        return []
    shown = [f"  {who}: {title}, de {was or 'nada'} a {value or 'nada'}" for who, title, was, value in changed[:20]]
    more = [f"  … e mais {len(changed) - 20}"] if len(changed) > 20 else []
    return [f"Mudaram {len(changed)} notas desde a última vez ({folder / CHANGES}):", *shown, *more]


def summary(marked: list[Marked], folder: Path, full: float) -> str:
    """As linhas do fim."""
    totals = [entry.total for entry in marked if entry.result is not None]
    lines = [f"Corrigidas: {len(totals)} de {len(marked)}"]
    if totals:
        mean, middle = statistics.fmean(totals), statistics.median(totals)
        lines.append(f"Média {decimal(mean)}, mediana {decimal(middle)}, de {decimal(full)} pontos")
    failed = [entry for entry in marked if entry.failure]
    lines += [f"✘ {entry.submission.student}: {entry.failure}" for entry in failed]
    lines.append(f"Notas: {folder / 'notas.csv'}")
    return "\n".join(lines)


def _describe(whose: str, outcome: Filled, target: Path) -> str:
    lines = [f"Planilha {whose}: {target}, com {outcome.filled} notas"]
    if outcome.scale != 1:
        lines.append(f"As notas foram multiplicadas por {decimal(outcome.scale)}, para a nota máxima da planilha.")
    if outcome.missing:
        lines.append(f"Não estão na planilha: {', '.join(outcome.missing)}")
    if outcome.doubtful:
        lines.append(f"Estão em mais de uma linha, e ficaram sem nota: {', '.join(outcome.doubtful)}")
    return "\n".join(lines)


def _prefix(options: Namespace) -> str:
    """O que abre cada linha: sem a caixa, um aviso."""
    return UNPROTECTED if options.sem_isolamento else ""


def _teller(options: Namespace) -> Callable[[str], None]:
    """Quem escreve na tela sem desmanchar a barra de andamento, e sem deixar um nome mandar no terminal."""

    def say(text: str) -> None:
        for line in text.splitlines():
            tqdm.write(_prefix(options) + visible(line), file=sys.stdout)

    return say


def _missing(marked: list[Marked]) -> int:
    return sum(entry.result is None for entry in marked)


def _mark(entry: Marked) -> str:
    if entry.result is None:
        return entry.failure
    alarm = f"  ⚠ {entry.alarms[0]}" if entry.alarms else ""
    return f"{decimal(entry.result.total)}{alarm}"
