"""``python -m course_grader``: da pasta de entregas às notas."""

from __future__ import annotations

import statistics
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from tqdm import tqdm

from course_grader import batch
from course_grader.assignment import load_assignment
from course_grader.batch import Local, Marked, Store
from course_grader.bubblewrap import require_out_of_sight, require_sandbox
from course_grader.moodle import Filled, fill_worksheet
from course_grader.result import Deadlines
from course_grader.sandbox import Confinement
from course_grader.submission import find_submissions, visible
from course_grader.table import decimal, write_marks

UNPROTECTED = "⚠ SEM ISOLAMENTO: o código dos estudantes roda com as suas permissões · "


def add_arguments(parser: ArgumentParser) -> None:
    """Os argumentos do comando."""
    parser.add_argument(
        "exercicio", metavar="EXERCICIO", help="um exercício do curso (09_interpolacao) ou o arquivo .py de um seu"
    )
    parser.add_argument("entregas", type=Path, metavar="PASTA", help="a pasta com as entregas")
    parser.add_argument("--saida", type=Path, required=True, metavar="PASTA", help="onde gravar notas e relatórios")
    parser.add_argument(
        "--semente",
        type=_whole,
        metavar="N",
        help="semente da turma (padrão: a já guardada na pasta de saída, ou uma sorteada)",
    )
    parser.add_argument(
        "--processos", type=_positive, default=1, metavar="N", help="entregas ao mesmo tempo (padrão: 1)"
    )
    parser.add_argument(
        "--moodle",
        type=Path,
        metavar="PLANILHA",
        help="planilha de notas baixada do Moodle; a preenchida vai para a pasta de saída",
    )
    parser.add_argument(
        "--dask", metavar="tcp://…", help="corrige nas máquinas deste escalonador do dask, em vez de nesta"
    )
    parser.add_argument(
        "--sem-isolamento",
        action="store_true",
        help="corrige sem a caixa isolada; só para cadernos em que você confia como nos seus",
    )


def grade_command(options: Namespace) -> int:
    """Corrige a turma; devolve 0 se todas as entregas foram corrigidas, 1 se não e 130 se foi interrompida.

    Raises:
        ValueError, SandboxError, OSError: não há o que corrigir, como isolar ou onde gravar.
    """
    try:
        from course_grader import report

        if options.dask:
            import distributed  # noqa: F401
    except ImportError as error:
        # Só quem corrige precisa disto; um caderno aberto no Colab, não.
        raise ValueError(f'falta {error.name}: instale com pip install "course-lib[correcao]"') from None
    if options.moodle is not None and not options.moodle.is_file():
        raise ValueError(f"não há a planilha do Moodle {options.moodle}")
    prefix = UNPROTECTED if options.sem_isolamento else ""

    def say(text: str) -> None:
        for line in text.splitlines():
            tqdm.write(prefix + visible(line), file=sys.stdout)

    # No dask, a caixa é aberta nas outras máquinas.
    if not options.sem_isolamento and not options.dask:
        require_sandbox()
        own = [Path(options.exercicio)] if options.exercicio.endswith(".py") else []
        require_out_of_sight(*own, options.entregas, options.saida)
    submissions, ignored = find_submissions(options.entregas, options.saida)
    seed = batch.class_seed(options.saida, options.semente)
    assignment = load_assignment(options.exercicio, seed)
    assignment.draw()
    deadlines = Deadlines()
    store = Store(options.saida)
    marked, jobs = batch.plan(submissions, assignment, deadlines, store)
    say(f"{assignment.exercise.name}: {len(submissions)} entregas, {len(marked) - _missing(marked)} já corrigidas")
    if ignored:
        say(f"Não são cadernos e ficaram de fora: {', '.join(ignored)}")
    confinement = Confinement(isolated=not options.sem_isolamento)
    if options.dask:
        from course_grader.cluster import Cluster

        engine = Cluster(options.dask, assignment, confinement, deadlines)
    else:
        engine = Local(assignment, confinement, deadlines, workers=options.processos)
    interrupted = False
    try:
        todo = sum(len(job.owners) for job in jobs)
        with tqdm(total=todo, desc=f"{prefix}Corrigindo", unit="entrega", file=sys.stderr) as bar:

            def tell(entry: Marked) -> None:
                say(f"{entry.submission.student}: {_mark(entry)}")
                bar.update()

            batch.run(marked, jobs, engine, store, tell=tell)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        engine.close()
    write_marks(options.saida / "notas.csv", assignment.exercise, marked)
    teacher = report.write_reports(options.saida, assignment.exercise, marked)
    say(summary(marked, options.saida))
    say(f"Relatórios: {teacher}")
    if options.moodle is not None:
        target = options.saida / f"moodle-{options.moodle.name}"
        say(_describe(fill_worksheet(options.moodle, target, marked), target))
    if interrupted:
        say("Interrompido: o que já foi corrigido está guardado, e o mesmo comando continua daí.")
        return 130
    return 1 if _missing(marked) else 0


def summary(marked: list[Marked], folder: Path) -> str:
    """As linhas do fim."""
    done = [entry.result for entry in marked if entry.result is not None]
    lines = [f"Corrigidas: {len(done)} de {len(marked)}"]
    if done:
        totals = [result.total for result in done]
        full = sum(question.points for question in done[0].questions)
        mean, middle = statistics.fmean(totals), statistics.median(totals)
        lines.append(f"Média {decimal(mean)}, mediana {decimal(middle)}, de {decimal(full)} pontos")
    failed = [entry for entry in marked if entry.failure]
    lines += [f"✘ {entry.submission.student}: {entry.failure}" for entry in failed]
    lines.append(f"Notas: {folder / 'notas.csv'}")
    return "\n".join(lines)


def _describe(outcome: Filled, target: Path) -> str:
    lines = [f"Planilha do Moodle: {target}, com {outcome.filled} notas"]
    if outcome.scale != 1:
        lines.append(f"As notas foram multiplicadas por {decimal(outcome.scale)}, para a nota máxima da planilha.")
    if outcome.missing:
        lines.append(f"Não estão na planilha: {', '.join(outcome.missing)}")
    if outcome.doubtful:
        lines.append(f"Estão em mais de uma linha, e ficaram sem nota: {', '.join(outcome.doubtful)}")
    return "\n".join(lines)


def _missing(marked: list[Marked]) -> int:
    return sum(entry.result is None for entry in marked)


def _mark(entry: Marked) -> str:
    if entry.result is None:
        return entry.failure
    alarm = f"  ⚠ {entry.result.alarms[0]}" if entry.result.alarms else ""
    return f"{decimal(entry.result.total)}{alarm}"


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"veio {text!r}; esperava um inteiro maior que zero")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"veio {text!r}; esperava um inteiro maior ou igual a zero")
    return int(text)
