"""O livro: o que decide o que se executa de novo, as peças da extensão e as páginas construídas."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from built_book import ROOT, BuiltBook, copy_sources, run_build
from jupyter_cache import get_cache
from page_checks import dead_widgets, english_interface, external_resources, images_without_alt

import course_lib
from book import build, ledger, times
from book.address import read_address, without_installation
from book.course_book import bibliography, boxes, contents, durations, processes, search
from course_lib.files import MNIST_FILES

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
DOCUMENTS = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
MNIST_NAMES = [name for split in MNIST_FILES.values() for name, _, _ in split]
NOTEBOOKS = [name for name in DOCUMENTS if name.startswith("chapters/") and (ROOT / f"{name}.ipynb").exists()]


def parse(html: str) -> BeautifulSoup:
    """Página a partir do HTML do seu corpo."""
    return BeautifulSoup(f"<html><body>{html}</body></html>", "html.parser")


def read_page(book: BuiltBook, name: str) -> BeautifulSoup:
    """Página construída."""
    return BeautifulSoup((book.html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


# --- O que se executa de novo ---------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Projeto de mentira com uma construção guardada."""
    for name, text in {
        "course_lib/models/vae.py": "x = 1\n",
        "course_lib/weights/vae.safetensors": "pesos",
        "book/static/course.css": "p {}",
        "_config.yml": "title: t\n",
        "_build/.jupyter_cache/global.db": "saídas",
        "_build/html/index.html": "<p>",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["course_lib/models/vae.py", "course_lib/weights/vae.safetensors", "course_lib/models/nova.py"]
)
def test_library_change_keeps_the_outputs_and_says_so(project: Path, name: str) -> None:
    before = build.compute_signature(project, {})
    (project / name).write_text("outra = 'coisa'", encoding="utf-8")
    message = build.discard_stale(project / "_build", before, build.compute_signature(project, {}))
    assert "a biblioteca mudou" in message
    # Que páginas se refazem, decide a extensão: as dos capítulos que usam o que mudou e as da própria biblioteca.
    assert (project / "_build/html/index.html").exists()
    assert (project / "_build/.jupyter_cache/global.db").exists()


def test_profile_change_executes_again(project: Path) -> None:
    before = build.compute_signature(project, {})
    after = build.compute_signature(project, {"CURSO_PERFIL": "rapido"})
    assert "perfil" in build.discard_stale(project / "_build", before, after)
    assert not (project / "_build").exists()


def test_data_change_executes_again(project: Path) -> None:
    environ = {"CURSO_DADOS": str(project / "dados"), "CURSO_CACHE": str(project / "cache")}
    before = build.compute_signature(project, environ)
    raw = project / "dados" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_NAMES:
        (raw / name).write_bytes(b"123")
    after = build.compute_signature(project, environ)
    assert "os dados mudaram" in build.discard_stale(project / "_build", before, after)
    assert not (project / "_build").exists()


def test_look_change_keeps_outputs(project: Path) -> None:
    before = build.compute_signature(project, {})
    (project / "book/static/course.css").write_text("p { color: red }", encoding="utf-8")
    build.discard_stale(project / "_build", before, build.compute_signature(project, {}))
    assert not (project / "_build/html").exists()
    assert (project / "_build/.jupyter_cache/global.db").exists()


def test_nothing_changed_keeps_everything(project: Path) -> None:
    signature = build.compute_signature(project, {})
    (project / "course_lib" / "__pycache__").mkdir()
    (project / "course_lib" / "__pycache__" / "vae.cpython-311.pyc").write_bytes(b"")
    assert build.compute_signature(project, {}) == signature
    build.discard_stale(project / "_build", signature, signature)
    assert (project / "_build/html/index.html").exists()


def test_signature_round_trip(tmp_path: Path) -> None:
    signature = build.Signature("a", "b", "c", "d")
    path = tmp_path / "_build" / "assinatura.json"
    build.write_signature(path, signature)
    assert build.read_signature(path) == signature
    assert build.read_signature(path) != replace(signature, library="z")
    path.write_text("{", encoding="utf-8")
    assert build.read_signature(path) is None


