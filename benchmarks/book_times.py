"""Quanto cada capítulo levou na última construção do livro: ``python -m benchmarks.book_times``, depois dela.

Lê o que o livro construído guardou de cada execução (os segundos, o pico de memória e as células que passam de um
segundo) e o grava no estudo ``course_lib/studies/book_times.json``, que a página "Para quem ensina" mostra em tabela e
por onde a construção estima o que falta. A construção deve ser desde o começo (``rm -rf _build``), no perfil
``padrao``, com o MNIST e a máquina sem mais nada: o que o cache já tinha fica com o tempo de quando foi executado.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache

from benchmarks.measure import machine
from course_lib import checks
from course_lib.studies import Study, save_study, study_command, study_path
from course_lib.text import table

ROOT = Path(__file__).resolve().parents[1]
NAME = "book_times"
CACHE = Path("_build/.jupyter_cache")


# Abaixo disto uma célula não é de se otimizar.
SLOW_CELL = 1.0


def read_times(cache: Path) -> list[dict[str, Any]]:
    """O que custou cada capítulo executado, na ordem do livro.

    Raises:
        ValueError: não há livro construído.
    """
    checks.require(cache.is_dir(), f"não há {cache}: construa o livro antes, com make livro")
    records = get_cache(cache).list_cache_records()
    return [
        {
            "chapter": Path(record.uri).stem,
            "seconds": round(record.data["execution_seconds"], 1),
            # Um livro de antes de se medirem não os tem.
            "peak_mb": record.data.get("peak_mb"),
            "cells": {cell: took for cell, took in record.data.get("cell_seconds", {}).items() if took >= SLOW_CELL},
        }
        for record in sorted(records, key=lambda record: Path(record.uri).stem)
    ]


def main() -> int:
    """Grava os tempos do livro construído."""
    try:
        runs = read_times(ROOT / CACHE)
    except ValueError as error:
        print(f"erro: {error}", file=sys.stderr)
        return 1
    rows = [
        (run["chapter"], run["seconds"], run["peak_mb"] or "", max(run["cells"], key=run["cells"].get, default=""))
        for run in runs
    ]
    print(table(rows, ["capítulo", "segundos", "pico (MB)", "célula mais lenta"], spec=".0f"))
    save_study(Study(study_command(NAME), {"machine": machine()}, runs), study_path(NAME))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
