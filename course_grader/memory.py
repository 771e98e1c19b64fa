"""Quanta memória ocupa uma família de processos, vista de fora dela."""

from __future__ import annotations

import contextlib
import os
from functools import cache


def tree_memory(root: int) -> int:
    """Bytes de memória própria de ``root`` e de todos os seus descendentes, contados por alto: nunca de menos.

    Um filho recém-nascido divide com o pai quase toda a memória, que aqui conta duas vezes.
    """
    return sum(_memory(pid, "status", ("RssAnon:", "RssShmem:", "VmPTE:")) for pid in tree(root))


def shared_out_memory(root: int) -> int:
    """O mesmo, com cada página contada uma vez só; custa alguns milissegundos por processo."""
    return sum(_memory(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for pid in tree(root))


def queued_memory(root: int) -> int:
    """Bytes que os sockets abertos da família podem guardar no núcleo, fora da conta de qualquer processo."""
    sockets: set[str] = set()
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                    if target.startswith("socket:"):
                        sockets.add(target)
    return len(sockets) * _queue()


@cache
def _queue() -> int:
    """Quanto cabe na fila de um socket."""
    try:
        with open("/proc/sys/net/core/wmem_default", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 212_992


def _memory(pid: int, file: str, fields: tuple[str, ...]) -> int:
    try:
        with open(f"/proc/{pid}/{file}", encoding="ascii", errors="replace") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))
    except OSError:
        return 0  # Terminou enquanto olhávamos.


def tree(root: int) -> list[int]:
    """Um processo e todos os seus descendentes."""
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    pending += map(int, file.read().split())
    return found
