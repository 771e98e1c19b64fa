"""Fotografa as páginas do livro construído: claro, escuro e telefone.

Uso: ``python book/screenshots.py PASTA [--livro _build/html]``. Precisa do playwright e de um Chromium ou Chrome.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from course_lib import console

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nada além do livro: sem GPU e sem as buscas que o navegador faz por conta própria.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Nome da vista → modo de cor e tamanho da janela.
VIEWS = {
    "claro": ("light", {"width": 1280, "height": 900}),
    "escuro": ("dark", {"width": 1280, "height": 900}),
    "telefone": ("light", {"width": 390, "height": 844}),
}


def find_chromium() -> str | None:
    """Caminho do navegador: ``CURSO_CHROMIUM``, um do sistema, ou None."""
    return os.environ.get("CURSO_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Navegador sem janela.

    Raises:
        RuntimeError: não há Chromium nem Chrome que abra.
    """
    with sync_playwright() as playwright:
        try:
            # Sem caminho, o playwright usa o seu próprio Chromium, se `playwright install chromium` já rodou.
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        except Error as error:
            raise RuntimeError(
                "não achei um Chromium nem um Chrome que abra; instale o pacote chromium do seu sistema ou rode "
                "`.venv/bin/playwright install chromium`"
            ) from error
        yield browser
        browser.close()


def new_context(browser: Browser, view: str) -> BrowserContext:
    """Contexto do navegador com o modo de cor e o tamanho de uma das ``VIEWS``."""
    scheme, size = VIEWS[view]
    return browser.new_context(color_scheme=scheme, viewport=size, locale="pt-BR")


def settle(page: Page) -> None:
    """Espera a página e as suas fontes ficarem prontas."""
    page.wait_for_load_state("load")
    page.evaluate("() => document.fonts.ready.then(() => null)")


def draw_everything(page: Page) -> None:
    """Desenha as seções e as figuras que só se desenhariam quando se chegasse perto."""
    page.add_style_tag(content=".bd-article > section > section { content-visibility: visible !important; }")
    page.evaluate("""async () => {
      const figures = [...document.images];
      for (const figure of figures) figure.loading = "eager";
      await Promise.all(figures.map((figure) => figure.decode().catch(() => null)));
    }""")


def book_pages(html: Path) -> list[Path]:
    """Páginas do livro construído."""
    folders = ("chapters", "exercises")
    inner = [page for folder in folders for page in sorted((html / folder).rglob("*.html"))]
    return [html / "index.html", *inner, html / "search.html"]


def take_screenshot(page: Page, path: Path) -> None:
    """Fotografa a página inteira."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_everything(page)
    page.screenshot(path=path, full_page=True, animations="disabled")


def main(arguments: list[str] | None = None) -> int:
    """Interface de linha de comando."""
    parser = console.Parser(description="Fotografa as páginas do livro: claro, escuro e telefone.")
    parser.add_argument("pasta", type=Path, help="onde guardar as fotos")
    parser.add_argument("--livro", type=Path, default=ROOT / "_build" / "html", help="pasta do livro construído")
    options = parser.parse_args(arguments)
    if not (options.livro / "index.html").exists():
        print(f"não há livro construído em {options.livro}; rode `make livro` antes", file=sys.stderr)
        return 1
    html = options.livro.resolve()
    try:
        with open_browser() as browser:
            for view in VIEWS:
                with new_context(browser, view) as context:
                    for file in book_pages(html):
                        page = context.new_page()
                        page.goto(file.as_uri())
                        settle(page)
                        take_screenshot(page, options.pasta / view / file.relative_to(html).with_suffix(".png"))
                        page.close()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"fotos em {options.pasta}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
