"""Entregas parecidas demais, por mais que se troquem nomes, ordem e arrumação; nada sai desta máquina.

É o *winnowing* do MOSS: o código vira uma sequência de símbolos em que um nome escolhido por quem escreveu é só "um
nome"; cada trecho de ``K`` símbolos tem um resumo; de cada ``WINDOW`` trechos seguidos guarda-se o de menor resumo, e
as entregas se comparam pelos guardados. O que já vinha no caderno distribuído não conta, e o que muitos escreveram
igual conta menos.

Os valores daqui são os de ``python -m benchmarks.copies``. Feito à mão porque o copydetect, que acha as mesmas cópias,
compara par a par (300 entregas lhe levariam um minuto), não lê cadernos nem deixa de lado o que a turma toda escreveu
igual, e traz o matplotlib e o Pygments.

Referência: Schleimer, Wilkerson e Aiken (2003), *Winnowing: local algorithms for document fingerprinting*.
"""

from __future__ import annotations

import builtins
import keyword
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

K, WINDOW = 12, 4
# Fração do código do menor dos dois que precisa estar no outro, e quantos resumos ele precisa ter.
THRESHOLD, ENOUGH = 0.4, 12
MAX_PAIRS, MAX_PASSAGES, MAX_TOKENS = 60, 6, 20_000

# Aspas que não fecham vão até o fim da linha, ou do texto: nenhuma alternativa lê duas vezes o mesmo lugar.
_TOKEN = re.compile(
    r"(?P<skip>\#[^\n]*|[ \t\r\f]+|\\\n)|(?P<line>\n)"
    r'|(?P<string>[rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|\Z)|\'\'\'[\s\S]*?(?:\'\'\'|\Z)'
    r'|"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\'?))'
    r"|(?P<number>\d[\w.]*|\.\d\w*)|(?P<name>\w+)|(?P<sign>[-+*/%@&|^<>=!:]=|\*\*|//|->|[^\w\s])"
)
_KNOWN = {*keyword.kwlist, *dir(builtins), "torch", "np", "numpy", "nn", "F", "math", "plt", "viz", "metrics", "self"}
# Abrem linhas que todos têm.
_COMMON = {"import", "from", "%", "!"}


@dataclass(frozen=True)
class Source:
    """O código de um estudante."""

    student: str
    cells: Sequence[str]


@dataclass(frozen=True)
class Pair:
    """Duas entregas parecidas.

    Attributes:
        one, other: de quem são.
        score: a fração do código da menor que está na outra, de 0 a 1.
        passages: os trechos em comum, como cada um os escreveu, do maior ao menor.
    """

    one: str
    other: str
    score: float
    passages: Sequence[tuple[str, str]] = ()


def near_copies(
    sources: Sequence[Source], given: Sequence[str] = (), threshold: float = THRESHOLD, most: int = MAX_PAIRS
) -> list[Pair]:
    """Os pares parecidos, do mais ao menos.

    Args:
        sources: as entregas.
        given: as células de código do caderno distribuído.
        threshold: a partir de que fração em comum.
        most: quantos pares, no máximo.
    """
    if not sources:
        return []
    ready = {tuple(symbol for symbol, _ in _symbols(cell)) for cell in given}
    excluded = {mark for symbols in ready for mark in _hashes(_codes(symbols))}
    prints = [_Prints(source, ready, excluded) for source in sources]
    score = _scores([each.marks for each in prints])
    ranked = sorted(zip(*np.nonzero(np.triu(score >= threshold)), strict=True), key=lambda pair: -score[pair])
    return [
        Pair(sources[a].student, sources[b].student, float(score[a, b]), _passages(prints[a], prints[b]))
        for a, b in ranked[:most]
    ]


def _scores(prints: list[np.ndarray]) -> np.ndarray:
    """De cada par, a fração do menor que está no outro; o que muitos têm pesa menos."""
    n = len(prints)
    shared, whole = np.zeros((n, n)), np.zeros(n)
    marks, owners = np.concatenate(prints), np.repeat(np.arange(n), [len(each) for each in prints])
    order = np.argsort(marks, kind="stable")
    marks, owners = marks[order], owners[order]
    starts = np.unique(marks, return_index=True)[1].tolist()
    for start, end in pairwise([*starts, len(marks)]):
        who = owners[start:end]
        weight = math.log(1 + n / len(who))
        whole[who] += weight
        if len(who) > 1:
            shared[np.ix_(who, who)] += weight
    few = np.array([len(each) < ENOUGH for each in prints], dtype=bool)
    score = shared / np.maximum(np.minimum(whole[:, None], whole[None, :]), 1e-9)
    score[few, :] = score[:, few] = 0
    np.fill_diagonal(score, 0)
    return score


