"""O que se leva do livro: o site num arquivo, os cadernos limpos, o EPUB e o PDF."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from built_book import ROOT, BuiltBook
from test_book import DOCUMENTS

from book import screenshots
from book.address import Address
from book.package import archives, epub, pages, pdf
from book.package.__main__ import main

OPF = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"
ABOUT = {"title": "Curso", "author": "autoras", "version": "1", "site": "https://exemplo.org/curso/"}


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    """Um site de mentira, com duas páginas, uma figura e o sumário delas."""
    html = tmp_path / "_build" / "html"
    (html / "chapters").mkdir(parents=True)
    (html / "_images").mkdir()
    (html / "_images" / "a.png").write_bytes(b"figura")
    chapters = [{"file": "chapters/um"}, {"file": "chapters/biblioteca/x"}]
    toc = {"root": "index", "parts": [{"caption": "Capítulos", "chapters": chapters}]}
    (tmp_path / "_toc.yml").write_text(json.dumps(toc), encoding="utf-8")
    article = (
        "<article class='bd-article'><h1>{title}<a class='headerlink' href='#x'>#</a></h1>{body}</article><p>tema</p>"
    )
    first = article.format(title="Abertura", body="<p id='x'><a href='chapters/um.html#y'>um</a></p>")
    second = article.format(
        title="Um",
        body="<p id='y'>1 &lt; 2 <br><a href='../index.html'>volta</a> <a href='biblioteca/x.html'>código</a></p>"
        "<script>1</script><button>Copiar</button><img src='../_images/a.png' alt='Uma figura' loading='lazy'>"
        "<details><summary>Mostrar</summary>escondido</details><noscript><p>figura parada</p></noscript>",
    )
    (html / "index.html").write_text(first, encoding="utf-8")
    (html / "chapters" / "um.html").write_text(second, encoding="utf-8")
    return tmp_path


# --- As páginas ------------------------------------------------------------------------------------------------


def test_the_interface_stays_in_the_site(small_site: Path) -> None:
    opening, chapter = pages.read_pages(small_site, small_site / "_build" / "html")
    assert (opening.name, opening.part, opening.title) == ("index", "", "Abertura")
    assert (chapter.key, chapter.part) == ("chapters-um", "Capítulos")
    assert chapter.article.select("script, button, noscript, .headerlink") == []
    assert chapter.article.find("details").has_attr("open")
    assert "figura parada" in chapter.article.get_text()
    assert [link["href"] for link in chapter.article.select("a")] == ["index.html", "chapters/biblioteca/x.html"]


def test_every_page_of_the_book_but_the_library_is_taken() -> None:
    taken = [name for name, _ in pages.table_of_contents(ROOT)]
    assert taken == [name for name in DOCUMENTS if "biblioteca" not in name]


# --- Os compactados ----------------------------------------------------------------------------------------------


def test_the_site_opens_by_the_door_and_leaves_out_what_is_of_who_publishes(small_site: Path, tmp_path: Path) -> None:
    html = small_site / "_build" / "html"
    (html / "sitemap.xml").write_text("<x/>", encoding="utf-8")
    (html / "a.js.map").write_text("{}", encoding="utf-8")
    archives.write_site(tmp_path / "um.zip", html, "Curso")
    archives.write_site(tmp_path / "dois.zip", html, "Curso")
    assert (tmp_path / "um.zip").read_bytes() == (tmp_path / "dois.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "um.zip") as archive:
        assert sorted(archive.namelist()) == [
            "abra-me.html", "livro/_images/a.png", "livro/chapters/um.html", "livro/index.html",
        ]  # fmt: skip
        assert "livro/index.html" in archive.read("abra-me.html").decode()


def test_a_site_that_grew_too_much_is_refused(
    small_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_SITE", 100)
    with pytest.raises(ValueError, match=r"um.zip tem 0 MB"):
        archives.write_site(tmp_path / "um.zip", small_site / "_build" / "html", "Curso")


def test_the_notebooks_are_all_there_and_clean(tmp_path: Path) -> None:
    archives.write_notebooks(tmp_path / "cadernos.zip", ROOT, "Curso", Address("a/b", "v1"))
    with zipfile.ZipFile(tmp_path / "cadernos.zip") as archive:
        names = set(archive.namelist()) - {"LEIA-ME.txt"}
        assert "git+https://github.com/a/b@v1" in archive.read("LEIA-ME.txt").decode()
    assert names == {f"{name}.ipynb" for name in DOCUMENTS if (ROOT / f"{name}.ipynb").is_file()}


def test_a_notebook_with_outputs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chapters").mkdir()
    cells = [{"cell_type": "code", "source": "1", "outputs": [{"output_type": "stream"}]}]
    (tmp_path / "chapters" / "um.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"chapters/um.ipynb tem saídas guardadas"):
        archives.write_notebooks(tmp_path / "cadernos.zip", tmp_path, "Curso", Address("a/b", "v1"))


# --- O EPUB --------------------------------------------------------------------------------------------------------


def epub_faults(path: Path) -> list[str]:
    """O que um leitor de EPUB recusaria: XML mal formado, arquivo fora da lista, link ou identificador errado."""
    faults = []
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        if (first.filename, first.compress_type) != ("mimetype", zipfile.ZIP_STORED):
            faults.append("o primeiro arquivo não é o tipo, sem compressão")
        package = ElementTree.fromstring(archive.read("livro/livro.opf"))
        items = {item.get("href"): item.get("id") for item in package.iter(f"{OPF}item")}
        inside = {name.removeprefix("livro/") for name in archive.namelist() if name.startswith("livro/")}
        faults += [f"fora da lista, ou faltando: {name}" for name in inside - {"livro.opf"} ^ items.keys()]
        spine = {item.get("idref") for item in package.iter(f"{OPF}itemref")}
        faults += [f"fora da ordem: {name}" for name in spine - set(items.values())]
        trees = {
            name: ElementTree.fromstring(archive.read(f"livro/{name}")) for name in items if name.endswith(".xhtml")
        }
    ids = {name: [tag.get("id") for tag in tree.iter() if tag.get("id")] for name, tree in trees.items()}
    faults += [f"identificador repetido em {name}" for name, found in ids.items() if len(found) != len(set(found))]
    for name, tree in trees.items():
        for tag in tree.iter():
            address = tag.get("href") or tag.get("src") or ""
            if not address or re.match(r"[a-z]+:", address):
                continue
            target, _, anchor = address.partition("#")
            target = normpath(unquote(target)) if target else name
            if target not in items or (anchor and unquote(anchor) not in ids.get(target, [])):
                faults.append(f"{name}: link que não leva a nada: {address}")
    return faults


def make_epub(root: Path, target: Path) -> Path:
    """O EPUB de um site."""
    html = root / "_build" / "html"
    epub.write_epub(target, pages.read_pages(root, html), html, ABOUT)
    return target


def test_a_small_epub_is_whole(small_site: Path, tmp_path: Path) -> None:
    path = make_epub(small_site, tmp_path / "curso.epub")
    assert epub_faults(path) == []
    with zipfile.ZipFile(path) as archive:
        chapter = archive.read("livro/chapters-um.xhtml").decode()
    assert '<a href="index.xhtml">' in chapter
    assert '<a href="https://exemplo.org/curso/chapters/biblioteca/x.html">' in chapter
    assert "1 &lt; 2" in chapter


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("<p><a href='um.html#nada'>x</a></p>", "link que não leva a nada: chapters-um.xhtml#nada"),
        ("<p id='y'>outra vez</p>", "identificador repetido em chapters-um.xhtml"),
    ],
)
def test_a_fault_in_an_epub_is_seen(small_site: Path, tmp_path: Path, wrong: str, fault: str) -> None:
    page = small_site / "_build" / "html" / "chapters" / "um.html"
    page.write_text(page.read_text(encoding="utf-8").replace("<script>", f"{wrong}<script>"), encoding="utf-8")
    assert [text for text in epub_faults(make_epub(small_site, tmp_path / "curso.epub")) if fault in text]


def _said(command: list[str]) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return ""
    return result.stdout + result.stderr


@pytest.mark.livro
def test_the_epub_of_the_book_is_whole(built_book: BuiltBook, tmp_path: Path) -> None:
    path = make_epub(built_book.root, tmp_path / "curso.epub")
    assert epub_faults(path) == []
    with zipfile.ZipFile(path) as archive:
        texts = [name for name in archive.namelist() if name.endswith(".xhtml") and "sumario" not in name]
    assert len(texts) == len(pages.table_of_contents(ROOT))
    checker = shutil.which("epubcheck")
    # Até a versão 4 ele conferia o EPUB 3.2, em que o WebP não era uma imagem.
    if checker and re.search(r"v([5-9]|\d\d)\.", _said([checker, "--version"])):
        result = subprocess.run([checker, str(path)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


# --- O PDF e o site, abertos ------------------------------------------------------------------------------------------


def test_the_single_document_of_the_pdf_links_inside_itself(small_site: Path) -> None:
    found = pages.read_pages(small_site, small_site / "_build" / "html")
    names = {page.name for page in found}
    soup = BeautifulSoup("".join(pdf.section(page, names, ABOUT["site"]) for page in found), "html.parser")
    inner = [link["href"].removeprefix("#") for link in soup.select("a[href^='#']")]
    assert inner == ["chapters-um--y", "index"]
    assert [anchor for anchor in inner if not soup.find(id=anchor)] == []


@pytest.mark.livro
def test_the_pdf_has_the_pages_and_the_bookmarks(built_book: BuiltBook, tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")
    chosen = [
        page for page in pages.read_pages(built_book.root, built_book.html) if page.name in ("index", "chapters/rodar")
    ]
    target = tmp_path / "curso.pdf"
    try:
        pdf.write_pdf(target, chosen, built_book.html, "Curso", ABOUT["site"])
    except RuntimeError as error:
        pytest.skip(str(error))
    content = target.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", content)) >= 3
    assert b"/Outlines" in content
    assert not (built_book.html / pdf.SINGLE).exists()


@pytest.mark.livro
def test_the_site_in_a_file_opens_by_a_click(built_book: BuiltBook, tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")
    archives.write_site(tmp_path / "curso.zip", built_book.html, "Curso")
    with zipfile.ZipFile(tmp_path / "curso.zip") as archive:
        archive.extractall(tmp_path / "aberto")
    wrong: list[str] = []
    try:
        with screenshots.open_browser() as browser:
            page = browser.new_page()
            page.on("requestfailed", lambda request: wrong.append(request.url))
            page.on(
                "request",
                lambda request: request.url.startswith(("file:", "data:", "blob:")) or wrong.append(request.url),
            )
            page.goto((tmp_path / "aberto" / "abra-me.html").as_uri())
            page.wait_for_url("**/livro/index.html")
            page.click(".portas a >> nth=0")
            page.wait_for_url("**/chapters/00_introducao.html")
            assert page.locator("article img").count() > 3
    except RuntimeError as error:
        pytest.skip(str(error))
    assert wrong == []


def test_without_a_book_the_command_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--livro", str(tmp_path), "--pasta", str(tmp_path / "p")]) == 1
    assert "rode make livro" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["curso.doc"])
    assert "não faço curso.doc" in capsys.readouterr().err