def test_relative_folders_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    environ = build.kernel_environment(tmp_path, {"CURSO_DADOS": "../dados", "CURSO_CACHE": ""})
    assert Path(environ["CURSO_DADOS"]).is_absolute()
    assert environ["CURSO_CACHE"] == ""


def test_the_kernels_of_the_book_do_not_write_progress_bars(tmp_path: Path) -> None:
    environ = build.kernel_environment(tmp_path, {})
    program = "from tqdm import tqdm; import sys; print(tqdm(file=sys.stderr).mininterval)"
    said = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, check=True, text=True)
    assert float(said.stdout) > 600
    assert build.kernel_environment(tmp_path, {"TQDM_MININTERVAL": "1"})["TQDM_MININTERVAL"] == "1"


class SlowChapters:
    """Capítulos que terminam um a cada espera, num relógio de mentira."""

    def __init__(self, names: list[str], clock: list[float], apart: float) -> None:
        self.pending, self.clock, self.apart = names, clock, apart

    @property
    def done(self) -> bool:
        return not self.pending

    def wait(self, seconds: float) -> None:
        """O próximo termina, ou o tempo passa."""
        self.clock[0] += min(seconds, self.apart)
        if seconds >= self.apart:
            self.pending = self.pending[1:]


def test_the_rounds_of_pages_take_little_from_the_chapters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock, rounds = [0.0], []

    def run_round(*_: object, **__: object) -> build.Report:
        took = 15.0 if rounds else 80.0
        rounds.append(clock[0])
        clock[0] += took
        return build.Report()

    monkeypatch.setattr(build, "run_round", run_round)
    monkeypatch.setattr(build.time, "monotonic", lambda: clock[0])
    chapters = SlowChapters([f"capítulo {n}" for n in range(11)], clock, apart=60.0)
    build.make_pages(tmp_path, chapters, tmp_path / "livro.log")
    # A primeira logo, a segunda sem esperar pela conta da primeira, e daí em diante raras; uma última, com tudo.
    assert rounds[0] == 0
    assert rounds[1] < 160
    between = [after - before for before, after in pairwise(rounds[1:-1])]
    assert between
    assert min(between) >= 150


@pytest.mark.parametrize(
    ("perfil", "data", "wrong", "said"),
    [
        ("rapido", "MNIST [1]", 0, "os desta construção são outros"),
        ("padrao", "sem MNIST no disco", 0, "os desta construção são outros"),
        ("padrao", "MNIST [1]", 0, "7 conferidos com os que esta construção imprimiu"),
        ("padrao", "MNIST [1]", 1, "7 conferidos; 1 não saíram aqui como estão escritos"),
    ],
)
def test_the_build_compares_the_numbers_of_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, perfil: str, data: str, wrong: int, said: str
) -> None:
    faults = [ledger.Fault("chapters/x", "3,5", "3,5 não tem origem")] * wrong
    monkeypatch.setattr(ledger, "check", lambda root, paths, *, book: {"chapters/x.ipynb": (7, faults)})
    signature = build.Signature("", json.dumps({"perfil": perfil}), data, "")
    target = tmp_path / "numeros.txt"
    assert said in build.compare_numbers(tmp_path, signature, target)
    assert target.is_file() == ("conferidos" in said)
    assert not wrong or "3,5 não tem origem" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["{}", "MNIST/raw/{}.gz"])
def test_data_left_loose_or_compressed_are_the_data_too(project: Path, place: str) -> None:
    environ = {"CURSO_DADOS": str(project / "dados"), "CURSO_CACHE": str(project / "cache")}
    assert build.data_in_use(environ) == "sem MNIST no disco"
    for name in MNIST_NAMES:
        path = project / "dados" / place.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"123")
    assert build.data_in_use(environ) == "MNIST [3, 3, 3, 3]"


