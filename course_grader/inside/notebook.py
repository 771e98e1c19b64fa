"""O caderno do estudante, célula a célula, num módulo de verdade e sem o que custa caro."""

from __future__ import annotations

import builtins
import linecache
import signal
import sys
import types
from signal import setitimer
from signal import signal as set_handler
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

# Células com estas mágicas rodam o seu corpo; as das demais são de outra língua ou gravam arquivos.
_RUN_THE_BODY = {"time", "timeit", "capture", "prun"}


class Late(BaseException):
    """O prazo acabou. Não é Exception, para que o ``except Exception`` de uma resposta não o engula."""


class Shell:
    """O que ``get_ipython()`` devolve aqui: as mágicas e os comandos do sistema são pulados."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def run_cell_magic(self, name: str, _line: str, body: str) -> None:
        """Roda o corpo de ``%%time`` e parentes, e pula as outras."""
        if name in _RUN_THE_BODY:
            exec(compile(TransformerManager().transform_cell(body), f"<%%{name}>", "exec"), self._namespace)

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class Notebook:
    """As células já executadas de um caderno.

    Attributes:
        namespace: onde ficam as funções do estudante; é o ``__main__`` do processo.
    """

    def __init__(self) -> None:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self.namespace = vars(module)
        shell = Shell(self.namespace)
        self.namespace["get_ipython"] = lambda: shell
        self.namespace["display"] = lambda *_, **__: None
        # input() num caderno corrigido por máquina não tem quem responda.
        builtins.input = _nobody_answers
        self._transformer = TransformerManager()

    def run(self, source: str, number: int) -> None:
        """Executa uma célula.

        Raises:
            Exception: o que a célula levantar.
        """
        source = self._transformer.transform_cell(source)
        filename = f"<célula {number}>"
        # Para que o lugar de um erro venha com o texto da linha, como num caderno.
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec", dont_inherit=True), self.namespace)

    def find(self, name: str) -> Any:
        """A função de nome ``name``, ou ``None``.

        Olha o dicionário, e não o módulo: um ``__getattr__`` do estudante não responde por nomes que ele não definiu.
        """
        return dict.get(self.namespace, name)


class deadline:
    """Dentro do bloco, :class:`Late` interrompe o código Python que passar de ``seconds``.

    É uma cortesia, para que uma célula lenta não custe o processo: o prazo que vale é o do corretor, que o mata.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        # Pelos nomes importados aqui: o estudante pode trocar os do módulo `signal`, e o relógio não pararia mais.
        set_handler(signal.SIGALRM, _ring)
        # Repete: um `except:` nu engole o primeiro aviso.
        setitimer(signal.ITIMER_REAL, self.seconds, 0.2)

    def __exit__(self, *_: object) -> None:
        setitimer(signal.ITIMER_REAL, 0)


def _ring(*_: object) -> None:
    raise Late


def _nobody_answers(*_: object) -> str:
    raise EOFError("input() não funciona na correção")
