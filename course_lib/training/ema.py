"""Média móvel exponencial dos pesos, como gancho do laço."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from course_lib import checks

Tensors = tuple[Tensor, ...] | list[Tensor]


class EMA:
    r"""Mantém uma cópia de ``model`` com a média dos pesos de todos os passos, em que cada um pesa d vezes o seguinte.

    .. math:: \bar\theta_n = \frac{1 - d}{1 - d^n} \sum_{i=1}^{n} d^{\,n-i}\,\theta_i

    É a média móvel :math:`\bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta` sem o viés do começo: partindo dos
    pesos do primeiro passo, ainda quase os sorteados, eles pesariam :math:`d^{n-1}` no fim, 15 % depois de 1.876 passos
    com d = 0,999.

    Passe-a a ``fit(callbacks=[ema])``; depois use ``ema.model`` para amostrar. O laço a guarda nos checkpoints.

    Args:
        model: a rede em treinamento.
        decay: d, entre 0 e 1.

    Raises:
        ValueError: ``decay`` fora de [0, 1).

    Referência:
        Polyak e Juditsky (1992), *Acceleration of stochastic approximation by averaging*; a correção do viés é a de
        Kingma e Ba (2015), *Adam*, seção 3.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        checks.number(decay, "decay", "[0, 1)")
        self.source = model

        @torch.no_grad()
        def average(averaged: Tensors, current: Tensors, n_before: Tensor | int) -> None:
            weight = (1 - decay) / (1 - decay ** (int(n_before) + 1))
            torch._foreach_lerp_(averaged, current, weight)

        self.averaged = AveragedModel(model, multi_avg_fn=average)

    @property
    def model(self) -> nn.Module:
        """A cópia com os pesos médios."""
        return self.averaged.module

    def on_step(self) -> None:
        """Chamado pelo laço depois de cada passo."""
        self.averaged.update_parameters(self.source)

    def state_dict(self) -> dict[str, Tensor]:
        """Pesos médios e contagem de passos."""
        return self.averaged.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Retoma de um :meth:`state_dict`."""
        self.averaged.load_state_dict(state)
