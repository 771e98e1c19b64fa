"""Cronômetros, e os produtos de matrizes de um passo."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

Product = Callable[[], Any]

aten = torch.ops.aten
WRITES_OUT = {aten.mm.default: aten.mm.out, aten.addmm.default: aten.addmm.out, aten.bmm.default: aten.bmm.out}
PRODUCTS = {
    *WRITES_OUT,
    aten.convolution.default,
    aten.convolution_backward.default,
    aten._scaled_dot_product_flash_attention_for_cpu.default,
    aten._scaled_dot_product_flash_attention_for_cpu_backward.default,
}


class _ProductRecorder(TorchDispatchMode):
    """Anota cada produto de matrizes e cada convolução que passa pelo PyTorch, na ida e na volta."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []
        self._by_shape: dict[str, Product] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            # Um por forma: trinta passos de amostragem guardariam gigabytes, e o produto sozinho, a buscá-los na
            # memória, demoraria mais que dentro da rede, que usa sempre os mesmos blocos.
            key = f"{func} {tree_map(_layout, (args, kwargs))}"
            if key not in self._by_shape:
                # Argumentos novos, da mesma forma, disposição e tipo: os do passo mudariam debaixo da medida.
                fresh = tree_map(lambda value: torch.randn_like(value) if isinstance(value, Tensor) else value, args)
                out = torch.empty_like(result) if func in WRITES_OUT else None
                self._by_shape[key] = _replay(func, fresh, kwargs or {}, out)
            self.products.append(self._by_shape[key])
        return result


def _layout(value: Any) -> Any:
    return (value.dtype, tuple(value.shape), value.stride()) if isinstance(value, Tensor) else value


def _replay(func, arguments, options, out: Tensor | None) -> Product:
    if out is None:
        return lambda: func(*arguments, **options)
    # Num resultado já alocado: alocar custaria tempo à referência, e a favor da biblioteca.
    return lambda: WRITES_OUT[func](*arguments, **options, out=out)


def record_products(call: Callable[[], Any]) -> list[Product]:
    """Os produtos de matrizes e as convoluções que ``call`` faz, para serem repetidos sozinhos."""
    with _ProductRecorder() as recorder:
        call()
    return recorder.products


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
