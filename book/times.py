"""Quanto cada capítulo leva, pela última medida (``python -m benchmarks.book_times``)."""

from __future__ import annotations

import json
from pathlib import Path

STUDY = Path(__file__).parents[1] / "course_lib" / "studies" / "book_times.json"


def read_seconds(study: Path) -> dict[str, float]:
    """Os segundos que cada capítulo levou, pelo nome do seu arquivo; nada, se não há estudo."""
    if not study.is_file():
        return {}
    runs = json.loads(study.read_text(encoding="utf-8"))["runs"]
    return {run["chapter"]: run["seconds"] for run in runs}


def write_minutes(seconds: float) -> str:
    """Um tempo em minutos, ao meio minuto, com vírgula."""
    halves = max(1, round(seconds / 30))
    return f"{halves // 2},{5 * (halves % 2)}".removesuffix(",0")
