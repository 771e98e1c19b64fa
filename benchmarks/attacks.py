"""``python -m benchmarks.attacks``: centenas de trapaças disfarçadas, contra todos os exercícios, na caixa de verdade.

As trapaças são as do corpus do corretor, cada uma escrita de outro jeito ou feita noutra hora
(``tests/grader/corpus/variants.py``). Com as de cada exercício vai um vizinho honesto, que entrega o gabarito. Conta as
notas forjadas, o que aconteceu fora da caixa, e se a turma acabou.
"""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.study import add_run, resume
from course_grader import batch
from course_grader.assignment import Assignment, load_assignment
from course_grader.batch import Local, Store
from course_grader.inside.lockdown import Limits
from course_grader.result import Deadlines
from course_grader.sandbox import Confinement
from course_grader.submission import find_submissions
from course_lib import console
from course_lib.studies import study_path
from course_lib.text import number, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "grader"))

from corpus import write_all  # noqa: E402
from corpus.variants import Variant, draw_variants  # noqa: E402
from corpus.world import SECRET, World  # noqa: E402

# Curtos, para que as trapaças que só gastam tempo gastem pouco; o vizinho honesto cabe neles.
DEADLINES = Deadlines(cell=4, call=2, cells=20, total=60, grace=0.5, restarts=2)
CONFINEMENT = Confinement(limits=Limits(memory=2**30), total_memory=2 * 2**30)
NEIGHBOUR = "vizinho honesto"


@dataclass
class Outcome:
    """O que saiu de uma turma de trapaceiros.

    Attributes:
        exercise: o exercício.
        variants: quantas entregas.
        forged: as que ganharam algum ponto, com o disfarce.
        effects: o que aconteceu fora da caixa.
        unmarked: as que ficaram sem resultado.
        neighbour: a fração dos pontos que o vizinho honesto ganhou; sem ele, 1.
        seconds: quanto levou.
    """

    exercise: str
    variants: int
    forged: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    neighbour: float = 1.0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Se nada deu certo a quem trapaceou, e nada custou a mais ninguém."""
        return not (self.forged or self.effects or self.unmarked) and self.neighbour == 1.0


def functions(names: Sequence[str]) -> dict[str, list[str]]:
    """As funções que cada exercício pede."""
    return {
        name: [question.function for question in load_assignment(name, 0).exercise.questions] for name in sorted(names)
    }


def every_exercise() -> list[str]:
    """Os exercícios do curso, na ordem."""
    return sorted(path.stem for path in (ROOT / "solutions").glob("*.ipynb"))


def attack(
    assignment: Assignment,
    variants: Sequence[Variant],
    world: World,
    folder: Path,
    *,
    workers: int = 2,
    neighbour: bool = True,
    confinement: Confinement = CONFINEMENT,
) -> Outcome:
    """Corrige uma turma só de trapaceiros, e talvez um honesto, e diz o que eles conseguiram."""
    start = time.monotonic()
    handed, store = folder / "entregas", Store(folder / "saida")
    write_all([variant.entry for variant in variants], handed, world.folder, world.port)
    if neighbour:
        (handed / f"{NEIGHBOUR}.ipynb").write_bytes((ROOT / f"solutions/{assignment.exercise.name}.ipynb").read_bytes())
    before = {path.name: path.read_bytes() for path in handed.iterdir()}
    marked, jobs = batch.plan(find_submissions(handed)[0], assignment, DEADLINES, store)
    engine = Local(assignment, confinement, DEADLINES, workers=workers)
    try:
        batch.run(marked, jobs, engine, store, tell=lambda _: None)
    finally:
        engine.close()
    outcome = Outcome(assignment.exercise.name, len(variants), effects=world.damage())
    if {path.name: path.read_bytes() for path in handed.iterdir()} != before:
        outcome.effects.append("a pasta das entregas mudou")
    disguises = {variant.name: variant.disguise for variant in variants}
    full = sum(question.points for question in assignment.exercise.questions)
    for entry in marked:
        who = entry.submission.student
        if entry.result is None:
            outcome.unmarked.append(f"{who}: {entry.failure}")
        elif who == NEIGHBOUR:
            outcome.neighbour = entry.result.total / full
        else:
            if entry.result.total > 0:
                outcome.forged.append(f"{who} ({disguises[who]})")
            if SECRET in str(entry.result.to_json()):
                outcome.effects.append(f"{who}: leu o caderno do vizinho")
    outcome.seconds = time.monotonic() - start
    return outcome


def study(options: Namespace) -> list[Outcome]:
    """Ataca os exercícios um a um, e grava cada um; o que já está gravado não se repete."""
    exercises = functions(every_exercise())
    path = options.saida
    record = resume("attacks", path, {"variants": options.n, "seed": options.semente, "exercises": len(exercises)})
    with tempfile.TemporaryDirectory() as name, World(Path(name) / "mundo") as world:
        drawn = draw_variants(exercises, options.n, options.semente, str(world.folder), world.port)
        for exercise in sorted(exercises.keys() - {run["exercise"] for run in record.runs}):
            mine = [variant for variant in drawn if variant.exercise == exercise]
            assignment = load_assignment(exercise, 20_251)
            outcome = attack(assignment, mine, world, Path(name) / exercise, workers=options.processos)
            print(f"{exercise}: {len(mine)} variantes em {number(outcome.seconds, '.0f')} s", file=sys.stderr)
            add_run(path, record, vars(outcome))
    print(_kinds(drawn))
    return [
        Outcome(**{key: run[key] for key in Outcome.__dataclass_fields__})
        for run in sorted(record.runs, key=lambda run: run["exercise"])
    ]


def _kinds(drawn: Sequence[Variant]) -> str:
    disguises = Counter(part for variant in drawn for part in variant.disguise.split("+"))
    return (
        f"{len(drawn)} variantes de {len({variant.attack for variant in drawn})} trapaças, "
        f"{len({variant.disguise for variant in drawn})} disfarces feitos de {len(disguises)} peças"
    )


def main() -> int:
    """Ataca e imprime a tabela; devolve 1 se uma trapaça deu certo."""
    parser = console.Parser(prog="python -m benchmarks.attacks", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=console.positive_integer, default=520, help="variantes (padrão: 520)")
    parser.add_argument("--semente", type=console.whole_number, default=0, help="semente do sorteio (padrão: 0)")
    parser.add_argument("--processos", type=console.positive_integer, default=2, help="ao mesmo tempo (padrão: 2)")
    default = study_path("attacks")
    parser.add_argument("--saida", type=Path, default=default, metavar="ARQUIVO", help=f"o estudo (padrão: {default})")
    outcomes = study(parser.parse_args())
    rows = [
        [
            one.exercise,
            str(one.variants),
            str(len(one.forged)),
            str(len(one.effects)),
            "sim" if not one.unmarked else f"faltam {len(one.unmarked)}",
            number(one.neighbour, ".0%"),
        ]
        for one in outcomes
    ]
    total = [
        "ao todo",
        *(
            str(sum(column))
            for column in zip(*((o.variants, len(o.forged), len(o.effects)) for o in outcomes), strict=True)
        ),
        "sim" if all(not one.unmarked for one in outcomes) else "não",
        number(min(one.neighbour for one in outcomes), ".0%"),
    ]
    header = ["exercício", "variantes", "notas forjadas", "efeitos fora", "turma inteira", "nota do honesto"]
    print(table([*rows, total], header))
    for one in outcomes:
        for line in (*one.forged, *one.effects, *one.unmarked):
            print(f"{one.exercise}: {line}")
    return 0 if all(one.clean for one in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
