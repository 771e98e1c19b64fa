"""O ambiente do curso: perfil, semente, dispositivo e pastas. Nenhum outro módulo lê variáveis de ambiente.

Variáveis reconhecidas:
    CURSO_PERFIL: ``rapido``, ``padrao`` (o padrão) ou ``completo``.
    CURSO_DADOS: pasta que contém ``MNIST/raw`` (a disposição do torchvision).
    CURSO_CACHE: pasta em que o curso guarda o que baixa e o que treina.
    CURSO_DISPOSITIVO: ``cpu``, ``cuda``, ``mps``…; sem ela, a GPU quando há uma.
    JPY_SESSION_NAME: o caderno aberto, que o Jupyter diz ao núcleo.
    RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR e MASTER_PORT: as que o torchrun dá a cada processo.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from course_lib import cell_order, files

PROFILES = ("rapido", "padrao", "completo")

# Mais que isto, os processos que leem dados só disputam o disco e a memória.
MOST_READERS = 8

T = TypeVar("T")


def profile() -> str:
    """Nome do perfil em uso, lido de ``CURSO_PERFIL``.

    Raises:
        ValueError: o nome não é um dos três perfis.
    """
    return validate_profile(os.environ.get("CURSO_PERFIL") or "padrao")


def validate_profile(name: str) -> str:
    """Devolve ``name`` se for um perfil conhecido.

    Raises:
        ValueError: o nome não é um dos três perfis.
    """
    if name not in PROFILES:
        raise ValueError(f"perfil desconhecido: {name!r}; os perfis são {', '.join(PROFILES)}")
    return name


def by_profile(*, rapido: T, padrao: T, completo: T) -> T:
    """Escolhe um valor conforme o perfil em uso (para tamanhos que só um capítulo conhece)."""
    return {"rapido": rapido, "padrao": padrao, "completo": completo}[profile()]


def device() -> torch.device:
    """Dispositivo em que os modelos treinam: ``CURSO_DISPOSITIVO``, ou a GPU quando há uma, ou a CPU.

    Raises:
        ValueError: ``CURSO_DISPOSITIVO`` não é um dispositivo que este PyTorch alcance.
    """
    name = os.environ.get("CURSO_DISPOSITIVO")
    if not name:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"CURSO_DISPOSITIVO={name!r} não está disponível aqui: use 'cpu' ou apague a variável"
        ) from error
    return torch.device(name)


class Place(NamedTuple):
    """O lugar deste processo entre os que treinam juntos.

    Attributes:
        rank: o número dele, a partir de 0, entre todos.
        local_rank: o número dele entre os da mesma máquina.
        count: quantos são ao todo.
        master: endereço e porta da máquina em que está o processo 0.
    """

    rank: int
    local_rank: int
    count: int
    master: str


def process_place() -> Place | None:
    """O lugar deste processo, se o ``torchrun`` (ou quem escreve as mesmas variáveis) o abriu; sozinho, ``None``.

    Raises:
        ValueError: as variáveis estão pela metade, ou não são números que sirvam.
    """
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    found = {name: os.environ.get(name, "") for name in names}
    if not found["RANK"] or not found["WORLD_SIZE"]:
        return None
    # Fora do torchrun, a máquina é uma só: o número entre todos é o número nela.
    found["LOCAL_RANK"] = os.environ.get("LOCAL_RANK") or found["RANK"]
    numbers = [found[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT")]
    if (
        not all(value.isdecimal() for value in numbers)
        or int(numbers[0]) >= int(numbers[2])
        or not found["MASTER_ADDR"]
    ):
        came = ", ".join(f"{name}={value!r}" for name, value in found.items())
        raise ValueError(f"variáveis do torchrun: vieram {came}; quem as escreve à mão precisa de todas")
    rank, local_rank, count, port = map(int, numbers)
    return Place(rank, local_rank, count, f"{found['MASTER_ADDR']}:{port}") if count > 1 else None


def fast_dtype() -> torch.dtype | None:
    """``torch.bfloat16`` se o processador em uso o multiplica mais depressa que o float32; senão, ``None``."""
    where = device().type
    if where == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Antes do torch 2.15 não havia como perguntar: aí fica-se no float32.
        able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = where == "cpu" and (able.get("avx512_bf16", False) or able.get("amx_bf16", False))
    return torch.bfloat16 if fast else None


def fast_layout() -> torch.memory_format:
    """A ordem dos pesos com que as convoluções amostram mais depressa: na CPU, os canais por último.

    Só a ordem na memória muda, e com ela o arredondamento. No treino não há ganho, e os pesos ficam como nasceram.
    """
    return torch.channels_last if device().type == "cpu" else torch.preserve_format


def reader_count() -> int:
    """Quantos processos à parte leem os dados de um treinamento: metade dos núcleos, até oito; com um núcleo, nenhum.

    A outra metade faz as contas. O ``torchrun`` diz por quantos treinamentos os núcleos desta máquina se dividem.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores // (2 * int(os.environ.get("LOCAL_WORLD_SIZE") or 1)), MOST_READERS)


