"""Linha de comando: ``python -m course_lib`` com ``treinar``, ``amostrar`` ou ``traduzir``."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from course_lib import checks, console, runtime
from course_lib.console import positive_integer, whole_number
from course_lib.data import DataError, ImageDataset, PhotoDomains, load_mnist
from course_lib.data.photos import list_photos, read_photo, to_image, to_signed
from course_lib.data.readers import is_lost_reader
from course_lib.files import write_atomically
from course_lib.recipes import RECIPES, Trained, get_recipe, networks, train
from course_lib.text import number
from course_lib.training import distributed
from course_lib.training.checkpoint import CheckpointError
from course_lib.training.distributed import ProcessError
from course_lib.training.finite import NonFiniteLossError
from course_lib.weights import SHIPPED, WeightsError, draw, load_trained, measure, round_weights, save_trained

SAMPLERS = [name for name, recipe in RECIPES.items() if recipe.sampler is not None]
TRANSLATORS = [name for name, recipe in RECIPES.items() if recipe.translators is not None]


def models_folder() -> Path:
    """Pasta em que ``treinar`` grava e ``amostrar`` procura primeiro, quando nenhuma é indicada."""
    return runtime.cache_dir() / "modelos"


def weights_folder(name: str, chosen: Path | None) -> Path:
    """A pasta indicada; sem ela, a dos pesos que a pessoa treinou ou, na falta deles, a dos que vêm com o curso."""
    if chosen is not None:
        return chosen
    trained_here = (models_folder() / f"{name}.safetensors").exists()
    return models_folder() if trained_here else SHIPPED


def train_command(name: str, *, profile: str, folder: Path, seed: int, photos: PhotoDomains | None = None) -> int:
    """Treina, com retomada, e grava pesos e cartão em ``folder``. Devolve o código de saída.

    Com ``photos``, os dados são elas, e não o MNIST. Entre vários processos, só o primeiro mede e grava.
    """
    checkpoint = folder / f"{name}-{profile}-{seed}.ckpt"
    if checkpoint.exists():
        print(f"Retomando de {checkpoint}")
    among = f", em {distributed.process_count()} processos" if distributed.process_count() > 1 else ""
    print(f"Treinando {get_recipe(name).title} no perfil {profile} em {runtime.device()}{among}")
    try:
        trained = train(name, profile=profile, seed=seed, dataset=photos, checkpoint=checkpoint)
    except (DataError, RuntimeError) as error:
        lost = "um dos processos que leem as fotos morreu (falta de memória?)" if is_lost_reader(error) else ""
        if not lost and not isinstance(error, DataError):
            raise
        kept = f"; o checkpoint em {checkpoint} permite retomar depois" if checkpoint.exists() else ""
        raise DataError(f"{lost or error}{kept}") from error
    distributed.leave()
    if not distributed.is_first():
        return 130 if trained.history.interrupted else 0
    if not len(trained.history):
        print("Nenhuma época terminou: não há pesos a gravar.")
        return 130
    for network in networks(trained.step).values():
        network.eval()
    metrics = _measured(trained, profile)
    path = save_trained(folder, trained, profile=profile, seed=seed, metrics=metrics)
    print(trained.history)
    for label, value in metrics.items():
        print(f"{label}: {number(value, '.5g')}")
    print(f"Dados: {trained.dataset.name}\nPesos: {path}\nCartão: {path.with_suffix('.json')}")
    if trained.history.interrupted:
        print("O mesmo comando retoma de onde parou.")
        return 130
    for finished in trained.checkpoints:
        finished.unlink(missing_ok=True)
    return 0


def _measured(trained: Trained, profile: str) -> dict[str, float]:
    # Só o MNIST tem um conjunto de teste: fotos não têm.
    if trained.history.interrupted or not isinstance(trained.dataset, ImageDataset):
        return {}
    print("Medindo no conjunto de teste…")
    return measure(trained.recipe.name, round_weights(trained.step), load_mnist("test"), slow=profile != "rapido")


def sample_command(name: str, *, n: int, output: Path, folder: Path | None, seed: int) -> int:
    """Grava ``n`` amostras de ``name`` em ``output``, com a chave ``x``. Devolve o código de saída."""
    step, card = load_trained(weights_folder(name, folder), name)
    x = draw(get_recipe(name).sampler(step), n, seed=seed, progress=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=x.numpy())
    write_atomically(output, lambda file: file.write(buffer.getbuffer()))
    print(f"{n} amostras de {name} (treinado em {card.dataset.name}, perfil {card.profile}) em {output}")
    return 0


@torch.no_grad()
def translate_command(name: str, *, source: Path, output: Path, direction: str, folder: Path | None) -> int:
    """Traduz cada imagem de ``source`` e grava um PNG de mesmo nome em ``output``. Devolve o código de saída.

    Raises:
        DataError: não há imagens, uma está estragada, duas dariam o mesmo arquivo, ou a saída é a própria entrada.
    """
    paths = list_photos(source)
    if output.exists() and output.resolve() == source.resolve():
        raise DataError(f"{output}: a pasta de saída é a de entrada, e as imagens seriam trocadas; escolha outra")
    targets: dict[str, Path] = {}
    for path in paths:
        other = targets.setdefault(path.stem, path)
        if other != path:
            raise DataError(f"{path.name} e {other.name} dariam o mesmo {path.stem}.png; mude o nome de um deles")
    step, card = load_trained(weights_folder(name, folder), name)
    generator = get_recipe(name).translators(step)[direction]
    channels, side, _ = card.dataset.shape
    for path in tqdm(paths, desc="traduzindo", unit="imagem"):
        x = to_signed(read_photo(path, side, channels=channels)).unsqueeze(0).to(runtime.device())
        buffer = io.BytesIO()
        to_image(generator(x)[0]).save(buffer, format="PNG")
        write_atomically(output / f"{path.stem}.png", lambda file, buffer=buffer: file.write(buffer.getbuffer()))
    arrow = "X→Y" if direction == "xy" else "Y→X"
    print(f"{len(paths)} imagens de {source} traduzidas ({arrow}; treinado em {card.dataset.name}) em {output}")
    return 0


def build_parser() -> console.Parser:
    """O analisador de argumentos."""
    parser = console.Parser(
        prog="python -m course_lib",
        description="Treina os modelos do curso, gera amostras e traduz imagens.",
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
    training.add_argument(
        "--dominio-x", type=Path, metavar="PASTA", help="só para cyclegan: fotos do domínio X, em vez dos dígitos"
    )
    training.add_argument("--dominio-y", type=Path, metavar="PASTA", help="só para cyclegan: fotos do domínio Y")
    training.add_argument(
        "--tamanho",
        type=positive_integer,
        metavar="N",
        help="lado das fotos, múltiplo de 8, a partir de 24 (padrão: 256)",
    )
    training.add_argument(
        "--leitores",
        type=whole_number,
        metavar="N",
        help="processos que leem as fotos (padrão: metade dos núcleos, até 8; 0: nenhum)",
    )

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

    translation = commands.add_parser("traduzir", help="traduz as imagens de uma pasta de um domínio ao outro")
    translation.add_argument("nome", metavar="NOME", choices=TRANSLATORS, help=f"modelo: {', '.join(TRANSLATORS)}")
    translation.add_argument("--entrada", type=Path, required=True, metavar="PASTA", help="imagens a traduzir")
    translation.add_argument("--saida", type=Path, required=True, metavar="PASTA", help="onde gravar os .png")
    translation.add_argument(
        "--sentido", choices=("xy", "yx"), default="xy", help="de X para Y ou de Y para X (padrão: xy)"
    )
    translation.add_argument(
        "--pesos",
        type=Path,
        metavar="PASTA",
        help="onde estão os pesos (padrão: os que você treinou; na falta deles, os que vêm com o curso)",
    )
    return parser


def _train_with(options: argparse.Namespace) -> int:
    with distributed.joined():
        try:
            return _train_alone_or_not(options)
        except (CheckpointError, NonFiniteLossError, KeyboardInterrupt):
            # O que acontece em todos os processos, quem diz é um.
            if distributed.is_first():
                raise
            raise SystemExit(1) from None


def _train_alone_or_not(options: argparse.Namespace) -> int:
    profile = options.perfil or runtime.profile()
    folder = options.saida or models_folder()
    recipe, photos = get_recipe(options.nome), None
    folders = options.dominio_x, options.dominio_y
    if folders == (None, None):
        checks.require(options.tamanho is None, "--tamanho é o lado das fotos: informe --dominio-x e --dominio-y")
        checks.require(options.leitores is None, "--leitores leem fotos: informe --dominio-x e --dominio-y")
        missing = recipe.data is PhotoDomains
        checks.require(not missing, f"{recipe.name} treina com as suas fotos: informe --dominio-x e --dominio-y")
    else:
        recipe = get_recipe(recipe.photos or recipe.name)
        able = " ou ".join(one.name for one in RECIPES.values() if one.photos)
        fits = recipe.data is PhotoDomains
        checks.require(fits, f"--dominio-x e --dominio-y são da {able}; {options.nome} treina com o MNIST")
        checks.require(None not in folders, "faltou uma das pastas: informe --dominio-x e --dominio-y")
        side = 256 if options.tamanho is None else options.tamanho
        # Dito já, e não depois de ler as fotos ou no meio do treino.
        least = recipe.least_side(recipe.config) if recipe.least_side is not None else 8
        checks.integer(side, "--tamanho", low=max(8, least), multiple=8)
        photos = PhotoDomains.from_folders(*folders, side, workers=options.leitores, progress=distributed.is_first())
        print(f"Dados: {photos.name}")
    return train_command(recipe.name, profile=profile, folder=folder, seed=options.semente, photos=photos)


def main(arguments: Sequence[str] | None = None) -> int:
    """Executa um comando. Erros esperados saem numa linha, em português, com código 1."""
    options = build_parser().parse_args(arguments)
    return console.run(lambda: _run(options), CheckpointError, NonFiniteLossError, ProcessError, WeightsError)


def _run(options: argparse.Namespace) -> int:
    if options.command == "treinar":
        return _train_with(options)
    if options.command == "traduzir":
        return translate_command(
            options.nome,
            source=options.entrada,
            output=options.saida,
            direction=options.sentido,
            folder=options.pesos,
        )
    return sample_command(options.nome, n=options.n, output=options.saida, folder=options.pesos, seed=options.semente)
