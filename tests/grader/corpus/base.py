"""A forma de uma entrega do corpus e as respostas certas de onde as outras partem."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FULL = 8.0

RIGHT = {
    "q1": """
def pick_pair(images, labels, digit_a, digit_b):
    def typical(images):
        return images[(images - images.mean(0)).flatten(1).norm(dim=1).argmin()]
    return torch.stack([typical(images[labels == digit]) for digit in (digit_a, digit_b)])
""",
    "q2": """
def latent_code(model, x):
    with torch.no_grad():
        code = model.encode(x)
    return code[0] if isinstance(code, tuple) else code
""",
    "q3": """
def interpolate(z_a, z_b, n):
    return torch.stack([z_a + t * (z_b - z_a) for t in torch.linspace(0, 1, n)])
""",
    "q4": """
def latent_path(model, x, n):
    with torch.no_grad():
        z_a, z_b = model.encode(x)[0] if isinstance(model.encode(x), tuple) else model.encode(x)
        return model.decode(torch.lerp(z_a, z_b, torch.linspace(0, 1, n)[:, None]))
""",
    "q5": """
def even_times(frames):
    import numpy as np
    jumps = (frames[1:] - frames[:-1]).flatten(1).norm(dim=1)
    travelled, t = np.append(0, jumps.cumsum(0)), np.linspace(0, 1, len(frames))
    return np.interp(t * travelled[-1], travelled, t)
""",
    "q6": """
def distance_to_real(frames, images):
    def rows(x):
        x = x.flatten(1)
        return torch.nn.functional.normalize(x - x.mean(1, keepdim=True))
    return 1 - (rows(frames) @ rows(images).T).amax(1)
""",
    "q7": """
def own_kind_share(codes, prior, k):
    n, m = len(codes), len(prior)
    both, kind = torch.cat([codes, prior]), torch.arange(n + m) < n
    near = torch.cdist(both, both).argsort(dim=1)[:, 1:k + 1]
    same = (kind[near] == kind[:, None]).float().mean()
    return same, (n * (n - 1) + m * (m - 1)) / ((n + m) * (n + m - 1))
""",
}
POINTS = {"q1": 1.0, "q2": 1.0, "q3": 1.0, "q4": 1.0, "q5": 2.0, "q6": 1.0, "q7": 1.0}


@dataclass(frozen=True)
class Entry:
    """Uma entrega do corpus.

    Attributes:
        name: o nome do estudante.
        content: os bytes do caderno, ou quem os grava numa pasta.
        low: a menor nota aceitável.
        high: a maior.
        says: o que as observações ou os alarmes precisam conter.
    """

    name: str
    content: bytes | Callable[[Path], None]
    low: float
    high: float
    says: str = ""


def answers(*names: str, **changed: str) -> list[str]:
    """Uma célula por questão: as certas de ``names`` e as de ``changed``, depois do ``import``."""
    chosen = {name: RIGHT[name] for name in names} | changed
    return ["import torch", *chosen.values()]


def others(*changed: str) -> list[str]:
    """Os nomes das questões que não estão em ``changed``."""
    return [name for name in RIGHT if name not in changed]


def notebook(*cells: str, **extra: object) -> bytes:
    """Um caderno com estas células de código."""
    written = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for n, source in enumerate(cells)
    ]
    return json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | extra).encode()


def entry(name: str, mark: float | tuple[float, float], *cells: str, says: str = "") -> Entry:
    """Uma entrega que é um caderno comum."""
    low, high = mark if isinstance(mark, tuple) else (mark, mark)
    return Entry(name, notebook(*cells), low, high, says)


def write_all(entries: list[Entry], folder: Path, world: Path, port: int) -> None:
    """Grava as entregas em ``folder``, com os endereços do mundo de fora no lugar das marcas."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in entries:
        if callable(item.content):
            item.content(folder)
            continue
        content = item.content.replace(b"@MUNDO@", str(world).encode()).replace(b"@PORTA@", str(port).encode())
        (folder / f"{item.name}.ipynb").write_bytes(content)
