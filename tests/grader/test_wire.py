"""O que passa pelo canal volta igual, e o que não é bem formado é recusado antes de ocupar memória."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch

from course_grader.inside.wire import Caps, Decoder, Encoder, Opaque, WireError


def slices(blobs):
    data = b"".join(blobs)
    position = 0

    def take(n):
        nonlocal position
        position += n
        return bytearray(data[position - n : position])

    return take


def travel(value, caps=None):
    encoder = Encoder(caps)
    node = json.loads(json.dumps(encoder.encode(value), allow_nan=False))
    return Decoder(slices(encoder.blobs), Caps()).decode(node)


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.requires_grad == b.requires_grad and torch.equal(a.detach(), b.detach())
    if isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and (a == b or (a != a and b != b))


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -3, 2**80, 1.5, -0.0, 1e308, float("inf"), float("nan"), "ação",
        torch.randn(2, 3), torch.randn(()), torch.zeros(0, 4), torch.randn(3, requires_grad=True),
        torch.randn(3, 4).T, torch.arange(5), torch.tensor([True, False]), torch.randn(3).bfloat16(),
        torch.randn(3).half(), torch.randn(2, dtype=torch.complex64), torch.zeros(2, dtype=torch.uint8),
        np.zeros((2, 3)), np.float64(1.5), np.int32(3), np.array(2.5), np.array([True]), np.arange(4)[::2],
        [1, [2.0, "x"]], (1, torch.ones(2)), {"a": [torch.ones(1)], "b": {}}, [],
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_values_come_back_the_same(value):
    assert same(value, travel(value))


def test_a_state_dict_comes_back_as_a_dict_of_tensors():
    state = torch.nn.Linear(2, 3).state_dict()
    assert same(dict(state), travel(state))


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 1, 1 + 2j, {1: 2}, torch.eye(2).to_sparse(), torch.zeros(2, device="meta"), b"x"],
    ids=itertools.count(),
)
def test_what_is_not_data_comes_back_opaque(value):
    assert isinstance(travel(value), Opaque)


def test_a_type_name_never_becomes_markup():
    back = travel(type("<b>", (), {})())
    assert type(back).__name__ == "objeto"


@pytest.mark.parametrize(
    "value", ["x" * 20_000, list(range(10_000)), torch.zeros(1).expand(10**12), [torch.zeros(10**6)] * 5], ids=range(4)
)
def test_too_much_is_refused_by_the_writer(value):
    with pytest.raises(WireError):
        travel(value, Caps())


def test_a_list_inside_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(WireError):
        travel(loop, Caps())


TENSOR = {"k": "tensor", "dtype": "float32", "shape": [2], "grad": False}


@pytest.mark.parametrize(
    "node",
    [
        None, 3, [], {}, {"k": "pickle"}, {"k": ["x"]}, {"k": "module", "class": "os:system"},
        {"k": "int", "v": 3}, {"k": "int", "v": "9" * 500}, {"k": "int", "v": "x"}, {"k": "float", "v": "0x1p99999"},
        {"k": "int", "v": "9" * 320}, {"k": "float", "v": 1.0}, {"k": "bool", "v": 1},
        {"k": "str", "v": "x" * 20_000}, {"k": "str", "v": None},
        {"k": "list"}, {"k": "list", "items": {}}, {"k": "list", "items": [{"k": "none"}] * 5_000},
        {"k": "dict", "keys": ["a"], "items": []}, {"k": "dict", "keys": [[]], "items": [{"k": "none"}]},
        TENSOR | {"dtype": "object"}, TENSOR | {"dtype": ["float32"]}, TENSOR | {"shape": "2"},
        TENSOR | {"shape": [-1]}, TENSOR | {"shape": [2.0]}, TENSOR | {"shape": [True]}, TENSOR | {"shape": [1] * 9},
        TENSOR | {"shape": [2**40]}, TENSOR | {"shape": [10**7]}, TENSOR | {"shape": [0, 2**30, 2**30]},
        TENSOR | {"shape": [2**20] * 4}, TENSOR | {"k": "array", "dtype": "bfloat16"}, TENSOR | {"k": "scalar"},
    ],
    ids=range(34),
)  # fmt: skip
def test_malformed_node_is_refused_before_reading_a_byte(node):
    def take(n):
        raise AssertionError(f"leu {n} bytes")

    with pytest.raises(WireError):
        Decoder(take, Caps()).decode(node)


def test_many_arrays_share_one_cap():
    node = {"k": "list", "items": [TENSOR | {"shape": [10**6]}] * 5}
    read = []

    def take(n):
        read.append(n)
        return bytearray(n)

    with pytest.raises(WireError, match="grande demais"):
        Decoder(take, Caps()).decode(node)
    assert sum(read) <= Caps().array_bytes


def test_deep_nesting_is_refused():
    node = {"k": "none"}
    for _ in range(20):
        node = {"k": "list", "items": [node]}
    with pytest.raises(WireError):
        Decoder(lambda n: bytearray(n), Caps()).decode(node)


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_a_boolean_byte_is_zero_or_one(kind):
    node = {"k": kind, "dtype": "bool", "shape": [3], "grad": False}
    value = Decoder(lambda n: bytearray(b"\x07\x00\xff"), Caps()).decode(node)
    assert value.sum() == 2
    assert np.asarray(value).view(np.uint8).max() == 1


def test_integers_cannot_claim_a_gradient():
    node = TENSOR | {"dtype": "int32", "grad": True}
    assert not Decoder(lambda n: bytearray(n), Caps()).decode(node).requires_grad


def test_the_decoded_tensor_owns_its_memory():
    value = travel(torch.ones(3))
    value += 1
    assert math.isclose(value.sum(), 6)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([1.5, -2.0], dtype=">f8"), np.array([1.5, -2.0])),
        (np.array([1.5, -2.0], dtype=np.longdouble), np.array([1.5, -2.0])),
        (np.array([1, 60_000], dtype=np.uint16), np.array([1, 60_000], dtype=np.int64)),
        (np.longdouble(2.5), np.float64(2.5)),
    ],
    ids=["outra ordem", "mais longo", "sem sinal", "número"],
)
def test_uncommon_numbers_travel_as_common_ones(value, expected):
    assert same(travel(value, Caps()), expected)
