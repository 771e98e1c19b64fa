"""Arquivos que não são cadernos, ou que são e querem que o corretor tropece."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

from corpus.base import FULL, Entry, answers, notebook, others

GOOD = notebook(*answers(*others()))


def _file(name: str, content: bytes, says: str) -> Entry:
    return Entry(name, content, 0, 0, says)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../../tmp/canario", "tomado")
    return buffer.getvalue()


def _symlink(folder: Path) -> None:
    (folder / "malformada-atalho.ipynb").symlink_to(folder / "honesta-celulas.ipynb")


def _linked_folder(folder: Path) -> None:
    (folder / "malformada-pasta-atalho").mkdir()
    (folder / "malformada-pasta-atalho" / "x.ipynb").symlink_to("/etc/passwd")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "malformada-cano.ipynb")


def _no_notebook(folder: Path) -> None:
    (folder / "malformada-sem-caderno").mkdir()
    (folder / "malformada-sem-caderno" / "trabalho.pdf").write_bytes(b"%PDF")


def _twice(folder: Path) -> None:
    for name, content, when in (("", notebook("x = 1"), 1), (" (1)", GOOD, 2)):
        path = folder / f"malformada-duas{name}.ipynb"
        path.write_bytes(content)
        os.utime(path, (1_700_000_000 + when, 1_700_000_000 + when))


def _moodle(folder: Path) -> None:
    inner = folder / "Conceição Ávila_4711_assignsubmission_file_"
    inner.mkdir()
    (inner / "09_interpolacao (3).ipynb").write_bytes(GOOD)


def _formula(folder: Path) -> None:
    (folder / "=cmd('calc')!A1.ipynb").write_bytes(notebook("1"))


def _line_break(folder: Path) -> None:
    (folder / "malformada\nquebra;<b>.ipynb").write_bytes(notebook("1"))


def _renamed(folder: Path) -> None:
    (folder / "malformada-txt.ipynb.txt").write_bytes(GOOD)


def _cells(cells: object) -> bytes:
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


MALFORMED = [
    _file("malformada-vazia", b"", "está vazio"),
    _file("malformada-espacos", b" \n\n ", "está vazio"),
    _file("malformada-texto", b"entreguei por email, professor", "malformado"),
    _file("malformada-cortada", GOOD[: len(GOOD) // 2], "malformado"),
    _file("malformada-binaria", bytes(range(256)) * 40, "malformado"),
    _file("malformada-zip", _zip(), "malformado"),
    _file("malformada-funda", b"[" * 10**5, "malformado"),
    _file("malformada-muitos-itens", b"[" + b"[]," * 2_000_000 + b"[]]", "itens demais"),
    _file("malformada-enorme", b'{"cells": "' + b"x" * 21 * 2**20 + b'"}', "20 MB"),
    # O pior caso de memória: um caractere fora do comum faz cada um dos outros ocupar quatro bytes.
    _file(
        "malformada-quase-enorme", _cells([{"cell_type": "raw", "source": "😀" + "x" * 19 * 2**20}]), "não tem código"
    ),
    _file("malformada-lista", b"[1, 2]", "não um caderno"),
    _file("malformada-sem-celulas", b'{"nbformat": 4}', "lista de células"),
    _file("malformada-celulas-texto", _cells("import os"), "lista de células"),
    _file("malformada-sem-codigo", _cells([{"cell_type": "markdown", "source": "oi"}]), "não tem código"),
    _file(
        "malformada-celulas-estranhas",
        _cells(
            [
                1,
                None,
                [],
                {"cell_type": 3},
                {"cell_type": "code", "source": {"a": 1}},
                {"cell_type": "code", "source": [1, 2]},
            ]
        ),
        "não tem código",
    ),
    _file("malformada-nulos", notebook("x = '\0'"), ""),
    _file("malformada-substitutos", _cells([{"cell_type": "code", "source": "x = '\ud800'"}]), ""),
    Entry(
        "malformada-muitas-celulas", notebook(*answers(*others()), *["x = 1"] * 600), FULL, FULL, "células de código"
    ),
    Entry(
        "malformada-celula-gigante",
        notebook("x = '" + "y" * 300_000 + "'", *answers(*others())),
        FULL,
        FULL,
        "grande demais",
    ),
    Entry("malformada-atalho", _symlink, 0, 0, "atalho"),
    Entry("malformada-pasta-atalho", _linked_folder, 0, 0, "atalho"),
    Entry("malformada-cano", _pipe, 0, 0, "não é um arquivo comum"),
    Entry("malformada-sem-caderno", _no_notebook, 0, 0, "trabalho.pdf"),
    Entry("malformada-duas", _twice, FULL, FULL, "não contou"),
    Entry("Conceição Ávila", _moodle, FULL, FULL),
    Entry("=cmd('calc')!A1", _formula, 0, 0),
    Entry("malformada quebra;<b>", _line_break, 0, 0),
    Entry("malformada-txt", _renamed, FULL, FULL),
]
