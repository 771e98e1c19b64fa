"""As grades em volta de cada entrega: espaços de nomes próprios, outro usuário, limites e chamadas proibidas.

O bubblewrap monta a caixa: sem rede, disco só de leitura, ambiente limpo. Dentro dela um processo já com o PyTorch
importado se divide a cada entrega, e o filho, antes de ler uma linha do estudante, ganha o seu próprio espaço de
processos (morto o primeiro, o núcleo mata todos), de discos (um /tmp novo e pequeno) e de memória compartilhada,
troca de usuário, perde os privilégios e tem as chamadas de sistema perigosas negadas.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from dataclasses import dataclass

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 0x1000, 0x4000, 0x40000
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 22, 24, 38

# Criar espaços de nomes devolveria privilégios; memfd, shmget, io_uring e um socket de fila comprida (setsockopt)
# guardam memória fora dos limites; as demais olham ou mexem noutros processos ou no núcleo.
_DENIED = {
    "x86_64": {
        *(272, 308, 165, 166, 155),  # unshare, setns, mount, umount2, pivot_root
        *(319, 29, 54, 248, 249, 250),  # memfd_create, shmget, setsockopt, add_key, request_key, keyctl
        *(321, 298, 323, 101, 310, 311),  # bpf, perf_event_open, userfaultfd, ptrace, process_vm_readv, _writev
        *(303, 304),  # name_to_handle_at, open_by_handle_at
    },
    "aarch64": {
        *(97, 268, 40, 39, 41),
        *(279, 194, 208, 217, 218, 219),
        *(280, 241, 282, 117, 270, 271),
        *(264, 265),
    },
}
# Daqui em diante os números são os mesmos em todas as arquiteturas.
_DENIED_EVERYWHERE = {
    *(425, 426, 427),  # io_uring_setup, io_uring_enter, io_uring_register
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
    *(438, 440, 447),  # pidfd_getfd, process_madvise, memfd_secret
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_MMAP = {"x86_64": 9, "aarch64": 222}
_AF_UNIX = 1
_SHARED_AND_ANONYMOUS = 0x01 | 0x20
_CLONE3 = 435
_CLONE_NEW = 0x7E020000  # as bandeiras que criam um espaço de nomes

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
    for folder in (b"/tmp", b"/dev/shm"):
        _call("mount", b"tmpfs", folder, b"tmpfs", _MS_NOSUID | _MS_NODEV, size)
    for folder, descriptor in kept.items():
        _make_open_folder(folder)
        _call("mount", b"/proc/self/fd/%d" % descriptor, folder.encode(), None, _MS_BIND | _MS_REC, None)
        os.close(descriptor)
    # O /proc mostraria os processos do lado de fora deste espaço.
    _call("mount", b"tmpfs", b"/proc", b"tmpfs", _MS_RDONLY, b"size=4k,mode=555")


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


def set_limits(limits: Limits, mapped: int) -> None:
    """Tetos que o processo e os seus filhos não podem mais subir.

    Args:
        limits: os tetos.
        mapped: endereços que o PyTorch importado já reserva (:func:`mapped_bytes`), a que o teto de memória se soma: a
            compilação com CUDA mapeia sozinha 3 GB, quase tudo sem usar.
    """
    for name, value in {
        "RLIMIT_AS": mapped + limits.memory,
        "RLIMIT_DATA": limits.memory,
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
    machine = platform.machine()
    if machine not in _DENIED:
        raise OSError(f"arquitetura {machine}: só há filtro de chamadas para {' e '.join(sorted(_DENIED))}")
    program = _filter(machine)
    buffer = ctypes.create_string_buffer(program)
    header = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _call("prctl", _PR_SET_SECCOMP, 2, ctypes.byref(header), 0, 0)


def _filter(machine: str) -> bytes:
    """O programa do filtro (BPF clássico): nega o que está na lista e deixa passar o resto.

    De três chamadas olha também um argumento: ``clone`` sem espaços de nomes; ``socket`` só local, porque o rastro de
    uma conexão passa de um processo a outro da mesma caixa, e há famílias (vsock) que saem dela; ``mmap`` sem memória
    compartilhada sem nome, que não se vê na conta de nenhum processo.
    """
    load, equal, at_least, any_bit, give, mask = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
    allow, deny, absent = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    steps = [
        *(step(load, 4), step(equal, _AUDIT_ARCH[machine], 1), step(give, deny)),
        *(step(load, 0), step(at_least, 0x40000000, 0, 1), step(give, deny)),  # a numeração alternativa (x32)
        # Sem clone3, cujas bandeiras o filtro não lê, a glibc usa clone.
        *(step(equal, _CLONE3, 0, 1), step(give, absent)),
    ]
    for number in sorted(_DENIED[machine] | _DENIED_EVERYWHERE):
        steps += [step(equal, number, 0, 1), step(give, deny)]
    # A parte baixa do primeiro argumento está em 16, a do quarto em 40. Quem carregou um argumento não volta à lista.
    steps += [step(equal, _CLONE[machine], 0, 4), step(load, 16), step(any_bit, _CLONE_NEW, 0, 1), step(give, deny)]
    steps += [step(give, allow)]
    steps += [step(equal, _SOCKET[machine], 0, 4), step(load, 16), step(equal, _AF_UNIX, 1), step(give, deny)]
    steps += [step(give, allow)]
    steps += [step(equal, _MMAP[machine], 0, 4), step(load, 40), step(mask, _SHARED_AND_ANONYMOUS)]
    steps += [step(equal, _SHARED_AND_ANONYMOUS, 0, 1), step(give, deny)]
    return b"".join([*steps, step(give, allow)])


def mapped_bytes() -> int:
    """Quantos bytes de endereços este processo reserva agora."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))
