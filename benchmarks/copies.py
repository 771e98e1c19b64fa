"""``python -m benchmarks.copies``: quantas cópias disfarçadas se acham numa turma de 300, e quantas se acusam à toa.

Os honestos escrevem cada questão de um dos jeitos de :mod:`benchmarks.copies_corpus`, com sinônimos, nomes e
explorações seus. Cada copista parte de um deles, troca os nomes, a ordem e a arrumação, mexe nas expressões e reescreve
parte das questões.
"""

from __future__ import annotations

import ast
import builtins
import random
import re
import time
from dataclasses import dataclass

from benchmarks.copies_corpus import EXPLORATIONS, SYNONYMS, VARIANTS
from benchmarks.measure import machine
from course_grader.copies import THRESHOLD, Source, near_copies
from course_grader.discussion import load_given
from course_lib import console
from course_lib.text import number, table

EXERCISE = "09_interpolacao"
GOAL_RECALL, GOAL_FALSE, GOAL_SECONDS = 0.95, 0.01, 10.0

# O jeito mais comum de cada questão, que é o do livro, é de um terço da turma.
USUAL = 0.34
REWRITTEN = {"nomes": 0, "ordem": 0, "arrumação": 0, "expressões": 0, "tudo": 0, "parte reescrita": 2}
_WORDS = [
    "valor",
    "item",
    "aux",
    "tmp",
    "lista",
    "resp",
    "calc",
    "dado",
    "base",
    "prox",
    "ponto",
    "parte",
    "soma",
    "faixa",
]
_FIXED = {*dir(builtins), "torch", "np", "plt", "viz", *VARIANTS, "images", "labels", "pair", "ae", "vae", "frames"}


@dataclass(frozen=True)
class Class:
    """Uma turma: as entregas, e os pares que são cópia, com o disfarce de cada um."""

    sources: list[Source]
    copied: dict[frozenset[str], str]


def make_class(honest: int, copies: int, seed: int = 0) -> Class:
    """Sorteia uma turma de ``honest`` honestos e ``copies`` copistas, cada um de um honesto diferente.

    Args:
        honest: quantos fizeram sozinhos.
        copies: quantos copiaram de um desses.
        seed: semente.
    """
    source = random.Random(seed)
    given = list(load_given(EXERCISE, {}).code)
    chosen = [{name: _choice(name, source) for name in VARIANTS} for _ in range(honest)]
    sources = [Source(f"honesto {n}", given + _notebook(answers, source)) for n, answers in enumerate(chosen)]
    copied, ways = {}, list(REWRITTEN)
    for n, victim in enumerate(source.sample(range(honest), copies)):
        way = ways[n % len(ways)]
        answers = dict(chosen[victim])
        for name in source.sample(list(VARIANTS), REWRITTEN[way]):
            answers[name] = _own(source.choice(VARIANTS[name]), source)
        sources.append(Source(f"copista {n}", given + _disguised(answers, way, source)))
        copied[frozenset((f"honesto {victim}", f"copista {n}"))] = way
    source.shuffle(sources)
    return Class(sources, copied)


def evaluate(turma: Class, threshold: float = THRESHOLD) -> tuple[dict[str, list[bool]], int, int]:
    """Se cada cópia foi achada, por disfarce; quantos pares honestos foram acusados, e quantos há.

    Um par honesto é o de duas pessoas que não copiaram uma da outra.
    """
    given = load_given(EXERCISE, {}).code
    found = {frozenset((pair.one, pair.other)) for pair in near_copies(turma.sources, given, threshold, most=10**6)}
    caught: dict[str, list[bool]] = {way: [] for way in REWRITTEN}
    for pair, way in turma.copied.items():
        caught[way].append(pair in found)
    n = len(turma.sources)
    return caught, len(found - set(turma.copied)), n * (n - 1) // 2 - len(turma.copied)


def _choice(name: str, source: random.Random) -> str:
    usual, *others = VARIANTS[name]
    return _own(usual if source.random() < USUAL else source.choice(others), source)


def _own(code: str, source: random.Random) -> str:
    """O mesmo, ao gosto de uma pessoa: sinônimos, e uma variável a mais ou a menos."""
    for pattern, others in SYNONYMS:
        if source.random() < 0.5:
            code = re.sub(pattern, source.choice(others), code)
    return ast.unparse(_Shuffle(source).visit(ast.parse(code)))


def _notebook(answers: dict[str, str], source: random.Random) -> list[str]:
    """As células de um estudante: as respostas, com nomes seus, e algumas explorações."""
    cells = [_renamed(code.strip(), source) if source.random() < 0.7 else code.strip() for code in answers.values()]
    for text in source.sample(EXPLORATIONS, source.randint(3, 7)):
        filled = "".join(str(source.randint(3, 90)) if letter == "@" else letter for letter in text)
        cells.insert(source.randrange(len(cells) + 1), filled)
    return cells


