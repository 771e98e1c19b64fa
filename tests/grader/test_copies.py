"""Cópias disfarçadas entre trabalhos honestos: acham-se, e quem fez sozinho não é acusado."""

from __future__ import annotations

import time

import pytest

from benchmarks.copies import REWRITTEN, evaluate, make_class
from course_grader import copies
from course_grader.copies import Source, near_copies

ONE = """
def distance(frames, images):
    best = []
    for frame in frames:
        gaps = ((images - frame) ** 2).flatten(1).sum(1)
        best.append(gaps.min().sqrt())
    return torch.stack(best) / len(images) ** 0.5
"""
# Outros nomes, comentários e linhas em branco; um texto de explicação.
DISGUISED = '''
import math
def minimo(a, b):
    """Meu."""
    lista = []   # guarda

    for item in a:
        d = ((b - item) ** 2).flatten(1).sum(1)   # distância
        lista.append(d.min().sqrt())
    return torch.stack(lista) / len(b) ** 0.5
'''
OTHER = """
def distance(frames, images):
    x, y = frames.reshape(len(frames), -1), images.reshape(len(images), -1)
    table = torch.cdist(x, y)
    nearest, _ = table.topk(1, largest=False)
    return nearest[:, 0] / math.sqrt(images.shape[0])
"""
GIVEN = (
    "net = weights.load('vae')\nimages = load_mnist('test').images[:1000]\nviz.image_grid(images[:20], columns=10)\n"
)


def sources(*codes):
    return [Source(f"estudante {n}", [GIVEN, code]) for n, code in enumerate(codes)]


def test_a_disguised_copy_is_found_and_shown_side_by_side():
    (pair,) = near_copies(sources(ONE, OTHER, DISGUISED), [GIVEN])
    assert (pair.one, pair.other) == ("estudante 0", "estudante 2")
    left, right = pair.passages[0]
    assert "for frame in frames" in left
    assert "for item in a" in right
    assert GIVEN.splitlines()[0] not in left


def test_what_was_given_is_not_a_copy():
    given = GIVEN + ONE
    edited = [
        Source(name, [given.replace("** 0.5", "** (1 / 2)") + extra]) for name, extra in zip("ab", "xy", strict=True)
    ]
    assert near_copies(edited, [given]) == []
    assert near_copies(edited, [])


def test_what_a_code_is_made_of():
    """Nomes, números e textos são todos iguais, e nenhum some: os sinais e o que vem depois de um ponto ficam."""
    symbols = [symbol for symbol, _ in copies._symbols("x1 = y[0:.5] * 1.5e3 + len('a')  # nada\nz.flatten(1)\n")]
    number, name = "número", "nome"
    assert symbols == [
        *(name, "=", name, "[", number, ":", number, "]", "*", number, "+", "len", "(", "texto", ")"),
        *(name, ".", "flatten", "(", number, ")"),
    ]


@pytest.mark.parametrize("seed", [100, 101])
def test_a_small_class_of_honest_people_and_copiers(seed):
    caught, accused, honest = evaluate(make_class(24, len(REWRITTEN), seed))
    assert all(all(each) for each in caught.values()), caught
    assert accused <= 0.01 * honest


@pytest.mark.parametrize(
    "cell", ["'''" + "a\n" * 90_000, "(" * 190_000, '"' * 100_001, "\\\n" * 90_000, "x" * 200_000, "'\\" * 90_000]
)
def test_a_cell_made_to_be_slow_is_quick(cell):
    start = time.process_time()
    near_copies([Source("a", [cell]), Source("b", [cell])])
    assert time.process_time() - start < 3


@pytest.mark.parametrize("cells", [[], [[]], [[], ["x = 1"]], [[""], ["'"]]])
def test_a_class_with_nothing_to_compare_has_no_copies(cells):
    assert near_copies([Source(str(n), each) for n, each in enumerate(cells)], []) == []
