"""Exportar: toda arquitetura do curso cabe nas operações da página; o que não cabe é recusado, e diz-se a camada."""

import base64
import json
import zlib

import pytest
import torch
from torch import nn

from benchmarks.demo_pages import DEMOS, demo, programs
from course_lib.interactive import export
from course_lib.interactive.demo import PAGE
from course_lib.interactive.lowering import loops

x = torch.linspace(-1, 1, 12).view(3, 4)


@pytest.mark.parametrize("weights", ["float32", "float16", "int8", "int6"])
def test_every_architecture_is_exported(weights):
    limits = {"float32": 1e-5, "float16": 0.02, "int8": 0.5, "int6": 1}
    for name, (exported, inputs) in programs(weights).items():
        original = exported.recording.replay(inputs)
        for ours, theirs in zip(exported(*inputs), original, strict=True):
            assert (ours - theirs).abs().max() <= limits[weights] * theirs.abs().max(), name


def test_block_is_json_and_checks_itself():
    exported, _ = programs()["U-Net"]
    block = json.loads(json.dumps(exported.block()))
    data = zlib.decompress(base64.b64decode(block["data"]))
    assert zlib.crc32(data) == block["crc32"]
    assert len(data) < 1.05 * sum(constant.tensor.numel() for constant in exported.constants) + 100_000


def test_stored_weights_are_what_the_bytes_say():
    exported, _ = programs()["DCGAN"]
    block = exported.block()
    data = zlib.decompress(base64.b64decode(block["data"]))
    kinds = set()
    for constant, (kind, shape, at, axis) in zip(exported.constants, block["constants"], strict=True):
        kinds.add(kind)
        n = constant.tensor.numel()
        assert (kind, shape, axis) == (constant.kind, list(constant.tensor.shape), constant.axis)
        if kind == "int8":
            levels = torch.frombuffer(bytearray(data[at : at + n]), dtype=torch.int8).view(shape)
            start = at + n + -n % 4
            scale = torch.frombuffer(bytearray(data[start : start + 4 * shape[axis]]), dtype=torch.float32)
            sides = [-1 if one == axis else 1 for one in range(len(shape))]
            torch.testing.assert_close(levels * scale.view(sides), constant.stored())
    assert kinds == {"float32", "int8"}


class Shifted(nn.Module):
    def forward(self, x):
        return x.cumsum(0)


def test_an_unknown_operation_names_the_layer():
    network = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Shifted()))
    with pytest.raises(ValueError, match=r"a página não sabe fazer aten\.cumsum\.default na camada 1\.1"):
        export(network, {"x": x})


def test_a_known_operation_in_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match=r"convolution.*\(camada 0\): a página só a faz de um grupo"):
        export(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), {"x": torch.zeros(1, 4, 8, 8)})
    with pytest.raises(ValueError, match="de expoente 2"):
        export(lambda x: x**3, {"x": x})


def test_a_draw_inside_is_refused():
    with pytest.raises(ValueError, match=r"a rede sorteia \(aten\.randn_like"):
        export(lambda x: x + torch.randn_like(x), {"x": x})


def test_what_depends_on_values_is_refused():
    with pytest.raises(ValueError, match="depende dos valores"):
        export(lambda x: x * (2 if x[0, 0] < 0 else 3), {"x": x})


def test_an_output_that_ignores_the_inputs_is_refused():
    with pytest.raises(ValueError, match="não depende das entradas"):
        export(lambda x: torch.ones(3), {"x": x})


def test_changing_a_view_in_place_is_refused():
    def spoiled(x):
        y = x * 2
        y[0].add_(1)
        return y

    with pytest.raises(ValueError, match="muda no lugar um pedaço"):
        export(spoiled, {"x": x})


def test_weights_kind_is_checked():
    with pytest.raises(ValueError, match="weights: esperava um de float32, float16, int8, int7, int6; recebi 'int4'"):
        export(nn.Linear(4, 2), {"x": x}, weights="int4")


def test_a_large_number_survives_float16():
    network = nn.Linear(40, 40)
    nn.init.constant_(network.weight, 1e6)
    (weight,) = (one for one in export(network, {"x": torch.ones(1, 40)}).constants if one.tensor.ndim == 2)
    assert weight.kind == "float32"


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.transpose(0, 2),
        lambda x: x[:, 1:3, ::2],
        lambda x: x[1],
        lambda x: torch.nn.functional.pixel_unshuffle(x[None], 2),
        lambda x: torch.nn.functional.pixel_shuffle(x[None], 2),
        lambda x: torch.nn.functional.pad(x[None], (1, 1, 1, 1), mode="reflect"),
        lambda x: torch.nn.functional.interpolate(x[None], scale_factor=2),
        lambda x: x[[3, 0, 2]],
        lambda x: x[:1].expand(5, -1, -1),
        lambda x: x.flip(1),
    ],
)
def test_loops_rebuild_any_move(move):
    places = torch.arange(4 * 6 * 8, dtype=torch.float64).view(4, 6, 8)
    wanted = move(places).flatten().long().tolist()
    sizes, steps, table = loops(wanted)
    index = table
    for size, step in zip(reversed(sizes), reversed(steps), strict=True):
        index = [one + i * step for i in range(size) for one in index]
    assert index == wanted
    assert len(table) <= 144


def test_kernel_is_the_assembled_source():
    wasmtime = pytest.importorskip("wasmtime")
    held = (PAGE / "kernel.js").read_text("utf-8").split('"')[1]
    assert base64.b64decode(held) == wasmtime.wat2wasm((PAGE / "kernel.wat").read_text("utf-8"))


def test_every_demo_has_its_program():
    assert {path.stem for path in PAGE.glob("demos/*.js")} == set(DEMOS)


@pytest.mark.parametrize("name", DEMOS)
def test_demo_fits_its_budget(name):
    data = demo(name).data()
    weights = sum(len(zlib.decompress(base64.b64decode(block["data"]))) for block in data["blocks"].values())
    assert weights <= 1.3e6
    html = demo(name)._repr_html_()
    assert "http:" not in html
    assert "https:" not in html
    assert 'alt="' in html


def test_page_code_fits_its_budget():
    parts = [*PAGE.glob("*.js"), *PAGE.glob("*.css"), *PAGE.glob("demos/*.js")]
    assert len(zlib.compress(b"".join(part.read_bytes() for part in parts), 9)) <= 80_000
