"""Os arquivos do MNIST: achados numa pasta, conferidos pelo SHA-256, e baixados por um processo de cada vez."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import os
import sys
import urllib.request
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from course_lib import files

# Segundos sem que chegue nada, até desistir de um espelho.
TIMEOUT = 20
CHUNK = 2**18


class DataError(OSError):
    """Um arquivo de dados está estragado, ou não pôde ser gravado; a mensagem diz qual e o que fazer."""


class Problem(NamedTuple):
    """O arquivo ``name``, que falta (``damaged=False``) ou está estragado em ``path``, e o que há com ele."""

    name: str
    path: Path
    damaged: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class Reading(NamedTuple):
    """O que se leu de uma pasta: o conteúdo dos arquivos bons, por nome, e o que há com os outros."""

    contents: dict[str, bytes]
    problems: list[Problem]


def read(root: Path, split: str, *, repair: bool = False) -> Reading:
    """Os arquivos de ``split`` que estão em ``root``, num dos lugares de :func:`course_lib.files.mnist_places`.

    Args:
        root: a pasta.
        split: ``"train"`` ou ``"test"``.
        repair: se o que só se achou compactado, ou com outro nome, é gravado no lugar certo, para a próxima vez.
    """
    found = Reading({}, [])
    for name, sha256, size in files.MNIST_FILES[split]:
        content = _read_file(root, name, sha256, size, repair=repair)
        if isinstance(content, Problem):
            found.problems.append(content)
        else:
            found.contents[name] = content
    return found


def missing(root: Path) -> str:
    """Diz o que falta em ``root``, dos quatro arquivos, e onde se procurou."""
    if not root.is_dir():
        return f"a pasta {root} não existe"
    names = [name for split in files.MNIST_FILES.values() for name, _, _ in split]
    absent = [name for name in names if files.mnist_file(root, name) is None]
    if not absent:
        return f"em {root} há arquivos estragados"
    verb = "faltam" if len(absent) > 1 else "falta"
    return f"em {root} {verb} {', '.join(absent)} (procurei ali e em MNIST/raw, com e sem .gz)"


def fetch(root: Path, split: str) -> Reading:
    """Completa ``root`` com o que falta de ``split`` e o lê; o que continua nos problemas nenhum espelho deu.

    Um processo de cada vez: os outros esperam, e acham pronto o que o primeiro baixou.

    Raises:
        DataError: a pasta não pôde ser gravada.
    """
    raw = root / "MNIST" / "raw"
    with files.locked(raw / ".trava", f"Esperando outro processo, que está baixando o MNIST em {raw}…"):
        found = read(root, split, repair=True)
        # Do menor ao maior: uma pasta que não se grava é descoberta depois de poucos bytes.
        for problem in sorted(found.problems, key=lambda problem: "labels" not in problem.name):
            name = problem.name
            if problem.damaged:
                print(f"{problem}; refazendo", file=sys.stderr)
            downloaded = _download(name, *_expected(split, name))
            if downloaded is None:
                break
            archive, content = downloaded
            try:
                files.write_atomically(raw / f"{name}.gz", lambda file, data=archive: file.write(data))
                files.write_atomically(raw / name, lambda file, data=content: file.write(data))
            except OSError as error:
                raise DataError(
                    f"não consegui gravar o MNIST em {raw} ({error.strerror or error}). Libere espaço, ou escolha "
                    "outra pasta com CURSO_CACHE, ou aponte CURSO_DADOS para uma cópia do MNIST; "
                    "load_embedded_digits() não precisa de disco."
                ) from error
            found.contents[name] = content
            found.problems.remove(problem)
    return found


def _expected(split: str, name: str) -> tuple[str, int]:
    return next((sha256, size) for known, sha256, size in files.MNIST_FILES[split] if known == name)


def _read_file(root: Path, name: str, sha256: str, size: int, *, repair: bool) -> bytes | Problem:
    """O conteúdo do primeiro lugar em que ele está inteiro; se não há um, o que há com o primeiro que existe."""
    usual = root / "MNIST" / "raw" / name
    first = None
    for path in files.mnist_places(root, name):
        content = _read_place(path, sha256, size)
        if isinstance(content, bytes):
            if repair and path != usual:
                # Se não se grava, paciência: o conteúdo já está na memória.
                with suppress(OSError):
                    files.write_atomically(usual, lambda file, data=content: file.write(data))
            return content
        if content is not None and first is None:
            first = Problem(name, path, True, content)
    return first or Problem(name, usual, False, "arquivo ausente")


def _read_place(path: Path, sha256: str, size: int) -> bytes | str | None:
    """O conteúdo, se o arquivo está ali e está bom; o que há com ele, se está ruim; ``None``, se não está."""
    # os.path, e não Path: numa pasta fechada, Path.is_file levanta um erro.
    if not os.path.isfile(path):
        return None
    try:
        if path.suffix != ".gz" and path.stat().st_size != size:
            return f"arquivo truncado ou alterado: tem {path.stat().st_size} bytes, esperava {size}"
        content = path.read_bytes() if path.suffix != ".gz" else _unpack(path.read_bytes(), size)
    except OSError as error:
        return f"não consegui ler o arquivo ({error.strerror or error})"
    if content is None:
        return "arquivo compactado truncado ou alterado"
    found = hashlib.sha256(content).hexdigest()
    return content if found == sha256 else f"conteúdo alterado: SHA-256 {found[:12]}…, esperava {sha256[:12]}…"


def _unpack(archive: bytes, size: int) -> bytes | None:
    """O que está no .gz, se são ``size`` bytes; nunca mais que isso vai para a memória."""
    try:
        with gzip.open(io.BytesIO(archive)) as file:
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return content if len(content) == size else None


def _download(name: str, sha256: str, size: int) -> tuple[bytes, bytes] | None:
    """O ``.gz`` e o seu conteúdo, do primeiro espelho que os tenha inteiros; ``None`` se nenhum os tem."""
    from torchvision.datasets import MNIST

    for mirror in MNIST.mirrors:
        try:
            archive = _get(f"{mirror}{name}.gz")
        # Nada toca o disco aqui: todo OSError é da rede.
        except (OSError, http.client.HTTPException):
            continue
        content = _unpack(archive, size)
        if content is not None and hashlib.sha256(content).hexdigest() == sha256:
            return archive, content
    return None


def _get(url: str) -> bytes:
    """O corpo da resposta, com uma barra de progresso em stderr."""
    request = urllib.request.Request(url, headers={"User-Agent": "curso-redes-generativas"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        total = int(response.headers.get("Content-Length") or 0)
        with tqdm(total=total, desc=f"baixando {url.rsplit('/', 1)[-1]}", unit="B", unit_scale=True) as bar:
            pieces = []
            while piece := response.read(CHUNK):
                pieces.append(piece)
                bar.update(len(piece))
    return b"".join(pieces)
