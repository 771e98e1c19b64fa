"""O interpretador das células: o do IPython, o mesmo de um núcleo do Jupyter, sem terminal, sem disco e sem comandos.

O que um caderno define aqui é o que ele define num núcleo, porque quem o executa é o mesmo código: as mágicas e os
nomes que elas criam, o ``await`` solto, o ``from __future__`` que vale para as células seguintes, ``In``, ``Out`` e
``_``. O que muda está nesta página e em :mod:`.stand_ins`, e cada mudança é dita ao estudante (``DIFFERENCES``).
"""

from __future__ import annotations

import asyncio
import builtins
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magics import ExecutionMagics
from IPython.utils.text import SList
from traitlets.config import Config

_print = print

# Células de outra língua: num núcleo, um programa à parte as roda.
_OTHER_LANGUAGES = ("bash", "sh", "shell", "script", "perl", "ruby", "pypy", "python", "python2", "python3")
_INSTALLERS = ("pip", "uv", "conda", "mamba", "micromamba")


class _Hook(DisplayHook):
    """Guarda o valor de uma célula em ``Out`` e ``_``, e não o escreve."""

    def write_output_prompt(self) -> None:
        """Nada se escreve."""

    def write_format_data(self, *_: Any, **__: Any) -> None:
        """Nada se escreve."""


class _Formatter(DisplayFormatter):
    """Não desenha o que ninguém verá: uma figura leva um décimo de segundo."""

    def format(self, *_: Any, **__: Any) -> tuple[dict, dict]:
        """Nenhum formato."""
        return {}, {}


# O nome é o do núcleo: é por ele que um caderno pergunta se está num.
class ZMQInteractiveShell(InteractiveShell):
    """O interpretador de um caderno.

    Attributes:
        not_run: o que as células pediram e aqui não se faz (comandos do sistema, instalações), em frases curtas.
    """

    displayhook_class = _Hook

    def __init__(self, **options: Any) -> None:
        self.not_run: list[str] = []
        super().__init__(**options)
        self.system = self.system_piped = self.system_raw = self._command
        for name in _OTHER_LANGUAGES:
            self.register_magic_function(self._other_language(name), "cell", name)
        for name in _INSTALLERS:
            self.register_magic_function(_skip, "line", name)
        self.register_magic_function(self._shell_line, "line", "shell")
        self.register_magic_function(_once(ExecutionMagics(shell=self).timeit), "line_cell", "timeit")

    def init_display_formatter(self) -> None:
        """O formatador que nada desenha."""
        self.display_formatter = _Formatter(parent=self)
        self.configurables.append(self.display_formatter)

    def enable_gui(self, gui: str | None = None) -> None:
        """Não há janelas."""

    def showtraceback(self, *_: Any, **__: Any) -> None:
        """Ninguém lê a pilha; ``%tb`` e :mod:`pdb` ainda a acham."""
        sys.last_type, sys.last_value, sys.last_traceback = sys.exc_info()

    showsyntaxerror = showindentationerror = showtraceback

    def _format_exception_for_storage(self, *_: Any, **__: Any) -> dict:
        return {}

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:  # noqa: ARG002
        """O que ``nome = !comando`` guarda: nada."""
        self._command(cmd)
        return SList() if split else ""

    def _command(self, command: str) -> None:
        """Em lugar de ``!comando``: faz pastas, que é o que o resto de um caderno costuma usar, e recusa o mais."""
        try:
            words = shlex.split(self.var_expand(command, depth=2))
        except ValueError:
            words = command.split()
        folders = [word for word in words[1:] if not word.startswith("-")]
        if words[:1] == ["mkdir"] and not set("".join(words)) & set("$*{;|&"):
            for folder in folders:
                os.makedirs(os.path.expanduser(folder), exist_ok=True)
            self.user_ns["_exit_code"] = 0
            return
        self.user_ns["_exit_code"] = 127
        # De um pacote que falte se dirá quando o importarem.
        if not words or words[0].rstrip("3") not in _INSTALLERS:
            self.not_run.append(f"!{command.strip()}")

    def _shell_line(self, line: str) -> None:
        self._command(line)

    def _other_language(self, name: str) -> Callable[[str, str], None]:
        def skip(line: str, cell: str) -> None:  # noqa: ARG001
            self.not_run.append(f"%%{name}")

        return skip


def _skip(line: str) -> None:
    """Em lugar de ``%pip`` e parentes."""


def _once(measure: Callable[..., Any]) -> Callable[..., Any]:
    """``%timeit`` com uma execução só, se o caderno não pede outro número: aqui ninguém lê o tempo."""

    def timeit(line: str, cell: str | None = None, local_ns: dict | None = None) -> Any:
        for option in ("-r", "-n"):
            if not re.search(rf"(^|\s){option}\s*\d", line):
                line = f"{option} 1 {line}"
        return measure(line, cell, local_ns)

    timeit.needs_local_scope = True
    return timeit


def make_shell() -> ZMQInteractiveShell:
    """O interpretador, que passa a ser o de ``get_ipython()`` e o ``__main__`` do processo."""
    config = Config()
    # Sem o banco do histórico, que abriria um arquivo e uma linha de execução.
    config.HistoryManager.enabled = False
    # É o que os cadernos perguntam para saber se estão num núcleo.
    config.IPKernelApp = Config(connection_file="")
    # As figuras aparecem e se fecham ao fim da célula, como num núcleo, e nenhuma se desenha.
    config.InlineBackend.figure_formats = set()
    folder = tempfile.mkdtemp()
    try:
        ZMQInteractiveShell.clear_instance()
        shell = ZMQInteractiveShell.instance(config=config, ipython_dir=folder)
    finally:
        shutil.rmtree(folder)
    # Num núcleo a chamada de uma função é sempre de dentro de uma célula: `display` e `get_ipython` existem.
    shell.builtin_trap.activate()
    builtins.input = _nobody_answers
    return shell


async def run_cell(shell: ZMQInteractiveShell, source: str) -> BaseException | None:
    """Executa uma célula como um núcleo executa: dentro de um laço de eventos; devolve o erro, se houve."""
    # O interpretador escreve: uma célula que estragou o print ou a saída não custa as seguintes.
    builtins.print = _print
    sys.stdout, sys.stderr = sys.stdout or sys.__stdout__, sys.stderr or sys.__stderr__
    # As tarefas que outra célula deixou andam entre uma e outra.
    await asyncio.sleep(0)
    try:
        transformed, broken = shell.transform_cell(source), None
    except Exception:
        transformed, broken = source, sys.exc_info()
    options = {"transformed_cell": transformed, "preprocessing_exc_tuple": broken}
    if shell.should_run_async(source, **options):
        result = await shell.run_cell_async(source, store_history=True, **options)
        shell.events.trigger("post_execute")
        shell.events.trigger("post_run_cell", result)
    else:
        result = shell.run_cell(source, store_history=True)
    return result.error_before_exec or result.error_in_exec


def _nobody_answers(*_: object) -> str:
    raise EOFError("input() não funciona na correção")