def test_the_kernel_of_this_environment_comes_before_any_other(tmp_path: Path) -> None:
    """Um ``python3`` de outro Python, em JUPYTER_PATH ou na pasta da pessoa, não executa os capítulos."""
    foreign = {"argv": ["/outro/python", "-f", "{connection_file}"], "display_name": "Outro", "language": "python"}
    for place in (tmp_path / "outro", tmp_path / "casa"):
        (place / "kernels" / "python3").mkdir(parents=True)
        (place / "kernels" / "python3" / "kernel.json").write_text(json.dumps(foreign), encoding="utf-8")
    outside = os.environ | {"JUPYTER_PATH": str(tmp_path / "outro"), "JUPYTER_DATA_DIR": str(tmp_path / "casa")}
    program = (
        "from jupyter_client.kernelspec import KernelSpecManager\n"
        "print(KernelSpecManager().get_kernel_spec('python3').argv[0])"
    )

    def kernel(environ: dict[str, str]) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()

    assert kernel(outside) == "/outro/python"
    # "python" sozinho é, para o Jupyter, o Python que o chama.
    assert kernel(build.kernel_environment(tmp_path, outside)) in ("python", "python3", sys.executable)


@pytest.mark.livro
@pytest.mark.parametrize("terminal", ["latin-1", "ascii"])
def test_a_terminal_that_cannot_write_everything_does_not_stop_the_build(tmp_path: Path, terminal: str) -> None:
    chapters = small_book(tmp_path, ["unico"])
    write_notebook(chapters / "unico.ipynb", "print('✔ ação…')")
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONUTF8", "PYTHONIOENCODING")}
    result = subprocess.run(
        [sys.executable, str(tmp_path / "book" / "build.py")],
        cwd=tmp_path,
        env={**outside, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": terminal},
        capture_output=True,
        encoding=terminal,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Livro pronto" in result.stdout
    page = (tmp_path / "_build" / "html" / "chapters" / "unico.html").read_text(encoding="utf-8")
    assert "✔ ação…" in page


def test_a_tilde_without_a_home_is_an_error_in_portuguese(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "expanduser", raise_no_home)
    with pytest.raises(ValueError, match=r"CURSO_DADOS: veio '~/mnist', e não há pasta de usuário"):
        build.kernel_environment(tmp_path, {"CURSO_DADOS": "~/mnist"})


def raise_no_home(path: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


# --- As peças da extensão ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Erro comum.", "erro"),
        ("Erro comum: a perda vira NaN.", "erro"),
        ("Atenção.", "erro"),
        ("Confira.", "confira"),
        ("Experimente:", "experimente"),
        ("Nota.", "nota"),
        ("Outra coisa.", "neutra"),
        ("Só uma ênfase", None),
        ("Notação sem ponto", None),
        ("Notação.", "neutra"),
    ],
)
def test_box_kind(label: str, kind: str | None) -> None:
    assert boxes.box_kind(label) == kind


@pytest.mark.parametrize(
    ("one", "other"),
    [("codificação", "codificacao"), ("Não", "nao"), ("reduções", "redução"), ("máquinas", "maquina")],
)
def test_search_ignores_accents(one: str, other: str) -> None:
    language = search.SearchFoldedPortuguese({})
    assert language.stem(one) == language.stem(other)
    assert language.stem(one) != language.stem("verossimilhança")


def test_search_ignores_stop_words_without_accent() -> None:
    language = search.SearchFoldedPortuguese({})
    assert not language.word_filter("nao")
    assert language.word_filter("codificador")


def test_bibliography_words_are_portuguese_and_fields_are_kept() -> None:
    from pybtex.database import parse_string

    entry = "title={Pages and In Volume}, author={Silva, Ana and Souza, Rui}, year={2020}"
    data = parse_string(
        f"@inproceedings{{a, {entry}, booktitle={{Anais}}, pages={{1--2}}}}\n@phdthesis{{b, {entry}, school={{USP}}}}",
        "bibtex",
    )
    formatted = bibliography.PortugueseStyle().format_bibliography(data)
    proceedings, thesis = (item.text.render_as("text") for item in formatted)
    assert "Ana Silva e Rui Souza. Pages and In Volume. Em Anais" in proceedings
    assert "Tese de doutorado, USP" in thesis


@pytest.mark.parametrize(("seconds", "minutes"), [(3, "0,5"), (68.1, "1"), (79, "1,5"), (322, "5,5"), (610, "10")])
def test_durations_are_written_in_half_minutes(seconds: float, minutes: str) -> None:
    assert times.write_minutes(seconds) == minutes


def test_durations_list_the_chapters_of_the_book(tmp_path: Path) -> None:
    study = tmp_path / "book_times.json"
    study.write_text('{"runs": [{"chapter": "03_vae", "seconds": 60}, {"chapter": "99_x", "seconds": 9}]}')
    assert durations.durations(study, set(DOCUMENTS)) == [("chapters/03_vae", "1")]
    assert durations.durations(times.STUDY, set(DOCUMENTS))


def test_the_contents_beside_the_code_are_drawn_once_per_depth() -> None:
    calls: list[str] = []

    def page(name: str) -> str:
        def draw(**options: object) -> str:
            calls.append(name)
            return f"{name.count('/')} {options}"

        return contents.once_per_depth(draw, name.count("/"), drawn)(maxdepth=2)

    drawn: dict[object, str] = {}
    assert page("_modules/a/b") == page("_modules/c/d") == "2 {'maxdepth': 2}"
    assert page("_modules/a") == "1 {'maxdepth': 2}"
    assert calls == ["_modules/a/b", "_modules/a"]


def test_the_table_of_processes_writes_differences_and_times() -> None:
    measures = {"maior diferença, float64": 1e-15, "maior diferença, float32": 2.6e-5}
    timed = {"variant": "vae", "measures": measures, "seconds": {"1": 6.0, "2": 4.0}}
    assert processes.rows([timed, {"variant": "gan", "measures": measures}]) == [
        ("``vae``", "10⁻¹⁵", "3·10⁻⁵", "6,0", "4,0", "1,50"),
        ("``gan``", "10⁻¹⁵", "3·10⁻⁵", "", "", ""),
    ]


def luminance(colour: str) -> float:
    """Luminância relativa de ``#rrggbb`` (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contraste entre duas cores, de 1 a 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_the_wcag_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_boxes_have_enough_contrast() -> None:
    css = (ROOT / "book/static/course.css").read_text(encoding="utf-8")
    # As cores do modo claro vêm antes das do escuro; o texto é o do tema.
    light, dark = css.split('html[data-theme="dark"] {', 1)
    for part, text in ((light, "#222832"), (dark.split("}", 1)[0], "#ced6dd")):
        colours = dict(re.findall(r"--([a-z]+-(?:fundo|rotulo)): (#[0-9a-f]{6});", part))
        assert len(colours) == 2 * len({*boxes.KINDS.values(), "neutra"})
        for name, background in colours.items():
            if name.endswith("-fundo"):
                assert contrast(colours[name.replace("fundo", "rotulo")], background) >= 4.5, name
                assert contrast(text, background) >= 4.5, name


def test_repository_address_stands_in_one_place() -> None:
    assert read_address(ROOT).repository == course_lib.REPOSITORY
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    assert "github.com/" not in config


# --- As conferências das páginas apanham o que devem ---------------------------------------------------


@pytest.mark.parametrize(
    "html",
    [
        '<button title="Toggle primary sidebar"></button>',
        '<nav aria-label="Page"></nav>',
        "<a>Skip to main content</a>",
        "<article><details><summary><p>Show code cell source</p></summary></details></article>",
        '<article><div class="admonition"><p class="admonition-title">Note</p></div></article>',
        '<input placeholder="Search this book...">',
    ],
)
def test_english_interface_is_caught(html: str) -> None:
    assert english_interface(parse(html))


def test_text_and_titles_are_not_interface() -> None:
    page = parse("<article><p>O artigo Deep Learning by the page.</p></article><h2>The next</h2>")
    assert not english_interface(page)
    assert not english_interface(
        parse('<article><a class="reference" title="Learning with the VAE">[KW14]</a></article>')
    )
    assert not english_interface(parse('<button title="Pesquisar no livro">Próxima</button>'))


@pytest.mark.parametrize(
    "image",
    ['<img src="a.png">', '<img alt="" src="a.png">', '<img alt="../_images/3af9b57cced14a838a25647c7c.png" src="a">'],
)
def test_missing_alt_is_caught(image: str) -> None:
    assert images_without_alt(parse(f"<article>{image}</article>"))
    assert not images_without_alt(parse('<article><img alt="Perda por época, que cai." src="a.png"></article>'))


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.jsdelivr.net/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/a.css">',
        '<img src="http://exemplo.org/a.png">',
    ],
)
def test_external_resource_is_caught(tag: str) -> None:
    assert external_resources(parse(tag))
    assert not external_resources(parse('<a href="https://exemplo.org">a</a><script src="../_static/a.js"></script>'))


# --- O livro construído -----------------------------------------------------------------------------------


@pytest.mark.livro
def test_book_builds_without_warnings(built_book: BuiltBook) -> None:
    assert "sem avisos" in built_book.output
    assert "aviso:" not in built_book.output
    assert (built_book.html / "index.html").exists()


@pytest.mark.livro
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_cell_was_executed(built_book: BuiltBook, name: str) -> None:
    # Onde o myst-nb guarda o que executou; o caderno de jupyter_execute não tem as saídas que vieram do cache.
    cache = get_cache(built_book.root / "_build" / ".jupyter_cache")
    stored = without_installation(nbformat.read(built_book.root / f"{name}.ipynb", as_version=4))
    notebook = cache.merge_match_into_notebook(stored)[1]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    assert cells
    assert all(cell.execution_count for cell in cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert read_page(built_book, name).select("div.cell_output")


@pytest.mark.livro
@pytest.mark.parametrize("name", [*DOCUMENTS, "search"])
def test_page_speaks_portuguese(built_book: BuiltBook, name: str) -> None:
    page = read_page(built_book, name)
    assert page.html["lang"] == "pt-BR"
    assert english_interface(page) == []


@pytest.mark.livro
@pytest.mark.parametrize("name", [*DOCUMENTS, "search"])
def test_page_loads_nothing_from_outside(built_book: BuiltBook, name: str) -> None:
    page = read_page(built_book, name)
    assert external_resources(page) == []
    assert dead_widgets(page) == []


@pytest.mark.livro
@pytest.mark.parametrize("name", DOCUMENTS)
def test_figures_have_alternative_text(built_book: BuiltBook, name: str) -> None:
    assert images_without_alt(read_page(built_book, name)) == []


@pytest.mark.livro
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_colab_button_opens_this_chapter(built_book: BuiltBook, name: str) -> None:
    links = {link.get("href") for link in read_page(built_book, name).select(".dropdown-launch-buttons a")}
    assert links == {read_address(ROOT).colab(f"{name}.ipynb")}


@pytest.mark.livro
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_terms_and_references_are_links(built_book: BuiltBook, name: str) -> None:
    article = read_page(built_book, name).select_one("article")
    terms = [link["href"] for link in article.select('a[href^="glossario.html#term-"]')]
    assert terms
    assert len(terms) == len(set(terms))
    assert article.select(":is(h1, h2, h3, pre, code) a[href^='glossario.html']") == []
    items = article.select("#referencias li")
    assert [item.get_text() for item in items if not item.select_one('a[href^="http"]')] == []
    cited = {link["href"].removeprefix("#") for link in article.select('a[href^="#ref-"]')}
    assert cited <= {item["id"] for item in items}


@pytest.mark.livro
def test_every_work_of_the_bibliography_is_a_link(built_book: BuiltBook) -> None:
    works = read_page(built_book, "chapters/referencias").select("div.citation")
    assert works
    assert [work.get_text() for work in works if not work.select_one('a[href^="http"]')] == []


@pytest.mark.livro
def test_second_build_executes_nothing(built_book: BuiltBook) -> None:
    result = run_build(built_book.root, CURSO_PERFIL="rapido")
    assert result.returncode == 0, result.stdout
    assert "(0 capítulo(s) executado(s))" in result.stdout
    assert "executando" not in result.stdout


@pytest.mark.livro
def test_a_build_in_which_nothing_changed_does_nothing(tmp_path: Path) -> None:
    chapter = small_book(tmp_path, ["um"]) / "um.ipynb"
    write_notebook(chapter, "print('certo')")

    def untouched() -> bool:
        """Se a construção disse que nada mudou, e não mexeu na página."""
        page = tmp_path / "_build" / "html" / "chapters" / "um.html"
        before = page.stat().st_mtime_ns if page.exists() else 0
        result = run_build(tmp_path)
        assert result.returncode == 0, result.stdout
        same = "nada mudou" in result.stdout
        assert not same or page.stat().st_mtime_ns == before
        return same

    assert not untouched()
    assert untouched()
    # A volta atrás, depois de uma construção que falhou: as páginas podem ter ficado pela metade.
    before = chapter.read_bytes()
    write_notebook(chapter, "raise RuntimeError('erro plantado')")
    assert run_build(tmp_path).returncode != 0
    chapter.write_bytes(before)
    assert not untouched()


def test_the_hash_of_the_project_is_of_every_file_that_is_not_built(tmp_path: Path) -> None:
    built = ("_build/html/x.html", ".venv/lib/y.py", "env/z.py")
    for name in ("README.md", "chapters/um.ipynb", "env/pyvenv.cfg", *built):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1", encoding="utf-8")
    first = build.hash_project(tmp_path)
    for name in built:
        (tmp_path / name).write_text("2", encoding="utf-8")
    assert build.hash_project(tmp_path) == first
    for name in ("README.md", "chapters/um.ipynb", "chapters/novo.md"):
        before, _ = build.hash_project(tmp_path), (tmp_path / name).write_text("2", encoding="utf-8")
        assert build.hash_project(tmp_path) != before


def write_notebook(path: Path, source: str) -> None:
    """Caderno com um título e uma célula."""
    cells = [nbformat.v4.new_markdown_cell("# Um capítulo"), nbformat.v4.new_code_cell(source)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def small_book(root: Path, names: list[str]) -> Path:
    """Projeto com os capítulos ``names``, ainda por escrever; devolve a pasta deles."""
    copy_sources(root, ("_config.yml", "book"))
    chapters, library = root / "chapters", root / "course_lib"
    chapters.mkdir()
    library.mkdir()
    (library / "__init__.py").write_text('REPOSITORY = "https://github.com/a/b"\nREVISION = "v1"\n', encoding="utf-8")
    (chapters / "referencias.bib").touch()
    first, *others = names
    toc = {"format": "jb-book", "root": f"chapters/{first}"}
    if others:
        toc["chapters"] = [{"file": f"chapters/{name}"} for name in others]
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    return chapters


@pytest.mark.livro
def test_failing_cell_fails_the_build_every_time(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["unico"])

    # O que `make testes` deixa na pasta não é página do livro.
    (tmp_path / ".pytest_cache").mkdir()
    (tmp_path / ".pytest_cache" / "README.md").write_text("# pytest", encoding="utf-8")
    write_notebook(chapters / "unico.ipynb", "print('certo')")
    good = run_build(tmp_path)
    assert good.returncode == 0, good.stdout

    write_notebook(chapters / "unico.ipynb", "raise RuntimeError('erro plantado')")
    for _ in range(2):
        bad = run_build(tmp_path)
        assert bad.returncode != 0
        assert "Uma célula de chapters/unico.ipynb falhou" in bad.stdout
        assert "RuntimeError: erro plantado" in bad.stdout
    report = tmp_path / "_build" / "erros" / "unico.txt"
    assert str(report) in bad.stdout
    assert "erro plantado" in report.read_text(encoding="utf-8")


# Só termina se os dois capítulos estiverem no ar ao mesmo tempo.
MEETING = """
import pathlib, time
pathlib.Path("{mine}").touch()
start = time.monotonic()
while not pathlib.Path("{other}").exists():
    assert time.monotonic() - start < 60, "o outro capítulo não apareceu"
    time.sleep(0.1)
{then}
"""


@pytest.mark.livro
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="um núcleo só: os capítulos são executados um de cada vez")
def test_chapters_run_side_by_side_and_a_failure_still_shows(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["um", "dois"])
    write_notebook(chapters / "um.ipynb", MEETING.format(mine="a", other="b", then="print('um')"))
    write_notebook(chapters / "dois.ipynb", MEETING.format(mine="b", other="a", then="raise RuntimeError('plantado')"))
    bad = run_build(tmp_path)
    assert bad.returncode != 0
    assert "Uma célula de chapters/dois.ipynb falhou" in bad.stdout
    assert "RuntimeError: plantado" in bad.stdout

    write_notebook(chapters / "dois.ipynb", "print('dois')")
    good = run_build(tmp_path)
    assert good.returncode == 0, good.stdout
    # O capítulo certo ficou guardado da primeira vez.
    assert "(1 capítulo(s) executado(s))" in good.stdout
    page = parse((tmp_path / "_build/html/chapters/um.html").read_text(encoding="utf-8"))
    assert page.select_one("div.cell_output").get_text(strip=True) == "um"


@pytest.mark.livro
def test_pages_can_be_read_while_the_chapters_run(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["um", "dois"])
    write_notebook(chapters / "um.ipynb", "print('um')")
    wait = MEETING.format(mine="comecei", other=tmp_path / "siga", then="print('saída do dois')")
    write_notebook(chapters / "dois.ipynb", wait)
    page = tmp_path / "_build/html/chapters/dois.html"
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "book" / "build.py")],
        cwd=tmp_path,
        env=build.kernel_environment(tmp_path, os.environ),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        for line in process.stdout:
            if "as páginas já podem ser abertas" in line:
                early = page.read_text(encoding="utf-8")
                (tmp_path / "siga").touch()
    assert process.returncode == 0
    assert "ainda está sendo executado" in early
    assert "saída do dois" not in parse(early).select_one("article").get_text().replace("print('saída do dois')", "")
    late = page.read_text(encoding="utf-8")
    assert "ainda está sendo executado" not in late
    assert parse(late).select_one("div.cell_output").get_text(strip=True) == "saída do dois"


@pytest.mark.livro
@pytest.mark.skipif(os.name != "posix", reason="o Ctrl-C de um terminal vai a todos os processos dele")
def test_ctrl_c_keeps_what_ended_and_says_so_without_a_traceback(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["um", "dois"])
    write_notebook(chapters / "um.ipynb", "print('um')")
    write_notebook(chapters / "dois.ipynb", MEETING.format(mine="comecei", other=tmp_path / "siga", then=""))
    said = ""
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "book" / "build.py")],
        cwd=tmp_path,
        env=build.kernel_environment(tmp_path, os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        for line in process.stdout:
            said += line
            if "um.ipynb pronto" in line:
                os.killpg(process.pid, signal.SIGINT)
    assert process.returncode == 130, said
    assert "Interrompido. Os capítulos que terminaram ficam guardados" in said
    assert "Traceback" not in said
    assert "✘" not in said
    (tmp_path / "siga").touch()
    again = run_build(tmp_path)
    assert "(1 capítulo(s) executado(s))" in again.stdout, again.stdout


FAMILY = "def draw():\n    {text}\n    return open(__file__.replace('{name}.py', '{name}.json')).read()\n"


def family(library: Path, name: str, says: str, text: str = "'Desenha.'") -> None:
    """Uma família de mentira: um módulo que lê, só ao desenhar, o arquivo ao lado dele."""
    (library / f"{name}.py").write_text(FAMILY.format(name=name, text=text), encoding="utf-8")
    (library / f"{name}.json").write_text(json.dumps(says), encoding="utf-8")


@pytest.mark.livro
def test_only_the_chapters_that_use_what_changed_run_again(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["um", "dois", "todos"])
    library = tmp_path / "course_lib"
    (library / "meio.py").write_text("from course_lib import gato\n", encoding="utf-8")
    for name in ("gato", "rato"):
        family(library, name, name)
    # "um" chega ao gato por outro módulo; "todos" lista a pasta, e um arquivo novo é da conta dele.
    write_notebook(chapters / "um.ipynb", "from course_lib import meio\nprint(meio.gato.draw())")
    write_notebook(chapters / "dois.ipynb", "from course_lib import rato\nprint(rato.draw())")
    everyone = "import course_lib, pkgutil\nprint([one.name for one in pkgutil.iter_modules(course_lib.__path__)])"
    write_notebook(chapters / "todos.ipynb", everyone)

    def ran() -> set[str]:
        result = run_build(tmp_path)
        assert result.returncode == 0, result.stdout
        return set(re.findall(r"executando chapters/(\w+)\.ipynb", result.stdout))

    def page_time(name: str) -> int:
        return (tmp_path / f"_build/html/chapters/{name}.html").stat().st_mtime_ns

    assert ran() == {"um", "dois", "todos"}
    assert ran() == set()
    untouched = page_time("dois")
    # O código do módulo que outro importa, e o arquivo que só se abre ao desenhar.
    family(library, "gato", "gato", text="print('miau')")
    assert ran() == {"um"}
    assert page_time("dois") == untouched < page_time("um")
    family(library, "rato", "outro rato")
    assert ran() == {"dois"}
    page = (tmp_path / "_build/html/chapters/dois.html").read_text(encoding="utf-8")
    assert "outro rato" in page
    # Uma docstring não muda o que se mostra; um arquivo novo, só para quem lista a pasta; um que some, para quem o usa.
    family(library, "rato", "outro rato", text="'Desenha bem.'  # de verdade")
    assert ran() == set()
    family(library, "pato", "pato")
    assert ran() == {"todos"}
    (library / "meio.py").unlink()
    (library / "meio").mkdir()
    (library / "meio" / "__init__.py").write_text("from course_lib import gato\n", encoding="utf-8")
    assert ran() == {"um", "todos"}


@pytest.mark.livro
def test_another_address_refreshes_the_pages_and_executes_nothing(tmp_path: Path) -> None:
    path = small_book(tmp_path, ["um"]) / "um.ipynb"
    for owner in ("a/b", "Ana/curso"):
        write_notebook(path, "import course_lib\nprint('certo')")
        notebook = nbformat.read(path, as_version=4)
        # A célula que instala não se executa: esta falharia.
        install = nbformat.v4.new_code_cell(f"raise RuntimeError('{owner}')", metadata={"tags": ["instalar"]})
        notebook.cells.insert(1, install)
        nbformat.write(notebook, path)
        address = f'REPOSITORY = "https://github.com/{owner}"\nREVISION = "v2"\n'
        (tmp_path / "course_lib" / "__init__.py").write_text(address, encoding="utf-8")
        built = run_build(tmp_path)
        assert built.returncode == 0, built.stdout
        assert ("executando" in built.stdout) is (owner == "a/b")
        page = (tmp_path / "_build/html/chapters/um.html").read_text(encoding="utf-8")
        assert f"github/{owner}/blob/v2/chapters/um.ipynb" in page
        assert "RuntimeError" not in page


@pytest.mark.livro
def test_an_edit_during_the_build_is_not_lost(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["um"])
    family(tmp_path / "course_lib", "gato", "gato")
    edit = (
        "import pathlib\nprint(gato.draw())\npathlib.Path(gato.__file__).with_suffix('.json').write_text('\"depois\"')"
    )
    write_notebook(chapters / "um.ipynb", f"from course_lib import gato\n{edit}")
    first, second, third = run_build(tmp_path), run_build(tmp_path), run_build(tmp_path)
    assert "(mudou course_lib/gato.json)" in second.stdout
    assert "depois" in (tmp_path / "_build/html/chapters/um.html").read_text(encoding="utf-8")
    assert ["executando" in result.stdout for result in (first, second, third)] == [True, True, False]
