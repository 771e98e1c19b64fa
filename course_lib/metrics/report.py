"""O que um capítulo diz de um número: se caiu na faixa esperada."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from course_lib import runtime
from course_lib.text import number


def expect_range(
    name: str,
    value: float,
    low: float,
    high: float,
    *,
    unit: str = "",
    causes: Sequence[str] = (),
    applies: bool = True,
) -> None:
    """Diz se um número caiu na faixa esperada: ✔ e o número, ou ✘ e as causas prováveis.

    Args:
        name: o que foi medido.
        value: o número.
        low: menor valor esperado.
        high: maior valor esperado.
        unit: unidade, escrita depois do número.
        causes: o que costuma explicar um número fora da faixa.
        applies: se a faixa vale aqui; ela costuma valer só para o MNIST verdadeiro no perfil ``padrao``.
    """
    figure = f"{name}: {number(value, '.4g')}{' ' + unit if unit else ''}"
    interval = f"faixa esperada: {number(low)} a {number(high)}"
    if not applies:
        print(f"• {figure} ({interval}, no MNIST verdadeiro e no perfil padrao; aqui ela não se aplica)")
    elif low <= value <= high:
        print(f"✔ {figure} ({interval})")
    else:
        print(f"✘ {figure} ({interval})")
        for cause in causes:
            print(f"    causa provável: {cause}")


def parameter_count(model: nn.Module) -> int:
    """Número de parâmetros treináveis."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def network_evaluations(sampler: Any) -> int:
    """Quantas vezes a rede roda, de ponta a ponta, para fazer uma amostra: as chamadas da camada mais chamada.

    São contadas, e não copiadas da documentação: uma amostra é sorteada com um contador em cada camada que tem pesos.
    O que se faz entre duas chamadas da rede (uma bisseção, por exemplo) não entra na conta.

    Args:
        sampler: um módulo que tem ``sample(n)``.
    """
    calls: dict[nn.Module, int] = {}

    def count(module: nn.Module, _: Any) -> None:
        calls[module] = calls.get(module, 0) + 1

    layers = [module for module in sampler.modules() if next(module.parameters(recurse=False), None) is not None]
    handles = [layer.register_forward_pre_hook(count) for layer in layers]
    try:
        with runtime.isolated_seed(0):
            sampler.sample(1)
    finally:
        for handle in handles:
            handle.remove()
    return max(calls.values())
