"""Um estudo de muitos treinamentos: gravado depois de cada um, e retomado de onde parou."""

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
from course_lib import __version__, checks, console, runtime
from course_lib.studies import Study, StudyError, load_study, save_study, study_command, study_path
from course_lib.text import number


def identity(header: dict[str, Any]) -> dict[str, Any]:
    """O que não pode mudar no meio de um estudo: tudo, menos quantas são as sementes."""
    config = {key: value for key, value in header.get("config", {}).items() if key != "seeds"}
    return {**header, "config": config}


def resume(name: str, path: Path, header: dict[str, Any]) -> Study:
    """O estudo ``name`` gravado até aqui em ``path``, ou um novo; pode vir com sementes a mais.

    Raises:
        ValueError: o que está lá é de outra configuração.
        StudyError: o que está lá está estragado.
    """
    # Como o JSON os devolverá: tuplas viram listas.
    header = json.loads(json.dumps(header))
    if not path.exists():
        return Study(study_command(name), header)
    study = load_study(name, path)
    same = identity(study.header) == identity(header)
    checks.require(same, f"{path}: é de outra configuração ou de outros dados; apague-o, ou escolha outra --saida")
    study.header = header
    return study


def add_run(path: Path, study: Study, run: dict[str, Any]) -> None:
    """Junta ao estudo um treinamento, com a máquina e as versões, e o grava."""
    versions = {"course_lib": __version__, "torch": torch.__version__, "python": platform.python_version()}
    study.runs.append({**run, "device": str(runtime.device()), "machine": machine(), "versions": versions})
    save_study(study, path)


def run_variants(
    name: str,
    path: Path,
    header: dict[str, Any],
    seeds: Iterable[int],
    variants: Iterable[str],
    train_and_measure: Callable[[str, int], tuple[dict[str, float], float]],
) -> Study:
    """Faz os treinamentos que faltam no estudo ``name``, um por semente e variante, e o devolve.

    Args:
        name: o estudo.
        path: o seu arquivo, gravado depois de cada treinamento.
        header: o que identifica o estudo.
        seeds: as sementes.
        variants: os nomes das variantes.
        train_and_measure: de ``(variante, semente)``, as medidas e os segundos de treino.
    """
    study = resume(name, path, header)
    done = {(one["seed"], one["variant"]) for one in study.runs}
    for seed, variant in itertools.product(seeds, variants):
        if (seed, variant) in done:
            continue
        found, seconds = train_and_measure(variant, seed)
        one = {"variant": variant, "seed": seed, "measures": found, "seconds": round(seconds, 1)}
        add_run(path, study, one)
        measures = "; ".join(f"{key}: {number(value, '.4g')}" for key, value in found.items())
        print(f"{variant}, semente {seed}, {number(seconds, '.0f')} s: {measures}", flush=True)
    return study


def command(name: str, description: str, run: Callable[[Path, bool], Any]) -> int:
    """O programa de um estudo: lê as opções, chama ``run(saída, rápido)`` e devolve o código de saída."""
    default = study_path(name)
    parser = console.Parser(prog=study_command(name), description=description)
    parser.add_argument("--saida", type=Path, metavar="ARQUIVO", default=default, help=f"o estudo (padrão: {default})")
    parser.add_argument("--rapido", action="store_true", help="poucos passos, só para ver que roda; exige --saida")
    options = parser.parse_args()
    if options.rapido and options.saida == default:
        parser.error("--rapido não mede nada que preste para o livro: indique outra --saida")
    try:
        run(options.saida, options.rapido)
    except (OSError, ValueError, StudyError) as error:
        print(f"erro: {error}", file=sys.stderr)
        return 1
    return 0
