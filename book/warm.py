"""Kernels que já nascem com o PyTorch: um processo o importa uma vez, e cada kernel é um ``fork`` dele.

De outro modo cada capítulo espera três segundos pelas mesmas importações: a do PyTorch e, no primeiro otimizador, a do
compilador dele. Só no Linux, que tem ``fork`` e ``pidfd``; fora dali, ou se o processo de origem morreu, um kernel
começa do começo. Da biblioteca do curso nada é importado antes do ``fork``: o que um capítulo usa dela é o que o seu
processo importou (``book/uses.py``).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
from typing import Any, NoReturn

from jupyter_client.provisioning import LocalProvisioner

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AVAILABLE = sys.platform == "linux" and hasattr(os, "pidfd_open")

_origin: subprocess.Popen[bytes] | None = None


def start() -> None:
    """Começa o processo de origem dos kernels deste processo; ele acaba quando este acaba."""
    global _origin
    if AVAILABLE:
        command, pipe = [sys.executable, "-m", "book.warm"], subprocess.PIPE
        _origin = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, bufsize=0)


class KernelProcess:
    """Um kernel que não é filho deste processo: o que o Jupyter pede de um ``Popen``, por um ``pidfd``."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self.returncode = 1

    def poll(self) -> int | None:
        """``None`` enquanto vive. De um processo alheio não se sabe o código de saída: depois, 0."""
        return self._ended(0)

    def wait(self) -> int | None:
        """Espera que acabe."""
        return self._ended(None)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._fd], [], [], seconds)[0]:
            os.close(self._fd)
            self.returncode = 0
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Manda um sinal, se ele ainda vive."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        """Mata."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Pede que acabe."""
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Abre um kernel como um ``fork`` do processo de origem; se não há um, como sempre."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        log = options.get("stderr")
        request = {
            "connection_file": cmd[cmd.index("-f") + 1],
            "folder": options.get("cwd") or os.getcwd(),
            "environ": dict(options.get("env") or os.environ),
            "log": os.path.abspath(log.name) if hasattr(log, "name") else None,
        }
        pid = _fork(request)
        if pid is None:
            return await super().launch_kernel(cmd, **options)
        self.process = KernelProcess(pid)
        self.pid = self.pgid = pid
        return self.connection_info


def _fork(request: dict[str, Any]) -> int | None:
    if _origin is None or _origin.stdin is None or _origin.stdout is None:
        return None
    try:
        _origin.stdin.write(json.dumps(request).encode() + b"\n")
    except OSError:
        return None
    return int(_origin.stdout.readline() or 0) or None


def serve() -> None:
    """O processo de origem: importa o que todo kernel importa, e faz um a cada pedido, até que ninguém mais peça."""
    # Os pedidos e as respostas por outros números: os kernels herdam a entrada vazia e a saída de erro.
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # de quem acaba, o sistema cuida

    import ipykernel.kernelapp  # noqa: F401
    import torch._dynamo  # noqa: F401

    gc.collect()
    gc.freeze()
    with os.fdopen(requests, encoding="utf-8") as lines:
        for line in lines:
            pid = os.fork()
            if pid == 0:
                lines.close()
                os.close(replies)
                become_kernel(**json.loads(line))
            os.write(replies, f"{pid}\n".encode())
    os._exit(0)  # sem as despedidas das bibliotecas, que ninguém pediu para ler


def become_kernel(connection_file: str, folder: str, environ: dict[str, str], log: str | None) -> NoReturn:
    """O resto da vida deste processo, recém-nascido: ser o kernel de ``connection_file``."""
    code = 1
    try:
        from ipykernel.kernelapp import IPKernelApp

        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(folder)
        if log is not None:
            os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), 2)
        # O JPY_PARENT_PID, o ipykernel já o leu ao ser importado: é por ele que o kernel sabe que ficou órfão.
        sys.argv = ["ipykernel_launcher", "-f", connection_file, f"--IPKernelApp.parent_handle={os.getppid()}"]
        IPKernelApp.launch_instance()
        code = 0
    finally:
        atexit._run_exitfuncs()
        os._exit(code)


if __name__ == "__main__":
    serve()