def data_root() -> Path | None:
    """Pasta de dados indicada por ``CURSO_DADOS``, ou ``None``.

    Raises:
        ValueError: o caminho tem um ``~`` e o sistema não sabe qual é a pasta da pessoa.
    """
    return files.data_root(os.environ)


def cache_dir() -> Path:
    """Pasta em que o curso guarda o que baixa e treina (``CURSO_CACHE`` ou a pasta de cache da pessoa).

    Quem não tem uma pasta de usuário que se grave (num contêiner, por exemplo) recebe uma na pasta temporária.

    Raises:
        ValueError: ``CURSO_CACHE`` tem um ``~`` e o sistema não sabe qual é a pasta da pessoa.
    """
    return files.cache_dir(os.environ)


def share_numba_cache(packages: Sequence[str] = ("umap", "pynndescent")) -> None:
    """Dá ao numba, que compila o UMAP quando ele é importado, uma pasta em que guardar o que compila.

    O que se compilou na instalação fica junto do pacote. Quem não pode gravar ali (um laboratório, em que o curso foi
    instalado por outra pessoa) compilaria tudo de novo, meio minuto a cada pessoa, e sem uma pasta de usuário que se
    grave o ``import`` nem terminaria. Aqui o que já está compilado é copiado para o cache do curso, e é ele que o numba
    usa. Quem escolheu ``NUMBA_CACHE_DIR``, ou pode gravar junto do pacote, não precisa de nada disto.

    Args:
        packages: os pacotes que o numba compila.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    specs = [find_spec(name) for name in packages]
    compiled = [Path(spec.origin).parent / "__pycache__" for spec in specs if spec is not None and spec.origin]
    if not compiled or all(os.access(_nearest(folder), os.W_OK) for folder in compiled):
        return
    try:
        target = cache_dir() / "numba"
        target.mkdir(parents=True, exist_ok=True)
        if not os.access(target, os.W_OK):
            return
        for folder in compiled:
            # O nome que o numba dá à pasta de cada pacote.
            package = str(folder.parent.absolute())
            own = target / f"{folder.parent.name}_{hashlib.sha1(package.encode()).hexdigest()}"
            for source in (*folder.glob("*.nbc"), *folder.glob("*.nbi")):
                copy = own / source.name
                if not copy.exists() or copy.stat().st_mtime < source.stat().st_mtime:
                    content = source.read_bytes()
                    files.write_atomically(copy, lambda file, content=content: file.write(content))
    except (OSError, ValueError):
        # Sem a cópia o UMAP ainda se importa, se há onde gravar; e quem não o usa nem sabe disto.
        return
    os.environ["NUMBA_CACHE_DIR"] = str(target)


def _nearest(folder: Path) -> Path:
    return folder if folder.exists() else folder.parent


def seed_everything(seed: int) -> None:
    """Semeia os geradores de Python, NumPy e PyTorch (CPU e GPU)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - umap e scikit-learn usam o gerador global
    torch.manual_seed(seed)


def derive_seed(seed: int, *keys: int) -> int:
    """Uma semente nova a partir de ``seed`` e de uma chave: usos diferentes nunca sorteiam os mesmos números.

    Somar a época à semente não bastaria: o ruído da primeira época repetiria os números que iniciaram os pesos.
    """
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def isolated_seed(seed: int) -> Iterator[None]:
    """Dentro do bloco, o PyTorch sorteia a partir de ``seed``; na saída, o gerador volta aonde estava.

    Assim, inserir um treinamento no meio de um caderno não muda o que as células seguintes sorteiam.
    """
    # Só a GPU em uso: com várias na máquina, o PyTorch guardaria o estado de todas, e avisaria da demora.
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


_noticed: set[str] = set()


def notice(message: str) -> None:
    """Escreve um aviso na saída padrão, uma única vez por processo para cada texto."""
    if message not in _noticed:
        _noticed.add(message)
        print(f"⚠ {message}")


def notebook_shell() -> Any:
    """O interpretador do núcleo do Jupyter ou do Colab em que se está; ``None`` fora de um."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def in_notebook() -> bool:
    """Verdadeiro num núcleo do Jupyter ou do Colab."""
    return notebook_shell() is not None


# Antes que alguém importe o UMAP: depois o numba já terá decidido onde guardar.
share_numba_cache()
if in_notebook():
    cell_order.watch(notebook_shell(), lambda: os.environ.get("JPY_SESSION_NAME"))
