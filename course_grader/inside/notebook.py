"""O caderno do estudante, célula a célula."""

from __future__ import annotations

import asyncio
import signal
from signal import signal as set_handler
from typing import Any

from .shell import ZMQInteractiveShell, make_shell, run_cell


class Late(BaseException):
    """O prazo acabou. Não é Exception, para que o ``except Exception`` de uma resposta não o engula."""


class Notebook:
    """As células já executadas de um caderno.

    Attributes:
        shell: o interpretador.
        namespace: onde ficam as funções do estudante; é o ``__main__`` do processo.
    """

    def __init__(self) -> None:
        self.shell = ZMQInteractiveShell.instance() if ZMQInteractiveShell.initialized() else make_shell()
        self.namespace = self.shell.user_ns
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def run(self, source: str) -> list[str]:
        """Executa uma célula; devolve o que ela pediu e aqui não se faz.

        Raises:
            BaseException: o que a célula levantar.
        """
        self.shell.not_run.clear()
        error = self._loop.run_until_complete(run_cell(self.shell, source))
        if error is not None:
            raise error
        return [text[:80] for text in self.shell.not_run[:3]]

    def find(self, name: str) -> Any:
        """A função de nome ``name``, ou ``None``.

        Olha o dicionário, e não o módulo: um ``__getattr__`` do estudante não responde por nomes que ele não definiu.
        """
        return dict.get(self.namespace, name)

    def functions(self) -> list[str]:
        """Os nomes do que o estudante definiu e se chama."""
        hidden = self.shell.user_ns_hidden
        return [name for name, value in list(self.namespace.items()) if callable(value) and name not in hidden]


class interruptible:
    """Dentro do bloco, o aviso do corretor de que o prazo acabou vira :class:`Late`; fora dele, não é nada.

    É uma cortesia, para que uma célula lenta não custe o processo: o prazo que vale é o do corretor, que o mata. Quem
    conta o tempo é ele, que vê quanto dele a máquina deu ao processo.
    """

    active = False

    def __enter__(self) -> None:
        # Pelo nome importado aqui: o estudante pode trocar o do módulo `signal`.
        interruptible.active = True
        set_handler(signal.SIGALRM, _ring)

    def __exit__(self, *_: object) -> None:
        interruptible.active = False


def _ring(*_: object) -> None:
    if interruptible.active:
        raise Late
