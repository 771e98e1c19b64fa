"""De onde o curso se publica, e a célula dos cadernos que instala a biblioteca de lá.

Tudo sai de ``REPOSITORY`` e ``REVISION``, em ``course_lib/__init__.py``; quem os muda é ``tools/publicar_como.py``. Só
usa a biblioteca padrão: publicar uma cópia do curso não pede que se instale nada.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

HOME = "https://github.com/"
SOURCE = Path("course_lib/__init__.py")
# A etiqueta da célula de instalação. No livro a biblioteca é a desta árvore, e a célula nem se executa: assim mudar o
# endereço não pede que se execute capítulo nenhum.
INSTALLATION = "instalar"
CELL = """import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps "git+{address}@{revision}"
try:
    import course_lib  # noqa: F401
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "a biblioteca do curso não está neste ambiente. Há rede, e {address} existe? "
        "Rode numa célula o comando abaixo, e depois esta célula outra vez:\\n"
        '%pip install "course-lib[cadernos] @ git+{address}@{revision}"'
    ) from None"""

Notebook = TypeVar("Notebook", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Address:
    """De onde o curso se publica.

    Attributes:
        slug: ``DONO/REPOSITÓRIO``, no GitHub.
        revision: a marca ou o ramo do git que o Colab abre e instala.
    """

    slug: str
    revision: str

    @property
    def repository(self) -> str:
        """O endereço do repositório."""
        return HOME + self.slug

    @property
    def site(self) -> str:
        """O endereço em que o GitHub publica as páginas do repositório."""
        owner, name = self.slug.split("/")
        return f"https://{owner.lower()}.github.io/{name}/"

    def colab(self, path: str) -> str:
        """O endereço que abre no Colab o caderno ``path`` do repositório."""
        return f"https://colab.research.google.com/github/{self.slug}/blob/{self.revision}/{path}"

    def installation(self) -> str:
        """A primeira célula de código de todo caderno."""
        return CELL.format(address=self.repository, revision=self.revision)


def read_address(root: Path) -> Address:
    """O que ``course_lib/__init__.py`` diz, lido sem importar a biblioteca.

    Raises:
        ValueError: falta uma das linhas, ou o endereço não é do GitHub.
    """
    text, values = (root / SOURCE).read_text(encoding="utf-8"), []
    for name in ("REPOSITORY", "REVISION"):
        found = re.search(rf'^{name} = "([^"]+)"$', text, re.MULTILINE)
        if not found:
            raise ValueError(f'não achei a linha {name} = "…" em {root / SOURCE}')
        values.append(found[1])
    repository, revision = values
    if not re.fullmatch(rf"{HOME}[\w.-]+/[\w.-]+", repository):
        raise ValueError(f"REPOSITORY: veio {repository!r}, e esperava {HOME}DONO/NOME")
    return Address(repository.removeprefix(HOME), revision)


def installs(cell: Mapping[str, Any]) -> bool:
    """Se uma célula é a que instala a biblioteca."""
    return INSTALLATION in cell.get("metadata", {}).get("tags", [])


def without_installation(notebook: Notebook) -> Notebook:
    """O caderno, já sem a célula de instalação."""
    notebook["cells"] = [cell for cell in notebook["cells"] if not installs(cell)]  # type: ignore[index]
    return notebook
