"""MNIST inteiro na memória, e os dígitos embutidos para quando não há nem arquivo nem rede.

O conjunto é um par de tensores, normalizado uma vez. Um lote é um corte por índices: não há trabalho em Python por
imagem, e é daí que vem a maior parte da velocidade do curso.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import sys
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import checks, runtime

SPLITS = {"train": "treino", "test": "teste"}
EMBEDDED = "dígitos embutidos"

# O nome do último conjunto carregado de cada parte: é por ele que as figuras sabem de que dados saíram.
_last_loaded: dict[str, str] = {}

# Chave que separa a ordem dos lotes do ruído do treinamento, que usam a mesma semente.
ORDER = 2

# Falhas da rede que são OSError; qualquer outro OSError durante o download vem do disco.
NETWORK_ERRORS = (urllib.error.URLError, ssl.SSLError, TimeoutError, ConnectionError)

# SHA-256 de cada arquivo do MNIST depois de descompactado, e quantos bytes ele tem.
MNIST_FILES = {
    "train": (
        ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47_040_016),
        ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60_008),
    ),
    "test": (
        ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7_840_016),
        ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10_008),
    ),
}


class DataError(OSError):
    """Um arquivo de dados está estragado, ou não pôde ser gravado; a mensagem diz qual e o que fazer."""


class Batch(NamedTuple):
    """Um lote: imagens ``x`` (B, 1, 28, 28) em [-1, 1] e rótulos ``labels`` (B,) int64."""

    x: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ImageDataset:
    """Imagens e rótulos inteiros na memória, com o nome de onde vieram.

    Attributes:
        images: (N, 1, 28, 28), float32 em [-1, 1].
        labels: (N,), int64.
        name: nome que figuras e tabelas imprimem; resultado em dígitos embutidos nunca passa por MNIST.

    Raises:
        TypeError: o tipo de algum dos tensores é outro.
        ValueError: forma, faixa ou número de rótulos errado, ou há NaN ou infinito nas imagens.
    """

    images: Tensor
    labels: Tensor
    name: str

    def __post_init__(self) -> None:
        checks.images(self.images, "images")
        checks.dtype(self.images, "images", torch.float32)
        checks.dtype(self.labels, "labels", torch.int64)
        checks.not_empty(self.images, "images")
        checks.shape(self.labels, "labels", len(self.images))

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def is_mnist(self) -> bool:
        """Se as imagens são o MNIST verdadeiro (e não os dígitos embutidos ou as de um aluno)."""
        return self.name.startswith("MNIST")

    @property
    def shape(self) -> tuple[int, ...]:
        """Forma de cada imagem."""
        return tuple(self.images.shape[1:])

    def sha256(self) -> str:
        """SHA-256 dos pixels: o cartão de um modelo diz com que dados ele foi treinado."""
        return hashlib.sha256(self.images.cpu().numpy().data).hexdigest()

    def to(self, device: torch.device | str) -> ImageDataset:
        """O mesmo conjunto no dispositivo pedido."""
        return ImageDataset(self.images.to(device), self.labels.to(device), self.name)

    def take(self, n: int, *, seed: int | None = None) -> ImageDataset:
        """As ``n`` primeiras imagens ou, com ``seed``, ``n`` sorteadas; todas se houver menos que ``n``.

        Raises:
            ValueError: ``n`` não é um inteiro maior que zero.
        """
        checks.integer(n, "n")
        if n >= len(self):
            return self
        if seed is None:
            return ImageDataset(self.images[:n], self.labels[:n], self.name)
        index = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:n].to(self.images.device)
        return ImageDataset(self.images[index], self.labels[index], self.name)

    def batches(self, batch_size: int, *, shuffle: bool = True, seed: int = 0) -> Batches:
        """Lotes deste conjunto, para o laço de treinamento."""
        return Batches(self, batch_size, shuffle=shuffle, seed=seed)


class Batches:
    """Lotes de um :class:`ImageDataset`; a ordem de cada época depende só de ``(seed, época)``.

    Por isso um treinamento retomado vê os mesmos lotes que veria sem a interrupção.

    Args:
        dataset: de onde os lotes saem, já no dispositivo em que serão usados.
        batch_size: imagens por lote; o último pode ter menos.
        shuffle: embaralhar a cada época.
        seed: semente da ordem.

    Raises:
        ValueError: ``batch_size`` não é um inteiro maior que zero.
    """

    def __init__(self, dataset: ImageDataset, batch_size: int, *, shuffle: bool = True, seed: int = 0) -> None:
        checks.integer(batch_size, "batch_size")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Escolhe a época (a partir de 0) cuja ordem a próxima iteração usará."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        images, labels = self.dataset.images, self.dataset.labels
        n = len(self.dataset)
        if self.shuffle:
            generator = torch.Generator().manual_seed(runtime.derive_seed(self.seed, ORDER, self.epoch))
            order = torch.randperm(n, generator=generator).to(images.device)
        for start in range(0, n, self.batch_size):
            if self.shuffle:
                index = order[start : start + self.batch_size]
                # index_select, e não images[index]: a mesma cópia, três vezes mais rápida na CPU.
                yield Batch(images.index_select(0, index), labels.index_select(0, index))
            else:
                yield Batch(images[start : start + self.batch_size], labels[start : start + self.batch_size])
        self.epoch += 1


def load_mnist(split: str, *, root: str | Path | None = None) -> ImageDataset:
    """MNIST como tensores; na falta de arquivo e de rede, os dígitos embutidos, com um aviso.

    Procura, nesta ordem: ``root`` ou ``CURSO_DADOS``; a pasta de cache do curso; o download do torchvision, com os
    seus espelhos. O SHA-256 de cada arquivo é conferido: o que está estragado no cache é refeito; numa
    pasta indicada por você nada é apagado, e o arquivo bom é baixado para o cache.

    Args:
        split: ``"train"`` (60.000 imagens) ou ``"test"`` (10.000).
        root: pasta que contém ``MNIST/raw``.

    Returns:
        Imagens (N, 1, 28, 28) float32 em [-1, 1] e rótulos (N,) int64.

    Raises:
        ValueError: ``split`` desconhecido.
        DataError: um arquivo da pasta indicada está estragado e não há rede para repará-lo, ou a pasta de cache não
            pôde ser gravada.

    Referência:
        LeCun, Bottou, Bengio e Haffner (1998), *Gradient-based learning applied to document recognition*.
    """
    checks.one_of(split, "split", SPLITS)
    chosen = Path(root).expanduser() if root is not None else runtime.data_root()
    problems = []
    if chosen is not None:
        problems = _find_problems(chosen, split)
        if not problems:
            return _remember(_read_mnist(chosen, split), split)
    damaged = [problem for problem in problems if problem.damaged]
    cache = runtime.cache_dir()
    if _find_problems(cache, split):
        failure = _download_mnist(cache, split)
        if failure is not None and damaged:
            raise DataError(
                f"{damaged[0]}\nNão consegui baixar uma cópia boa (há rede?). Troque o arquivo, ou chame "
                "load_embedded_digits() para seguir com os dígitos embutidos."
            ) from failure
        if failure is not None:
            where = f" em {chosen}" if chosen is not None else ""
            runtime.notice(
                f"Não achei o MNIST{where} e não consegui baixá-lo (há rede?): seguindo com os {EMBEDDED} do "
                "scikit-learn (1.797 dígitos de 8×8 ampliados). Os números do capítulo valem para o MNIST verdadeiro."
            )
            return load_embedded_digits(split)
    if damaged:
        runtime.notice(f"{damaged[0]}; usando a cópia boa que está em {cache}")
    return _remember(_read_mnist(cache, split), split)


def load_embedded_digits(split: str) -> ImageDataset:
    """Os 1.797 dígitos manuscritos do scikit-learn, de 8×8 ampliados para 28×28, com 256 tons.

    Um em cada seis vai para o teste (300), sempre os mesmos; os outros 1.497 são o treino.

    Args:
        split: ``"train"`` ou ``"test"``.

    Raises:
        ValueError: ``split`` desconhecido.

    Referência:
        Alpaydin e Kaynak (1998), *Optical recognition of handwritten digits*, repositório UCI.
    """
    from sklearn.datasets import load_digits

    checks.one_of(split, "split", SPLITS)
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16.0
    # 20×20 com borda de 4, como no MNIST, em que o dígito ocupa o centro da imagem.
    images = F.pad(F.interpolate(images, size=(20, 20), mode="bicubic", align_corners=False), (4, 4, 4, 4))
    labels = torch.from_numpy(digits.target).long()
    is_test = torch.arange(len(labels)) % 6 == 0
    keep = is_test if split == "test" else ~is_test
    # A ampliação inventa tons intermediários; arredondados a 256, como no MNIST, deles se pode medir a verossimilhança.
    levels = (images[keep].clamp(0, 1) * 255).round()
    return _remember(ImageDataset(levels / 127.5 - 1, labels[keep], f"{EMBEDDED} ({SPLITS[split]})"), split)


def embedded_in_use() -> bool:
    """Se o último conjunto de treino ou o último de teste que se carregou são os dígitos embutidos.

    Quem desenha figuras pergunta aqui, para que um resultado neles nunca passe por um do MNIST.
    """
    return any(name.startswith(EMBEDDED) for name in _last_loaded.values())


def _remember(dataset: ImageDataset, split: str) -> ImageDataset:
    _last_loaded[split] = dataset.name
    return dataset


class _Problem(NamedTuple):
    path: Path
    damaged: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


def _find_problems(root: Path, split: str) -> list[_Problem]:
    """O que falta ou está estragado em ``root/MNIST/raw`` para ler ``split``."""
    problems = []
    for name, sha256, size in MNIST_FILES[split]:
        path = root / "MNIST" / "raw" / name
        if not path.is_file():
            problems.append(_Problem(path, False, "arquivo ausente"))
        elif path.stat().st_size != size:
            detail = f"arquivo truncado ou alterado: tem {path.stat().st_size} bytes, esperava {size}"
            problems.append(_Problem(path, True, detail))
        elif (found := _sha256(path)) != sha256:
            problems.append(_Problem(path, True, f"conteúdo alterado: SHA-256 {found[:12]}…, esperava {sha256[:12]}…"))
    return problems


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_mnist(root: Path, split: str) -> ImageDataset:
    # Os leitores do torchvision, e não a sua classe MNIST: ela exige os quatro arquivos mesmo para ler um par, e dá
    # preferência a uma pasta `processed` antiga, que ninguém conferiu.
    from torchvision.datasets.mnist import read_image_file, read_label_file

    image_path, label_path = (str(root / "MNIST" / "raw" / name) for name, _, _ in MNIST_FILES[split])
    images = read_image_file(image_path).unsqueeze(1).float().div_(127.5).sub_(1.0)
    return ImageDataset(images, read_label_file(label_path).long(), f"MNIST ({SPLITS[split]})")


def _download_mnist(root: Path, split: str) -> Exception | None:
    """Põe em ``root`` o que falta de ``split``. Devolve o último erro, se nenhum espelho deu um arquivo bom.

    Raises:
        DataError: a pasta não pôde ser gravada.
    """
    try:
        for problem in _find_problems(root, split):
            if problem.damaged:
                print(f"{problem}; refazendo", file=sys.stderr)
            error = _download_file(problem.path)
            if error is not None:
                return error
    except OSError as error:
        raise DataError(
            f"não consegui gravar o MNIST em {root / 'MNIST' / 'raw'} ({error.strerror or error}). Libere espaço, ou "
            "escolha outra pasta com CURSO_CACHE, ou aponte CURSO_DADOS para uma cópia do MNIST; "
            "load_embedded_digits() não precisa de disco."
        ) from error
    remaining = _find_problems(root, split)
    return DataError(str(remaining[0])) if remaining else None


def _download_file(path: Path) -> Exception | None:
    """Baixa ``path.gz`` do primeiro espelho que o tenha inteiro e o descompacta; sem rede, serve o .gz já baixado."""
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import download_and_extract_archive

    archive = f"{path.name}.gz"
    md5 = dict(MNIST.resources)[archive]
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    error: Exception | None = None
    try:
        for mirror in MNIST.mirrors:
            try:
                download_and_extract_archive(f"{mirror}{archive}", str(path.parent), filename=archive, md5=md5)
                return None
            # RuntimeError é o que o torchvision levanta quando o MD5 não confere: o espelho mandou outra coisa.
            except (RuntimeError, http.client.HTTPException, *NETWORK_ERRORS) as failure:
                error = failure
    finally:
        socket.setdefaulttimeout(timeout)
    return error
