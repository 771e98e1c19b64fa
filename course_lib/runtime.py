"""O ambiente do curso: perfil, semente, dispositivo e pastas. Nenhum outro módulo lê variáveis de ambiente.

Variáveis reconhecidas:
    CURSO_PERFIL: ``rapido``, ``padrao`` (o padrão) ou ``completo``.
    CURSO_DADOS: pasta que contém ``MNIST/raw`` (a disposição do torchvision).
    CURSO_CACHE: pasta em que o curso guarda o que baixa e o que treina.
    CURSO_DISPOSITIVO: ``cpu``, ``cuda``, ``mps``…; sem ela, a GPU quando há uma.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

PROFILES = ("rapido", "padrao", "completo")

# Folga para o arredondamento de quem normaliza ou interpola imagens em float32 ou float16.
RANGE_LIMIT = 1.001

# Quanto um pixel pode se afastar de um dos 256 tons, em tons: o arredondamento do float32, e não mais.
LEVEL_TOLERANCE = 0.01

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


def data_root() -> Path | None:
    """Pasta de dados indicada por ``CURSO_DADOS``, ou ``None``."""
    value = os.environ.get("CURSO_DADOS")
    return Path(value).expanduser() if value else None


def cache_dir() -> Path:
    """Pasta em que o curso guarda o que baixa e treina (``CURSO_CACHE`` ou a pasta de cache da pessoa)."""
    value = os.environ.get("CURSO_CACHE")
    if value:
        return Path(value).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "curso-redes-generativas"


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
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


_noticed: set[str] = set()


def notice(message: str) -> None:
    """Escreve um aviso na saída padrão, uma única vez por processo para cada texto."""
    if message not in _noticed:
        _noticed.add(message)
        print(f"⚠ {message}")


def in_notebook() -> bool:
    """Verdadeiro num núcleo do Jupyter ou do Colab."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def require(condition: bool, message: str) -> None:
    """Levanta ``ValueError(message)`` se a condição for falsa: a borda pública diz o que veio e o que esperava."""
    if not condition:
        raise ValueError(message)


_check_ranges = True


@contextmanager
def trusted_ranges() -> Iterator[None]:
    """Dentro do bloco, :func:`require_images` não confere a faixa dos valores.

    Conferi-la lê os dados e, numa GPU, espera por eles: o laço de treinamento a dispensa depois do primeiro lote de
    cada época. Forma e tipo continuam conferidos.
    """
    global _check_ranges
    before, _check_ranges = _check_ranges, False
    try:
        yield
    finally:
        _check_ranges = before


def require_images(
    x: torch.Tensor, name: str = "x", *, shape: tuple[int, ...] = (1, 28, 28), in_range: bool = True
) -> None:
    """Confere que ``x`` é um lote de imagens de ponto flutuante, de forma (B, *shape), em [-1, 1].

    Args:
        x: o que veio.
        name: como chamá-lo na mensagem.
        shape: forma de cada imagem.
        in_range: se a faixa importa; uma figura pode mostrar o que passa dela.

    Raises:
        TypeError: ``x`` não é um tensor de ponto flutuante.
        ValueError: a forma é outra, ou há valores fora de [-1, 1] ou que não são números.
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        kind = str(x.dtype) if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(f"{name}: veio {kind}; esperava um tensor float32 em [-1, 1]")
    if tuple(x.shape[1:]) != shape:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"{name}: veio um tensor de forma {tuple(x.shape)}; esperava (B, {expected})")
    if in_range and _check_ranges and x.numel():
        low, high = (value.item() for value in x.detach().aminmax())
        # NaN falha em qualquer comparação, então a mesma conta acha NaN, infinito e faixa errada.
        require(
            low >= -RANGE_LIMIT and high <= RANGE_LIMIT,
            f"{name}: os valores vão de {low:.3g} a {high:.3g}; esperava números finitos em [-1, 1] "
            "(de [0, 1], use 2 * x - 1; de [0, 255], x / 127.5 - 1)",
        )


def require_levels(x: torch.Tensor, name: str = "x", *, shape: tuple[int, ...] = (1, 28, 28)) -> None:
    """Confere que ``x`` são imagens em [-1, 1] só com 256 tons (o que só se olha fora de :func:`trusted_ranges`).

    Fora deles a probabilidade de uma imagem digital é zero, e um número em bits não quer dizer nada.

    Raises:
        TypeError: ``x`` não é um tensor de ponto flutuante.
        ValueError: a forma é outra, ou há valores fora de [-1, 1] ou entre dois tons.
    """
    require_images(x, name, shape=shape)
    if _check_ranges and x.numel():
        levels = (x.detach() + 1) * 127.5
        require(
            bool(((levels - levels.round()).abs() < LEVEL_TOLERANCE).all()),
            f"{name}: há pixels entre dois dos 256 tons de [-1, 1]; a verossimilhança em bits só existe para imagens "
            f"digitais, sem ruído nem interpolação (arredonde: (127.5 * ({name} + 1)).round() / 127.5 - 1)",
        )


def require_index(index: torch.Tensor, n: int, low: int, high: int, name: str) -> None:
    """Confere que ``index`` são ``n`` inteiros de ``low`` a ``high`` (a faixa, só fora de :func:`trusted_ranges`).

    Raises:
        ValueError: o tipo, a forma ou a faixa é outra.
    """
    valid = isinstance(index, torch.Tensor) and not index.is_floating_point() and index.shape == (n,)
    kind = isinstance(index, torch.Tensor)
    came = f"um tensor {index.dtype} de forma {tuple(index.shape)}" if kind else repr(index)
    require(valid, f"{name}: veio {came}; esperava um tensor de inteiros de forma ({n},)")
    if _check_ranges and n:
        first, last = (value.item() for value in index.aminmax())
        require(
            low <= first and last <= high,
            f"{name}: os valores vão de {first} a {last}; esperava inteiros de {low} a {high}",
        )


def require_time(t: torch.Tensor, n: int, name: str = "t") -> None:
    """Confere que ``t`` são ``n`` instantes em [0, 1] (a faixa, só fora de :func:`trusted_ranges`).

    Raises:
        ValueError: a forma ou a faixa é outra.
    """
    require(t.shape == (n,), f"{name}: veio forma {tuple(t.shape)}; esperava ({n},), um instante por exemplo")
    if _check_ranges and n:
        low, high = (value.item() for value in t.aminmax())
        require(low >= 0 and high <= 1, f"{name}: os valores vão de {low:.3g} a {high:.3g}; esperava números em [0, 1]")
