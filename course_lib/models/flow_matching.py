"""*Flow matching*: uma equação diferencial que leva ruído a imagens. Capítulo 08_fluxos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.checks import IMAGE_SHAPE
from course_lib.contracts import LabelledBatch, Terms
from course_lib.models.layers import class_count, draw_classes, standard_normal
from course_lib.models.unet import UNet, drop_labels, guided

Velocity = Callable[[Tensor, Tensor], Tensor]

METHODS = ("euler", "midpoint", "adams")

# Avaliações da rede por amostra: com rótulo, dez de Adams ficam à mesma distância das imagens reais que trinta do ponto
# médio; sem rótulo, 4 % além. Quanto custa e quanto vale outro número, mede-se com ``benchmarks.sampling``.
STEPS = 10


class FlowMatching(nn.Module):
    r"""Campo de velocidades :math:`u_\theta(x, t, y)`, com t = 0 no ruído e t = 1 nos dados.

    Args:
        network: ``network(x, t, y)``, com t (B,) em [0, 1]; a :class:`~course_lib.models.unet.UNet` quando falta. Se
            ela não olha a classe (``n_classes=None``, ou nem isso), y é sempre ``None``.
        shape: forma de um exemplo; (2,) para pontos no plano.

    Referência:
        Lipman et al. (2023), *Flow matching for generative modeling*; Liu, Gong e Liu (2023), *Flow straight and fast*.
    """

    def __init__(self, network: nn.Module | None = None, *, shape: Sequence[int] = IMAGE_SHAPE) -> None:
        super().__init__()
        self.network = network if network is not None else UNet()
        self.shape = tuple(shape)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Velocidade, da forma de x, em x (B, …), t (B,) em [0, 1] e y (B,), ou nenhum.

        Raises:
            ValueError: ``t`` não tem um instante por exemplo, ou sai de [0, 1].
        """
        checks.times(t, len(x))
        return self.network(x, t, y)

    @torch.no_grad()
    def sample(self, n: int, *, steps: int = STEPS, y: Tensor | None = None, guidance: float = 0.0) -> Tensor:
        """``n`` amostras (n, *shape), imagens cortadas em [-1, 1]; sem ``y``, a classe de cada uma é sorteada.

        Args:
            n: quantas.
            steps: passos do método de Adams, que são avaliações da rede.
            y: (n,) classes pedidas.
            guidance: w ≥ 0, como na difusão.

        Raises:
            ValueError: ``n``, ``steps`` ou ``guidance`` fora da faixa, ou ``y`` ou orientação pedidos a uma rede sem
                classes.
        """
        x = standard_normal(n, *self.shape, like=self)
        y = draw_classes(n, class_count(self.network), self) if y is None else y
        x = integrate(lambda x, t: guided(self.network, x, t, y, guidance), x, steps=steps, method="adams")
        # A integração passa um pouco de preto e de branco; só numa imagem isso não quer dizer nada.
        return x.clamp(-1, 1) if self.shape == IMAGE_SHAPE else x


def flow_matching_objective(model: FlowMatching, batch: LabelledBatch, *, label_dropout: float = 0.1) -> Terms:
    r"""Erro quadrático médio da velocidade no caminho reto entre um ruído e um dado.

    .. math:: E_{t, x_0, x_1}\,\lVert u_\theta(x_t, t, y) - (x_1 - x_0) \rVert^2 / D, \qquad x_t = (1 - t)\,x_0 + t\,x_1

    Args:
        model: o campo.
        batch: lote com ``x`` (B, …), os dados x_1, e ``labels`` (B,), se a rede olha a classe.
        label_dropout: fração dos exemplos que ela vê sem a classe.

    Returns:
        ``{"loss": ()}``, média sobre lote e dimensões.

    Raises:
        ValueError: ``label_dropout`` fora de [0, 1].

    Referência:
        Lipman et al. (2023), equação 23 com σ_min = 0.
    """
    x_1 = batch.x
    x_0 = torch.randn_like(x_1)
    t = torch.rand(len(x_1), device=x_1.device)
    y = drop_labels(model.network, batch, label_dropout)
    at = t.view(-1, *[1] * (x_1.ndim - 1))
    return {"loss": F.mse_loss(model((1 - at) * x_0 + at * x_1, t, y), x_1 - x_0)}


def trajectory(
    velocity: Velocity, x: Tensor, *, steps: int, start: float = 0.0, end: float = 1.0, method: str = "midpoint"
) -> Iterator[tuple[float, Tensor]]:
    r"""Resolve :math:`dx/dt = u(x, t)` de ``start`` a ``end``, passo a passo; com ``start > end``, volta no tempo.

    Args:
        velocity: ``velocity(x, t)``, com t (B,).
        x: (B, …), o ponto de partida.
        steps: passos iguais.
        start: instante de partida.
        end: instante de chegada.
        method: ``"euler"`` (uma avaliação por passo, erro proporcional a ele), ``"midpoint"`` (duas, e erro ao quadrado
            dele) ou ``"adams"``, de Adams-Bashforth (uma, e erro ao quadrado também: a velocidade no meio do passo é a
            da reta que passa pela de agora e pela do passo anterior).

    Yields:
        ``(t, x)`` depois de cada passo.

    Raises:
        ValueError: método desconhecido, ou ``steps`` menor que 1.

    Referência:
        Hairer, Nørsett e Wanner (1993), *Solving ordinary differential equations I*, seções II.1 e III.1.
    """
    checks.one_of(method, "method", METHODS)
    steps = checks.integer(steps, "steps")
    h = (end - start) / steps
    u_before = None
    for i in range(steps):
        t = torch.full((len(x),), start + i * h, device=x.device, dtype=x.dtype)
        u = velocity(x, t)
        if method == "midpoint":
            u = velocity(x + h / 2 * u, t + h / 2)
        ahead = u if method != "adams" or u_before is None else (3 * u - u_before) / 2
        x, u_before = x + h * ahead, u
        yield start + (i + 1) * h, x


def integrate(
    velocity: Velocity, x: Tensor, *, steps: int, start: float = 0.0, end: float = 1.0, method: str = "midpoint"
) -> Tensor:
    """x no instante ``end``, o fim da :func:`trajectory`, de que são os argumentos."""
    for _, x_t in trajectory(velocity, x, steps=steps, start=start, end=end, method=method):
        x = x_t
    return x
