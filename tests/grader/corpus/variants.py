"""As trapaças do corpus, disfarçadas e apontadas para qualquer exercício: ``draw_variants`` sorteia quantas se peçam.

De cada trapaça fica só o que ataca: as respostas certas que a acompanham saem, e o que ela faz com uma função passa a
fazer com uma, ou com todas, do exercício. Nenhuma variante merece um ponto que seja.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from corpus.base import RIGHT, Entry, notebook
from corpus.cheating import ALL_NAMES, CHEATING
from corpus.disguises import draw_disguise
from corpus.exhausting import EXHAUSTING

# Não atacam: mexem na biblioteca e respondem certo, ou provam que uma resposta certa vale.
_HONEST = {
    *("trapaca-so-acerta-os-publicos", "trapaca-acerta-na-primeira-vez", "trapaca-esconde-a-alteracao"),
    *("torch-autograd-trocado", "torch-tensor-trocado", "celula-despede-se", "celulas-todas-morrem"),
}
# A função que as trapaças de uma só atacam.
_TARGET = "even_times"


@dataclass(frozen=True)
class Variant:
    """Uma trapaça pronta para ser entregue.

    Attributes:
        name: o nome de quem a entrega.
        attack: a do corpus de que ela vem.
        disguise: como se disfarçou.
        exercise: o exercício atacado.
        cells: as células.
    """

    name: str
    attack: str
    disguise: str
    exercise: str
    cells: tuple[str, ...]

    @property
    def entry(self) -> Entry:
        """Como uma entrega do corpus, que vale zero."""
        return Entry(self.name, notebook(*self.cells), 0, 0)


def attacks() -> dict[str, list[str]]:
    """As células que atacam, de cada trapaça do corpus que ataca."""
    right = {"import torch", *RIGHT.values()}
    found = {}
    for item in [*CHEATING, *EXHAUSTING]:
        if item.name not in _HONEST and not callable(item.content):
            cells = [cell["source"] for cell in json.loads(item.content)["cells"]]
            found[item.name] = [cell for cell in cells if cell not in right]
    return found


def aim(code: str, functions: Sequence[str], target: str) -> str:
    """O mesmo ataque a outro exercício: o que define todas as funções define estas; o que define uma, ``target``."""
    code = re.sub(rf"def {_TARGET}\(\w+\):", f"def {target}(*frames):", code)
    code = re.sub(rf"^{_TARGET} = lambda \w+:", f"{target} = lambda *frames:", code, flags=re.MULTILINE)
    every = re.compile(rf"^{ALL_NAMES[0]} = (.*)$", re.MULTILINE).search(code)
    if every is None:
        return code
    rest = "|".join(ALL_NAMES[1:])
    code = re.sub(rf"^(?:{rest}) = .*\n?", "", code, flags=re.MULTILINE)
    value = every[1]
    return code.replace(every[0], "\n".join(f"{name} = {value}" for name in functions)).rstrip("\n")


def draw_variants(
    exercises: dict[str, Sequence[str]], n: int, seed: int, world: str = "/mundo", port: int = 1
) -> list[Variant]:
    """``n`` variantes, repartidas igualmente pelos exercícios e pelas trapaças.

    Args:
        exercises: as funções de cada exercício.
        n: quantas.
        seed: a semente do sorteio.
        world: a pasta de fora da caixa que elas atacam.
        port: a porta de quem escuta.
    """
    source, every = random.Random(seed), attacks()
    names = source.sample(sorted(every), len(every))
    variants = []
    for number in range(n):
        # A cada volta pelas trapaças, cada uma vai a outro exercício.
        attack = names[number % len(names)]
        exercise = sorted(exercises)[(number + number // len(names)) % len(exercises)]
        functions = list(exercises[exercise])
        target = source.choice(functions)
        disguise, apply = draw_disguise(seed * 100_003 + number)
        # Antes do disfarce, que esconde até isto.
        cells = [cell.replace("@MUNDO@", world).replace("@PORTA@", str(port)) for cell in every[attack]]
        cells = [apply(aim(cell, functions, target)) for cell in cells]
        # Uma função que existe e nada acerta: quem espera ser chamado é chamado.
        present = "\n".join(f"{name} = lambda *a: None" for name in functions)
        variants.append(Variant(f"v{number:04d}-{attack}", attack, disguise, exercise, (present, *cells)))
    return variants
