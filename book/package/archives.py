"""Os arquivos compactados: o site inteiro, que abre com um clique, e os cadernos limpos."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from book.address import Address
from course_lib.text import number

# Só servem a quem publica o site.
PUBLISHED_ONLY = {"404.html", "robots.txt", "sitemap.xml", ".buildinfo", ".nojekyll", "objects.inv"}
LARGEST_SITE = 30_000_000
DOOR = """<!DOCTYPE html>
<html lang="pt-BR">
<head><meta charset="utf-8"><title>{title}</title><meta http-equiv="refresh" content="0; url=livro/index.html"></head>
<body><p><a href="livro/index.html">Abrir o curso</a></p></body>
</html>
"""
NOTE = """{title}

chapters/   os capítulos, em cadernos do Jupyter sem saídas
exercises/  os exercícios: complete as funções e chame verificar("q1")

Com Python 3.11 ou mais novo:

    python -m venv ambiente
    ambiente/bin/pip install jupyterlab "course-lib[cadernos] @ git+{repository}@{revision}"
    ambiente/bin/jupyter lab

No Windows, em vez de ambiente/bin, escreva ambiente\\Scripts.
"""
# Uma data só, para que o mesmo conteúdo dê o mesmo arquivo.
DATE = (1980, 1, 1, 0, 0, 0)


def put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Acrescenta um arquivo a um compactado."""
    info = zipfile.ZipInfo(name, DATE)
    info.external_attr = 0o644 << 16
    archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


def write_site(target: Path, html: Path, title: str) -> None:
    """Compacta o site, com um ``abra-me.html`` do lado de fora.

    Raises:
        ValueError: o arquivo passou do tamanho que se promete.
    """
    with zipfile.ZipFile(target, "w") as archive:
        put(archive, "abra-me.html", DOOR.format(title=title).encode())
        for path in sorted(html.rglob("*")):
            name = path.relative_to(html).as_posix()
            if path.is_file() and name not in PUBLISHED_ONLY and path.suffix != ".map":
                put(archive, f"livro/{name}", path.read_bytes())
    size = target.stat().st_size
    if size > LARGEST_SITE:
        tells, promised = (number(value / 1e6, ".0f") for value in (size, LARGEST_SITE))
        raise ValueError(f"{target.name} tem {tells} MB, e o prometido são {promised}")


def write_notebooks(target: Path, root: Path, title: str, address: Address) -> None:
    """Compacta os cadernos dos capítulos e dos exercícios.

    Raises:
        ValueError: um caderno tem saídas guardadas.
    """
    with zipfile.ZipFile(target, "w") as archive:
        note = NOTE.format(title=title, repository=address.repository, revision=address.revision)
        put(archive, "LEIA-ME.txt", note.encode())
        for folder in ("chapters", "exercises"):
            for path in sorted((root / folder).glob("*.ipynb")):
                content = path.read_bytes()
                cells = json.loads(content)["cells"]
                if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
                    raise ValueError(f"{folder}/{path.name} tem saídas guardadas; limpe-o antes")
                put(archive, f"{folder}/{path.name}", content)
