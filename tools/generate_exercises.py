"""Gera ``exercises/`` a partir de ``solutions/``: ``python tools/generate_exercises.py`` ou ``make exercicios``.

Um caderno de ``solutions/`` é a única fonte de um exercício. No caderno do estudante:

* o que está entre ``### BEGIN SOLUTION`` e ``### END SOLUTION`` (``<!-- BEGIN SOLUTION -->`` e
  ``<!-- END SOLUTION -->`` num texto) dá lugar a um convite a responder;
* as células com a etiqueta ``professor`` desaparecem;
* saídas, contagens de execução e as marcas do nbval desaparecem;
* o link do Colab passa a abrir o caderno de ``exercises/``.

Os identificadores das células são mantidos, então gerar duas vezes dá o mesmo arquivo, byte a byte.

O corretor de turmas guarda o que o estudante recebeu pronto, e a rubrica da discussão, em ``course_grader/given``.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book.address import installs, read_address  # noqa: E402
from course_lib import console  # noqa: E402
from course_lib.files import write_atomically  # noqa: E402

ADDRESS = read_address(ROOT)

CODE_PROMPT = 'raise NotImplementedError("Escreva aqui a sua solução e apague esta linha.")'
TEXT_PROMPT = "*Escreva aqui a sua resposta.*"
TEACHER_TAG = "professor"
CHECKED_OUTPUT = "# NBVAL_CHECK_OUTPUT"

MARKERS = {
    "code": ("### BEGIN SOLUTION", "### END SOLUTION", CODE_PROMPT),
    "markdown": ("<!-- BEGIN SOLUTION -->", "<!-- END SOLUTION -->", TEXT_PROMPT),
}
# Uma marca escrita de outro jeito não pode passar: a solução iria parar no caderno do estudante.
_ALMOST_MARKER = re.compile(r"^\s*(#+|<!-*)\s*(begin|end)\b.{0,3}\bsolution\b", re.IGNORECASE)


class NotebookError(ValueError):
    """Um caderno de ``solutions/`` não serve; a mensagem diz qual, em que célula e como consertar."""


def read_notebook(path: Path) -> NotebookNode:
    """Lê um caderno no formato 4 com identificadores de célula.

    Raises:
        NotebookError: o arquivo não é um caderno válido.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotebookError(f"{path}: não está em UTF-8 (byte {error.start}); salve-o de novo no Jupyter") from error
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"{path}: o JSON está malformado na linha {error.lineno}, coluna {error.colno}; salve-o de novo no Jupyter"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise NotebookError(f"{path}: é um JSON, mas não um caderno (falta nbformat)")
    version = (content["nbformat"], content.get("nbformat_minor", 0))
    if version < (4, 5):
        raise NotebookError(
            f"{path}: está no nbformat {version[0]}.{version[1]}; esperava 4.5 ou mais novo, que dá a cada célula "
            "um identificador. Abra-o e salve-o num Jupyter atual"
        )
    listed = content.get("cells")
    if not isinstance(listed, list) or not all(isinstance(cell, dict) for cell in listed):
        raise NotebookError(f"{path}: o caderno não tem a lista de células (cells); salve-o de novo no Jupyter")
    # Antes de validar: o nbformat sortearia um identificador novo para a célula sem um ou com um repetido.
    ids = [cell.get("id") for cell in listed]
    if not all(isinstance(cell_id, str) for cell_id in ids):
        raise NotebookError(f"{path}: há célula sem identificador (id); salve-o de novo no Jupyter")
    repeated = [cell_id for cell_id, count in Counter(ids).items() if count > 1]
    if repeated:
        raise NotebookError(f"{path}: há células com o mesmo identificador: {', '.join(repeated)}")
    try:
        nbformat.validate(content)
    except nbformat.ValidationError as error:
        where = "/".join(map(str, error.relative_path)) or "raiz"
        raise NotebookError(
            f"{path}: o caderno não segue o nbformat (em {where}); salve-o de novo no Jupyter"
        ) from error
    notebook = nbformat.from_dict(content)
    for cell in notebook.cells:
        if isinstance(cell.source, list):
            cell.source = "".join(cell.source)
    return notebook


