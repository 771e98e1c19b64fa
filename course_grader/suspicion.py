"""O que um caderno de exercício não costuma citar: não tira pontos, mas o professor pode querer olhar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

# Os módulos do corretor que a caixa enxerga: uma variável `inside` tem outros atributos.
_PARTS = sorted(path.stem for path in (Path(__file__).parent / "inside").glob("[!_]*.py"))
# Quantas citações de uma célula, e de quantas letras cada uma, cabem num alarme.
_CITED, _LETTERS = 5, 60

_UNUSUAL = re.compile(
    r"\b(ctypes|subprocess|_getframe|get_objects|inspect\.stack|/proc/|os\.(?:_exit|fork|kill|exec\w+|system|popen)"
    r"|socket|pickle|memfd_create|setrecursionlimit|builtins|__torch_function__|def __eq__|atexit"
    rf"|inside\.(?:{'|'.join(_PARTS)})|(?:import|from)\s+inside|course_grader|definitions|load_exercise|course_lib\.exercises\.(?!open_exercise\b)\w+"
    r"|course_lib\.exercises import (?!open_exercise\b)\w+)\b"
)


def suspicions(cells: Sequence[str]) -> list[str]:
    """Uma frase por célula que cita algo incomum, com o que ela cita."""
    found = []
    for number, source in enumerate(cells, start=1):
        cited = sorted({" ".join(match[0].split())[:_LETTERS] for match in _UNUSUAL.finditer(source)})
        if cited:
            more = " e outros" if len(cited) > _CITED else ""
            found.append(f"célula {number}: cita {', '.join(cited[:_CITED])}{more}")
    return found
