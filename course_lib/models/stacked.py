"""Autoencoders empilhados: uma camada de cada vez, depois todas juntas. Capítulo 02_variantes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import Batch, Terms
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.layers import IMAGE_DIM, fast_tanh, mlp, pixels


class StackLayer(nn.Module):
    r"""Uma camada da pilha, com o decodificador com que ela se treina: :math:`h' = f(h)`, :math:`\hat{h} = g(h')`.

    Args:
        n_in: largura do que ela recebe; 784 é a imagem, cuja reconstrução passa por tanh.
        n_out: largura do que ela entrega.
        relu: se o que ela entrega passa por ReLU; a última camada de um autoencoder linear no código não a tem.

    Raises:
        ValueError: alguma largura menor que 1.
    """

    def __init__(self, n_in: int, n_out: int, *, relu: bool = True) -> None:
        super().__init__()
        self.n_in, self.n_out, self.relu = n_in, n_out, relu
        self.encoder = mlp((n_in, n_out))
        self.decoder = mlp((n_out, n_in))

    def encode(self, h: Tensor) -> Tensor:
        """O que a camada entrega, (B, n_out), do que ela recebe, h (B, n_in)."""
        checks.codes(h, self.n_in, self.encoder, "h")
        code = self.encoder(h)
        return F.relu(code) if self.relu else code

    def forward(self, h: Tensor) -> Tensor:
        """Reconstrução (B, n_in) de h (B, n_in)."""
        h_hat = self.decoder(self.encode(h))
        # Nas camadas de cima o alvo nunca é negativo, mas a ReLU espera o desenrolar: aqui, uma unidade apagada não
        # teria gradiente para acender.
        return fast_tanh(h_hat) if self.n_in == IMAGE_DIM else h_hat


def stack_layers(sizes: Sequence[int], *, relu_code: bool = True) -> list[StackLayer]:
    """As camadas, ainda por treinar, de uma pilha ``sizes`` = (784, …, código); ReLU em todas, menos talvez na última.

    Raises:
        ValueError: menos de duas larguras, ou alguma menor que 1.
    """
    sizes = checks.integers(sizes, "sizes", least=2)
    layers = [StackLayer(n_in, n_out) for n_in, n_out in pairwise(sizes)]
    layers[-1].relu = relu_code
    return layers


def encode_through(layers: Sequence[StackLayer], x: Tensor) -> Tensor:
    """O que sai da última de ``layers`` para as imagens x (B, 1, 28, 28); sem camadas, os 784 pixels em fila."""
    h = x.flatten(1)
    for layer in layers:
        h = layer.encode(h)
    return h


def freeze(layer: nn.Module) -> nn.Module:
    """Congela a camada: os pesos dela não recebem mais gradiente. Devolve a própria camada."""
    return layer.requires_grad_(False).eval()


def layer_objective(
    layer: StackLayer,
    batch: Batch,
    *,
    below: Sequence[StackLayer] = (),
    corrupt: Callable[[Tensor], Tensor] | None = None,
) -> Terms:
    r"""A camada reconstrói o que as congeladas abaixo lhe entregam: :math:`\|\hat{h} - h\|^2 / (B\,n_{in})`.

    Args:
        layer: a camada em treinamento.
        batch: lote com ``x`` (B, 1, 28, 28).
        below: as camadas já treinadas, da imagem para cima.
        corrupt: leva h (B, n_in) em h̃; com ela a pilha é de autoencoders que tiram ruído.

    Returns:
        ``{"loss": ()}``.

    Referência:
        Hinton e Salakhutdinov (2006); Bengio, Lamblin, Popovici e Larochelle (2007), *Greedy layer-wise training of
        deep networks*; Vincent e outros (2010).
    """
    with torch.no_grad():
        h = encode_through(below, batch.x)
    return {"loss": F.mse_loss(layer(corrupt(h) if corrupt is not None else h), h)}


@torch.no_grad()
def unroll(layers: Sequence[StackLayer]) -> Autoencoder:
    """A pilha desenrolada: um autoencoder profundo com os pesos das camadas, pronto para o ajuste fino.

    Args:
        layers: da imagem ao código; as larguras se encaixam, e só a última pode não ter ReLU.

    Raises:
        ValueError: a pilha está vazia, não começa na imagem, ou as camadas não se encaixam.
    """
    sizes = _stack_sizes(layers)
    model = Autoencoder(sizes[-1], sizes[1:-1], relu_code=layers[-1].relu)
    encoders = [part for part in model.encoder if isinstance(part, nn.Linear)]
    decoders = [part for part in model.decoder if isinstance(part, nn.Linear)]
    for layer, encoder, decoder in zip(layers, encoders, reversed(decoders), strict=True):
        encoder.load_state_dict(layer.encoder[0].state_dict())
        decoder.load_state_dict(layer.decoder[0].state_dict())
    return model


class StackClassifier(nn.Module):
    """Classificador denso: as camadas da pilha e, em cima, uma que decide entre as classes.

    Args:
        sizes: larguras da pilha, da imagem à última camada oculta: ``(784, 1000, 1000, 1000)``.
        n_classes: número de classes.

    Raises:
        ValueError: menos de duas larguras, ou alguma menor que 1.
    """

    def __init__(self, sizes: Sequence[int], n_classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(*mlp(sizes), nn.ReLU(), *mlp((sizes[-1], n_classes)))

    @torch.no_grad()
    def load_layers(self, layers: Sequence[StackLayer]) -> None:
        """Copia os codificadores de uma pilha treinada para as camadas ocultas; a que decide fica como está.

        Raises:
            ValueError: as larguras da pilha são outras.
        """
        hidden = [part for part in self.body if isinstance(part, nn.Linear)][:-1]
        expected = tuple(linear.out_features for linear in hidden)
        checks.same(_stack_sizes(layers)[1:], expected, "larguras da pilha, em layers")
        for layer, linear in zip(layers, hidden, strict=True):
            linear.load_state_dict(layer.encoder[0].state_dict())

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, n_classes) de x (B, 1, 28, 28) em [-1, 1].

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        return self.body(pixels(x, self.body))


def _stack_sizes(layers: Sequence[StackLayer]) -> tuple[int, ...]:
    starts = bool(layers) and layers[0].n_in == IMAGE_DIM
    fits = starts and all(a.n_out == b.n_in and a.relu for a, b in pairwise(layers))
    came = ", ".join(f"{layer.n_in}→{layer.n_out}{'' if layer.relu else ' sem ReLU'}" for layer in layers) or "nada"
    checks.require(fits, f"layers: veio {came}; esperava camadas encaixadas a partir de 784, sem ReLU só a última")
    return (layers[0].n_in, *(layer.n_out for layer in layers))
