"""*Flow matching*: uma equação diferencial que leva ruído a imagens. Capítulo 08_fluxos."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import runtime
from course_lib.models.layers import IMAGE_SHAPE, require_count
from course_lib.models.unet import UNet

Velocity = Callable[[Tensor, Tensor], Tensor]


class FlowMatching(nn.Module):
    r"""Campo de velocidades :math:`u_\theta(x, t, y)`, com t = 0 no ruído e t = 1 nos dados.

    Args:
        network: ``network(x, t, y)``, com t (B,) em [0, 1]; a :class:`~course_lib.models.unet.UNet` quando falta. Se
            ela tem ``n_classes``, y vai de 0 a ``n_classes``, que é "sem classe"; se não tem, y é sempre ``None``.
        shape: forma de um exemplo; (2,) para pontos no plano.

    Referência:
        Lipman et al. (2023), *Flow matching for generative modeling*; Liu, Gong e Liu (2023), *Flow straight and fast*.
    """

    def __init__(self, network: nn.Module | None = None, *, shape: Sequence[int] = IMAGE_SHAPE) -> None:
        super().__init__()
        self.network = network if network is not None else UNet()
        self.shape = tuple(shape)

    @property
    def n_classes(self) -> int | None:
        """Quantas classes a rede distingue; ``None`` se ela não olha a classe."""
        return getattr(self.network, "n_classes", None)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Velocidade, da forma de x, em x (B, …), t (B,) em [0, 1] e y (B,), ou nenhum.

        Raises:
            ValueError: ``t`` não tem um instante por exemplo, ou sai de [0, 1].
        """
        runtime.require_time(t, len(x))
        return self.network(x, t, y)

    @torch.no_grad()
    def sample(self, n: int, *, steps: int = 30, y: Tensor | None = None, guidance: float = 0.0) -> Tensor:
        """``n`` amostras (n, *shape), imagens cortadas em [-1, 1]; sem ``y``, a classe de cada uma é sorteada.

        Args:
            n: quantas.
            steps: avaliações da rede; o método do ponto médio gasta duas por passo, logo um número par.
            y: (n,) classes pedidas.
            guidance: w ≥ 0, como na difusão.

        Raises:
            ValueError: ``n``, ``steps`` ou ``guidance`` fora da faixa, ou ``y`` ou guia pedidos a uma rede sem classes.
        """
        require_count(n)
        runtime.require(
            isinstance(steps, int) and steps >= 2 and steps % 2 == 0,
            f"steps: veio {steps!r}; esperava um inteiro par, a partir de 2",
        )
        runtime.require(guidance >= 0, f"guidance: veio {guidance}; esperava um número maior ou igual a zero")
        runtime.require(
            self.n_classes is not None or (y is None and not guidance),
            "y e guidance: só servem a uma rede que olha a classe; esta não tem n_classes",
        )
        weights = next(self.parameters())
        x = torch.randn(n, *self.shape, device=weights.device, dtype=weights.dtype)
        if y is None and self.n_classes is not None:
            y = torch.randint(self.n_classes, (n,), device=x.device)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            if not guidance:
                return self(x, t, y)
            both = torch.cat([y, torch.full_like(y, self.n_classes)])
            with_y, without_y = self(torch.cat([x, x]), t.repeat(2), both).chunk(2)
            return (1 + guidance) * with_y - guidance * without_y

        x = integrate(velocity, x, steps=steps // 2)
        # A integração passa um pouco de preto e de branco; só numa imagem isso não quer dizer nada.
        return x.clamp(-1, 1) if self.shape == IMAGE_SHAPE else x


def flow_matching_objective(model: FlowMatching, batch, *, label_dropout: float = 0.1) -> dict[str, Tensor]:
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
    runtime.require(0 <= label_dropout <= 1, f"label_dropout: veio {label_dropout}; esperava um número de 0 a 1")
    x_1 = batch.x
    B = len(x_1)
    x_0 = torch.randn_like(x_1)
    t = torch.rand(B, device=x_1.device)
    y = None
    if model.n_classes is not None:
        dropped = torch.rand(B, device=x_1.device) < label_dropout
        y = torch.where(dropped, model.n_classes, batch.labels)
    at = t.view(B, *[1] * (x_1.ndim - 1))
    return {"loss": F.mse_loss(model((1 - at) * x_0 + at * x_1, t, y), x_1 - x_0)}


def integrate(
    velocity: Velocity,
    x: Tensor,
    *,
    steps: int,
    start: float = 0.0,
    end: float = 1.0,
    method: str = "midpoint",
    on_step: Callable[[float, Tensor], None] | None = None,
) -> Tensor:
    r"""Resolve :math:`dx/dt = u(x, t)` de ``start`` a ``end``; com ``start > end``, volta no tempo.

    Args:
        velocity: ``velocity(x, t)``, com t (B,).
        x: (B, …), o ponto de partida.
        steps: passos iguais.
        start: instante de partida.
        end: instante de chegada.
        method: ``"euler"`` (uma avaliação por passo) ou ``"midpoint"`` (duas, e erro uma ordem menor).
        on_step: ``on_step(t, x)``, chamado depois de cada passo.

    Returns:
        x no instante ``end``, da mesma forma.

    Raises:
        ValueError: método desconhecido, ou ``steps`` menor que 1.
    """
    runtime.require(method in ("euler", "midpoint"), f"method: veio {method!r}; esperava 'euler' ou 'midpoint'")
    runtime.require(isinstance(steps, int) and steps >= 1, f"steps: veio {steps!r}; esperava um inteiro ≥ 1")
    h = (end - start) / steps
    for i in range(steps):
        t = torch.full((len(x),), start + i * h, device=x.device, dtype=x.dtype)
        u = velocity(x, t)
        if method == "midpoint":
            u = velocity(x + h / 2 * u, t + h / 2)
        x = x + h * u
        if on_step is not None:
            on_step(start + (i + 1) * h, x)
    return x
