"""Os dois domínios de uma CycleGAN em pastas de fotos, lidas do disco à medida que o treinamento as pede."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from course_lib import checks, runtime
from course_lib.data.photos import check_photo, list_photos, read_photo, to_signed
from course_lib.data.readers import read_ahead
from course_lib.data.unpaired import UnpairedBatch, shuffled_orders

# Quanto a foto reduzida é maior que o recorte que treina: 286 para 256, como no artigo.
MARGIN = 286 / 256

# Chave que separa o sorteio dos recortes da ordem das fotos e do ruído do treinamento, que usam a mesma semente.
CROP = 3

# A barra de progresso só aparece se a conferência passa disto.
LONG_SECONDS = 1.0


@dataclass(frozen=True)
class PhotoDomains:
    """Dois domínios de fotos, que ficam no disco; os tamanhos podem diferir.

    Attributes:
        x: os arquivos do domínio X, em ordem.
        y: os do domínio Y.
        size: lado dos recortes que treinam.
        name: de onde elas vieram.
        digest: o SHA-256 do conteúdo dos arquivos.
        workers: quantos processos à parte leem as fotos; com 0, elas são lidas por quem treina.
        device: onde os lotes são postos.
    """

    x: tuple[Path, ...]
    y: tuple[Path, ...]
    size: int
    name: str
    digest: str
    workers: int = 0
    device: torch.device | str = "cpu"

    @classmethod
    def from_folders(
        cls,
        folder_x: str | Path,
        folder_y: str | Path,
        size: int = 256,
        *,
        workers: int | None = None,
        progress: bool = True,
    ) -> PhotoDomains:
        """Confere todas as fotos das duas pastas, uma de cada vez: nenhuma fica na memória.

        Args:
            folder_x: fotos do domínio X.
            folder_y: fotos do domínio Y.
            size: lado dos recortes, múltiplo de 8.
            workers: quantos processos leem as fotos; sem ele, :func:`course_lib.runtime.reader_count`.
            progress: se há barras de progresso, quando a conferência demora.

        Raises:
            ValueError: ``size`` não é um múltiplo de 8 maior que zero, ou ``workers`` é negativo.
            DataError: uma pasta não existe ou não tem fotos, ou uma delas não pôde ser lida; a mensagem diz qual.
        """
        size = checks.integer(size, "size", low=8, multiple=8)
        workers = runtime.reader_count() if workers is None else checks.integer(workers, "workers", low=0)
        x, y = (tuple(list_photos(folder)) for folder in (folder_x, folder_y))
        digest = hashlib.sha256()
        for folder, paths in ((folder_x, x), (folder_y, y)):
            # Sem o número de fotos, passar a última de X a primeira de Y daria o mesmo resumo.
            digest.update(f"{len(paths)} ".encode())
            bar = tqdm(
                read_ahead(check_photo, paths, workers),
                total=len(paths),
                desc=f"conferindo {Path(folder).name}",
                unit="foto",
                disable=not progress,
                delay=LONG_SECONDS,
            )
            for one in bar:
                digest.update(one.encode())
        name = f"fotos (X: {Path(folder_x).name}, {len(x)}; Y: {Path(folder_y).name}, {len(y)})"
        return cls(x, y, size, name, digest.hexdigest(), workers)

    def __len__(self) -> int:
        return len(self.x) + len(self.y)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Forma de cada imagem que treina."""
        return (3, self.size, self.size)

    def sha256(self) -> str:
        """SHA-256 do conteúdo dos arquivos, na ordem: outro nome de pasta, ou outra máquina, não o mudam."""
        return self.digest

    def to(self, device: torch.device | str) -> PhotoDomains:
        """Os mesmos domínios, com lotes no dispositivo pedido."""
        return replace(self, device=device)

    def batches(self, batch_size: int, *, seed: int = 0) -> PhotoBatches:
        """Lotes de recortes (B, 3, size, size) em [-1, 1], sorteados e espelhados ao acaso a cada época."""
        return PhotoBatches(self, batch_size, seed=seed)


