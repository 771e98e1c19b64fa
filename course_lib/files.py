"""Pastas e arquivos do curso: onde se procura e se guarda, e como gravar sem que outro processo leia pela metade.

Nada aqui carrega o PyTorch: o construtor do livro também pergunta onde está o MNIST.
"""

from __future__ import annotations

import functools
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CACHE_NAME = "curso-redes-generativas"

# Arquivos do MNIST depois de descompactados: o nome, o SHA-256 e quantos bytes cada um tem.
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


# --- onde -------------------------------------------------------------------------------------------------------------


def expand(path: str | Path, name: str = "") -> Path:
    """O caminho com o ``~`` do começo trocado pela pasta da pessoa; ``name`` diz na mensagem de onde ele veio.

    Raises:
        ValueError: há um ``~`` e o sistema não sabe qual é a pasta (num contêiner sem ``HOME``, por exemplo).
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        where = f"{name}: " if name else ""
        raise ValueError(
            f"{where}veio {str(path)!r}, e não há pasta de usuário para pôr no lugar do ~ (falta a variável HOME); "
            "escreva o caminho inteiro"
        ) from error


def data_root(environ: Mapping[str, str]) -> Path | None:
    """A pasta de ``CURSO_DADOS``, ou ``None``.

    Raises:
        ValueError: o caminho tem um ``~`` e não há pasta de usuário.
    """
    value = environ.get("CURSO_DADOS")
    return expand(value, "CURSO_DADOS") if value else None


def cache_dir(environ: Mapping[str, str]) -> Path:
    """A pasta de ``CURSO_CACHE``; sem ela, a de cache da pessoa; sem uma que se grave, uma na pasta temporária.

    Raises:
        ValueError: ``CURSO_CACHE`` tem um ``~`` e não há pasta de usuário.
    """
    value = environ.get("CURSO_CACHE")
    if value:
        return expand(value, "CURSO_CACHE")
    try:
        base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return _temporary_cache()
    return base / CACHE_NAME if _can_hold(base / CACHE_NAME) else _temporary_cache()


def _can_hold(folder: Path) -> bool:
    """Se a pasta existe, ou pode ser criada. Uma que existe e só se lê serve a quem só vai ler."""
    # os.path, e não Path: numa pasta fechada, Path.is_dir levanta um erro.
    if os.path.isdir(folder):
        return True
    existing = next(parent for parent in folder.absolute().parents if os.path.lexists(parent))
    return os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK)


@functools.cache
def _temporary_cache() -> Path:
    """Uma pasta só desta pessoa, a mesma em todos os processos dela."""
    user = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / (CACHE_NAME if user is None else f"{CACHE_NAME}-{user}")
    # A pasta temporária é de todos: uma que outra pessoa já tenha posto ali não serve.
    if user is not None and os.path.lexists(folder) and os.lstat(folder).st_uid != user:
        return Path(tempfile.mkdtemp(prefix=f"{CACHE_NAME}-"))
    return folder


def mnist_places(root: Path, name: str) -> Iterator[Path]:
    """Onde, a partir de ``root``, pode estar o arquivo ``name`` do MNIST: compactado ou não, e com que nomes.

    ``root`` pode ser a pasta que contém ``MNIST/raw``, a própria ``MNIST``, a própria ``raw``, ou uma pasta em que os
    arquivos foram deixados soltos. O Kaggle troca um hífen por um ponto, ou põe cada arquivo numa pasta do seu nome.
    """
    for folder in (root / "MNIST" / "raw", root / "raw", root):
        for variant in (name, name.replace("-idx", ".idx")):
            yield from (folder / variant, folder / variant / variant, folder / f"{variant}.gz")


def mnist_file(root: Path, name: str) -> Path | None:
    """O primeiro dos :func:`mnist_places` em que há um arquivo; o conteúdo não é conferido."""
    return next((path for path in mnist_places(root, name) if os.path.isfile(path)), None)


# --- gravar -----------------------------------------------------------------------------------------------------------


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Grava um arquivo de modo que, a qualquer instante, exista nele a versão velha ou a nova inteira.

    Args:
        path: destino; as pastas que faltam são criadas.
        write: recebe o arquivo aberto para escrita binária.

    Raises:
        OSError: sem espaço ou sem permissão; o arquivo velho fica intacto e o temporário é apagado.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # O número do processo não basta: dois contêineres que dividem a pasta podem ter o mesmo.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            # Sem fsync, uma queda de energia pode deixar o nome novo apontando para um arquivo vazio.
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Um processo de cada vez dentro do bloco; quem espera diz ``waiting`` em stderr. Quem morre solta a trava.

    Onde não se grava, ou onde o disco não sabe travar (algumas pastas de rede), segue-se sem trava: ela só evita
    trabalho repetido, e quem grava com :func:`write_atomically` não estraga o do outro.

    Args:
        path: o arquivo da trava, que fica no disco, vazio.
        waiting: a mensagem.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError:
        yield
        return
    with file:
        try:
            if not _lock(file, wait=False):
                print(waiting, file=sys.stderr, flush=True)
                _lock(file, wait=True)
        except OSError:
            pass
        yield


if sys.platform == "win32":
    import msvcrt
    import time

    def _lock(file: IO[bytes], *, wait: bool) -> bool:
        while True:
            try:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return True
            except OSError:
                if not wait:
                    return False
            time.sleep(0.2)

else:
    import fcntl

    def _lock(file: IO[bytes], *, wait: bool) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
