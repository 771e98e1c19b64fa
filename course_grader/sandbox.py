"""A caixa isolada: um processo que espera, com o PyTorch importado, e os filhos dele, um por entrega."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass, field

from course_grader.bubblewrap import SandboxError, bubblewrap_command, environment, executable, shown
from course_grader.channel import Channel, MemoryAbuse
from course_grader.clock import Clock
from course_grader.inside.lockdown import Limits
from course_grader.inside.wire import Caps
from course_grader.memory import queued_memory, shared_out_memory, tree_memory
from course_lib.text import number

# Usuários que não são de ninguém; um por caixa, para que o limite de processos de uma não conte os de outra.
FIRST_USER, USERS = 61_000, 4_000

# Segundos para nascer ou morrer: desfazer 64 processos, numa máquina cheia, leva dezenas.
PATIENCE = 120.0


@dataclass(frozen=True)
class Confinement:
    """Como cada processo de estudante é confinado.

    Attributes:
        isolated: se há caixa; sem ela o código do estudante roda como quem corrige, e pode tudo.
        nested: se se tenta dar a cada entrega os seus espaços dentro da mesma caixa; onde não dá, cada uma tem a sua.
        limits: tetos de cada processo.
        total_memory: teto da soma de todos os processos de uma entrega, em bytes.
        caps: quanto uma resposta pode ocupar.
        start_seconds: quanto a caixa pode levar para ficar pronta.
    """

    isolated: bool = True
    nested: bool = True
    limits: Limits = field(default_factory=Limits)
    total_memory: int = 5 * 2**29
    caps: Caps = field(default_factory=Caps)
    start_seconds: float = 300.0


class Sandbox:
    """Uma caixa com o PyTorch importado, que serve a uma entrega de cada vez.

    Args:
        confinement: os limites.
        slot: número desta caixa entre as que rodam ao mesmo tempo.
    """

    def __init__(self, confinement: Confinement, slot: int = 0) -> None:
        self.confinement = confinement
        self.slot = slot
        self._process: subprocess.Popen | None = None
        self._control: socket.socket | None = None
        self._channel: Channel | None = None
        self._reusable = False
        self._abandoned = False
        self._next_look = 0.0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Channel:
        """Um processo novo, e o canal com ele; o anterior, se havia, é morto.

        Raises:
            SandboxError: a caixa não funciona.
        """
        self.kill()
        if self._abandoned:
            raise SandboxError("a correção foi interrompida")
        if self._process is None or self._process.poll() is not None:
            self._launch()
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"s"], [theirs.fileno()])
            failure = self._answer(PATIENCE)
        except OSError as error:
            failure = str(error)
        finally:
            theirs.close()
        if failure:
            ours.close()
            self.close()
            raise SandboxError(f"não consegui criar o processo isolado: {failure}")
        self._channel = Channel(ours, self.confinement.caps, self._watch, Clock(self._process.pid), self._nudge)
        return self._channel

    def kill(self) -> None:
        """Mata o processo do estudante com tudo o que ele tenha criado."""
        if self._channel is None:
            return
        self._channel.close()
        self._channel = None
        if not self._reusable:
            self.close()
            return
        try:
            self._control.sendall(b"k")
            self._answer(PATIENCE)
        except OSError:
            # O processo que espera não respondeu: a caixa inteira vai embora, e a próxima entrega ganha outra.
            self.close()

    def abandon(self) -> None:
        """Mata a caixa a partir de outra linha de execução, para que quem a usa pare de esperar."""
        self._abandoned = True
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Desfaz a caixa."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # Com o controle fechado, quem espera sai sozinho, se puder.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
            # O grupo inteiro: sem a caixa, os filhos do estudante não morrem com o pai.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process.stderr.close()
            self._process = None

    def _launch(self) -> None:
        self.close()
        ours, theirs = socket.socketpair()
        options = {
            "limits": asdict(self.confinement.limits),
            "isolate": self.confinement.isolated and self.confinement.nested,
            "strict": self.confinement.isolated,
            "shown": shown(),
            "user": FIRST_USER + (os.getpid() * 16 + self.slot) % USERS if self.confinement.isolated else 0,
        }
        python = [executable(), "-s", "-P", "-m", "inside", str(theirs.fileno()), json.dumps(options)]
        command = (
            python if not self.confinement.isolated else [*bubblewrap_command(self.confinement.limits), "--", *python]
        )
        home = "/tmp" if self.confinement.isolated else os.devnull
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=environment(home, isolated=self.confinement.isolated),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._control = ours
        try:
            hello = json.loads(self._answer(self.confinement.start_seconds))
        except (OSError, ValueError):
            failure = self._last_words()
            self.close()
            raise SandboxError(f"a caixa isolada não abriu ({failure})") from None
        # Daqui em diante ninguém lê o que ela escreve.
        self._process.stderr.close()
        self._reusable = hello["isolate"]
        if hello["failure"]:
            self.close()
            raise SandboxError(f"a caixa isolada abriu, mas não se tranca: {hello['failure']}")

    def _answer(self, seconds: float) -> str:
        """Uma linha do processo que espera, que é de confiança.

        Raises:
            OSError: ele morreu ou não respondeu no prazo.
        """
        line, limit = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._control], [], [], left)[0]:
                raise TimeoutError("a caixa isolada não respondeu")
            chunk = self._control.recv(4096)
            if not chunk:
                raise ConnectionResetError("a caixa isolada se fechou")
            line += chunk
        return line.decode().strip()

    def _last_words(self) -> str:
        os.killpg(self._process.pid, signal.SIGKILL)
        said = self._process.stderr.read().decode("utf-8", errors="replace").strip()
        return said.splitlines()[-1][:300] if said else "sem mensagem"

    def _nudge(self) -> None:
        """Avisa o processo do estudante de que o prazo acabou."""
        # Quem não é avisado é morto logo depois: perder o aviso não muda quem está atrasado.
        with contextlib.suppress(OSError):
            self._control.sendall(b"i")
            self._answer(PATIENCE)

    def _watch(self) -> None:
        """Confere a memória somada dos processos da caixa.

        Raises:
            MemoryAbuse: passou do teto.
        """
        limit, root, start = self.confinement.total_memory, self._process.pid, time.monotonic()
        if start < self._next_look:
            return
        queued = queued_memory(root)
        if tree_memory(root) + queued <= limit:
            return
        used = shared_out_memory(root) + queued
        # Olhar de perto muitos processos é caro: não se passa mais de um terço do tempo nisso.
        now = time.monotonic()
        self._next_look = now + 2 * (now - start)
        if used > limit:
            raise MemoryAbuse(f"os processos usavam {number(used / 2**30, '.1f')} GB")
