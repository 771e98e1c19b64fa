"""Linha de comando: ``python -m course_lib`` ``treinar NOME``, ``amostrar NOME`` e ``corrigir EXERCICIO PASTA``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from course_lib import runtime
from course_lib.data import load_mnist
from course_lib.grading import command
from course_lib.grading.bubblewrap import SandboxError
from course_lib.training.checkpoint import CheckpointError, write_atomically
from course_lib.training.fit import NonFiniteLossError
from course_lib.training.recipes import RECIPES, get_recipe, networks, train
from course_lib.weights import SHIPPED, WeightsError, draw, load_trained, measure, round_weights, save_trained

# O argparse fala inglês e passa todo texto por uma função de tradução: basta dar-lhe as frases que usamos.
_PORTUGUESE = {
    "usage: ": "uso: ",
    "positional arguments": "argumentos",
    "options": "opções",
    "show this help message and exit": "mostra esta ajuda e sai",
    "%(prog)s: error: %(message)s\n": "%(prog)s: erro: %(message)s\n",
    "argument %(argument_name)s: %(message)s": "%(argument_name)s: %(message)s",
    "the following arguments are required: %s": "faltou informar: %s",
    "unrecognized arguments: %s": "argumentos que não conheço: %s",
    "expected one argument": "esperava um valor",
    "invalid choice: %(value)r (choose from %(choices)s)": "veio %(value)r; as opções são %(choices)s",
    "invalid %(type)s value: %(value)r": "veio %(value)r, que não é um %(type)s",
    "ambiguous option: %(option)s could match %(matches)s": "opção ambígua: %(option)s pode ser %(matches)s",
    "ignored explicit argument %r": "esta opção não leva valor: %r",
}
argparse._ = lambda text: _PORTUGUESE.get(text, text)

SAMPLERS = [name for name, recipe in RECIPES.items() if recipe.sampler is not None]


def positive_integer(text: str) -> int:
    """Lê um inteiro maior que zero da linha de comando."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"veio {text!r}; esperava um inteiro maior que zero")
    return int(text)


def models_folder() -> Path:
    """Pasta em que ``treinar`` grava e ``amostrar`` procura primeiro, quando nenhuma é indicada."""
    return runtime.cache_dir() / "modelos"


def train_command(name: str, *, profile: str, folder: Path, seed: int) -> int:
    """Treina, com retomada, e grava pesos e cartão em ``folder``. Devolve o código de saída."""
    checkpoint = folder / f"{name}-{profile}-{seed}.ckpt"
    if checkpoint.exists():
        print(f"Retomando de {checkpoint}")
    print(f"Treinando {get_recipe(name).title} no perfil {profile} em {runtime.device()}")
    trained = train(name, profile=profile, seed=seed, checkpoint=checkpoint)
    if not len(trained.history):
        print("Nenhuma época terminou: não há pesos a gravar.")
        return 130
    for network in networks(trained.step).values():
        network.eval()
    metrics = {}
    if not trained.history.interrupted:
        print("Medindo no conjunto de teste…")
        metrics = measure(name, round_weights(trained.step), load_mnist("test"), slow=profile != "rapido")
    path = save_trained(folder, trained, profile=profile, seed=seed, metrics=metrics)
    print(trained.history)
    for label, value in metrics.items():
        print(f"{label}: {value:.5g}")
    print(f"Dados: {trained.dataset.name}\nPesos: {path}\nCartão: {path.with_suffix('.json')}")
    if trained.history.interrupted:
        print("O mesmo comando retoma de onde parou.")
        return 130
    # O da receita e os das camadas que ela pré-treinou, se as há.
    for finished in (checkpoint, *folder.glob(f"{checkpoint.stem}-camada*{checkpoint.suffix}")):
        finished.unlink(missing_ok=True)
    return 0


def sample_command(name: str, *, n: int, output: Path, folder: Path | None, seed: int) -> int:
    """Grava ``n`` amostras de ``name`` em ``output``, com a chave ``x``. Devolve o código de saída.

    Sem ``folder``, valem os pesos que a pessoa treinou ou, na falta deles, os que vêm com o curso.
    """
    if folder is None:
        trained_here = (models_folder() / f"{name}.safetensors").exists()
        folder = models_folder() if trained_here else SHIPPED
    step, card = load_trained(folder, name)
    x = draw(get_recipe(name).sampler(step), n, seed=seed)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=x.numpy())
    write_atomically(output, lambda file: file.write(buffer.getbuffer()))
    print(f"{n} amostras de {name} (treinado em {card['dados']['nome']}, perfil {card['perfil']}) em {output}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """O analisador de argumentos, em português."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib",
        description="Treina e amostra os modelos do curso, e corrige os exercícios de uma turma.",
        epilog="Variáveis de ambiente: CURSO_DADOS (pasta do MNIST), CURSO_PERFIL, CURSO_CACHE, CURSO_DISPOSITIVO.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="comando")
    training = commands.add_parser("treinar", help="treina um modelo e grava os seus pesos")
    training.add_argument("nome", metavar="NOME", choices=list(RECIPES), help=f"modelo: {', '.join(RECIPES)}")
    training.add_argument(
        "--perfil", choices=runtime.PROFILES, help="tamanho do treinamento (padrão: CURSO_PERFIL, ou padrao)"
    )
    training.add_argument("--saida", type=Path, metavar="PASTA", help="onde gravar (padrão: a pasta de cache do curso)")
    training.add_argument("--semente", type=int, default=0, metavar="N", help="semente (padrão: 0)")

    sampling = commands.add_parser("amostrar", help="gera amostras e as grava num arquivo .npz")
    sampling.add_argument("nome", metavar="NOME", choices=SAMPLERS, help=f"modelo: {', '.join(SAMPLERS)}")
    sampling.add_argument("--n", type=positive_integer, default=64, metavar="N", help="quantas amostras (padrão: 64)")
    sampling.add_argument(
        "--saida", type=Path, default=Path("amostras.npz"), metavar="ARQUIVO",
        help="arquivo .npz com a chave x, (N, 1, 28, 28) em [-1, 1] (padrão: amostras.npz)",
    )  # fmt: skip
    sampling.add_argument(
        "--pesos",
        type=Path,
        metavar="PASTA",
        help="onde estão os pesos (padrão: os que você treinou; na falta deles, os que vêm com o curso)",
    )
    sampling.add_argument("--semente", type=int, default=0, metavar="N", help="semente das amostras (padrão: 0)")

    grading = commands.add_parser("corrigir", help="corrige as entregas de uma turma")
    command.add_arguments(grading)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Executa um comando. Erros esperados saem numa linha, em português, com código 1."""
    options = build_parser().parse_args(arguments)
    try:
        if options.command == "treinar":
            profile = options.perfil or runtime.profile()
            folder = options.saida or models_folder()
            return train_command(options.nome, profile=profile, folder=folder, seed=options.semente)
        if options.command == "corrigir":
            return command.grade_command(options)
        return sample_command(
            options.nome, n=options.n, output=options.saida, folder=options.pesos, seed=options.semente
        )
    except OSError as error:
        # DataError já vem com a sua explicação; dos demais só se aproveitam o caminho e o motivo do sistema.
        system = error.filename and error.strerror
        detail = f"não consegui ler ou gravar {error.filename} ({error.strerror})" if system else str(error)
        print(f"erro: {detail}", file=sys.stderr)
        return 1
    except (CheckpointError, NonFiniteLossError, SandboxError, ValueError, WeightsError) as error:
        print(f"erro: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
