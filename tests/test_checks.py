"""Cada conferência aceita o que serve, recusa o vizinho que não serve, e diz o nome, o que veio e o que se esperava."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import count_checks
import numpy as np
import pytest
import torch
from torch import nn

from course_lib import checks

MODELS = Path(checks.__file__).parents[1] / "models"


def refuses(message: str, error: type[Exception] = ValueError):
    return pytest.raises(error, match=f"^{message}")


# --- números ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(1), 10**400])
def test_integers_of_python_and_numpy_are_integers(value):
    assert checks.integer(value, "n") == value
    assert type(checks.integer(value, "n")) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, 2.5, "4", None, True, np.bool_(True), np.float32(2), torch.tensor(2)])
def test_what_is_not_a_positive_integer(value):
    with refuses(r"n: veio .*; esperava um inteiro ≥ 1$"):
        checks.integer(value, "n")


def test_bounds_multiples_and_absence_of_an_integer():
    checks.integer(0, "n", low=0)
    checks.integer(0, "n", low=-2, high=0)
    checks.integer(256, "size", low=8, multiple=8)
    checks.integer(None, "n", optional=True)
    with refuses("n: veio 1; esperava um inteiro de -2 a 0$"):
        checks.integer(1, "n", low=-2, high=0)
    with refuses("n: veio 3; esperava um inteiro par ≥ 2$"):
        checks.integer(3, "n", low=2, multiple=2)
    with refuses("size: veio 20; esperava um múltiplo de 8 ≥ 8$"):
        checks.integer(20, "size", low=8, multiple=8)
    with refuses("n: veio 0; esperava um inteiro ≥ 1$"):
        checks.integer(0, "n", optional=True)


def test_many_at_once_name_the_wrong_one():
    checks.sizes(width=3, depth=np.int32(1))
    with refuses("depth: veio 0; esperava um inteiro ≥ 1$"):
        checks.sizes(width=3, depth=0)


@pytest.mark.parametrize("values", [(1,), [3, np.int64(2)], range(1, 4), torch.Size([2, 3])])
def test_sequences_of_integers(values):
    read = checks.integers(values, "sizes")
    assert read == tuple(values)
    assert {type(value) for value in read} == {int}


@pytest.mark.parametrize(
    "values", [256, None, "12", b"12", (), (0,), (3, 2.5), (True,), {3, 4}, {3: 4}, np.array([3]), (x for x in (3,))]
)
def test_what_is_not_a_sequence_of_integers(values):
    with refuses(r"sizes: veio .*; esperava uma sequência de inteiros ≥ 1$"):
        checks.integers(values, "sizes")


def test_how_many_integers_and_of_what():
    checks.integers((), "hidden_dims", least=0)
    checks.integers((8, 16), "channels", low=8, length=2, multiple=8)
    with refuses(r"sizes: veio \(784,\); esperava pelo menos 2 inteiros ≥ 1$"):
        checks.integers((784,), "sizes", least=2)
    for wrong in ((8,), (8, 12), (8, 16, 24)):
        with refuses(r"channels: veio \(8.*; esperava 2 múltiplos de 8 ≥ 8$"):
            checks.integers(wrong, "channels", low=8, length=2, multiple=8)


@pytest.mark.parametrize(
    ("interval", "inside", "outside", "expected"),
    [
        ("[0, 1)", (0, 0.5, np.float32(0.25), Fraction(1, 3)), (1, -1e-9), "maior ou igual a 0 e menor que 1"),
        ("(0, 0.5]", (1e-9, 0.5), (0, 0.6), "maior que 0 e menor ou igual a 0,5"),
        ("[0, inf)", (0, 1e300), (-1, float("inf")), "maior ou igual a 0"),
        ("(-inf, inf)", (-1e300, 0), (float("inf"), float("-inf")), "finito"),
    ],
)
def test_intervals_are_those_of_mathematics(interval, inside, outside, expected):
    for value in inside:
        checks.number(value, "x", interval)
    for value in (*outside, float("nan"), "0.5", None, True, 1j, torch.tensor(0.5)):
        with refuses(f"x: veio .*; esperava um número {expected}$"):
            checks.number(value, "x", interval)


def test_a_number_may_be_missing():
    checks.number(None, "std", "(0, 0.5]", optional=True)
    for value, optional in [(None, False), (0.0, True), ("1", True)]:
        with refuses("std: veio .*; esperava um número maior que 0 e menor ou igual a 0,5$"):
            checks.number(value, "std", "(0, 0.5]", optional=optional)


def test_a_number_may_have_a_better_name():
    with refuses("p: veio 2; esperava uma probabilidade maior ou igual a 0"):
        checks.number(2, "p", "[0, 1]", "uma probabilidade")


def test_two_ends_in_order():
    checks.span(0.05, np.float32(5), "low e high", 10)
    checks.span(1, 1, "low e high", 10)
    for low, high in ((0, 1), (2, 1), (1, 10.5), (float("nan"), 1), (1, float("nan")), ("1", 2), (None, 2)):
        with refuses("low e high: vieram .* e .*; esperava 0 < mínimo ≤ máximo ≤ 10$"):
            checks.span(low, high, "low e high", 10)
    with refuses("low e high: vieram 1 e 1; esperava 0 < mínimo < máximo ≤ 0,5$"):
        checks.span(1, 1, "low e high", 0.5, strict=True)
    with refuses("low e high: vieram 1 e 1; esperava 0 < mínimo < máximo ≤ 10$"):
        checks.span(1, 1, "low e high", 10, strict=True)


# --- coleções ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [("a", "b"), {"a": 1, "b": 2}])
@pytest.mark.parametrize("value", ["c", "", None, 0, ["a"], {}])
def test_options_are_listed(options, value):
    checks.one_of("a", "name", options)
    with refuses("name: veio .*; as opções são 'a', 'b'$"):
        checks.one_of(value, "name", options)


def test_how_many_items():
    checks.count([1, 2], "widths", 2)
    checks.not_empty([0], "layers")
    with refuses("widths: veio 1; esperava 2 larguras, uma por centro$"):
        checks.count([1], "widths", 2, "larguras, uma por centro")
    with refuses("layers: não veio nada; esperava pelo menos um item$"):
        checks.not_empty([], "layers")


@pytest.mark.parametrize("values", [[], [0, 0], [1, 2], [0, 2], [0, 1, 2]])
def test_a_permutation_has_each_number_once(values):
    checks.permutation((1, 0, 3, 2), "order", multiple=2)
    with refuses(r"order: veio \[.*\]; esperava cada número de 0 em diante, uma vez, um número par deles$"):
        checks.permutation(values, "order", multiple=2)
    if values == [0, 1, 2]:
        checks.permutation(values, "order")


def test_numbers_of_a_sequence():
    checks.numbers_each([0.5, 1], "widths", "(0, inf)", length=2)
    with refuses("widths: veio 1; esperava 2 números$"):
        checks.numbers_each([0.5], "widths", "(0, inf)", length=2)
    with refuses("widths: veio 0; esperava um número maior que 0$"):
        checks.numbers_each([0.5, 0], "widths", "(0, inf)", length=2)


def test_a_condition_without_a_check_of_its_own():
    checks.require(True, "não")
    with refuses("x e y: não combinam$"):
        checks.require(False, "x e y: não combinam")


# --- tensores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "came"), [(torch.zeros(2).byte(), r"torch\.uint8"), ([0.0], "list"), (None, "None")])
def test_floating_tensors(value, came):
    checks.floating(torch.zeros(2).half())
    with refuses(f"z: veio {came}.*; esperava um tensor float32$", TypeError):
        checks.floating(value, "z")
    with refuses(f"y: veio {came}.*; esperava um tensor torch.int64$", TypeError):
        checks.dtype(value, "y", torch.int64)


def test_shapes_have_fixed_free_and_open_axes():
    checks.shape(torch.zeros(5, 2), "x", "B", 2)
    checks.shape(np.zeros((5, 2)), "x", "B", 2)
    checks.shape(torch.zeros(()), "x")
    checks.shape(torch.zeros(5, 2, 7, 7), "x", "B", 2, ...)
    checks.shape(torch.zeros(5, 2), "x", "B", 2, ...)
    for wrong in (torch.zeros(2), torch.zeros(2, 5), torch.zeros(5, 2, 1)):
        with refuses(r"x: veio um tensor de forma \(.*\); esperava \(B, 2\)$"):
            checks.shape(wrong, "x", "B", 2)
    with refuses(r"x: veio um tensor de forma \(5,\); esperava \(B, 2, …\)$"):
        checks.shape(torch.zeros(5), "x", "B", 2, ...)
    with refuses(r"x: veio um tensor de forma \(4,\); esperava \(3,\)$"):
        checks.shape(torch.zeros(4), "x", 3)
    with refuses(r"x: veio list; esperava um tensor de forma \(3,\)$", TypeError):
        checks.shape([1, 2, 3], "x", 3)


def test_type_and_shape_at_once():
    x = torch.zeros(3, 2)
    checks.typed(x, "x", torch.float32, "B", 2)
    with refuses(r"x: veio torch\.float64; esperava um tensor torch\.float32$", TypeError):
        checks.typed(x.double(), "x", torch.float32, "B", 2)
    with refuses(r"x: veio um tensor de forma \(3, 2\); esperava \(B, 4\)$"):
        checks.typed(x, "x", torch.float32, "B", 4)


def test_same_shape():
    checks.same_shape("mu e logvar", torch.zeros(2, 3), torch.ones(2, 3))
    checks.same_shape("a, b e c", torch.zeros(3), torch.ones(3), torch.ones(3), axes=1)
    with refuses(r"mu e logvar: vieram formas \(2, 3\), \(3,\); esperava a mesma$"):
        checks.same_shape("mu e logvar", torch.zeros(2, 3), torch.zeros(3))
    with refuses(r"a, b e c: vieram formas \(3,\), \(3,\), \(1,\); esperava a mesma$"):
        checks.same_shape("a, b e c", torch.zeros(3), torch.zeros(3), torch.zeros(1))
    with refuses(r"a e b: vieram formas \(2, 3\), \(2, 3\); esperava a mesma, de 1 eixo$"):
        checks.same_shape("a e b", torch.zeros(2, 3), torch.zeros(2, 3), axes=1)


def test_same():
    checks.same((1, 2), (1, 2), "larguras")
    with refuses(r"larguras: veio \(1, 3\); esperava \(1, 2\)$"):
        checks.same((1, 3), (1, 2), "larguras")


def test_partly_known_images():
    x = torch.zeros(2, 1, 28, 28)
    checks.partly_known(x, x > 0)
    with refuses(r"mask: veio torch\.float32; esperava booleanos$"):
        checks.partly_known(x, x)
    with refuses(r"x: os valores vão de 2 a 2"):
        checks.partly_known(x + 2, x > 0)


def test_the_type_is_that_of_the_weights_except_under_autocast():
    layer, x = nn.Linear(2, 2), torch.zeros(1, 2, dtype=torch.float64)
    checks.dtype_of(x.float(), layer)
    checks.dtype_of(x, layer.double())
    layer.float()
    with refuses(
        r"x: veio torch.float64; os pesos da rede são torch.float32 \(use x.to\(torch.float32\)\)$", TypeError
    ):
        checks.dtype_of(x, layer)
    with torch.autocast("cpu", torch.bfloat16):
        checks.dtype_of(x, layer)


@pytest.mark.parametrize(
    ("value", "error", "came"),
    [
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), TypeError, "torch.uint8"),
        (np.zeros((2, 1, 28, 28), dtype=np.float32), TypeError, "ndarray"),
        (None, TypeError, "NoneType"),
        (torch.zeros(2, 784), ValueError, r"\(2, 784\)"),
        (torch.zeros(28, 28), ValueError, r"\(28, 28\)"),
        (torch.zeros(2, 28, 28), ValueError, r"\(2, 28, 28\)"),
        (torch.zeros(2, 28, 28, 1), ValueError, r"\(2, 28, 28, 1\)"),
        (torch.zeros(()), ValueError, r"\(\)"),
    ],
)
def test_images_say_what_came_and_what_was_expected(value, error, came):
    with refuses(f"fotos: veio .*{came}.*; esperava", error):
        checks.images(value, "fotos")


def test_images_of_other_shapes_and_types_when_told():
    checks.images(torch.zeros(0, 1, 28, 28))
    checks.images(torch.zeros(2, 1, 28, 28, dtype=torch.float64))
    checks.images(torch.zeros(2, 3, 32, 32), shape=(3, 32, 32))
    with refuses(r"x: .*; esperava \(B, 3, 32, 32\)$"):
        checks.images(torch.zeros(2, 1, 28, 28), shape=(3, 32, 32))
    with refuses(r"x: veio torch.float64; os pesos da rede são torch.float32", TypeError):
        checks.images(torch.zeros(2, 1, 28, 28, dtype=torch.float64), layer=nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("value", "ends"),
    [
        (255.0, "0 a 255"),
        (1.014, "0 a 1,01"),
        (-1.01, "-1,01 a 0"),
        (float("nan"), "NaN a NaN"),
        (float("inf"), "0 a ∞"),
        (-float("inf"), "-∞ a 0"),
    ],
)
def test_images_out_of_range_are_refused_every_time_with_the_remedy(value, ends):
    x = torch.zeros(2, 1, 28, 28)
    x[1, 0, 3, 4] = value
    for _ in range(2):
        with refuses(
            rf"imagem: os valores vão de {ends}; esperava números finitos em \[-1, 1\] \(de \[0, 1\], use 2 \* x - 1"
        ):
            checks.images(x, "imagem")
    checks.images(x, in_range=False)
    checks.images(torch.full((1, 1, 28, 28), 1.0005), "a folga de quem interpola")


def test_levels_are_the_256_of_a_digital_image():
    tones = torch.arange(256).repeat(4)[:784].view(1, 1, 28, 28)
    checks.levels(tones / 127.5 - 1)
    checks.levels(torch.zeros(0, 1, 28, 28))
    with refuses("x: há pixels entre dois dos 256 tons"):
        checks.levels((tones + 0.2 * (tones == 7)) / 127.5 - 1)
    with refuses("x: os valores vão de"):
        checks.levels(tones.float())


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(3),
        torch.zeros(3, dtype=torch.bool),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3, 1, dtype=torch.int64),
        torch.zeros(2, dtype=torch.int64),
        [0, 1, 2],
        3,
    ],
)
def test_indices_are_a_row_of_integers(wrong):
    checks.index(torch.tensor([0, 9, 4]), 3, 0, 9, "y")
    checks.index(torch.zeros(0, dtype=torch.int64), 0, 0, 9, "y")
    with refuses(r"y: veio .*; esperava um tensor de inteiros de forma \(3,\)$"):
        checks.index(wrong, 3, 0, 9, "y")


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.int16, torch.uint8])
def test_integers_of_any_type_come_back_as_int64(kind):
    y = torch.tensor([0, 9, 4])
    for read in (
        checks.index(y.to(kind), 3, 0, 9, "y"),
        checks.classes(y.to(kind), 3, 10),
        checks.integral(y.to(kind), "y", 3),
        checks.conditioned(torch.zeros(3, 1, 28, 28), torch.zeros(3), y.to(kind), 10),
    ):
        assert read.dtype == torch.int64
        assert torch.equal(read, y)


def test_a_row_of_integers_of_a_given_length():
    for wrong in (torch.zeros(3), torch.zeros(3, dtype=torch.bool), [0, 1, 2], np.zeros(3, dtype=int)):
        with refuses("labels: veio .*; esperava um tensor de inteiros", TypeError):
            checks.integral(wrong, "labels", 3)
    with refuses(r"labels: veio um tensor de forma \(2,\); esperava \(3,\)$"):
        checks.integral(torch.zeros(2, dtype=torch.int64), "labels", 3)


def test_indices_out_of_range():
    for values, ends in (([0, 10, 4], "0 a 10"), ([-1, 9, 4], "-1 a 9")):
        with refuses(f"y: os valores vão de {ends}; esperava inteiros de 0 a 9$"):
            checks.index(torch.tensor(values), 3, 0, 9, "y")


def test_classes_are_there_exactly_when_the_network_has_them():
    y = torch.tensor([0, 9])
    checks.classes(y, 2, 10)
    checks.classes(None, 2, None)
    with refuses("y: falta a classe; esta rede é condicional, de 10 classes$"):
        checks.classes(None, 2, 10)
    with refuses("y: veio uma classe, e esta rede não é condicional$"):
        checks.classes(y, 2, None)
    with refuses("y: os valores vão de 0 a 9; esperava inteiros de 0 a 8$"):
        checks.classes(y, 2, 9)


def test_a_class_may_be_hidden():
    checks.classes(None, 2, None, optional=True)
    checks.classes(None, 2, 10, optional=True)
    checks.classes(torch.tensor([0, 10]), 2, 10, optional=True)
    with refuses("y: veio uma classe"):
        checks.classes(torch.tensor([0, 1]), 2, None, optional=True)
    with refuses("y: os valores vão de 0 a 11; esperava inteiros de 0 a 10$"):
        checks.classes(torch.tensor([0, 11]), 2, 10, optional=True)


def test_guidance_needs_somewhere_to_go():
    y = torch.tensor([1])
    for good in [(0.0, None, None), (0, None, 10), (0.0, y, 10), (2.5, y, 10)]:
        checks.guidance(*good)
    with refuses("guidance: veio -1; esperava um número maior ou igual a 0$"):
        checks.guidance(-1, y, 10)
    for bad in [(0.0, y, None), (1.0, None, None)]:
        with refuses("y e guidance: esta rede não tem classes$"):
            checks.guidance(*bad)
    with refuses("guidance: só guia quem sabe aonde ir; passe também y$"):
        checks.guidance(1.0, None, 10)


def test_instants():
    checks.times(torch.tensor([0.0, 1.0]), 2)
    checks.times(torch.zeros(0), 0)
    with refuses(r"t: veio forma \(\); esperava \(2,\), um instante por exemplo$"):
        checks.times(torch.tensor(0.5), 2)
    for wrong, ends in ((1.01, "0,5 a 1,01"), (-0.01, "-0,01 a 0,5"), (float("nan"), "NaN a NaN")):
        with refuses(rf"t: os valores vão de {ends}; esperava números em \[0, 1\]$"):
            checks.times(torch.tensor([0.5, wrong]), 2)
    with refuses("t: veio float; esperava um tensor", TypeError):
        checks.times(0.5, 2)


def test_codes_have_the_size_and_the_type_of_the_network():
    layer = nn.Linear(3, 1)
    checks.codes(torch.zeros(2, 3), 3, layer)
    for wrong in (torch.zeros(3), torch.zeros(2, 4), torch.zeros(2, 3, 1)):
        with refuses(r"z: veio um tensor de forma .*; esperava \(B, 3\)$"):
            checks.codes(wrong, 3, layer)
    for wrong in (torch.zeros(2, 3).long(), [[0.0] * 3], torch.zeros(2, 3).double()):
        with refuses("z: veio", TypeError):
            checks.codes(wrong, 3, layer)


# --- quanto do código são conferências --------------------------------------------------------------------------------

EXAMPLE = '''
"""Um módulo."""

import math

from course_lib import checks


def area(radius, unit="m"):
    """A área.

    Raises:
        ValueError: o raio é negativo.
    """
    checks.number(
        radius,
        "radius",
    )
    # O que só a conferência lê também é dela.
    known = unit in ("m", "km")
    if not known:

        raise ValueError(unit)
    _check(radius)
    square = radius**2
    if square > 4:
        print(square)
    return math.pi * square


def _check(radius):
    """Só confere."""
    for value in (radius,):
        checks.integer(value, "radius")
'''


def test_the_lines_of_an_example_are_counted_one_by_one():
    lines = EXAMPLE.splitlines()
    found = count_checks.count(EXAMPLE)
    text = [lines[number - 1].strip() for number in sorted(found.checks)]
    assert text == [
        "checks.number(",
        "radius,",
        '"radius",',
        ")",
        'known = unit in ("m", "km")',
        "if not known:",
        "raise ValueError(unit)",
        "_check(radius)",
        "def _check(radius):",
        "for value in (radius,):",
        'checks.integer(value, "radius")',
    ]
    assert len(found.code) == 18
    assert found.share == pytest.approx(11 / 18)


@pytest.mark.parametrize("check", ["raise ValueError(n)", "checks.integer(n, 'n')"])
def test_a_conditional_check_is_a_check_and_other_work_is_not(check):
    assert len(count_checks.count(f"if n:\n    {check}\n").checks) == 2
    assert len(count_checks.count(f"if n:\n    {check}\nelse:\n    n = 1\n").checks) == 1
    assert len(count_checks.count(f"if n:\n    n = 1\n    {check}\n").checks) == 1
    assert not count_checks.count("n = 1\nprint(n)\n").checks


def test_a_name_that_does_other_work_is_not_a_preparation():
    source = "def f(x):\n    n = len(x)\n    n = n + 1\n    checks.integer(n, 'n')\n    return {}\n"
    assert len(count_checks.count(source.format("x")).checks) == 3
    assert len(count_checks.count(source.format("n")).checks) == 1


def test_models_read_like_the_paper():
    counts = count_checks.count_folder(MODELS)
    assert "vae.py" in counts
    assert count_checks.share(counts) <= count_checks.LIMIT, f"conferências demais:\n{count_checks.table(counts)}"
