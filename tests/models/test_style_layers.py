"""As peças da StyleGAN contra contas à mão."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.models.style_layers import (
    AdaINLayer,
    DemodulatedLayer,
    EqualizedConv2d,
    EqualizedLinear,
    adaptive_instance_norm,
    leaky_relu,
    minibatch_std,
    pixel_norm,
)


def test_adain_by_hand():
    """Mapa (1, 3): média 2, desvio 1, vira (-1, 1); com s = 5 e b = 10, (5, 15)."""
    h = torch.tensor([1.0, 3.0], dtype=torch.float64).view(1, 1, 1, 2)
    y = adaptive_instance_norm(h, torch.tensor([[5.0]]).double(), torch.tensor([[10.0]]).double())
    assert y.flatten().tolist() == pytest.approx([5, 15], abs=1e-6)


def test_adain_writes_the_statistics_of_the_style_in_each_map():
    h = 3 * torch.randn(4, 5, 6, 7, dtype=torch.float64) + torch.randn(4, 5, 1, 1, dtype=torch.float64)
    scale, shift = torch.randn(2, 4, 5, dtype=torch.float64)
    y = adaptive_instance_norm(h, scale, shift)
    torch.testing.assert_close(y.mean((2, 3)), shift, rtol=0, atol=1e-6)
    torch.testing.assert_close(y.std((2, 3), unbiased=False), scale.abs(), rtol=0, atol=1e-6)
    # De cada exemplo: mudar um não muda os outros, o que a normalização de lote faria.
    h[0] *= 10
    torch.testing.assert_close(adaptive_instance_norm(h, scale, shift)[1:], y[1:])


@pytest.mark.parametrize("examples", [1, 3])
def test_the_gradient_of_adain_with_the_channels_together_in_memory(examples):
    """De um exemplo só, o PyTorch erra o da instance_norm; aqui, contra a conta escrita por extenso."""
    h, pull = (torch.randn(examples, 5, 6, 7).double().to(memory_format=torch.channels_last) for _ in range(2))
    h.requires_grad_()
    ones, zeros = torch.ones(examples, 5).double(), torch.zeros(examples, 5).double()
    (found,) = torch.autograd.grad(adaptive_instance_norm(h, ones, zeros), h, pull)
    centred = h - h.mean((2, 3), keepdim=True)
    (expected,) = torch.autograd.grad(centred * centred.square().mean((2, 3), keepdim=True).rsqrt(), h, pull)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_pixel_norm_by_hand():
    assert pixel_norm(torch.tensor([[3.0, 4.0]])).tolist()[0] == pytest.approx([3 / 12.5**0.5, 4 / 12.5**0.5])


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (EqualizedLinear(400, 300), torch.randn(500, 400)),
        (EqualizedLinear(400, 300, lr_multiplier=0.01), torch.randn(500, 400)),
        (EqualizedConv2d(50, 40), torch.randn(20, 50, 8, 8)),
    ],
)
def test_equalized_layers_keep_the_variance(layer, x):
    inside = layer(x) if x.ndim == 2 else layer(x)[:, :, 1:-1, 1:-1]  # a borda soma menos parcelas
    assert inside.var().item() == pytest.approx(1, abs=0.05)
    assert leaky_relu(inside).square().mean().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_lr_multiplier_slows_the_layer_down(multiplier):
    """O Adam anda lr em cada peso e no viés, todos para o mesmo lado: a saída anda lr · multiplicador · (√n + 1)."""
    layer = EqualizedLinear(16, 1, bias=2.0, lr_multiplier=multiplier).double()
    x = torch.ones(1, 16, dtype=torch.float64)
    before = layer(x)
    assert (before - F.linear(x, layer.weight * layer.scale)).item() == pytest.approx(2)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    layer(x).sum().backward()
    optimizer.step()
    assert (before - layer(x)).item() == pytest.approx(1e-3 * multiplier * (16 / 4 + 1), rel=1e-4)


def test_demodulation_is_the_convolution_with_modulated_and_normalized_weights():
    """A forma do artigo, um núcleo por exemplo, escrita com uma convolução de cada vez."""
    layer = DemodulatedLayer(3, 4, 5).double()
    nn.init.constant_(layer.noise_strength, 0.5)  # começa em zero, e em zero o ruído não faz nada
    h, w, noise = torch.randn(2, 3, 6, 6), torch.randn(2, 5), torch.randn(2, 1, 6, 6)
    h, w, noise = h.double(), w.double(), noise.double()
    expected = []
    for one, style, z in zip(h, 1 + layer.style(w), noise, strict=True):
        kernel = layer.conv.weight * layer.conv.scale * style.view(1, 3, 1, 1)
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        raw = F.conv2d(one[None], kernel, padding=1) + 0.5 * z
        expected.append(leaky_relu(raw))
    torch.testing.assert_close(layer(h, w, noise), torch.cat(expected))


def test_adain_layer_convolves_upsamples_adds_noise_activates_and_only_then_wears_the_style():
    layer = AdaINLayer(3, 4, 5, upsample=True).double()
    nn.init.normal_(layer.noise_strength)
    nn.init.normal_(layer.bias)
    h, w, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 5), torch.randn(2, 1, 8, 8)
    h, w, noise = h.double(), w.double(), noise.double()
    raw = F.interpolate(layer.conv(h), scale_factor=2, mode="bilinear", align_corners=False)
    raw = leaky_relu(raw + layer.noise_strength.view(1, 4, 1, 1) * noise + layer.bias.view(1, 4, 1, 1))
    scale, shift = layer.style(w)[:, :4], layer.style(w)[:, 4:]
    torch.testing.assert_close(layer(h, w, noise), adaptive_instance_norm(raw, 1 + scale, shift))


def test_without_convolution_the_layer_only_wears_the_constant():
    h, w, noise = torch.randn(2, 3, 4, 4).double(), torch.randn(2, 5).double(), torch.zeros(2, 1, 4, 4).double()
    plain = AdaINLayer(3, 3, 5, convolve=False).double()
    scale, shift = plain.style(w).chunk(2, dim=1)
    torch.testing.assert_close(plain(h, w, noise), adaptive_instance_norm(leaky_relu(h), 1 + scale, shift))
    # Sem pesos não há o que demodular: o estilo só escala os mapas.
    scaled = DemodulatedLayer(3, 3, 5, convolve=False).double()
    torch.testing.assert_close(scaled(h, w, noise), leaky_relu(h * (1 + scaled.style(w))[:, :, None, None]))


@pytest.mark.parametrize("kind", [AdaINLayer, DemodulatedLayer])
def test_the_style_changes_the_maps_of_its_example_only(kind):
    layer = kind(3, 4, 5, upsample=True)
    h, w = torch.randn(2, 3, 4, 4), torch.randn(2, 5)
    noise = torch.zeros(2, 1, 8, 8)
    y = layer(h, w, noise)
    assert y.shape == (2, 4, 8, 8)
    w[0] += 1
    changed = layer(h, w, noise)
    assert (changed[0] - y[0]).abs().max() > 0.1
    assert torch.equal(changed[1], y[1])


def test_minibatch_std_by_hand():
    """Dois exemplos, 0 e 2 em toda posição: desvio 1. Um lote de iguais: zero."""
    h = torch.cat([torch.zeros(1, 3, 2, 2), 2 * torch.ones(1, 3, 2, 2)])
    y = minibatch_std(h, group=2)
    assert y.shape == (2, 4, 2, 2)
    torch.testing.assert_close(y[:, 3], torch.ones(2, 2, 2))
    assert torch.equal(y[:, :3], h)
    assert minibatch_std(torch.ones(4, 1, 2, 2))[:, 1].max() < 1e-3


def test_minibatch_std_sees_each_group_apart():
    """Grupos de 2 num lote de 4: (0, 2) e (1, 3). O primeiro varia; o segundo, não."""
    h = torch.tensor([0.0, 5.0, 4.0, 5.0]).view(4, 1, 1, 1)
    assert minibatch_std(h, group=2)[:, 1].flatten().tolist() == pytest.approx([2, 0, 2, 0], abs=1e-3)
    # Um lote que não se divide em grupos é um grupo só.
    assert minibatch_std(h[:3], group=2)[:, 1].unique().numel() == 1
