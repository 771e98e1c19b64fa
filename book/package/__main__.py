"""Faz o que se leva do livro construído: ``python -m book.package`` ou ``make pacote``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from book.address import read_address
from book.package import archives, epub, pdf
from book.package.pages import read_pages
from course_lib import __version__, console
from course_lib.text import number

ROOT = Path(__file__).resolve().parents[2]


def make(root: Path, html: Path, folder: Path, wanted: list[str]) -> int:
    """Grava em ``folder`` os arquivos pedidos, e diz o tamanho de cada um; devolve o código de saída."""
    if not (html / "index.html").is_file():
        print("Ainda não há livro: rode make livro.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    title, address = config["title"], read_address(root)
    about = {"title": title, "author": config["author"], "version": __version__, "site": address.site}
    makers: dict[str, Callable[[Path], None]] = {
        "cadernos.zip": lambda target: archives.write_notebooks(target, root, title, address),
        "curso.epub": lambda target: epub.write_epub(target, read_pages(root, html), html, about),
        "curso.zip": lambda target: archives.write_site(target, html, title),
        "curso.pdf": lambda target: pdf.write_pdf(target, read_pages(root, html), html, title, address.site),
    }
    for name in wanted or makers:
        # Um que se interrompe não fica pela metade com o nome do bom.
        partial = folder / f"{name}.parcial"
        makers[name](partial)
        partial.replace(folder / name)
        print(f"✔ {folder / name}: {number((folder / name).stat().st_size / 1e6, '.1f')} MB", flush=True)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """O comando; devolve o código de saída."""
    parser = console.Parser(prog="python -m book.package", description="Faz os arquivos que se levam do livro.")
    parser.add_argument("arquivos", nargs="*", metavar="ARQUIVO", help="só estes (todos, quando faltam)")
    parser.add_argument("--livro", type=Path, default=ROOT / "_build" / "html", help="pasta do livro construído")
    parser.add_argument("--pasta", type=Path, default=ROOT / "_build" / "pacote", help="onde gravar")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.arquivos if not re.fullmatch(r"cadernos\.zip|curso\.(zip|epub|pdf)", name)]
    if unknown:
        parser.error(f"não faço {unknown[0]}; faço curso.zip, curso.epub, curso.pdf e cadernos.zip")
    return console.run(lambda: make(ROOT, options.livro.resolve(), options.pasta, options.arquivos), RuntimeError)


if __name__ == "__main__":
    sys.exit(main())
