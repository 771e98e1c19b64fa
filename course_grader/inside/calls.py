"""As chamadas de sistema que um caderno pode fazer, e mais nenhuma: uma chamada nova do núcleo nasce proibida."""

from __future__ import annotations

import errno
import struct

# Pelo nome do libseccomp: o número no x86_64 e no aarch64, onde as mais antigas não existem. Ficam de fora as que criam
# memória que não é de processo nenhum (semget, msgget, shmget, memfd_create, inotify, io_uring), as que iniciam
# programas, as que mudam o que o processo vê e as que olham outros processos. Um teste confere os números.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "accept4": (288, 242),
    "access": (21, None),
    "bind": (49, 200),
    "brk": (12, 214),
    "chdir": (80, 49),
    "chmod": (90, None),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "close": (3, 57),
    "connect": (42, 203),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "epoll_wait": (232, None),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fadvise64": (221, 223),
    "fallocate": (285, 47),
    "fchdir": (81, 50),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fcntl": (72, 25),
    "fdatasync": (75, 83),
    "flock": (73, 32),
    "fstat": (5, 80),
    "fsync": (74, 82),
    "ftruncate": (77, 46),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getgroups": (115, 158),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "getsockname": (51, 204),
    "getsockopt": (55, 209),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "link": (86, None),
    "linkat": (265, 37),
    "listen": (50, 201),
    "listxattr": (194, 11),
    "llistxattr": (195, 12),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, None),
    "openat": (257, 56),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "prctl": (157, 167),
    "pread64": (17, 67),
    "prlimit64": (302, 261),
    "pselect6": (270, 72),
    "pwrite64": (18, 68),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "rename": (82, None),
    "renameat": (264, 38),
    "restart_syscall": (219, 128),
    "rmdir": (84, None),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "set_robust_list": (273, 99),
    "setitimer": (38, 103),
    "setsid": (112, 157),
    "setsockopt": (54, 208),
    "shutdown": (48, 210),
    "sigaltstack": (131, 132),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "stat": (4, None),
    "statfs": (137, 43),
    "statx": (332, 291),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "sysinfo": (99, 179),
    "tgkill": (234, 131),
    "truncate": (76, 45),
    "umask": (95, 166),
    "uname": (63, 160),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "utimensat": (280, 88),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "write": (1, 64),
    "writev": (20, 66),
}

_COLUMN = {"x86_64": 0, "aarch64": 1}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_CLONE_NEW = 0x7E020000  # as bandeiras de clone que criam um espaço de nomes
_AF_UNIX = 1
_SHARED_AND_ANONYMOUS = 0x01 | 0x20
_SO_REUSEADDR = 2
# Perguntas sobre um arquivo aberto: se é um terminal, de que tamanho, quanto há para ler, se espera, se passa adiante.
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# O nome da linha de execução, o sinal quando o pai morre, e perguntas.
_PRCTLS = (1, 2, 3, 15, 16)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _GIVE, _MASK = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_ALLOW, _DENY, _ABSENT = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


def numbers(machine: str) -> dict[int, str]:
    """O nome de cada número permitido numa arquitetura.

    Raises:
        OSError: não há lista para ela.
    """
    if machine not in _COLUMN:
        raise OSError(f"arquitetura {machine}: só há filtro de chamadas para {' e '.join(sorted(_COLUMN))}")
    column = _COLUMN[machine]
    return {row[column]: name for name, row in ALLOWED.items() if row[column] is not None}


def seccomp_filter(machine: str) -> bytes:
    """O programa do filtro (BPF clássico): deixa passar o que está na lista e diz do resto que não existe.

    Quem não acha uma chamada (ENOSYS) usa outra mais antiga, que é o que bibliotecas fazem num núcleo velho. De algumas
    chamadas olha também um argumento.

    Raises:
        OSError: não há lista para esta arquitetura.
    """
    allowed = numbers(machine)
    steps = [
        *(_step(_LOAD, 4), _step(_EQUAL, _AUDIT_ARCH[machine], 1), _step(_GIVE, _DENY)),
        *(_step(_LOAD, 0), _step(_AT_LEAST, 0x40000000, 0, 1), _step(_GIVE, _DENY)),  # a numeração alternativa (x32)
    ]
    for number, name in sorted(allowed.items()):
        checks = _CHECKS.get(name, [_step(_GIVE, _ALLOW)])
        steps += [_step(_EQUAL, number, 0, len(checks)), *checks]
    return b"".join([*steps, _step(_GIVE, _ABSENT)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _argument(n: int) -> bytes:
    """Carrega a parte baixa do argumento ``n``; quem o fez não volta à lista."""
    return _step(_LOAD, 16 + 8 * n)


def _one_of(n: int, values: tuple[int, ...]) -> list[bytes]:
    """Deixa passar se o argumento ``n`` é um destes."""
    tests = [_step(_EQUAL, value, len(values) - k, 0) for k, value in enumerate(values)]
    return [_argument(n), *tests, _step(_GIVE, _DENY), _step(_GIVE, _ALLOW)]


_VERDICTS = [_step(_GIVE, _DENY), _step(_GIVE, _ALLOW)]
_CHECKS = {
    # Sem clone3, cujas bandeiras o filtro não lê, a glibc usa clone.
    "clone": [_argument(0), _step(_ANY_BIT, _CLONE_NEW, 0, 1), *_VERDICTS],
    "ioctl": _one_of(1, _IOCTLS),
    # Compartilhada e sem nome, ela não se vê na conta de nenhum processo.
    "mmap": [
        *(_argument(3), _step(_MASK, _SHARED_AND_ANONYMOUS)),
        *(_step(_EQUAL, _SHARED_AND_ANONYMOUS, 0, 1), *_VERDICTS),
    ],
    "prctl": _one_of(0, _PRCTLS),
    # Uma fila mais longa guardaria memória do núcleo.
    "setsockopt": _one_of(2, (_SO_REUSEADDR,)),
    # O rastro de uma conexão passa de um processo a outro da mesma caixa, e há famílias (vsock) que saem dela.
    "socket": _one_of(0, (_AF_UNIX,)),
    "socketpair": _one_of(0, (_AF_UNIX,)),
}
