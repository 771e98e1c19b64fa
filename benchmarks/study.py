"""O cartão de um estudo de muitos treinamentos: gravado depois de cada um, e retomado de onde parou."""

from __future__ import annotations

import itertools
import json
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import machine
from course_lib import __version__, console, runtime
from course_lib.training.checkpoint import write_atomically


def load_card(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    """O cartão gravado até aqui, ou um novo.

    Raises:
        ValueError: o que está lá é de outra configuração.
    """
    # Como o JSON os devolverá: tuplas viram listas.
    header = json.loads(json.dumps(header))
    if not path.exists():
        return {**header, "treinamentos": []}
    card = json.loads(path.read_text(encoding="utf-8"))
    same = all(card.get(key) == value for key, value in header.items())
    runtime.require(same, f"{path}: é de outra configuração ou de outros dados; apague-o, ou escolha outra --saida")
    return card


def add_run(path: Path, card: dict[str, Any], run: dict[str, Any]) -> None:
    """Junta ao cartão um treinamento, com a máquina e as versões, e o grava."""
    versions = {"course_lib": __version__, "torch": torch.__version__, "python": platform.python_version()}
    card["treinamentos"].append(
        {**run, "dispositivo": str(runtime.device()), "maquina": machine(), "versoes": versions}
    )
    text = json.dumps(card, ensure_ascii=False, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def run_variants(
    path: Path,
    header: dict[str, Any],
    seeds: Iterable[int],
    variants: Iterable[str],
    train_and_measure: Callable[[str, int], tuple[dict[str, float], float]],
) -> dict[str, Any]:
    """Faz os treinamentos que faltam no cartão ``path``, um por semente e variante, e o devolve.

    Args:
        path: o cartão, gravado depois de cada treinamento.
        header: o que identifica o estudo.
        seeds: as sementes.
        variants: os nomes das variantes.
        train_and_measure: de ``(variante, semente)``, as medidas e os segundos de treino.
    """
    card = load_card(path, header)
    done = {(one["semente"], one["variante"]) for one in card["treinamentos"]}
    for seed, variant in itertools.product(seeds, variants):
        if (seed, variant) in done:
            continue
        found, seconds = train_and_measure(variant, seed)
        one = {"variante": variant, "semente": seed, "medidas": found, "segundos": round(seconds, 1)}
        add_run(path, card, one)
        print(f"{variant}, semente {seed}, {seconds:.0f} s: {found}", flush=True)
    return card


def command(name: str, description: str, card: Path, run: Callable[[Path, bool], Any]) -> int:
    """O programa de um estudo: lê as opções, chama ``run(saída, rápido)`` e devolve o código de saída."""
    parser = console.Parser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--saida", type=Path, metavar="ARQUIVO", default=card, help=f"o cartão (padrão: {card})")
    parser.add_argument("--rapido", action="store_true", help="poucos passos, só para ver que roda; exige --saida")
    options = parser.parse_args()
    if options.rapido and options.saida == card:
        parser.error("--rapido não mede nada que preste para o livro: indique outra --saida")
    try:
        run(options.saida, options.rapido)
    except (OSError, ValueError) as error:
        print(f"erro: {error}", file=sys.stderr)
        return 1
    return 0
