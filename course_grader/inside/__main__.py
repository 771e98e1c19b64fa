"""O processo que espera, com o PyTorch já importado, e se divide a cada entrega: ``python -m inside CANAL OPÇÕES``.

Ele mesmo nunca executa código do estudante: recebe do corretor um canal, cria o filho que o usará e, quando mandam, o
mata com tudo o que ele tiver deixado.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

from . import landlock, lockdown, serve, stand_ins
from .lockdown import Limits


def preload() -> None:
    """Importa o que os cadernos usam, para que cada filho já nasça com isso."""
    import numpy
    import torch

    from course_lib.viz import style

    from . import shell

    torch.set_num_threads(1)
    shell.make_shell()
    style.plt.get_fignums()
    stand_ins.install()
    # Na primeira vez, tudo isto ainda importa metade do PyTorch, o SciPy e o scikit-learn.
    stand_ins.rehearse()
    numpy.random.default_rng(0)
    # O lixo que existir agora nunca será revisto pelos filhos: as páginas de memória seguem compartilhadas.
    gc.collect()
    gc.freeze()


class Host:
    """Cria e mata o filho de uma entrega.

    Args:
        limits: os tetos de cada filho.
        isolate: se cada filho ganha os seus espaços de nomes; sem isto, a caixa serve a uma entrega só.
        user: o usuário de cada filho, se somos root.
        strict: se o filho perde os privilégios e o filtro de chamadas vale; só é falso sem a caixa.
        shown: o que a caixa mostra, e que ele pode ler.
    """

    def __init__(self, limits: Limits, *, isolate: bool, user: int, strict: bool, shown: Sequence[str]) -> None:
        self.limits = limits
        self.isolate = isolate
        self.user = user
        self.strict = strict
        self.shown = shown
        self._mapped, self._private = lockdown.mapped_bytes(), lockdown.private_bytes()
        self._guardian = self._child = 0

    def start(self, control: socket.socket, channel: socket.socket | None) -> str:
        """Cria o filho que atende em ``channel``; devolve ``""`` ou por que não deu.

        Sem ``channel`` é um ensaio: o filho sai assim que se trancou.
        """
        reading, writing = os.pipe()
        self._guardian = os.fork()
        if self._guardian == 0:
            os.close(reading)
            self._guard(writing, control, channel)
        os.close(writing)
        with os.fdopen(reading, "r", encoding="utf-8") as pipe:
            pid, _, failure = pipe.read().partition(" ")
        self._child = int(pid or 0)
        if failure or not self._child:
            self.kill()
            return failure or "o processo da entrega não nasceu"
        return ""

    def interrupt(self) -> None:
        """Avisa o filho de que o prazo do pedido acabou."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGALRM)

    def kill(self) -> None:
        """Mata o filho e espera que nada dele reste."""
        if not self._guardian:
            return
        for pid in (self._child, 0 if self.isolate else self._guardian):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        os.waitpid(self._guardian, 0)
        self._guardian = self._child = 0

    def _guard(self, pipe: int, control: socket.socket, channel: socket.socket | None) -> None:
        # Os espaços de nomes de processos valem para os filhos de quem os pede: daí este processo intermediário.
        child, failure = 0, ""
        try:
            if self.isolate:
                lockdown.enter_namespaces(self.limits)
            ready, told = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(ready)
                self._become_student(told, pipe, control, channel)
            os.close(told)
            with os.fdopen(ready, "r", encoding="utf-8") as file:
                failure = file.read()
        except OSError as error:
            failure = str(error)
        os.write(pipe, f"{child} {failure}".encode())
        os.close(pipe)
        if child:
            os.waitpid(child, 0)
        os._exit(0)

    def _become_student(self, told: int, pipe: int, control: socket.socket, channel: socket.socket | None) -> None:
        try:
            os.close(pipe)
            control.close()
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.close(null)
            lockdown.set_limits(self.limits, self._mapped, self._private)
            if self.strict:
                lockdown.drop_privileges(self.user)
                # Antes do filtro de chamadas, que não deixa passar as dele.
                shown = [*self.shown, "/proc", "/dev", *lockdown.SCRATCH]
                landlock.restrict(shown, [*lockdown.SCRATCH, "/dev/null", "/dev/zero"])
                lockdown.forbid_system_calls()
            os.chdir("/tmp")
        except BaseException as error:
            os.write(told, (str(error) or type(error).__name__).encode())
            os._exit(1)
        os.close(told)
        if channel is None:
            os._exit(0)
        # Só o canal fica aberto.
        os.closerange(3, channel.fileno())
        os.closerange(channel.fileno() + 1, 256)
        serve.main(channel)


def main(arguments: list[str]) -> int:
    """Atende o corretor até que ele feche o canal de controle."""
    control = socket.socket(fileno=int(arguments[0]))
    options = json.loads(arguments[1])
    preload()
    limits = Limits(**options["limits"])
    host = Host(limits, **{name: options[name] for name in ("isolate", "user", "strict", "shown")})
    failure = host.start(control, None)
    if failure and host.isolate:
        # Há sistemas em que a caixa existe mas não deixa criar outra dentro: então uma caixa por entrega.
        host.isolate = False
        failure = host.start(control, None)
    host.kill()
    control.sendall(json.dumps({"isolate": host.isolate, "failure": failure}).encode() + b"\n")
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if order == b"s":
            channel = socket.socket(fileno=descriptors[0])
            failure = host.start(control, channel)
            channel.close()
            control.sendall(failure.encode()[:500] + b"\n")
        elif order == b"i":
            host.interrupt()
            control.sendall(b"\n")
        elif order == b"k":
            host.kill()
            control.sendall(b"\n")
        else:
            host.kill()
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
