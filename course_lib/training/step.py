"""O passo das famílias de um otimizador só."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from course_lib.contracts import Objective, Terms


class ObjectiveStep:
    """Passo de um otimizador só: avalia o objetivo, retropropaga ``loss`` e atualiza.

    Args:
        model: a rede.
        objective: ``objective(model, batch) -> dict`` com escalares; ``"loss"`` é o que se minimiza.
        optimizer: otimizador dos parâmetros de ``model``.
        scheduler: agenda da taxa de aprendizado, avançada a cada passo.
        autocast: tipo em que fazer os produtos da ida e da volta (``torch.bfloat16``, por exemplo); os pesos e as
            contas delicadas ficam em float32. ``None``: tudo em float32.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        *,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.autocast = autocast

    def __call__(self, batch: Any) -> Terms:
        """Anda um passo e devolve os termos do objetivo, sem gradiente.

        Raises:
            ValueError: o objetivo não devolveu ``"loss"``.
        """
        if self.autocast is None:
            terms = self.objective(self.model, batch)
        else:
            with torch.autocast(batch.x.device.type, self.autocast):
                terms = self.objective(self.model, batch)
        if "loss" not in terms:
            raise ValueError(f"objective: devolveu {', '.join(terms) or 'nada'}; esperava um dicionário com 'loss'")
        self.optimizer.zero_grad()
        terms["loss"].backward()
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return {name: value.detach() for name, value in terms.items()}
