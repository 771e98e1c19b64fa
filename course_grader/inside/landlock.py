"""A segunda parede, onde o núcleo a tem: o Landlock, que só deixa ler o que a caixa mostra e gravar no rascunho.

A caixa já esconde o resto do disco; se uma versão do bubblewrap, ou uma pasta montada por engano, mostrar mais do que
devia, quem está dentro ainda não o lê. Um núcleo sem Landlock fica só com a primeira parede.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable

# Os números são os mesmos em todas as arquiteturas.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
# Do primeiro Landlock: executar, gravar, ler, listar, remover e criar, cada um de cada tipo.
_FIRST = (1 << 13) - 1
# O que um arquivo pode ter; o mais é de pastas.
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE
# Ligar e escutar por TCP; falar com um socket sem nome no disco, e mandar sinais, de fora do cercado.
_NETWORK, _SCOPES = 0b11, 0b11

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """A versão do Landlock deste núcleo; 0 se não há."""
    return max(0, _libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION))


def restrict(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Cerca este processo e os seus filhos, para sempre; falso se o núcleo não tem Landlock.

    Args:
        readable: pastas e arquivos que se leem; os que não há, ou a que não se chega, são ignorados.
        writable: pastas em que se faz tudo, e arquivos em que se grava.

    Raises:
        OSError: o núcleo tem Landlock e recusou; não se deve executar nada.
    """
    known = version()
    if not known:
        return False
    files = _FIRST | (_REFER if known >= 2 else 0) | (_TRUNCATE if known >= 3 else 0)
    files |= _IOCTL_DEVICE if known >= 5 else 0
    rules = _Ruleset(files, _NETWORK if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    # Um núcleo recusa a parte do pedido que não conhece.
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = _call(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in writable:
            # Executar não se executa nada: nem o que se gravou.
            _allow(ruleset, path, files & ~1 & ~_IOCTL_DEVICE)
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        # O que não há, ou a que não se chega, também não se lê.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return
        raise
    try:
        if not stat.S_ISDIR(os.fstat(folder).st_mode):
            rights &= _OF_FILES
        _call(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(rights, folder)), 0)
    finally:
        os.close(folder)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return result
