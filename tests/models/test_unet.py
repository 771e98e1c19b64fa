"""A U-Net: formas, o código do tempo em forma fechada, blocos refeitos à mão, e o que cada entrada muda na saída."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import Batch
from course_lib.models.layers import class_count
from course_lib.models.unet import (
    ResidualBlock,
    SelfAttention,
    UNet,
    drop_labels,
    guided,
    no_class,
    time_embedding,
)


def randomize(module):
    """Sorteia todos os pesos: os que começam em zero esconderiam o que o bloco faz."""
    with torch.no_grad():
        for weights in module.parameters():
            weights.normal_(0, 0.2)
    return module.eval()


@pytest.fixture
def network():
    return randomize(UNet((8, 16))).double()


@pytest.fixture
def inputs():
    """x, t e y de três imagens, em float64, cada uma com o seu instante e a sua classe."""
    x = torch.randn(3, 1, 28, 28, dtype=torch.float64)
    return x, torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64), torch.tensor([0, 4, 9])


# --- o código do tempo -----------------------------------------------------------------------------------------------


def test_time_embedding_closed_form():
    t = torch.tensor([0.0, 0.001, 0.25, 0.999])
    code = time_embedding(t, 8)
    assert code.shape == (4, 8)
    for i, instant in enumerate(t.tolist()):
        for k in range(4):
            angle = 1000 * instant * 10 ** (-4 * k / 4)
            assert code[i, k].item() == pytest.approx(math.cos(angle), abs=2e-4)
            assert code[i, 4 + k].item() == pytest.approx(math.sin(angle), abs=2e-4)


def test_time_embedding_tells_every_instant_of_the_chain_apart():
    code = time_embedding(torch.arange(1_000) / 1_000, 48)
    distance = torch.cdist(code, code) + 10 * torch.eye(1_000)
    assert distance.min() > 0.5
    # Um vizinho é mais parecido que um instante distante: é o que deixa a rede generalizar de um t a outro.
    assert distance[500, 501] < distance[500, 600] < distance[500, 999]


# --- os blocos -------------------------------------------------------------------------------------------------------


def test_residual_block_by_hand():
    block = randomize(ResidualBlock(8, 16, 6)).double()
    h, context = torch.randn(2, 8, 5, 5, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)

    def group_norm(a, layer):
        groups = a.view(2, 8, -1)
        groups = (groups - groups.mean(2, keepdim=True)) / (groups.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return groups.view_as(a) * layer.weight.view(-1, 1, 1) + layer.bias.view(-1, 1, 1)

    def silu(a):
        return a / (1 + (-a).exp())

    scale, shift = (context @ block.context.weight.T + block.context.bias).split(16, dim=1)
    r = block.conv_in(silu(group_norm(h, block.norm_in)))
    r = group_norm(r, block.norm_out) * (1 + scale.view(2, 16, 1, 1)) + shift.view(2, 16, 1, 1)
    expected = block.shortcut(h) + block.conv_out(silu(r))
    torch.testing.assert_close(block(h, context), expected)


def test_attention_by_hand():
    """Cabeça por cabeça e posição por posição, com o softmax escrito."""
    block = randomize(SelfAttention(8, heads=2)).double()
    h = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    q, k, v = block.qkv(block.norm(h)).flatten(2).split(8, dim=1)  # (2, 8, 9) cada um
    mixed = torch.zeros(2, 8, 9, dtype=torch.float64)
    for head in (slice(0, 4), slice(4, 8)):
        for position in range(9):
            score = (q[:, head, position, None] * k[:, head]).sum(1) / math.sqrt(4)  # (2, 9)
            weight = score.exp() / score.exp().sum(1, keepdim=True)
            mixed[:, head, position] = (weight[:, None] * v[:, head]).sum(2)
    torch.testing.assert_close(block(h), h + block.out(mixed.view(2, 8, 3, 3)))


@pytest.mark.parametrize("block", [ResidualBlock(16, 16, 6), SelfAttention(16)])
def test_blocks_start_as_the_identity(block):
    h = torch.randn(2, 16, 7, 7)
    inputs = (h, torch.randn(2, 6)) if isinstance(block, ResidualBlock) else (h,)
    assert torch.equal(block(*inputs), h)


# --- a rede ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [(8, 16), (16, 8), (24, 48)])
@pytest.mark.parametrize("B", [1, 3])
def test_shapes(channels, B):
    x, t = torch.randn(B, 1, 28, 28), torch.rand(B)
    assert UNet(channels)(x, t).shape == x.shape
    assert UNet(channels, n_classes=3)(x, t, torch.full((B,), 3)).shape == x.shape
    assert UNet(channels, n_classes=None)(x, t).shape == x.shape


def test_starts_by_answering_zero(inputs):
    x, t, y = inputs
    assert torch.equal(UNet((8, 16)).double()(x, t, y), torch.zeros_like(x))


def test_time_and_class_change_the_output(network, inputs):
    x, t, y = inputs
    before = network(x, t, y)
    for other in (network(x, t + 0.001, y), network(x, t, y - 1 + 2 * (y == 0))):
        change = (other - before).flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1)
        assert (change > 1e-3).all()


def test_without_class_is_the_last_code(network, inputs):
    x, t, _ = inputs
    assert no_class(10) == 10
    torch.testing.assert_close(network(x, t), network(x, t, torch.full((3,), 10)))
    assert not torch.allclose(network(x, t), network(x, t, torch.full((3,), 9)))


def test_each_image_is_seen_alone(network, inputs):
    """O instante, a classe e os pixels de uma imagem não vazam para as outras do lote."""
    x, t, y = inputs
    together = network(x, t, y)
    for i in range(3):
        alone = slice(i, i + 1)
        torch.testing.assert_close(together[alone], network(x[alone], t[alone], y[alone]))


def test_every_weight_takes_part(network, inputs):
    network(*inputs).square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        if name == "label.weight":
            used = weights.grad.abs().sum(1) > 0
            assert used.nonzero().flatten().tolist() == [0, 4, 9]
        else:
            assert weights.grad.abs().max() > 0, name


@pytest.mark.parametrize("way", ["atalho 14×14", "atalho 7×7", "fundo"])
def test_each_way_from_image_to_output_is_open(network, inputs, way):
    """Os dois atalhos do U e o caminho do fundo: com os outros dois apagados, a saída ainda fala da imagem."""
    x, t, y = inputs

    def erase_shortcut(block):
        def first_half(_, args):
            h, context = args
            below, beside = h.chunk(2, dim=1)
            return torch.cat([below, torch.zeros_like(beside)], dim=1), context

        block.register_forward_pre_hook(first_half)

    def erase(block):
        block.register_forward_hook(lambda _, args, out: torch.zeros_like(out))

    if way == "atalho 14×14":
        erase(network.upsample)
    else:
        erase_shortcut(network.up_wide)
        if way == "fundo":
            erase_shortcut(network.up_deep)
        else:
            erase(network.middle)
    difference = network(x, t, y) - network(x.flip(3), t, y)
    assert difference.abs().max() > 1e-6


# --- a classe ---------------------------------------------------------------------------------------------------------


class Plain(nn.Module):
    """Velocidade de quem não olha a classe."""

    def forward(self, x, t, y=None):
        assert y is None
        return 2 * x


class ByClass(nn.Module):
    """A própria classe, em toda parte; sem ela, o número de classes."""

    n_classes = 3

    def forward(self, x, t, y):
        return y.view(-1, 1).to(x.dtype).expand_as(x) + 0 * t.view(-1, 1)


def test_without_classes_there_is_no_label_to_learn(inputs):
    x, t, y = inputs
    network = randomize(UNet((8, 16), n_classes=None)).double()
    assert class_count(network) is None
    assert not any(name.startswith("label") for name in network.state_dict())
    # Com os mesmos pesos, é a rede de classes cujo código de "sem classe" é zero.
    twin = UNet((8, 16), n_classes=3).double()
    twin.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        twin.label.weight[3] = 0
    torch.testing.assert_close(network(x, t), twin(x, t))
    with pytest.raises(ValueError, match="y: veio uma classe"):
        network(x, t, y)


@pytest.mark.parametrize(
    ("network", "count"), [(UNet((8, 16)), 10), (UNet((8, 16), n_classes=None), None), (Plain(), None)]
)
def test_class_count(network, count):
    assert class_count(network) == count


@pytest.mark.parametrize("dropout", [0.0, 0.3, 1.0])
def test_label_dropout_hides_that_fraction(dropout):
    batch = Batch(torch.zeros(4_000, 1), torch.arange(4_000) % 3)
    y = drop_labels(ByClass(), batch, dropout)
    hidden = y == 3
    assert hidden.float().mean().item() == pytest.approx(dropout, abs=5 * math.sqrt(0.25 / 4_000))
    assert torch.equal(y[~hidden], batch.labels[~hidden])
    assert drop_labels(Plain(), batch, dropout) is None
    with pytest.raises(ValueError, match=r"label_dropout: veio 1\.5"):
        drop_labels(Plain(), batch, 1.5)


@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_guidance_by_hand(w):
    x, t, y = torch.randn(3, 2), torch.rand(3), torch.tensor([0, 2, 1])
    expected = ((1 + w) * y - w * 3).view(3, 1).expand(3, 2)
    torch.testing.assert_close(guided(ByClass(), x, t, y, w), expected)
    torch.testing.assert_close(guided(Plain(), x, t, None, 0.0), 2 * x)


def test_guidance_of_the_network_is_two_passes(network, inputs):
    x, t, y = inputs
    expected = 3 * network(x, t, y) - 2 * network(x, t)
    torch.testing.assert_close(guided(network, x, t, y, 2.0), expected)


@pytest.mark.parametrize(
    ("network", "y", "w", "message"),
    [
        (ByClass(), torch.tensor([0]), -1.0, "guidance: veio -1.0; esperava um número maior ou igual a 0"),
        (ByClass(), None, 1.0, "passe também y"),
        (Plain(), torch.tensor([0]), 0.0, "esta rede não tem classes"),
        (Plain(), None, 1.0, "esta rede não tem classes"),
    ],
)
def test_guidance_that_cannot_be(network, y, w, message):
    with pytest.raises(ValueError, match=message):
        guided(network, torch.zeros(1, 2), torch.rand(1), y, w)


# --- o que é recusado ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(3, 1, 32, 32)}, "esperava \\(B, 1, 28, 28\\)"),
        ({"x": torch.zeros(3, 784)}, "esperava \\(B, 1, 28, 28\\)"),
        ({"t": torch.tensor([0.1, 0.5])}, "um instante por exemplo"),
        ({"t": torch.tensor([0.1, 0.5, 400.0])}, "números em \\[0, 1\\]"),
        ({"t": torch.tensor([0.1, 0.5, math.nan])}, "números em \\[0, 1\\]"),
        ({"y": torch.tensor([0, 1, 11])}, "esperava inteiros de 0 a 10"),
        ({"y": torch.tensor([0, 1, -1])}, "esperava inteiros de 0 a 10"),
        ({"y": torch.tensor([0.0, 1.0, 2.0])}, "esperava um tensor de inteiros"),
        ({"y": F.one_hot(torch.tensor([0, 1, 2]), 10)}, "esperava um tensor de inteiros de forma \\(3,\\)"),
    ],
)
def test_bad_input_is_explained(change, message):
    good = {"x": torch.zeros(3, 1, 28, 28), "t": torch.rand(3), "y": torch.tensor([0, 1, 10])}
    with pytest.raises(ValueError, match=message):
        UNet((8, 16))(**(good | change))


@pytest.mark.parametrize("channels", [(8,), (8, 16, 32), (0, 8), (12, 16), (8, 16.0)])
def test_channels_that_do_not_work(channels):
    with pytest.raises(ValueError, match=r"channels: veio .*; esperava 2 múltiplos de 8"):
        UNet(channels)


def test_sizes_that_do_not_work():
    with pytest.raises(ValueError, match="n_classes: veio 0"):
        UNet((8, 16), n_classes=0)
    with pytest.raises(ValueError, match="dim: veio 7; esperava um inteiro par"):
        time_embedding(torch.rand(2), 7)
