"""O que todo comando do projeto tem em comum: argumentos lidos em português, e um erro esperado dito numa linha.

Aqui não se importa nada que demore: é o que já precisa estar de pé enquanto o PyTorch carrega.
"""

from __future__ import annotations

import argparse
import errno
import io
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

# O argparse escreve os seus erros em inglês. Cada um é reconhecido pela frase inteira e dito em português; o que não
# está aqui já veio em português, de um dos tipos de argumento.
_PHRASES = {
    r"the following arguments are required: (.*)": r"faltou informar: \1",
    r"one of the arguments (.*) is required": r"faltou informar um destes: \1",
    r"unrecognized arguments: (.*)": r"argumentos que não conheço: \1",
    r"expected one argument": r"esperava um valor",
    r"expected at least one argument": r"esperava pelo menos um valor",
    r"expected (\d+) arguments?": r"esperava \1 valores",
    r"not allowed with argument (.*)": r"não se usa junto com \1",
    r"invalid choice: (.*?)(?:, maybe you meant .*\?)? \(choose from (.*)\)": r"veio \1; as opções são \2",
    r"invalid int value: (.*)": r"veio \1; esperava um inteiro",
    r"invalid float value: (.*)": r"veio \1; esperava um número",
    r"ambiguous option: (.*) could match (.*)": r"opção ambígua: \1 pode ser \2",
    r"ignored explicit argument (.*)": r"esta opção não leva valor: \1",
}


class Parser(argparse.ArgumentParser):
    """O analisador de argumentos de todos os comandos: o do argparse, que aqui fala português, em qualquer terminal.

    Args:
        options: as do :class:`argparse.ArgumentParser`, por nome.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"formatter_class": _Help, "add_help": False})
        tolerate_any_terminal()
        self._positionals.title, self._optionals.title = "argumentos", "opções"
        self.add_argument("-h", "--help", action="help", help="mostra esta ajuda e sai")

    def error(self, message: str) -> NoReturn:
        """Diz o uso e o erro, e sai com código 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: erro: {_in_portuguese(message)}\n")


class _Help(argparse.HelpFormatter):
    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        # Um prefixo vazio é o de quem compõe o nome de um subcomando.
        super().add_usage(usage, actions, groups, "uso: " if prefix is None else prefix)


def positive_integer(text: str) -> int:
    """Lê um inteiro maior que zero da linha de comando."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"veio {text!r}; esperava um inteiro maior que zero")
    return int(text)


def whole_number(text: str) -> int:
    """Lê um inteiro maior ou igual a zero da linha de comando."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"veio {text!r}; esperava um inteiro maior ou igual a zero")
    return int(text)


@contextmanager
def loading() -> Iterator[None]:
    """Em volta do que um comando importa antes de começar.

    Enquanto o PyTorch carrega, Ctrl-C só encerra: um traceback no meio de uma importação não diria nada a ninguém.
    Depois, as saídas aceitam qualquer texto: um terminal que não sabe escrever um acento não interrompe um comando.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tolerate_any_terminal()


def tolerate_any_terminal() -> None:
    """As saídas aceitam qualquer texto: o que um terminal em latin-1 ou ascii não sabe escrever sai como ``?``."""
    for stream in (sys.stdout, sys.stderr):
        # Num caderno, ou sob quem troca as saídas, elas já são de outro tipo e aceitam tudo.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def keep_bars_local() -> None:
    """As barras de andamento passam a usar um trinco deste processo só.

    O do tqdm é um semáforo do sistema: quem acaba de repente o deixa para trás, e o Python 3.14 avisa disso na tela.
    """
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())


def run(command: Callable[[], int], *expected: type[Exception]) -> int:
    """Roda um comando e devolve o seu código de saída; um erro esperado sai numa linha, com código 1.

    Args:
        command: o comando.
        expected: os erros que se esperam dele, além de ``OSError`` e ``ValueError``.
    """
    keep_bars_local()
    try:
        return command()
    except OSError as error:
        print(f"erro: {_reason(error)}", file=sys.stderr)
        return 1
    except (ValueError, *expected) as error:
        print(f"erro: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n⏹ Interrompido: nada foi gravado pela metade.", file=sys.stderr)
        return 130


def _reason(error: OSError) -> str:
    """O erro do sistema numa frase: o caminho e o motivo. O que o projeto levanta já vem com a sua explicação."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "acabou o espaço em disco; libere algum e rode o mesmo comando outra vez"
    if error.filename and error.strerror:
        return f"não consegui ler ou gravar {error.filename} ({error.strerror})"
    return str(error)


def _in_portuguese(message: str) -> str:
    """Um erro do argparse; o nome do argumento, se há um, fica na frente."""
    named = re.fullmatch(r"argument (.+?): (.*)", message, re.DOTALL)
    name, text = (f"{named[1]}: ", named[2]) if named else ("", message)
    for english, portuguese in _PHRASES.items():
        if found := re.fullmatch(english, text, re.DOTALL):
            return name + found.expand(portuguese)
    return name + text
