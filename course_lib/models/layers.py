"""O que duas famílias usam: a rede densa e as conferências de forma."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks, runtime
from course_lib.checks import IMAGE_SHAPE as IMAGE_SHAPE

IMAGE_DIM = math.prod(IMAGE_SHAPE)


def mlp(sizes: Sequence[int], *, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Camadas densas com uma ativação entre cada duas (nenhuma depois da última).

    Args:
        sizes: larguras, da entrada à saída: ``(784, 256, 64)`` faz duas camadas.
        activation: o que constrói cada ativação.

    Raises:
        ValueError: menos de duas larguras, ou alguma menor que 1.
    """
    runtime.require(len(sizes) >= 2, f"sizes: veio {tuple(sizes)}; esperava pelo menos duas larguras")
    for size in sizes:
        positive = isinstance(size, int) and size >= 1
        runtime.require(positive, f"larguras das camadas: veio {tuple(sizes)}; esperava inteiros maiores que zero")
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def start_at_zero(layer: nn.Module) -> None:
    """Zera os parâmetros da camada: a parte da rede que ela encerra começa sem efeito, e aprende a partir daí."""
    for weights in layer.parameters():
        nn.init.zeros_(weights)


class _Tanh(torch.autograd.Function):
    # No PyTorch em CPU a sigmoide custa cerca de um sexto da tanh, e tanh(a) = 2 sigmoid(2a) - 1. As três contas em
    # volta dela são feitas no mesmo bloco de memória; por isso a derivada, 1 - y², precisa ser declarada aqui.
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor) -> Tensor:
        return a.mul(2).sigmoid_().mul_(2).sub_(1)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, y)


def fast_tanh(a: Tensor) -> Tensor:
    """``torch.tanh``, a menos de arredondamento (1e-7), e mais rápida na CPU; é a saída das redes que fazem imagens."""
    return _Tanh.apply(a) if a.is_cpu else torch.tanh(a)


tanh = fast_tanh


def require_dtype(value: Tensor, layer: nn.Linear, name: str = "x") -> None:
    """Confere que ``value`` tem o tipo dos pesos da camada (um array do NumPy vira float64, a rede é float32).

    Sob ``torch.autocast`` os tipos podem diferir: é ele que os concilia.

    Raises:
        TypeError: o tipo é outro.
    """
    expected = layer.weight.dtype
    if value.dtype != expected and not torch.is_autocast_enabled(value.device.type):
        raise TypeError(f"{name}: veio {value.dtype}; os pesos da rede são {expected} (use {name}.to({expected}))")


def require_latent(z: Tensor, latent_dim: int, name: str = "z") -> None:
    """Confere que ``z`` é um tensor de ponto flutuante de forma (B, latent_dim).

    Raises:
        TypeError: ``z`` não é um tensor de ponto flutuante.
        ValueError: a forma é outra.
    """
    if not isinstance(z, Tensor) or not z.is_floating_point():
        kind = z.dtype if isinstance(z, Tensor) else type(z).__name__
        raise TypeError(f"{name}: veio {kind}; esperava um tensor float32")
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"{name}: veio um tensor de forma {tuple(z.shape)}; esperava (B, {latent_dim})")


def require_count(n: int, name: str = "n") -> None:
    """Confere que ``n`` é um número de amostras.

    Raises:
        ValueError: ``n`` não é um inteiro maior que zero.
    """
    runtime.require(isinstance(n, int) and n >= 1, f"{name}: veio {n!r}; esperava um inteiro maior que zero")


def interpolate(z_start: Tensor, z_end: Tensor, n: int) -> Tensor:
    r"""Pontos igualmente espaçados no segmento entre dois códigos: :math:`(1 - t)\,z_a + t\,z_b`, t de 0 a 1.

    Args:
        z_start: (latent_dim,).
        z_end: (latent_dim,).
        n: quantos pontos, contados os dois extremos.

    Returns:
        (n, latent_dim).

    Raises:
        ValueError: as formas diferem, ou ``n`` é menor que 2.
    """
    runtime.require(
        z_start.ndim == 1 and z_start.shape == z_end.shape,
        f"z_start e z_end: vieram formas {tuple(z_start.shape)} e {tuple(z_end.shape)}; esperava dois vetores iguais",
    )
    runtime.require(n >= 2, f"n: veio {n}; esperava pelo menos 2, os dois extremos")
    t = torch.linspace(0, 1, n, dtype=z_start.dtype, device=z_start.device).unsqueeze(1)
    return (1 - t) * z_start + t * z_end


def with_class(value: Tensor, y: Tensor | None, n_classes: int | None) -> Tensor:
    """Acrescenta a value (B, D) as classes y (B,), em *one-hot*: (B, D + n_classes); sem classes, devolve ``value``.

    Raises:
        ValueError: ``y`` falta, sobra, ou não é das classes.
    """
    checks.classes(y, len(value), n_classes)
    if y is None or n_classes is None:
        return value
    return torch.cat([value, F.one_hot(y, n_classes).to(value.dtype)], dim=1)


def full_precision(network: nn.Module, *inputs: Tensor) -> Tensor:
    """``network(*inputs)`` no tipo dos pesos da rede, mesmo sob ``torch.autocast``.

    Ali os produtos saem em bfloat16, com três algarismos: basta para as camadas do meio, e não para uma imagem ou para
    uma soma de 784 logaritmos, que erraria por nats inteiros. É o cuidado de quem entrega o resultado da rede a uma
    conta; as redes não precisam saber dele.
    """
    return network(*inputs).to(next(network.parameters()).dtype)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Dentro do bloco, os parâmetros de ``networks`` não recebem gradiente; na saída cada um volta a ser o que era.

    O gradiente continua a *atravessar* a rede até a entrada: é o que o gerador de uma GAN pede ao discriminador, sem
    pagar por derivadas que ninguém usará.

    Args:
        networks: as redes; o modo (treino ou avaliação) delas não muda.
    """
    before = [(parameter, parameter.requires_grad) for network in networks for parameter in network.parameters()]
    try:
        for parameter, _ in before:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)
