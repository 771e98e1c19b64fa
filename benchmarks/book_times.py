"""Quanto cada capítulo levou na última construção do livro: ``python -m benchmarks.book_times``, depois dela.

Lê os segundos que o livro construído guardou de cada execução, e os grava no estudo
``course_lib/studies/book_times.json``, que a página "Para quem ensina" mostra em tabela. A construção deve ser desde o
começo (``rm -rf _build``), no perfil ``padrao``, com o MNIST e a máquina sem mais nada: o que o cache já tinha fica com
o tempo de quando foi executado.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_cache import get_cache

from benchmarks.measure import machine
from course_lib import checks
from course_lib.studies import Study, save_study, study_command, study_path

ROOT = Path(__file__).resolve().parents[1]
NAME = "book_times"


def read_times(cache: Path) -> dict[str, float]:
    """Os segundos de cada capítulo executado, pelo nome.

    Raises:
        ValueError: não há livro construído.
    """
    checks.require(cache.is_dir(), f"não há {cache}: construa o livro antes, com make livro")
    records = get_cache(cache).list_cache_records()
    return {Path(record.uri).stem: record.data["execution_seconds"] for record in records}


def main() -> int:
    """Grava os tempos do livro construído."""
    try:
        times = read_times(ROOT / "_build" / ".jupyter_cache")
    except ValueError as error:
        print(f"erro: {error}", file=sys.stderr)
        return 1
    runs = [{"chapter": name, "seconds": round(seconds, 1)} for name, seconds in sorted(times.items())]
    save_study(Study(study_command(NAME), {"machine": machine()}, runs), study_path(NAME))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
