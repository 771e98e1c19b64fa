"""Cronômetros, e os produtos de matrizes de um passo."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Product = Callable[[], Any]


def dense_products(
    batch: int, n_in: int, n_out: int, *, weight_gradient: bool = True, input_gradient: bool = True
) -> list[Product]:
    """Os produtos de uma camada densa num passo: o de ida e os gradientes de que o passo precisa.

    São chamadas ao PyTorch sem mais nada. Cada uma tem os seus tensores e escreve num resultado já alocado: alocar
    custaria tempo à referência, e a favor da biblioteca.
    """
    x, w, bias = torch.randn(batch, n_in), torch.randn(n_out, n_in), torch.randn(n_out)
    y, grad_y = torch.zeros(batch, n_out), torch.randn(batch, n_out)
    grad_w, grad_x = torch.zeros(n_out, n_in), torch.zeros(batch, n_in)
    products = [lambda: torch.addmm(bias, x, w.t(), out=y)]
    if weight_gradient:
        products.append(lambda: torch.mm(grad_y.t(), x, out=grad_w))
    if input_gradient:
        products.append(lambda: torch.mm(grad_y, w, out=grad_x))
    return products


def flops(calls: Iterable[Callable[[], Any]]) -> int:
    """Operações de ponto flutuante em produtos de matrizes que as chamadas fazem, contadas pelo PyTorch."""
    with FlopCounterMode(display=False) as counter:
        for call in calls:
            call()
    return counter.get_total_flops()


def seconds(call: Callable[[], Any]) -> float:
    """Duração de uma chamada."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved(candidates: dict[str, Callable[[], Any]], *, rounds: int, calls: int = 10) -> dict[str, list[float]]:
    """Segundos por chamada de cada candidato, uma medida por rodada.

    Numa rodada os candidatos se revezam, cada um com ``calls`` chamadas seguidas (e uma antes, que não conta): o
    barulho da máquina, que vem em ondas, pega a todos.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            call()
            times[name].append(seconds(lambda call=call: [call() for _ in range(calls)]) / calls)
    return times


def machine() -> str:
    """Processador, threads e versões, numa linha."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return (
        f"{model or platform.machine()} · {os.cpu_count()} CPUs · {torch.get_num_threads()} threads do torch · "
        f"torch {torch.__version__} · Python {platform.python_version()}"
    )


def peak_memory() -> float | None:
    """Maior memória residente do processo até aqui, em GB; ``None`` onde o sistema não a diz."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes no macOS, KiB no Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
