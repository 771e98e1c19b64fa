"""O que um caderno de exercício não costuma citar: não tira pontos, mas o professor pode querer olhar."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNUSUAL = re.compile(
    r"\b(ctypes|subprocess|_getframe|get_objects|inspect\.stack|/proc/|os\.(?:_exit|fork|kill|exec\w+|system|popen)"
    r"|socket|pickle|memfd_create|setrecursionlimit|builtins|__torch_function__|def __eq__|atexit"
    r"|inside\.\w+|course_grader|definitions|load_exercise|course_lib\.exercises\.(?!open_exercise\b)\w+"
    r"|course_lib\.exercises import (?!open_exercise\b)\w+)\b"
)


def suspicions(cells: Sequence[str]) -> list[str]:
    """Uma frase por célula que cita algo incomum, com o que ela cita."""
    found = []
    for number, source in enumerate(cells, start=1):
        cited = sorted({match[0] for match in _UNUSUAL.finditer(source)})
        if cited:
            found.append(f"célula {number}: cita {', '.join(cited)}")
    return found
