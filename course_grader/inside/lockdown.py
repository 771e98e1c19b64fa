"""As grades em volta de cada entrega: espaços de nomes próprios, outro usuário, limites e chamadas permitidas.

O bubblewrap monta a caixa: sem rede, disco só de leitura, ambiente limpo. Dentro dela um processo já com o PyTorch
importado se divide a cada entrega, e o filho, antes de ler uma linha do estudante, ganha o seu próprio espaço de
processos (morto o primeiro, o núcleo mata todos), de discos (um /tmp novo e pequeno) e de memória compartilhada,
troca de usuário, perde os privilégios e fica só com as chamadas de sistema da lista (:mod:`.calls`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import sys
from dataclasses import dataclass

from .calls import seccomp_filter

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 0x1000, 0x4000, 0x40000
_MS_REMOUNT = 32
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 22, 24, 38

# Onde um caderno grava: pastas novas e vazias a cada entrega. /content é a do Colab.
SCRATCH = ("/tmp", "/dev/shm", "/content")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Limits:
    """Os limites de um processo do estudante, além dos que o PyTorch importado já ocupa."""

    memory: int = 2 * 2**30
    cpu_seconds: int = 60
    file_bytes: int = 64 * 2**20
    processes: int = 64
    temporary_bytes: int = 64 * 2**20


def enter_namespaces(limits: Limits) -> None:
    """Espaços próprios de processos, discos e memória compartilhada para o próximo filho deste processo.

    Raises:
        OSError: este sistema não deixa criá-los.
    """
    _call("unshare", _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC)
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    # Arquivos vazios também ocupam memória do núcleo: há um teto para quantos.
    size = f"size={limits.temporary_bytes},nr_inodes=16384,mode=1777".encode()
    kept = {folder: os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in _python_in_tmp()}
    for folder in SCRATCH:
        _call("mount", b"tmpfs", folder.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, size)
    for folder, descriptor in kept.items():
        _make_open_folder(folder)
        _call("mount", b"/proc/self/fd/%d" % descriptor, folder.encode(), None, _MS_BIND | _MS_REC, None)
        os.close(descriptor)
    _hide_processes()


def _hide_processes() -> None:
    """Em lugar do /proc, que mostraria os processos de fora deste espaço, o pouco dele que as bibliotecas leem."""
    shown = {"self/maps": "".join(_loaded_libraries())}
    for name in ("cpuinfo", "meminfo"):
        with contextlib.suppress(OSError), open(f"/proc/{name}", encoding="utf-8", errors="replace") as file:
            shown[name] = file.read()
    _call("mount", b"tmpfs", b"/proc", b"tmpfs", 0, b"size=4m,mode=755")
    os.mkdir("/proc/self")
    for name, content in shown.items():
        with open(f"/proc/{name}", "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(f"/proc/{name}", 0o444)
    os.chmod("/proc/self", 0o755)
    _call("mount", b"tmpfs", b"/proc", b"tmpfs", _MS_REMOUNT | _MS_RDONLY, b"size=4m,mode=755")


def _loaded_libraries() -> list[str]:
    """Uma linha de /proc/self/maps por biblioteca já carregada: o scikit-learn procura ali as que têm várias linhas."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        found = {line.split(maxsplit=5)[-1]: line for line in file if ".so" in line}
    return list(found.values())


def _make_open_folder(folder: str) -> None:
    """Cria a pasta e as que estão acima dela, atravessáveis por quem não as criou, seja qual for a umask."""
    path = ""
    for part in folder.strip("/").split("/"):
        path += f"/{part}"
        if not os.path.isdir(path):
            os.mkdir(path)
            os.chmod(path, 0o755)


def _python_in_tmp() -> list[str]:
    """As pastas do Python e da biblioteca que moram em /tmp: o /tmp novo as esconderia."""
    package = os.path.realpath(os.path.dirname(sys.modules["course_lib"].__file__))
    return [folder for folder in sorted({sys.prefix, sys.base_prefix, package}) if folder.startswith("/tmp/")]


def set_limits(limits: Limits, mapped: int, private: int) -> None:
    """Tetos que o processo e os seus filhos não podem mais subir.

    Args:
        limits: os tetos.
        mapped: endereços que o PyTorch importado já reserva (:func:`mapped_bytes`), a que o teto de memória se soma: a
            compilação com CUDA mapeia sozinha 3 GB, quase tudo sem usar.
        private: o mesmo da memória própria (:func:`private_bytes`).
    """
    for name, value in {
        "RLIMIT_AS": mapped + limits.memory,
        "RLIMIT_DATA": private + limits.memory,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_NOFILE": 128,
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_MEMLOCK": 0,
    }.items():
        kind = getattr(resource, name)
        _, ceiling = resource.getrlimit(kind)
        value = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(kind, (value, value))


def drop_privileges(user: int) -> None:
    """Outro usuário (quando somos root), nenhuma capacidade e nenhum jeito de recuperá-las.

    Raises:
        OSError: o sistema recusou; não se deve executar nada.
    """
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) and ctypes.get_errno() == errno.EINVAL:
            break
    if os.getuid() == 0 and user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _call("capset", ctypes.byref(_CapHeader(0x20080522, 0)), ctypes.byref((ctypes.c_uint32 * 6)()))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def forbid_system_calls() -> None:
    """Instala o filtro de chamadas de sistema.

    Raises:
        OSError: a arquitetura não é conhecida, ou o sistema recusou.
    """
    program = seccomp_filter(platform.machine())
    buffer = ctypes.create_string_buffer(program)
    header = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _call("prctl", _PR_SET_SECCOMP, 2, ctypes.byref(header), 0, 0)


def mapped_bytes() -> int:
    """Quantos bytes de endereços este processo reserva agora."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def private_bytes() -> int:
    """Quantos bytes de memória própria este processo já traz: os dados de todos não saem do teto de um estudante."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:"))


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))