class _Prints:
    """Os resumos guardados de uma entrega, e onde está cada um; em arrays, porque uma turma inteira cabe na memória.

    Attributes:
        marks, places: cada resumo, sem repetir, e o símbolo em que o trecho dele começa.
    """

    def __init__(self, source: Source, ready: set[tuple[str, ...]], excluded: set[int]) -> None:
        self.source = source
        symbols: list[str] = []
        where: list[tuple[int, int]] = []
        for cell, text in enumerate(source.cells):
            if len(symbols) >= MAX_TOKENS:
                break
            found = _symbols(text)
            if tuple(symbol for symbol, _ in found) not in ready:
                symbols += [symbol for symbol, _ in found]
                where += [(cell, line) for _, line in found]
        self._codes = _codes(symbols[:MAX_TOKENS])
        self._where = np.array(where[:MAX_TOKENS], dtype=np.int32).reshape(-1, 2)
        marks = _hashes(self._codes)
        kept = {marks[place]: place for place in _winnow(marks) if marks[place] not in excluded}
        self.marks = np.fromiter(kept, dtype=np.uint64, count=len(kept))
        self.places = np.fromiter(kept.values(), dtype=np.int32, count=len(kept))

    def everywhere(self) -> dict[int, int]:
        """O lugar de todo trecho, guardado ou não: para mostrar o que se repete, não basta uma amostra."""
        return {mark: place for place, mark in enumerate(_hashes(self._codes))}

    def lines(self, place: int) -> tuple[int, int, int]:
        """A célula do trecho, a primeira e a última linha dele nela."""
        cells, lines = self._where[place : place + K].T
        return int(cells[0]), int(lines[0]), int(lines[cells == cells[0]].max())


def _passages(one: _Prints, other: _Prints) -> list[tuple[str, str]]:
    """Os trechos em comum, cada um com as linhas inteiras de um lado e do outro."""
    there = other.everywhere()
    found = zip(one.marks.tolist(), one.places.tolist(), strict=True)
    pairs = sorted((place, there[mark]) for mark, place in found if mark in there)
    groups: list[tuple[list[int], list[int]]] = []
    for place in pairs:
        sides = one.lines(place[0]), other.lines(place[1])
        if groups and all(
            now[0] == last[0] and last[1] - 3 <= now[1] <= last[2] + 3
            for now, last in zip(sides, groups[-1], strict=True)
        ):
            for now, last in zip(sides, groups[-1], strict=True):
                last[1], last[2] = min(last[1], now[1]), max(last[2], now[2])
        else:
            groups.append((list(sides[0]), list(sides[1])))
    longest = sorted(groups, key=lambda group: group[0][1] - group[0][2])[:MAX_PASSAGES]
    return [(_cut(one.source, *here), _cut(other.source, *there)) for here, there in longest]


def _cut(source: Source, cell: int, first: int, last: int) -> str:
    return "\n".join(source.cells[cell].splitlines()[first : last + 1])


def _symbols(code: str) -> list[tuple[str, int]]:
    """Os símbolos de uma célula, com a linha de cada um.

    Por uma expressão regular, e não pelo tokenizador do Python: uma célula pode ser feita para que ele leve minutos.
    """
    found: list[tuple[str, int]] = []
    line, opening, skipping = 0, True, False
    for match in islice(_TOKEN.finditer(code), 3 * MAX_TOKENS):
        kind, text = match.lastgroup, match[0]
        if kind == "line":
            line, opening, skipping = line + 1, True, False
        elif kind != "skip":
            # Um texto que abre a linha é uma explicação, e não código.
            skipping = skipping or (opening and (text in _COMMON or kind == "string"))
            if not skipping:
                after_dot = bool(found) and found[-1][0] == "."
                found.append((_symbol(kind, text, after_dot=after_dot), line))
            opening = False
            line += text.count("\n")
    return found


def _symbol(kind: str | None, text: str, *, after_dot: bool) -> str:
    if kind == "string":
        return "texto"
    if kind == "number":
        return "número"
    # O que vem depois de um ponto é de uma biblioteca, e quem copia não o pode trocar.
    return text if kind == "sign" or after_dot or text in _KNOWN else "nome"


def _codes(symbols: Iterable[str]) -> np.ndarray:
    return np.array([zlib.crc32(symbol.encode("utf-8", "replace")) for symbol in symbols], dtype=np.uint32)


def _hashes(codes: np.ndarray) -> list[int]:
    """O resumo de cada ``K`` símbolos seguidos."""
    packed = codes.astype(np.uint64)
    if len(packed) < K:
        return []
    # Um polinômio módulo 2^64, de potências ímpares, embaralhado no fim: o menor resumo não deve seguir o começo dele.
    powers = np.array([pow(1_000_003, n, 2**64) for n in range(K)], dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(packed, K)
    with np.errstate(over="ignore"):
        mixed = (windows * powers).sum(1, dtype=np.uint64)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    return mixed.tolist()


def _winnow(marks: Sequence[int]) -> list[int]:
    """De cada ``WINDOW`` trechos seguidos, a posição do de menor resumo; o mais à direita, se empatam."""
    if not marks:
        return []
    values = np.asarray(marks, dtype=np.uint64)
    if len(values) < WINDOW:
        return [int(values.argmin())]
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)[:, ::-1]
    return sorted(set((np.arange(len(windows)) + WINDOW - 1 - windows.argmin(1)).tolist()))