def hide_solutions(source: str, cell_type: str) -> str:
    """Troca cada bloco de solução de uma célula pelo convite a responder, na mesma indentação.

    Args:
        source: texto da célula.
        cell_type: ``"code"`` ou ``"markdown"``.

    Raises:
        NotebookError: um bloco não começa, não termina, está vazio ou dentro de outro, ou a marca está mal escrita.
    """
    begin, end, prompt = MARKERS[cell_type]
    kept: list[str] = []
    opened = None
    for number, line in enumerate(source.split("\n"), start=1):
        marker = line.strip()
        if marker == begin:
            if opened is not None:
                raise NotebookError(f"linha {number}: um BEGIN SOLUTION dentro de outro, aberto na linha {opened}")
            opened = number
            kept.append(line[: len(line) - len(line.lstrip())] + prompt)
        elif marker == end:
            if opened is None:
                raise NotebookError(f"linha {number}: END SOLUTION sem o BEGIN SOLUTION correspondente")
            if number == opened + 1:
                raise NotebookError(f"linha {opened}: o bloco de solução está vazio")
            opened = None
        elif _ALMOST_MARKER.match(line):
            raise NotebookError(f"linha {number}: marca mal escrita: {marker!r}; escreva {begin!r} ou {end!r}")
        elif opened is None:
            kept.append(line)
    if opened is not None:
        raise NotebookError(f"linha {opened}: BEGIN SOLUTION sem END SOLUTION")
    return "\n".join(kept)


def student_notebook(path: Path) -> str:
    """O texto do caderno do estudante que corresponde ao caderno de solução em ``path``.

    Raises:
        NotebookError: o caderno de solução não serve.
    """
    notebook = read_notebook(path)
    _require_address(path, notebook)
    cells = []
    hidden = 0
    for number, cell in enumerate(notebook.cells, start=1):
        if TEACHER_TAG in cell.metadata.get("tags", []):
            continue
        if cell.cell_type in MARKERS:
            try:
                source = hide_solutions(cell.source, cell.cell_type)
            except NotebookError as error:
                raise NotebookError(f"{path}: célula {number} ({cell.id}), {error}") from None
            hidden += source != cell.source
            own, generated = (ADDRESS.colab(f"{folder}/{path.name}") for folder in ("solutions", "exercises"))
            cell.source = source.replace(own, generated)
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
            lines = [line for line in cell.source.split("\n") if line.strip() != CHECKED_OUTPUT]
            cell.source = "\n".join(lines)
        cells.append(cell)
    if not hidden:
        raise NotebookError(f"{path}: não há nenhum bloco BEGIN SOLUTION, então não há o que o estudante resolva")
    notebook.cells = cells
    return nbformat.writes(notebook) + "\n"


def given(source: Path, student: str) -> str:
    """O que o corretor guarda de um exercício: o que o estudante recebe pronto, e o enunciado e a rubrica da discussão.

    Args:
        source: o caderno de solução.
        student: o texto do caderno do estudante.

    Raises:
        NotebookError: falta a rubrica, ou os pontos dela não somam os da questão.
    """
    cells = nbformat.reads(student, as_version=4).cells
    rubric = next((cell.source for cell in read_notebook(source).cells if cell.id == "rubrica"), "")
    told = re.search(r"Rubrica da questão (\d+).*?vale (\d+) pontos, (\d),(\d) por", rubric, re.DOTALL)
    if told is None:
        raise NotebookError(f"{source}: a célula `rubrica` não diz a questão, os pontos dela e os de cada item")
    number, points, each = told[1], int(told[2]), float(f"{told[3]}.{told[4]}")
    rows = [line.strip(" |").split(" | ") for line in rubric.splitlines() if line.startswith("| **")]
    items = [[row[0].replace("**", ""), each, *row[1:]] for row in rows]
    if each * len(items) != points or any(len(item) != 4 for item in items):
        raise NotebookError(f"{source}: os itens da rubrica não somam os {points} pontos da questão {number}")
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    statement = next((text for text in texts if text.startswith(f"## Questão {number}: discussão")), None)
    if statement is None:
        raise NotebookError(f"{source}: não há a célula “## Questão {number}: discussão”")
    kept = [line for line in rubric.splitlines()[1:] if not line.startswith("|")]
    about = {"name": f"q{number}", "points": points, "items": items, "statement": statement}
    about["rubric"] = " ".join(" ".join(kept).split())
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    return json.dumps({"discussion": about, "code": code, "texts": texts}, ensure_ascii=False, indent=1) + "\n"