class PhotoBatches:
    """Lotes de :class:`PhotoDomains`, lidos do disco enquanto o treinamento corre.

    Na memória há só os lotes que os leitores preparam adiante. A ordem e o recorte de cada foto dependem só de
    ``(seed, época, posição na época)``: com qualquer número de leitores, os lotes são os mesmos. Uma época percorre
    o domínio maior uma vez; o menor recomeça, em outra ordem, tantas vezes quantas for preciso.

    Args:
        domains: as fotos.
        batch_size: fotos de cada domínio por lote; o último pode ter menos.
        seed: semente da ordem e dos recortes.
        rank: que fatia de cada lote sai daqui, de 0 a ``world - 1``; as outras nem são lidas.
        world: em quantas fatias seguidas, o mais iguais possível, cada lote se parte.

    Raises:
        ValueError: ``batch_size`` não é um inteiro maior que zero, ou ``rank`` não é uma das fatias.
    """

    def __init__(self, domains: PhotoDomains, batch_size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        self.domains = domains
        self.batch_size = checks.integer(batch_size, "batch_size")
        self.seed = seed
        self.world = checks.integer(world, "world")
        self.rank = checks.integer(rank, "rank", low=0, high=world - 1)
        self.epoch = 0

    def shard(self, rank: int, world: int) -> PhotoBatches:
        """A fatia ``rank`` de ``world`` de cada um destes lotes; uma fatia pode sair vazia, (0, 3, size, size).

        Raises:
            ValueError: ``rank`` não é uma das fatias.
        """
        return PhotoBatches(self.domains, self.batch_size, seed=self.seed, rank=rank, world=world)

    def set_epoch(self, epoch: int) -> None:
        """Escolhe a época (a partir de 0) que a próxima iteração percorrerá."""
        self.epoch = epoch

    def sha256(self) -> str:
        """SHA-256 das fotos e do lado em que saem: só com os mesmos se retoma um treinamento."""
        return hashlib.sha256(f"{self.domains.sha256()} {self.domains.size}".encode()).hexdigest()

    def __len__(self) -> int:
        return -(-max(len(self.domains.x), len(self.domains.y)) // self.batch_size)

    def __iter__(self) -> Iterator[UnpairedBatch]:
        crops = _Crops((self.domains.x, self.domains.y), self.domains.size, self.seed, self.epoch)
        device = self.domains.device
        for x, y in read_ahead(crops, self._plan(), self.domains.workers):
            # Vão ao dispositivo como bytes, um quarto do que seriam já convertidas.
            yield UnpairedBatch(to_signed(x.to(device)), to_signed(y.to(device)))
        self.epoch += 1

    def _plan(self) -> list[_Slice]:
        """De cada lote da época, as posições e as fotos da fatia que sai daqui."""
        orders = shuffled_orders(len(self.domains.x), len(self.domains.y), seed=self.seed, epoch=self.epoch)
        order_x, order_y = (order.tolist() for order in orders)
        plan = []
        for first in range(0, len(order_x), self.batch_size):
            length = min(self.batch_size, len(order_x) - first)
            start, stop = (first + length * part // self.world for part in (self.rank, self.rank + 1))
            plan.append(_Slice(start, order_x[start:stop], order_y[start:stop]))
        return plan


class _Slice(NamedTuple):
    """A posição, na época, da primeira foto de uma fatia de lote, e os números das fotos de cada domínio."""

    start: int
    x: list[int]
    y: list[int]


@dataclass(frozen=True)
class _Crops:
    """O que um leitor faz: lê, reduz, recorta e espelha as fotos de uma fatia. Vai inteiro para o outro processo."""

    domains: tuple[tuple[Path, ...], tuple[Path, ...]]
    size: int
    seed: int
    epoch: int

    def __call__(self, piece: _Slice) -> tuple[Tensor, Tensor]:
        return self._crops(0, piece.start, piece.x), self._crops(1, piece.start, piece.y)

    def _crops(self, domain: int, start: int, photos: list[int]) -> Tensor:
        """(B, 3, size, size) uint8."""
        crops = torch.empty(len(photos), 3, self.size, self.size, dtype=torch.uint8)
        for index, photo in enumerate(photos):
            crops[index] = self._crop(domain, start + index, self.domains[domain][photo])
        return crops

    def _crop(self, domain: int, position: int, path: Path) -> Tensor:
        key = runtime.derive_seed(self.seed, CROP, self.epoch, domain, position)
        generator = torch.Generator().manual_seed(key)
        side = round(self.size * MARGIN)
        top, left = torch.randint(side - self.size + 1, (2,), generator=generator).tolist()
        crop = read_photo(path, side)[:, top : top + self.size, left : left + self.size]
        return crop.flip(2) if torch.rand((), generator=generator) < 0.5 else crop
