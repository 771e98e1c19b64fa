"""O que duas famílias usam: a rede densa, as imagens em fila, a classe, os sorteios, a precisão, o lote inteiro."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, pairwise, repeat
from typing import Any, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import wrap_torch_function

from course_lib import checks
from course_lib.checks import IMAGE_SHAPE as IMAGE_SHAPE
from course_lib.contracts import Batch

IMAGE_DIM = math.prod(IMAGE_SHAPE)

# Números de entrada que uma rede lê de uma vez em cada núcleo da CPU: 64 imagens.
READ_AT_ONCE = 64 * IMAGE_DIM

P = ParamSpec("P")

# As funções marcadas por whole_batch.
WHOLE_BATCH: set[Callable[..., Any]] = set()


def mlp(sizes: Sequence[int], *, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Camadas densas com uma ativação entre cada duas (nenhuma depois da última).

    Args:
        sizes: larguras, da entrada à saída: ``(784, 256, 64)`` faz duas camadas.
        activation: o que constrói cada ativação.

    Raises:
        ValueError: menos de duas larguras, ou alguma menor que 1.
    """
    sizes = checks.integers(sizes, "larguras das camadas", least=2)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def widths_between(n_in: int, hidden_dims: Sequence[int], n_out: int, *, least: int = 0) -> tuple[int, ...]:
    """As larguras de uma rede densa de ``n_in`` a ``n_out``, passando por ``hidden_dims`` (pelo menos ``least``).

    Raises:
        ValueError: ``hidden_dims`` não é uma sequência de inteiros maiores que zero, ou são poucos.
    """
    hidden_dims = checks.integers(hidden_dims, "hidden_dims", least=least)
    return (n_in, *hidden_dims, n_out)


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
    def setup_context(ctx: Any, _inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, y)


def fast_tanh(a: Tensor) -> Tensor:
    """``torch.tanh``, a menos de arredondamento (1e-7), e mais rápida na CPU; é a saída das redes que fazem imagens."""
    return _Tanh.apply(a) if a.is_cpu else torch.tanh(a)


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
    checks.same_shape("z_start e z_end", z_start, z_end, axes=1)
    n = checks.integer(n, "n", low=2)
    t = torch.linspace(0, 1, n, dtype=z_start.dtype, device=z_start.device).unsqueeze(1)
    return (1 - t) * z_start + t * z_end


def images_of(batch: Batch) -> Tensor:
    """As imagens (B, 1, 28, 28) em [-1, 1] de um lote.

    Raises:
        TypeError, ValueError: ``batch.x`` não é um lote de imagens.
    """
    checks.images(batch.x, "batch.x")
    return batch.x


def pixels(x: Tensor, network: nn.Module, *, in_range: bool = True) -> Tensor:
    """As imagens x (B, 1, 28, 28) em fila, (B, 784), como ``network`` as recebe.

    Args:
        x: (B, 1, 28, 28) em [-1, 1].
        network: a rede densa que as lê.
        in_range: se a faixa importa; quem tira ruído recebe o que passa dela.

    Raises:
        TypeError: ``x`` não é um tensor do tipo dos pesos de ``network``.
        ValueError: a forma é outra, ou há valores fora de [-1, 1].
    """
    checks.images(x, in_range=in_range, layer=network)
    return x.flatten(1)


def draw_classes(n: int, n_classes: int | None, like: nn.Module) -> Tensor | None:
    """``n`` classes (n,) sorteadas por igual, no dispositivo de ``like``; numa rede sem classes, ``None``.

    Raises:
        ValueError: ``n`` não é um inteiro maior que zero.
    """
    n = checks.integer(n, "n")
    return None if n_classes is None else torch.randint(n_classes, (n,), device=next(like.parameters()).device)


def class_count(network: nn.Module) -> int | None:
    """Quantas classes a rede distingue; ``None`` se ela não olha a classe, nem tem ``n_classes``."""
    return getattr(network, "n_classes", None)


def class_dim(n_classes: int | None) -> int:
    """Quantas coordenadas a classe acrescenta, em *one-hot*: ``n_classes``, ou nenhuma numa rede sem classes.

    Raises:
        ValueError: ``n_classes`` não é ``None`` nem um inteiro maior que zero.
    """
    n_classes = checks.integer(n_classes, "n_classes", optional=True)
    return n_classes or 0


def with_class(value: Tensor, y: Tensor | None, n_classes: int | None) -> Tensor:
    """Acrescenta a value (B, D) as classes y (B,), em *one-hot*: (B, D + n_classes); sem classes, devolve ``value``.

    Raises:
        ValueError: ``y`` falta, sobra, ou não é das classes.
    """
    y = checks.classes(y, len(value), n_classes)
    if y is None or n_classes is None:
        return value
    return torch.cat([value, F.one_hot(y, n_classes).to(value.dtype)], dim=1)


def standard_normal(n: int, *shape: int, like: nn.Module) -> Tensor:
    """``n`` sorteios de N(0, I), (n, *shape), do tipo e no dispositivo dos tensores de ``like``.

    Raises:
        ValueError: ``n`` não é um inteiro maior que zero.
    """
    n = checks.integer(n, "n")
    weights = next(chain(like.parameters(), like.buffers()))
    return torch.randn(n, *shape, device=weights.device, dtype=weights.dtype)


def in_pieces(network: Callable[..., Tensor], *inputs: Tensor | None) -> Tensor:
    """``network(*inputs)``, em levas na CPU e de uma vez numa GPU; dá no mesmo se cada exemplo só depende de si.

    As ativações de uma leva cabem no cache do processador. As de 500 imagens não cabem, e a mesma conta demora até
    60 % mais e ocupa centenas de megabytes.

    Args:
        network: leva tensores (B, …) num tensor (B, …).
        inputs: os argumentos, (B, …) cada um, ou ``None``; o primeiro não.
    """
    given = [x for x in inputs if x is not None]
    widest = max(1, *(x[:1].numel() for x in given))
    at_once = max(1, READ_AT_ONCE * torch.get_num_threads() // widest)
    if given[0].device.type != "cpu" or len(given[0]) <= at_once:
        return network(*inputs)
    pieces = (repeat(None) if x is None else x.split(at_once) for x in inputs)
    return torch.cat([network(*piece) for piece in zip(*pieces, strict=False)])


def full_precision(network: nn.Module, *inputs: Tensor) -> Tensor:
    """``network(*inputs)`` no tipo dos pesos da rede, mesmo sob ``torch.autocast``.

    Ali os produtos saem em bfloat16, com três algarismos: basta para as camadas do meio, e não para uma imagem ou para
    uma soma de 784 logaritmos, que erraria por nats inteiros. É o cuidado de quem entrega o resultado da rede a uma
    conta; as redes não precisam saber dele.
    """
    return network(*inputs).to(next(network.parameters(), inputs[0]).dtype)


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


def whole_batch(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Marca uma função em que cada exemplo depende dos outros do lote, e que por isso precisa do lote inteiro.

    Num processo só, a função é a mesma. Quando vários dividem um lote, quem o reparte chama a função com os exemplos
    de todos, e devolve a cada um o que é dos seus (veja :mod:`course_lib.training.sharding`).

    Args:
        function: recebe tensores (B, …) e devolve um tensor (B, …).
    """

    def tensors(*args: P.args, **_kwargs: P.kwargs) -> list[Tensor]:
        return [value for value in args if isinstance(value, Tensor)]

    marked: Callable[P, Tensor] = wrap_torch_function(tensors)(function)
    WHOLE_BATCH.add(marked)
    return marked
