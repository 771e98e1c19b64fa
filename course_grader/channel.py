"""O lado do corretor no canal: pede uma coisa de cada vez e desconfia de tudo o que volta.

Do outro lado pode estar o próprio estudante escrevendo bytes. Por isso um pedido tem um número sorteado, a resposta
inteira tem um prazo só, a linha e os arrays têm tamanho máximo, e qualquer desvio encerra o processo dele.
"""

from __future__ import annotations

import json
import secrets
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from course_grader.clock import NET, TICK, Clock
from course_grader.inside.wire import MAX_LINE, Caps, Decoder, WireError


class ChannelError(Exception):
    """O processo do estudante não respondeu como se pediu, e não serve mais."""


class ChildDied(ChannelError):
    """O processo do estudante acabou."""


class ChildLate(ChannelError):
    """A resposta não chegou inteira no prazo."""


class Starved(ChannelError):
    """A máquina não deu ao processo o tempo do prazo; não é culpa dele."""


class Violation(ChannelError):
    """O que chegou não é uma resposta ao que se pediu."""


class MemoryAbuse(ChannelError):
    """Os processos do estudante, somados, passaram do teto de memória."""


class Channel:
    """Um canal com o processo de uma entrega.

    Args:
        connection: a nossa ponta.
        caps: quanto uma resposta pode ocupar.
        watch: chamada de vez em quando durante a espera; levanta se o processo abusa da máquina.
        clock: o tempo dos prazos; sem ele, o da parede.
        nudge: avisa o processo de que o prazo acabou, para que ele pare sozinho.

    Attributes:
        spent: segundos que o último pedido levou, pelo relógio dos prazos.
    """

    def __init__(
        self,
        connection: socket.socket,
        caps: Caps,
        watch: Callable[[], None],
        clock: Clock | None = None,
        nudge: Callable[[], None] = lambda: None,
    ) -> None:
        self.connection = connection
        self.caps = caps
        self.watch = watch
        self.clock = clock or Clock()
        self.nudge = nudge
        self.spent = 0.0
        connection.setblocking(False)
        self._seconds = self._grace = 0.0
        self._next_look = 0.0
        self._pending = bytearray()

    def request(
        self, message: dict[str, Any], blobs: Sequence[bytes], seconds: float, grace: float = 0.0
    ) -> dict[str, Any]:
        """Envia um pedido e devolve a resposta, com ``answer`` já decodificada.

        Args:
            message: o pedido.
            blobs: bytes dos arrays que ele cita.
            seconds: prazo para enviar tudo e receber tudo.
            grace: quanto se espera ainda, depois de avisar que o prazo acabou.

        Raises:
            ChannelError: a resposta não veio, veio tarde ou não é uma resposta; o canal não serve mais.
        """
        self._seconds, self._grace = seconds, grace
        self.clock.start()
        self._next_look = self.clock.begin + min(TICK, seconds)
        try:
            return self._converse(message, blobs)
        finally:
            self.spent = self.clock.stop()

    def close(self) -> None:
        """Fecha a nossa ponta."""
        self.connection.close()

    def _converse(self, message: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
        if self._pending or self._waiting():
            raise Violation("havia bytes no canal antes do pedido")
        token = secrets.token_hex(8)
        self._send(json.dumps(message | {"id": token}).encode() + b"\n" + b"".join(blobs))
        reply = self._read_json()
        if reply.get("id") != token:
            raise Violation("a resposta é de outro pedido")
        if "answer" in reply:
            try:
                reply["answer"] = Decoder(self._take, self.caps).decode(reply["answer"])
            except WireError as error:
                raise Violation(f"a resposta está malformada: {error}") from None
        if self._pending:
            raise Violation("sobraram bytes depois da resposta")
        return reply

    def _read_json(self) -> dict[str, Any]:
        while (end := self._pending.find(b"\n")) < 0:
            if len(self._pending) > MAX_LINE:
                raise Violation("a linha da resposta não acaba")
            self._receive(MAX_LINE)
        line, self._pending = self._pending[:end], self._pending[end + 1 :]
        try:
            reply = json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_float=_refuse)
        except (ValueError, RecursionError):
            raise Violation("a resposta não é um JSON do corretor") from None
        if type(reply) is not dict:
            raise Violation("a resposta não é um JSON do corretor")
        return reply

    def _take(self, n: int) -> bytearray:
        # Cresce com o que chega: anunciar 16 MB sem enviá-los não reserva 16 MB.
        while len(self._pending) < n:
            self._receive(n - len(self._pending))
        piece, self._pending = self._pending[:n], self._pending[n:]
        return piece

    def _receive(self, n: int) -> None:
        self._wait(reading=True)
        try:
            chunk = self.connection.recv(min(n, 2**20))
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            raise ChildDied("o processo terminou no meio do pedido")
        self._pending += chunk

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait(reading=False)
            try:
                view = view[self.connection.send(view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise ChildDied("o processo terminou no meio do pedido") from None

    def _wait(self, *, reading: bool) -> None:
        ends = [self.connection]
        while True:
            # Pelo relógio, e não só quando nada chega: quem pinga um byte de cada vez não escapa de ser olhado.
            if time.monotonic() >= self._next_look:
                self._look()
            ready = select.select(ends if reading else [], [] if reading else ends, [], min(TICK, self._seconds))
            if ready[0] or ready[1]:
                return

    def _look(self) -> None:
        self.watch()
        spent, limit = self.clock.look(), self._seconds + self._grace
        if spent >= limit:
            raise ChildLate("o prazo acabou")
        if self.clock.wall >= NET * limit:
            raise Starved("a máquina, ocupada, não lhe deu tempo")
        if spent >= self._seconds:
            self.nudge()
        self._next_look = time.monotonic() + TICK

    def _waiting(self) -> bool:
        return bool(select.select([self.connection], [], [], 0)[0])


def _refuse(text: str) -> None:
    # Os números viajam como texto; um NaN ou 1e999 solto no JSON não é nosso.
    raise ValueError(text)
