"""Confere o assunto de um commit: ``python tools/check_subject.py ARQUIVO``, que o pre-commit chama com a mensagem."""

from __future__ import annotations

import sys
from pathlib import Path

# O que `git log --oneline` e a página do repositório mostram sem cortar.
LONGEST = 72


def subject_fault(message: str) -> str | None:
    """O que há de errado no assunto de ``message``, ou None; em branco, é o git que recusa."""
    subject = message.partition("\n")[0].rstrip()
    if len(subject) > LONGEST:
        return (
            f"o assunto tem {len(subject)} caracteres e cabem {LONGEST}; encurte-o e, se falta algo, diga por que no "
            f"corpo, depois de uma linha em branco:\n  {subject[:LONGEST]}|{subject[LONGEST:]}"
        )
    return None


if __name__ == "__main__":
    fault = subject_fault(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if fault:
        print(fault, file=sys.stderr)
        sys.exit(1)