def _disguised(answers: dict[str, str], way: str, source: random.Random) -> list[str]:
    codes = [code.strip() for code in answers.values()]
    everything = way in ("tudo", "parte reescrita")
    if way == "expressões" or everything:
        codes = [ast.unparse(_Shuffle(source).visit(ast.parse(code))) for code in codes]
    if way == "nomes" or everything:
        codes = [_renamed(code, source) for code in codes]
    if way == "arrumação" or everything:
        codes = [_rearranged(code, source) for code in codes]
    if way == "ordem" or everything:
        source.shuffle(codes)
        middle = source.randint(1, len(codes) - 1)
        codes = ["\n\n\n".join(codes[:middle]), "\n\n\n".join(codes[middle:])]
    extra = source.sample(EXPLORATIONS, source.randint(1, 4))
    return codes + [text.replace("@", str(source.randint(3, 90))) for text in extra]


def _renamed(code: str, source: random.Random) -> str:
    """O mesmo código com todos os nomes escolhidos por quem escreveu trocados."""
    tree = ast.parse(code)
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    new = {name: f"{source.choice(_WORDS)}_{number}" for number, name in enumerate(sorted(names - _FIXED))}
    for node in ast.walk(tree):
        for field in ("id", "arg", "name"):
            if getattr(node, field, None) in new and not isinstance(node, ast.keyword):
                setattr(node, field, new[getattr(node, field)])
    return ast.unparse(tree)


def _rearranged(code: str, source: random.Random) -> str:
    """O mesmo código com outras linhas em branco, comentários e quebras."""
    lines = []
    for line in ast.unparse(ast.parse(code)).splitlines():
        if line.strip() and source.random() < 0.3:
            lines.append(f"{line[: len(line) - len(line.lstrip())]}# {source.choice(_WORDS)}")
        lines += [f"{line}  # {source.choice(_WORDS)}" if source.random() < 0.3 else line]
        if source.random() < 0.2 and line.strip():
            lines.append("")
    return "\n".join(lines)


class _Shuffle(ast.NodeTransformer):
    """Troca a ordem de somas e produtos, e põe e tira variáveis no meio do caminho."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add | ast.Mult) and self.source.random() < 0.5:
            node.left, node.right = node.right, node.left
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        last = node.body[-1]
        if isinstance(last, ast.Return) and last.value is not None and self.source.random() < 0.6:
            node.body[-1:] = ast.parse("answer = 0\nreturn answer").body
            node.body[-2].value = last.value
        if self.source.random() < 0.4:
            node.body.insert(0, ast.parse(f"assert {node.args.args[0].arg} is not None").body[0])
        return ast.fix_missing_locations(node)


def main() -> int:
    """Mede e imprime; devolve 1 se algo ficou aquém do pedido."""
    parser = console.Parser(prog="python -m benchmarks.copies", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=console.positive_integer, default=300, help="entregas (padrão: 300)")
    parser.add_argument("--turmas", type=console.positive_integer, default=3, help="turmas sorteadas (padrão: 3)")
    options = parser.parse_args()
    print(machine())
    caught: dict[str, list[bool]] = {way: [] for way in REWRITTEN}
    wrong = pairs = 0
    seconds = 0.0
    for seed in range(options.turmas):
        turma = make_class(options.n - options.n // 5, options.n // 5, seed)
        start = time.perf_counter()
        near_copies(turma.sources, load_given(EXERCISE, {}).code)
        seconds = max(seconds, time.perf_counter() - start)
        found, accused, total = evaluate(turma)
        for way, each in found.items():
            caught[way] += each
        wrong, pairs = wrong + accused, pairs + total
    rows = [(way, f"{sum(each)} de {len(each)}", number(sum(each) / len(each), ".1%")) for way, each in caught.items()]
    every = [hit for each in caught.values() for hit in each]
    recall, false = sum(every) / len(every), wrong / pairs
    rows.append(("todas as cópias", f"{sum(every)} de {len(every)}", number(recall, ".1%")))
    rows.append(("pares honestos acusados", f"{number(wrong, ',')} de {number(pairs, ',')}", number(false, ".2%")))
    print(table(rows, ["", "achadas", "fração"]))
    print(f"{options.n} entregas em {number(seconds, '.1f')} s na turma mais lenta")
    return 0 if recall >= GOAL_RECALL and false <= GOAL_FALSE and seconds <= GOAL_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
