"""O mundo fora da caixa, e o que nele mudou depois de uma correção."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import psutil

from corpus.exhausting import MARK
from course_grader.sandbox import FIRST_USER, USERS

SECRET = "caderno-do-vizinho-7f3a"
CANARY = "canário vivo"


class World:
    """Uma pasta em que qualquer um grava, com um canário e o caderno de um vizinho, e alguém que escuta na rede.

    Args:
        folder: uma pasta que ainda não existe.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o777)
        for name, content in (("canario", CANARY), ("vizinho.ipynb", SECRET)):
            (folder / name).write_text(content, encoding="utf-8")
        (folder / "canario").chmod(0o666)
        self.calls: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.2)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> World:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

    @property
    def port(self) -> int:
        """Onde se escuta."""
        return self._server.getsockname()[1]

    def damage(self) -> list[str]:
        """O que mudou, uma frase por efeito; vazia se ninguém saiu da caixa."""
        found = []
        if (self.folder / "canario").read_text(encoding="utf-8") != CANARY:
            found.append("o canário mudou")
        if sorted(path.name for path in self.folder.iterdir()) != ["canario", "vizinho.ipynb"]:
            found.append("há arquivos novos fora da caixa")
        if self.calls:
            found.append("alguém ligou")
        return found + [f"ficou um processo: {process}" for process in orphans()]

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            self.calls.append(connection.recv(100))
            connection.close()


def orphans() -> list[dict]:
    """Os processos de estudantes deste corretor que ainda existem, depois de desfeitas as caixas."""
    # Só os das caixas de uma turma: outro corretor pode estar a trabalhar, e os testes guardam uma caixa aberta.
    ours = {FIRST_USER + (os.getpid() * 16 + slot) % USERS for slot in range(8)}
    left = []
    for process in psutil.process_iter(["pid", "cmdline", "uids"]):
        uids = process.info["uids"]
        if (uids is not None and uids.real in ours) or MARK in (process.info["cmdline"] or []):
            left.append(process.info)
    return left
