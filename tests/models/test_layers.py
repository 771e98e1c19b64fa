"""O que duas famílias usam: a tanh da casa, a classe junto do vetor, a precisão da saída, as redes paradas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_lib.models.layers import (
    draw_classes,
    fast_tanh,
    frozen,
    full_precision,
    in_pieces,
    interpolate,
    pixels,
    standard_normal,
    with_class,
)

# --- a tanh da casa ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-7), (torch.float64, 1e-15)])
def test_fast_tanh_is_tanh(dtype, tolerance):
    a = torch.cat([torch.linspace(-12, 12, 2001), torch.tensor([0.0, 1e-6, -1e-6, 300, -300])]).to(dtype)
    before = a.clone()
    a.requires_grad_()
    ours, theirs = fast_tanh(a), torch.tanh(a)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)
    assert ours.abs().max() <= 1
    found, expected = (torch.autograd.grad(y.square().sum(), a)[0] for y in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=0, atol=4 * tolerance)
    assert torch.equal(a, before)


def test_fast_tanh_gradients_of_both_orders():
    a = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(fast_tanh, a)
    assert torch.autograd.gradgradcheck(fast_tanh, a)


def test_fast_tanh_passes_bad_numbers_on():
    limits = fast_tanh(torch.tensor([float("nan"), float("inf"), -float("inf")]))
    assert limits[0].isnan()
    assert limits[1:].tolist() == [1, -1]


# --- as imagens em fila --------------------------------------------------------------------------------------------


def test_pixels_are_the_image_line_by_line():
    x = torch.arange(2 * 784, dtype=torch.float64).view(2, 1, 28, 28) / 784 - 1
    found = pixels(x, nn.Linear(1, 1).double())
    assert torch.equal(found, x.view(2, 784))


def test_pixels_refuse_what_the_network_cannot_read():
    network, x = nn.Linear(1, 1), torch.zeros(2, 1, 28, 28)
    assert pixels(x + 3, network, in_range=False).shape == (2, 784)
    for bad, error, message in (
        (x + 3, ValueError, "x: os valores vão de 3 a 3"),
        (x[:, 0], ValueError, r"x: .*\(2, 28, 28\); esperava \(B, 1, 28, 28\)"),
        (x.double(), TypeError, "x: veio torch.float64; os pesos da rede são torch.float32"),
    ):
        with pytest.raises(error, match=message):
            pixels(bad, network)


# --- a classe ------------------------------------------------------------------------------------------------------


def test_the_class_is_appended_in_one_hot():
    value = torch.randn(3, 2, dtype=torch.float64)
    found = with_class(value, torch.tensor([2, 0, 1]), 4)
    expected = torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]], dtype=torch.float64)
    assert found.dtype == torch.float64
    assert torch.equal(found, torch.cat([value, expected], dim=1))
    assert with_class(value, None, None) is value


@pytest.mark.parametrize(
    ("y", "n_classes", "message"),
    [
        (None, 4, "y: falta a classe; esta rede é condicional, de 4 classes"),
        (torch.tensor([0, 1, 2]), None, "y: veio uma classe, e esta rede não é condicional"),
        (torch.tensor([0, 1, 4]), 4, "y: os valores vão de 0 a 4; esperava inteiros de 0 a 3"),
        (torch.tensor([0, 1]), 4, r"y: .*forma \(2,\); esperava um tensor de inteiros de forma \(3,\)"),
    ],
)
def test_bad_class(y, n_classes, message):
    with pytest.raises(ValueError, match=message):
        with_class(torch.zeros(3, 2), y, n_classes)


# --- o sorteio -----------------------------------------------------------------------------------------------------


def test_drawn_classes_are_uniform_and_absent_without_classes():
    torch.manual_seed(3)
    like = nn.Linear(1, 1)
    counts = torch.bincount(draw_classes(6_000, 3, like))
    # 5 desvios da binomial: raiz de 6.000 · 1/3 · 2/3 são 36,5.
    assert ((counts - 2_000).abs() < 183).all()
    assert draw_classes(4, None, like) is None
    for n_classes in (3, None):
        with pytest.raises(ValueError, match="n: veio '4'; esperava um inteiro ≥ 1"):
            draw_classes("4", n_classes, like)


def test_standard_normal_follows_the_weights():
    torch.manual_seed(3)
    found = standard_normal(20_000, 2, 3, like=nn.Linear(1, 1).double())
    assert found.shape == (20_000, 2, 3)
    assert found.dtype == torch.float64
    # 5 erros padrão: 5 / raiz de 120.000 na média, e raiz de 2 vezes isso na variância.
    assert found.mean().item() == pytest.approx(0, abs=0.015)
    assert found.var().item() == pytest.approx(1, abs=0.021)
    with pytest.raises(ValueError, match="n: veio 0; esperava um inteiro ≥ 1"):
        standard_normal(0, 2, like=nn.Linear(1, 1))


# --- a precisão da saída -------------------------------------------------------------------------------------------


def test_full_precision_only_changes_the_type_of_the_output():
    network, x = nn.Linear(5, 3), torch.randn(4, 5)
    assert torch.equal(full_precision(network, x), network(x))
    with torch.autocast("cpu", torch.bfloat16):
        half = network(x)
        found = full_precision(network, x)
    assert half.dtype == torch.bfloat16
    assert found.dtype == torch.float32
    assert torch.equal(found, half.float())
    assert full_precision(network.double(), x.double()).dtype == torch.float64


# --- redes paradas -------------------------------------------------------------------------------------------------


def required(*networks: nn.Module) -> list[bool]:
    return [parameter.requires_grad for network in networks for parameter in network.parameters()]


def test_frozen_networks_get_no_gradient_and_let_it_through():
    gen, disc = nn.Linear(2, 3), nn.Linear(3, 1)
    with frozen(disc):
        disc(gen(torch.ones(1, 2))).sum().backward()
    assert all(parameter.grad is None for parameter in disc.parameters())
    assert torch.equal(gen.weight.grad, disc.weight.T.expand(3, 2))
    disc(torch.ones(1, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in disc.parameters())


def test_each_parameter_comes_back_as_it_was_even_after_an_error():
    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    first.bias.requires_grad_(False)
    before = required(first, second)

    def fail():
        assert not any(required(first, second))
        raise KeyError

    with pytest.raises(KeyError), frozen(first, second):
        fail()
    assert required(first, second) == before == [True, False, True, True]


def test_frozen_blocks_nest_and_leave_the_mode_alone():
    network = nn.Linear(2, 2).train()
    with frozen(network):
        with frozen(network, network):
            assert network.training
        assert not any(required(network))
    assert all(required(network))


# --- interpolação --------------------------------------------------------------------------------------------------


def test_interpolation_goes_from_one_end_to_the_other_in_equal_steps():
    a, b = torch.randn(2, 7, dtype=torch.float64)
    path = interpolate(a, b, 5)
    assert path.dtype == torch.float64
    torch.testing.assert_close(path[0], a, rtol=0, atol=0)
    torch.testing.assert_close(path[-1], b, rtol=0, atol=0)
    torch.testing.assert_close(path.diff(dim=0), ((b - a) / 4).expand(4, 7))


@pytest.mark.parametrize(
    ("a", "b", "n", "message"),
    [
        (torch.zeros(3), torch.zeros(4), 5, r"z_start e z_end: vieram formas \(3,\), \(4,\); esperava a mesma"),
        (
            torch.zeros(1, 3),
            torch.zeros(1, 3),
            5,
            r"z_end: vieram formas \(1, 3\), \(1, 3\); esperava a mesma, de 1 eixo",
        ),
        (torch.zeros(3), torch.zeros(3), 1, "n: veio 1; esperava um inteiro ≥ 2"),
        (torch.zeros(3), torch.zeros(3), 2.5, "n: veio 2.5"),
    ],
)
def test_bad_interpolation(a, b, n, message):
    with pytest.raises(ValueError, match=message):
        interpolate(a, b, n)


@pytest.fixture
def one_core():
    """Uma linha de execução só: o tamanho das levas acompanha quantas são."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Counted:
    """Uma rede que anota o tamanho de cada leva."""

    def __init__(self):
        self.sizes = []

    def __call__(self, x, t=None):
        self.sizes.append(len(x))
        return x.flatten(1).sum(1) + (0 if t is None else t)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize(
    ("n", "shape", "sizes"),
    [
        (64, (1, 28, 28), [64]),
        (130, (1, 28, 28), [64, 64, 2]),
        (100, (2,), [100]),  # pontos: cabem todos
        (5, (1, 280, 280), [1, 1, 1, 1, 1]),  # fotos: ao menos uma de cada vez
        (0, (1, 28, 28), [0]),
    ],
)
def test_pieces_give_what_the_whole_gives(n, shape, sizes):
    x, t = torch.randn(n, *shape), torch.randn(n)
    network = Counted()
    assert torch.equal(in_pieces(network, x, t), Counted()(x, t))
    assert torch.equal(in_pieces(Counted(), x, None), Counted()(x))
    assert network.sizes == sizes


@pytest.mark.usefixtures("one_core")
def test_the_widest_input_rules_the_pieces():
    network = Counted()
    in_pieces(lambda z, noise: network(z), torch.randn(200, 8), torch.randn(200, 1, 28, 28))
    assert network.sizes == [64, 64, 64, 8]


@pytest.mark.usefixtures("one_core")
def test_each_core_has_its_own_cache():
    torch.set_num_threads(2)
    network = Counted()
    in_pieces(network, torch.randn(200, 1, 28, 28))
    assert network.sizes == [128, 72]


def test_another_device_takes_everything_at_once():
    network = Counted()
    in_pieces(network, torch.empty(500, 1, 28, 28, device="meta"))
    assert network.sizes == [500]


def test_gradients_go_through_the_pieces():
    x = torch.randn(130, 1, 28, 28, requires_grad=True)
    in_pieces(torch.square, x).sum().backward()
    assert torch.equal(x.grad, 2 * x)
