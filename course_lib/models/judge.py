"""A rede que julga amostras: um classificador de dígitos cujas características medem distâncias entre conjuntos."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import LabelledBatch, Terms
from course_lib.models.layers import whole_batch


class JudgeNetwork(nn.Module):
    """Classificador convolucional de dígitos, com 64 características antes da camada que decide.

    As distâncias entre conjuntos de imagens são medidas nessas características, e não nos pixels: dois traços iguais,
    um deslocado de dois pixels, são longe em pixels e perto aqui.

    Args:
        width: canais da primeira metade; a segunda tem o dobro.
        n_features: número de características.
    """

    def __init__(self, width: int = 32, n_features: int = 64) -> None:
        super().__init__()
        self.n_features = n_features
        self.body = nn.Sequential(
            *_conv(1, width),
            *_conv(width, width),
            nn.MaxPool2d(2),
            *_conv(width, 2 * width),
            *_conv(2 * width, 2 * width),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * width * 7 * 7, n_features),
            _BatchNorm(n_features),
        )
        self.head = nn.Linear(n_features, 10)

    def features(self, x: Tensor) -> Tensor:
        """Características (B, n_features), com sinal, de x (B, 1, 28, 28) em [-1, 1].

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        checks.images(x)
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 10) de x (B, 1, 28, 28)."""
        return self.head(F.relu(self.features(x)))


class _BatchNorm(nn.BatchNorm1d):
    """A normalização por lote, também de um lote de um exemplo só: de um não se estima variância nenhuma.

    É o que sobra no fim da época quando o número de imagens é um múltiplo do lote, mais uma; ele se normaliza com as
    médias móveis, como fora do treino.
    """

    @whole_batch
    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def _conv(n_in: int, n_out: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()


def classification_objective(model: nn.Module, batch: LabelledBatch, *, shift: int = 0) -> Terms:
    """Entropia cruzada e acerto de um classificador.

    Args:
        model: leva x (B, 1, 28, 28) em logits (B, 10).
        batch: lote com ``x`` em [-1, 1] e ``labels`` (B,).
        shift: o lote inteiro é deslocado de até tantos pixels em cada direção, para ensinar que a posição não importa.

    Returns:
        ``loss`` em nats e ``accuracy`` em [0, 1], médias sobre o lote.
    """
    x = batch.x
    if shift:
        down, right = (int(torch.randint(-shift, shift + 1, ())) for _ in range(2))
        # A borda do MNIST é fundo: o que sai de um lado e volta do outro é preto.
        x = x.roll((down, right), (2, 3))
    logits = model(x)
    accuracy = (logits.detach().argmax(1) == batch.labels).float().mean()
    return {"loss": F.cross_entropy(logits, batch.labels), "accuracy": accuracy}
