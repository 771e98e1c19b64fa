"""Média móvel exponencial dos pesos, como gancho do laço."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_lib import runtime


class EMA:
    r"""Mantém uma cópia de ``model`` cujos pesos são :math:`\bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta`.

    Passe-a a ``fit(callbacks=[ema])``; depois use ``ema.model`` para amostrar. O laço a guarda nos checkpoints.

    Args:
        model: a rede em treinamento.
        decay: d, entre 0 e 1.

    Raises:
        ValueError: ``decay`` fora de [0, 1).

    Referência:
        Polyak e Juditsky (1992), *Acceleration of stochastic approximation by averaging*.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        runtime.require(0 <= decay < 1, f"decay: veio {decay}; esperava um número em [0, 1)")
        self.source = model
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))

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