def generate(root: Path) -> dict[Path, str]:
    """O que ``exercises/`` deve conter: caminho → texto, para cada caderno de ``root/solutions``.

    E o que vai a ``course_grader/given``, se a pasta do corretor está aqui.

    Raises:
        NotebookError: não há cadernos, ou um deles não serve.
    """
    sources = sorted((root / "solutions").glob("*.ipynb"))
    if not sources:
        raise NotebookError(f"não há cadernos em {root / 'solutions'}; rode na pasta do projeto ou use --raiz")
    expected = {root / "exercises" / source.name: student_notebook(source) for source in sources}
    if (root / "course_grader").is_dir():
        students = list(expected.values())
        for source, student in zip(sources, students, strict=True):
            expected[root / "course_grader" / "given" / f"{source.stem}.json"] = given(source, student)
    return expected


def differences(root: Path, expected: dict[Path, str]) -> list[str]:
    """O que em ``root/exercises`` não é o que ``solutions/`` geraria, uma frase por arquivo."""
    found = []
    for path, text in expected.items():
        if not path.is_file():
            found.append(f"{path}: ainda não foi gerado")
        elif (current := path.read_text(encoding="utf-8", errors="replace")) != text:
            changes = difflib.unified_diff(
                current.split("\n"), text.split("\n"), "como está", "gerado", lineterm="", n=1
            )
            found.append("\n  ".join([f"{path}: difere do que a fonte gera", *list(changes)[:20]]))
    for orphan in sorted(set((root / "exercises").glob("*.ipynb")) - set(expected)):
        found.append(f"{orphan}: não tem fonte em solutions/; apague-o")
    return found


def store_outputs(path: Path) -> None:
    """Executa uma solução e guarda nela as saídas das células marcadas para o nbval, e só elas.

    Raises:
        NotebookError: o caderno não serve, ou uma célula falhou.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = read_notebook(path)
    executed = read_notebook(path)
    resources = {"metadata": {"path": str(path.parent)}}
    try:
        NotebookClient(executed, timeout=600, kernel_name="python3", resources=resources).execute()
    except CellExecutionError as error:
        raise NotebookError(f"{path}: uma célula falhou, e nada foi gravado:\n{error}") from error
    for cell, result in zip(notebook.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            checked = CHECKED_OUTPUT in cell.source
            cell.outputs = result.outputs if checked else []
            # O nbval toma por nunca executada, e não compara, a célula sem contagem.
            cell.execution_count = result.execution_count if checked else None
    text = nbformat.writes(notebook) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def build_parser() -> console.Parser:
    """O analisador de argumentos."""
    parser = console.Parser(
        prog="python tools/generate_exercises.py",
        description="Gera os cadernos de exercises/ a partir dos de solutions/.",
    )
    parser.add_argument("--raiz", type=Path, default=Path(), help="pasta que contém solutions/ e exercises/")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--conferir", action="store_true", help="não grava nada; falha se gerar mudaria algum arquivo")
    mode.add_argument(
        "--executar",
        action="store_true",
        help="antes de gerar, executa as soluções e guarda as saídas que o nbval confere",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """O comando; devolve 0 se tudo está em ordem e 1 se não está."""
    options = build_parser().parse_args(arguments)
    return console.run(lambda: _run(options.raiz, check=options.conferir, execute=options.executar))


def _run(root: Path, *, check: bool, execute: bool) -> int:
    if execute:
        for source in sorted((root / "solutions").glob("*.ipynb")):
            store_outputs(source)
    expected = generate(root)
    if not check:
        for path, text in expected.items():
            write_atomically(path, lambda file, text=text: file.write(text.encode()))
            print(f"✔ {path}")
    found = differences(root, expected)
    for difference in found:
        print(f"✘ {difference}", file=sys.stderr)
    if check and found:
        print("Rode `make exercicios` e inclua o resultado no commit.", file=sys.stderr)
    return 1 if found else 0


def _require_address(path: Path, notebook: NotebookNode) -> None:
    """Confere que o caderno aponta para o endereço do curso, que muda num lugar só."""
    link = ADDRESS.colab(f"solutions/{path.name}")
    if not any(re.search(re.escape(link) + r"(?=[\s)#]|$)", cell.source) for cell in notebook.cells):
        raise NotebookError(f"{path}: falta o link “Abrir no Colab” com o endereço {link}")
    if [cell.source for cell in notebook.cells if installs(cell)] != [ADDRESS.installation()]:
        raise NotebookError(f"{path}: falta a célula que instala a biblioteca; python tools/publicar_como.py a escreve")


if __name__ == "__main__":
    sys.exit(main())
