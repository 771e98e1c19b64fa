"""O Firefox sem janela, pelo protocolo WebDriver BiDi: o playwright só conhece um Firefox próprio, que ele baixa."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

# Uma rede de segurança: um travamento chega aqui, uma máquina cheia não.
LONG = 120
ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
PREFERENCES = 'user_pref("remote.active-protocols", 1);\nuser_pref("browser.shell.checkDefaultBrowser", false);\n'


def find_firefox() -> str | None:
    """Caminho do Firefox do sistema, ou None."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Firefox:
    """Uma aba: abre endereços, avalia JavaScript, aperta teclas, e guarda os erros do console."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: WebSocketClientConnection) -> None:
        self._loop, self._connection, self._numbers = loop, connection, itertools.count(1)
        self.problems: list[str] = []
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        self._tab = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, address: str) -> None:
        """Abre o endereço e espera que a página acabe de carregar."""
        self._call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """O texto, número ou lógico que a expressão dá; de uma promessa, o que ela promete."""
        found = self._call("script.evaluate", expression=expression, target={"context": self._tab}, awaitPromise=True)
        if found["type"] == "exception":
            raise AssertionError(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Espera que a condição seja verdadeira."""
        self.evaluate(
            f"new Promise((done) => {{ const look = () => (({condition}) ? done(1) : setTimeout(look, 30)); look(); }})"
        )

    def press(self, key: str) -> None:
        """Aperta e solta uma tecla, pelo código dela no WebDriver."""
        self._perform("key", [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")])

    def click(self, element: str) -> None:
        """Clica no meio do elemento que a expressão dá."""
        box = f"({element}).getBoundingClientRect()"
        self.evaluate(f"({element}).scrollIntoView({{ block: 'center' }})")
        x, y = (
            self.evaluate(f"Math.round({box}.{low} + {box}.{size} / 2)")
            for low, size in (("x", "width"), ("y", "height"))
        )
        buttons = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._perform("pointer", [{"type": "pointerMove", "x": x, "y": y}, *buttons])

    def _perform(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self._call("input.performActions", context=self._tab, actions=[source])

    def _call(self, method: str, **params: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(self._exchange(method, params), LONG))

    async def _exchange(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self._numbers)
        await self._connection.write_message(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            text = await self._connection.read_message()
            assert text is not None, "o Firefox fechou a conexão"
            message = json.loads(text)
            if message.get("method") == "log.entryAdded" and message["params"]["level"] in ("error", "warn"):
                self.problems.append(message["params"]["text"])
            if message.get("id") == number:
                assert message["type"] == "success", f"{method}: {message.get('message')}"
                return message["result"]


@contextlib.contextmanager
def open_firefox(program: str, profile: Path) -> Iterator[Firefox]:
    """Um Firefox com um perfil novo, que se fecha no fim."""
    profile.mkdir(exist_ok=True)
    (profile / "user.js").write_text(PREFERENCES, encoding="utf-8")
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    loop = asyncio.new_event_loop()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            # Quem não abre não fecha a saída, e a leitura esperaria para sempre.
            impatience = threading.Timer(LONG, process.kill)
            impatience.start()
            address = next((found[1] for found in map(ADDRESS.search, process.stderr) if found), None)
            impatience.cancel()
            assert address, f"o Firefox não abriu em {LONG} s"
            connection = loop.run_until_complete(_connect(f"{address}/session"))
            yield Firefox(loop, connection)
            connection.close()
        finally:
            process.terminate()
            loop.close()


async def _connect(address: str) -> WebSocketClientConnection:
    return await websocket_connect(address)
