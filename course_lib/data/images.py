"""MNIST inteiro na memória, e os dígitos embutidos para quando não há nem arquivo nem rede.

O conjunto é um par de tensores, normalizado uma vez. Um lote é um corte por índices: não há trabalho em Python por
imagem, e é daí que vem a maior parte da velocidade do curso.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import checks, files, runtime
from course_lib.data import mnist
from course_lib.data.mnist import DataError
from course_lib.text import number

SPLITS = {"train": "treino", "test": "teste"}
EMBEDDED = "dígitos embutidos"

# O nome do último conjunto carregado de cada parte: é por ele que as figuras sabem de que dados saíram.
_last_loaded: dict[str, str] = {}

# Chave que separa a ordem dos lotes do ruído do treinamento, que usam a mesma semente.
ORDER = 2


class Batch(NamedTuple):
    """Um lote: imagens ``x`` (B, 1, 28, 28) em [-1, 1] e rótulos ``labels`` (B,) int64."""

    x: Tensor
    labels: Tensor


class Selection(Enum):
    """Como as imagens de um conjunto foram escolhidas; o valor é o que as mensagens dizem.

    As primeiras de um arquivo não são um sorteio dele: no MNIST, as duas metades do teste vieram de grupos diferentes
    de pessoas. Quem mede uma distância entre conjuntos recusa ``FIRST``.
    """

    WHOLE = "o conjunto inteiro"
    FIRST = "as primeiras do arquivo"
    DRAWN = "sorteadas"


@dataclass(frozen=True)
class ImageDataset:
    """Imagens e rótulos inteiros na memória, com o nome de onde vieram e o modo como foram escolhidos.

    Attributes:
        images: (N, 1, 28, 28), float32 em [-1, 1].
        labels: (N,), int64; de outro tipo de inteiro, são convertidos.
        name: nome que figuras e tabelas imprimem; resultado em dígitos embutidos nunca passa por MNIST.
        selection: se é o conjunto inteiro, as primeiras imagens dele ou um sorteio.
        seed: semente do sorteio, quando houve um.

    Raises:
        TypeError: o tipo de algum dos tensores é outro.
        ValueError: forma, faixa ou número de rótulos errado, ou há NaN ou infinito nas imagens.
    """

    images: Tensor
    labels: Tensor
    name: str
    selection: Selection = Selection.WHOLE
    seed: int | None = None

    def __post_init__(self) -> None:
        checks.images(self.images, "images")
        checks.dtype(self.images, "images", torch.float32)
        checks.not_empty(self.images, "images")
        # Rótulos que vêm do NumPy ou de um arquivo têm outros tipos de inteiro; aqui, como nas perdas, int64.
        object.__setattr__(self, "labels", checks.integral(self.labels, "labels", len(self.images)))

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

    @property
    def description(self) -> str:
        """O nome, quantas são e como foram escolhidas: ``MNIST (teste), 500 imagens sorteadas com a semente 0``."""
        chosen = {
            Selection.WHOLE: "",
            Selection.FIRST: ", as primeiras do arquivo",
            Selection.DRAWN: f" sorteadas com a semente {self.seed}",
        }
        return f"{self.name}, {number(len(self), ',')} imagens{chosen[self.selection]}"

    def sha256(self) -> str:
        """SHA-256 dos pixels: o cartão de um modelo diz com que dados ele foi treinado."""
        return hashlib.sha256(self.images.cpu().numpy().data).hexdigest()

    def to(self, device: torch.device | str) -> ImageDataset:
        """O mesmo conjunto no dispositivo pedido."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def take(self, n: int, *, seed: int | None = None) -> ImageDataset:
        """As ``n`` primeiras imagens ou, com ``seed``, ``n`` sorteadas; todas se houver menos que ``n``.

        O resultado lembra como foi escolhido. As primeiras de um sorteio ainda são um sorteio; um sorteio entre as
        primeiras ainda é só das primeiras.

        Raises:
            ValueError: ``n`` não é um inteiro maior que zero.
        """
        n = checks.integer(n, "n")
        if n >= len(self):
            return self
        if seed is None:
            drawn = self.selection is Selection.DRAWN
            return self._pick(slice(n), Selection.DRAWN if drawn else Selection.FIRST, self.seed)
        return self._draw(self._shuffled(seed)[:n], seed)

    def split(self, n: int, *, seed: int) -> tuple[ImageDataset, ImageDataset]:
        """``n`` imagens sorteadas, e as outras: dois sorteios sem nenhuma imagem em comum.

        Raises:
            ValueError: ``n`` não é um inteiro de 1 a ``len(self) - 1``.
        """
        checks.integer(n, "n", high=len(self) - 1)
        order = self._shuffled(seed)
        return self._draw(order[:n], seed), self._draw(order[n:], seed)

    def _shuffled(self, seed: int) -> Tensor:
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).to(self.images.device)

    def _draw(self, index: Tensor, seed: int) -> ImageDataset:
        first = self.selection is Selection.FIRST
        return self._pick(index, Selection.FIRST if first else Selection.DRAWN, None if first else seed)

    def _pick(self, index: Tensor | slice, selection: Selection, seed: int | None) -> ImageDataset:
        return ImageDataset(self.images[index], self.labels[index], self.name, selection, seed)

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
        batch_size = checks.integer(batch_size, "batch_size")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Escolhe a época (a partir de 0) cuja ordem a próxima iteração usará."""
        self.epoch = epoch

    def sha256(self) -> str:
        """SHA-256 das imagens e dos rótulos: só com os mesmos se retoma um treinamento."""
        return fingerprint(self.dataset.images, self.dataset.labels)

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


def fingerprint(*tensors: Tensor) -> str:
    """SHA-256 das formas e dos valores de ``tensors``, na ordem."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def load_mnist(split: str, *, root: str | Path | None = None) -> ImageDataset:
    """MNIST como tensores; na falta de arquivo e de rede, os dígitos embutidos, com um aviso.

    Procura, nesta ordem: ``root`` ou ``CURSO_DADOS``; a pasta de cache do curso; os espelhos que o torchvision
    conhece. O SHA-256 de cada arquivo é conferido: o que está estragado no cache é refeito; numa pasta indicada por
    você nada é apagado nem gravado, e o arquivo bom é baixado para o cache. Vários processos podem chamá-la ao mesmo
    tempo com o cache vazio: um baixa, os outros esperam.

    Args:
        split: ``"train"`` (60.000 imagens) ou ``"test"`` (10.000).
        root: pasta que contém ``MNIST/raw``, ou em que estão os arquivos; servem também os ``.gz``.

    Returns:
        Imagens (N, 1, 28, 28) float32 em [-1, 1] e rótulos (N,) int64.

    Raises:
        ValueError: ``split`` desconhecido.
        DataError: um arquivo da pasta indicada está estragado e não há rede para repará-lo, ou há rede e a pasta de
            cache não pôde ser gravada.

    Referência:
        LeCun, Bottou, Bengio e Haffner (1998), *Gradient-based learning applied to document recognition*.
    """
    checks.one_of(split, "split", SPLITS)
    chosen = files.expand(root, "root") if root is not None else runtime.data_root()
    damaged: list[mnist.Problem] = []
    if chosen is not None:
        found = mnist.read(chosen, split)
        if not found.problems:
            return _remember(_from_files(found.contents, split), split)
        damaged = [problem for problem in found.problems if problem.damaged]
    cache = runtime.cache_dir()
    found = mnist.read(cache, split)
    if found.problems:
        found = mnist.fetch(cache, split)
    if found.problems and damaged:
        raise DataError(
            f"{damaged[0]}\nNão consegui baixar uma cópia boa (há rede?). Troque o arquivo, ou chame "
            "load_embedded_digits() para seguir com os dígitos embutidos."
        )
    if found.problems:
        runtime.notice(
            f"Não achei o MNIST ({mnist.missing(chosen or cache)}) e não consegui baixá-lo (há rede?): seguindo com os "
            f"{EMBEDDED} do scikit-learn (1.797 dígitos de 8×8 ampliados). Os números do capítulo valem para o MNIST "
            "verdadeiro."
        )
        return load_embedded_digits(split)
    if damaged:
        runtime.notice(f"{damaged[0]}; usando a cópia boa que está em {cache}")
    return _remember(_from_files(found.contents, split), split)


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


def _from_files(contents: dict[str, bytes], split: str) -> ImageDataset:
    # Conferido o SHA-256, os cabeçalhos, de 16 e de 8 bytes, são os que se sabe.
    pixels, labels = (
        torch.frombuffer(bytearray(contents[name]), dtype=torch.uint8, offset=header)
        for (name, _, _), header in zip(files.MNIST_FILES[split], (16, 8), strict=True)
    )
    images = pixels.view(len(labels), *checks.IMAGE_SHAPE).float().div_(127.5).sub_(1.0)
    return ImageDataset(images, labels.long(), f"MNIST ({SPLITS[split]})")
