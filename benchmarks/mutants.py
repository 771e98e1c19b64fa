"""``python -m benchmarks.mutants``: quantas respostas erradas, feitas à máquina, perdem a questão, e com que dica.

De cada resposta de ``solutions/`` saem os enganos de um lugar só (:mod:`benchmarks.mutations`) e os da função inteira
(:mod:`benchmarks.wrong_answers`), julgados nos casos ocultos de várias turmas como o corretor os julga; e as respostas
certas escritas de outro modo (:mod:`benchmarks.rewrites`), que nenhuma turma pode recusar. Os enganos que dão sempre o
mesmo que a certa são os equivalentes; os que passam em alguma turma, os sobreviventes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.excused import EXCUSED
from benchmarks.mutations import mutants_of
from benchmarks.rewrites import right_answers
from benchmarks.sameness import Sameness
from benchmarks.study import add_run, command, resume
from benchmarks.subjects import CPU_SECONDS, LATE, Late, Subject, cpu_limit, load_subjects
from benchmarks.wrong_answers import wrong_answers
from course_lib.exercises.question import exercise_names
from course_lib.studies import Study, study_path
from course_lib.text import number, table

NAME = "mutants"
PAGE = Path(__file__).with_name("MUTANTES.md")
CLASSES = range(3)
# Em quantas turmas se procura um sobrevivente que passou por alguma das primeiras.
MANY_CLASSES = range(60)
GOAL_KILLED, GOAL_HINTS = 0.995, 0.85


@dataclass
class Row:
    """O que se mediu numa questão.

    Attributes:
        killed: enganos que perdem a questão em toda turma.
        stillborn: os que param com um erro no primeiro caso público, e não entram na conta.
        equivalent: os que dão sempre o mesmo que a resposta certa.
        excused: os que só diferem dela fora do que a questão promete, com a razão em :mod:`benchmarks.excused`.
        survivors: os que passam em alguma turma, e em quantas de 60.
        vague: os que perdem sem uma dica da sua espécie.
        rights: respostas certas de outro modo.
        refused: as que alguma turma recusa, e a dica.
    """

    exercise: str
    question: str
    digest: str
    killed: int = 0
    stillborn: int = 0
    equivalent: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    vague: list[str] = field(default_factory=list)
    rights: int = 0
    refused: list[str] = field(default_factory=list)


def candidates(subject: Subject) -> Iterator[tuple[str, Callable[..., Any]]]:
    """O nome e a função de cada engano."""
    for mutant in mutants_of(subject.source):
        yield mutant.name, subject.define(mutant.source)
    for kind, change, function in wrong_answers(subject.question, subject.right):
        yield f"{kind}: {change}", function


def examine(subject: Subject) -> Row:
    """Julga os enganos e as respostas certas de uma questão."""
    row = Row(subject.exercise, subject.question.name, subject.digest)
    sameness = Sameness(subject)
    for name, function in candidates(subject):
        try:
            with cpu_limit(CPU_SECONDS):
                hint, vague, passed = _judged(subject, function)
        except Late:
            hint, vague, passed = LATE, False, False
        if hint and "a função parou com" in hint and not passed:
            row.stillborn += 1
        elif passed:
            _classify(subject, sameness, function, name, row)
        else:
            row.killed += 1
            row.vague += [name] if vague else []
    for name, function in right_answers(subject):
        _accept(subject, sameness, function, name, row)
    return row


def _accept(subject: Subject, sameness: Sameness, function: Callable[..., Any], name: str, row: Row) -> None:
    """Conta uma resposta certa escrita de outro modo; a que a reescrita estragou não é certa, e não conta."""
    if not all(sameness.compare(function)[:1]):
        return
    row.rights += 1
    cases = [subject.question.public_seeds, *(subject.hidden(class_seed) for class_seed in CLASSES)]
    if not all(subject.passes(function, seeds) for seeds in cases):
        hints = (subject.hint(function, seeds)[0] for seeds in cases)
        row.refused.append(f"{name}: {next(hint for hint in hints if hint)}")


def _judged(subject: Subject, function: Callable[..., Any]) -> tuple[str | None, bool, bool]:
    """A dica que o estudante receberia, se ela é vaga, e se a função passa em alguma turma."""
    hint, vague = subject.hint(function, subject.question.public_seeds)
    if hint and "a função parou com" in hint:
        return hint, vague, False
    passed = False
    for class_seed in CLASSES:
        seeds = subject.hidden(class_seed)
        if subject.passes(function, seeds):
            passed = True
        elif hint is None:
            hint, vague = subject.hint(function, seeds, secret=True)
    return hint, vague, passed


def _classify(subject: Subject, sameness: Sameness, function: Callable[..., Any], name: str, row: Row) -> None:
    drawn, edges = sameness.compare(function)
    if drawn and edges:
        row.equivalent.append(name)
        return
    if name in EXCUSED.get((subject.exercise, subject.question.name), {}):
        row.excused.append(name)
        return
    passed = sum(subject.passes(function, subject.hidden(seed)) for seed in MANY_CLASSES)
    row.survivors.append(f"{name} [{passed} de {len(MANY_CLASSES)}{', igual nos sorteios' if drawn else ''}]")


def run(path: Path, quick: bool) -> None:
    """Mede as questões que faltam no estudo, ou que mudaram desde então, e imprime a tabela."""
    warnings.simplefilter("ignore")
    study = resume(NAME, path, {"classes": len(CLASSES), "many": len(MANY_CLASSES)})
    for name in exercise_names()[: 1 if quick else None]:
        for subject in load_subjects(name)[: 1 if quick else None]:
            same = [one for one in study.runs if (one["exercise"], one["question"]) == subject.key]
            if any(one["digest"] == subject.digest for one in same):
                continue
            row = examine(subject)
            study.runs = [one for one in study.runs if one not in same]
            add_run(path, study, asdict(row))
            print(f"{name}, {row.question}: {len(row.survivors)} sobreviventes", file=sys.stderr, flush=True)
    print(render(study))
    if path == study_path(NAME):
        PAGE.write_text(page(study), encoding="utf-8")


def page(study: Study) -> str:
    """A tabela, os sobreviventes e os desculpados com a razão, como se leem no repositório."""
    lines = [f"# Os enganos automáticos de cada questão\n\nFeito por `{study.command}`.\n\n```", render(study), "```"]
    lines.append("\n## Os que passam em alguma turma, e em quantas\n")
    lines += [f"- {one['exercise']}, {one['question']}: {told}" for one in _ordered(study) for told in one["survivors"]]
    lines.append("\n## Os que só diferem da resposta certa fora do que a questão promete\n")
    for one in _ordered(study):
        reasons = EXCUSED.get((one["exercise"], one["question"]), {})
        lines += [f"- {one['exercise']}, {one['question']}: {told} ({reasons[told]})" for told in one["excused"]]
    return "\n".join(lines) + "\n"


def render(study: Study) -> str:
    """A tabela das questões, com os totais no fim."""
    runs = _ordered(study)
    rows = [(f"{one['exercise'][:2]}, {one['question']}", *_figures([one])) for one in runs]
    header = ["questão", "enganos", "equivalentes", "perdem", "passam", "dica própria (%)", "certas", "recusadas"]
    return table([*rows, ("todas", *_figures(runs))], header)


def _ordered(study: Study) -> list[dict[str, Any]]:
    """As questões na ordem do curso, e não na em que se mediram."""
    return sorted(study.runs, key=lambda one: (one["exercise"], one["question"]))


def _figures(runs: list[dict[str, Any]]) -> tuple[str, ...]:
    killed, vague = sum(one["killed"] for one in runs), sum(len(one["vague"]) for one in runs)
    equivalent, survivors, refused = (
        sum(len(one[key]) for one in runs for key in keys)
        for keys in (("equivalent", "excused"), ("survivors",), ("refused",))
    )
    share = number(100 * (1 - vague / max(killed, 1)), ".1f")
    counts = (killed + equivalent + survivors, equivalent, killed, survivors)
    return (*map(str, counts), share, str(sum(one["rights"] for one in runs)), str(refused))


def main() -> int:
    """Faz o estudo, ou o retoma de onde parou."""
    return command(NAME, __doc__.splitlines()[0], run)


if __name__ == "__main__":
    raise SystemExit(main())
