"""A lista de chamadas de sistema: o que passa, o que não passa, e que o que vier depois dela não passa."""

from __future__ import annotations

import ctypes
import errno
import json
import struct

import pytest

from course_grader.inside.calls import _AUDIT_ARCH, ALLOWED, numbers, seccomp_filter

MACHINES = ("x86_64", "aarch64")
ALL = range(512)
ALLOW, DENY, ABSENT = "passa", errno.EPERM, errno.ENOSYS


def verdict(program: bytes, machine: str, number: int, *arguments: int) -> str | int:
    """O que o núcleo faria com esta chamada: um interpretador do filtro, instrução a instrução."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, _AUDIT_ARCH[machine], 0, *values)
    at, register = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return ALLOW if value == 0x7FFF0000 else value & 0xFFFF
        if code == 0x20:
            register = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            register &= value
        else:
            held = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[code]
            at += if_true if held else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_the_list_is_short_and_every_other_number_does_not_exist(machine):
    program, allowed = seccomp_filter(machine), numbers(machine)
    assert len(allowed) <= 120
    # Com zeros nos argumentos, as que olham um argumento podem ser negadas: o que não está na lista nunca passa.
    seen = {number: verdict(program, machine, number) for number in ALL}
    assert {number for number, what in seen.items() if what == ABSENT} == set(ALL) - set(allowed)
    assert {allowed[number] for number, what in seen.items() if what == DENY} == {
        *("ioctl", "prctl", "setsockopt", "socket", "socketpair")
    }
    assert verdict(program, machine, 0x40000000 + min(allowed)) == DENY


@pytest.mark.parametrize("machine", MACHINES)
def test_some_calls_pass_only_with_some_arguments(machine):
    program, of = seccomp_filter(machine), {name: number for number, name in numbers(machine).items()}
    for name, arguments, expected in [
        ("clone", (0x00010F00,), ALLOW),
        ("clone", (0x10000000,), DENY),
        ("socket", (1, 1), ALLOW),
        ("socket", (40, 1), DENY),
        ("socketpair", (2, 1), DENY),
        ("mmap", (0, 4096, 3, 0x22), ALLOW),
        ("mmap", (0, 4096, 3, 0x21), DENY),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5451), ALLOW),
        ("ioctl", (0, 0x5412), DENY),  # escrever como se fosse o teclado de um terminal
        ("prctl", (15,), ALLOW),
        ("prctl", (22,), DENY),
        ("setsockopt", (3, 1, 2), ALLOW),
        ("setsockopt", (3, 1, 7), DENY),  # uma fila mais longa
    ]:
        assert verdict(program, machine, of[name], *arguments) == expected, (name, arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_libseccomp(machine):
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        pytest.skip(str(error))
    resolve = library.seccomp_syscall_resolve_name_arch
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    column = MACHINES.index(machine)
    known = {name: resolve(_AUDIT_ARCH[machine], name.encode()) for name in ALLOWED}
    assert {name: number if number >= 0 else None for name, number in known.items()} == {
        name: row[column] for name, row in ALLOWED.items()
    }


def test_an_unknown_machine_has_no_filter():
    with pytest.raises(OSError, match="só há filtro"):
        seccomp_filter("vax")


# As duas que o núcleo não submete a filtro nenhum (desde o 6.15): só servem a quem ele mesmo pôs a depurar, e matam
# quem mais as chame.
UNFILTERED = {335, 336}

ASK = """
import ctypes, errno, json, platform
from inside.calls import numbers
libc = ctypes.CDLL(None, use_errno=True)
wrong = []
for number in sorted({*range(512)} - {*numbers(platform.machine())} - UNFILTERED):
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    if result != -1 or ctypes.get_errno() != errno.ENOSYS:
        wrong.append(number)
raise RuntimeError(json.dumps(wrong))
"""


def test_the_box_denies_every_other_number_for_real(sandbox):
    reply = sandbox.open().request({"op": "cell", "source": f"UNFILTERED = {UNFILTERED}\n{ASK}"}, (), 30)
    assert json.loads(reply["error"]["text"]) == []
