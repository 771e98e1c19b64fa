"""O relógio dos prazos: quanto tempo a máquina deu a uma entrega, e não quanto passou."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from course_grader.memory import tree

# De quanto em quanto tempo se olha quem responde, em segundos.
TICK = 0.1
# Quantas vezes um prazo a máquina pode levar para dar a uma entrega o tempo dele; além disso, não se sabe julgar.
NET = 16.0

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class _Reading(NamedTuple):
    moment: float
    own: dict[int, float]
    reaped: float
    waited: dict[str, float]


class Clock:
    """O tempo de uma família de processos, que não anda enquanto ela está pronta e a máquina cuida de outros.

    Anda com o processador que a família inteira gasta, em quantos processos for, e com o tempo em que nenhum deles tem
    o que fazer (quem dorme também chega ao fim do prazo). Assim um vizinho que ocupe a máquina atrasa uma entrega, e
    não gasta o prazo dela.

    Args:
        root: o primeiro processo; sem ele, o relógio é o da parede.
    """

    def __init__(self, root: int | None = None) -> None:
        self._root = root
        self.start()

    def start(self) -> None:
        """Começa do zero."""
        self.begin = time.monotonic()
        self._spent = 0.0
        self._last: _Reading | None = None

    @property
    def wall(self) -> float:
        """Segundos de parede desde o começo."""
        return time.monotonic() - self.begin

    def look(self) -> float:
        """Segundos da família até agora; custa uma leitura de ``/proc``."""
        if self._root is None:
            return self.wall
        last, self._last = self._last, _read(self._root)
        if last is None:
            # Até a primeira olhada ninguém mediu: conta como se a máquina fosse só dela, e é pouco.
            self._spent = min(self._last.moment - self.begin, TICK)
        else:
            self._spent += _given(last, self._last)
        return self._spent

    def stop(self) -> float:
        """Segundos da família ao todo; o que passou depois da última olhada, menos de um décimo, conta inteiro."""
        since = self.begin if self._last is None else self._last.moment
        return self._spent + min(time.monotonic() - since, TICK)


def _given(before: _Reading, after: _Reading) -> float:
    wall = after.moment - before.moment
    # Duas contas por baixo, e vale a maior: a dos que ainda há, e a de todos, em que o pai herda o tempo do filho que
    # esperou. A primeira não vê quem acabou; a segunda diminui se ninguém o esperou.
    living = sum(max(0.0, spent - before.own.get(pid, 0.0)) for pid, spent in after.own.items())
    everyone = sum(after.own.values()) + after.reaped - sum(before.own.values()) - before.reaped
    cpu = max(living, everyone, 0.0)
    # Quem acabou entre as duas olhadas levou consigo a sua espera: só se comparam os que ainda há.
    waited = sum(max(0.0, spent - before.waited.get(task, 0.0)) for task, spent in after.waited.items())
    return cpu + max(0.0, wall - cpu - waited)


def _read(root: int) -> _Reading:
    own, reaped, waited = {}, 0.0, {}
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # Depois do nome, que pode ter espaços: os seus tempos e os dos filhos que já acabaram.
                fields = file.read().rpartition(b")")[2].split()
            own[pid] = sum(map(int, fields[11:13])) / _TICKS_A_SECOND
            reaped += sum(map(int, fields[13:15])) / _TICKS_A_SECOND
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", "rb") as file:
                    waited[task] = int(file.read().split()[1]) / 1e9
        except (OSError, IndexError):
            continue  # Terminou enquanto olhávamos, ou o núcleo não conta esperas: então vale a parede.
    return _Reading(time.monotonic(), own, reaped, waited)
