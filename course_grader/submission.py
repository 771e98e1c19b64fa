"""As entregas de uma pasta: de quem é cada uma, e as células de código de um caderno, venha ele como vier."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_grader.names import in_order, plain
from course_lib.text import number

MAX_BYTES = 20 * 2**20
# Cada vírgula, colchete ou chave de um JSON pode virar um objeto na memória: este é o teto deles.
MAX_MARKS = 2_000_000
MAX_CELLS = 500
MAX_SOURCE = 200_000

# Nome Completo_12345_assignsubmission_file_ (pasta) ou Nome Completo_12345_assignsubmission_file_caderno.ipynb
# Num arquivo, o que vem depois da marca é o nome que o estudante lhe deu: vale a primeira. Numa pasta nada vem
# depois, e o que vem antes é o nome do estudante: vale a última.
_MOODLE_FILE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?")
_MOODLE_FOLDER = re.compile(r"^(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?$")
# "Ana (1)", "Ana - Cópia" e "Cópia de Ana" são o que os sistemas fazem de um arquivo com o nome repetido.
_COPY = re.compile(r"^(?:c[oó]pia de|copy of)\s+|\s*\(\d+\)$|\s+-\s+(?:c[oó]pia|copy)(?:\s*\(\d+\))?$", re.IGNORECASE)
_NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json))?$", re.IGNORECASE)
_COMMENT = re.compile(r"#.*")
_COMPILED = re.compile(r"umap|numba|pynndescent", re.IGNORECASE)
# O nome que o Moodle dá a todos numa avaliação anônima.
_ANONYMOUS = {"participante", "participant"}
DAY = 86_400.0
_JUNK = {".ipynb_checkpoints", "__MACOSX", "__pycache__"}


class SubmissionError(ValueError):
    """A entrega não pode ser lida; a mensagem diz por quê."""


class UnreachableError(SubmissionError):
    """O arquivo existe, mas esta máquina não consegue lê-lo: não é motivo para um zero."""


@dataclass
class Submission:
    """A entrega que conta de um estudante.

    Attributes:
        student: o nome, tirado do arquivo ou da pasta.
        identifier: o número do participante no Moodle, ou ``""``.
        path: o caderno, ou o que veio no lugar dele.
        problem: por que não há como corrigi-la, ou ``""``.
        notes: o que dizer sobre a escolha do arquivo.
        alarms: o que o professor deve olhar nessa escolha.
        when: quando foi entregue, em segundos desde 1970: a data do arquivo, ou a que o Moodle diz.
        others: as outras entregas da mesma pessoa, da mais antiga à mais recente.
    """

    student: str
    identifier: str
    path: Path
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    when: float = 0.0
    others: list[Submission] = field(default_factory=list)

    @property
    def key(self) -> str:
        """O que faz de duas entregas a mesma pessoa: um número do Moodle nunca é o nome de alguém."""
        if self.identifier:
            return f"número {self.identifier}"
        return f"nome {unicodedata.normalize('NFC', self.student).casefold()}"

    @property
    def file(self) -> str:
        """O nome do arquivo, como se pode mostrar."""
        return _printable(self.path.name)

    def read(self) -> bytes:
        """Os bytes do arquivo.

        Raises:
            SubmissionError: não é um arquivo comum, ou é grande demais.
            UnreachableError: existe, e não pode ser lido.
        """
        if self.problem:
            raise SubmissionError(self.problem)
        try:
            # Sem seguir atalhos nem esperar por um cano: quem mexeu na pasta depois da listagem não nos engana.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            kind = SubmissionError if error.errno == errno.ELOOP else UnreachableError
            reason = "sem permissão de leitura" if error.errno == errno.EACCES else error.strerror
            raise kind(f"não consegui abrir {_printable(self.path.name)} ({reason})") from None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SubmissionError("não é um arquivo comum")
            if status.st_size > MAX_BYTES:
                size = f"{number(status.st_size / 2**20, '.0f')} MB"
                raise SubmissionError(f"o arquivo tem {size}, e o limite é {MAX_BYTES // 2**20} MB; apague as saídas")
            return file.read(MAX_BYTES + 1)


@dataclass
class Cells:
    """O que há de um caderno para executar.

    Attributes:
        cells: o código de cada célula.
        notes: o que dizer sobre o arquivo.
        ran: se cada célula rodou até o fim no caderno de quem o entregou; ``None`` se ele veio sem saídas.
    """

    cells: list[str]
    notes: list[str]
    ran: list[bool | None] = field(default_factory=list)

    @property
    def compiles(self) -> bool:
        """Se o código cita o que o numba compila ao ser chamado, e que por isso demora na primeira vez."""
        return any(_COMPILED.search(source) for source in self.cells)

    @property
    def fingerprint(self) -> str:
        """Resumo do código sem comentários, linhas vazias e espaços; vazio quando não há código."""
        text = "\n".join(filter(None, map(_normalised, self.cells)))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() if text else ""


def find_submissions(
    folder: Path, output: Path | None = None, functions: Sequence[str] = ()
) -> tuple[list[Submission], list[str]]:
    """As entregas que contam, uma por estudante, em ordem de nome, e os arquivos que não são entregas.

    Args:
        folder: a pasta das entregas.
        output: a pasta de saída, que pode estar dentro dela.
        functions: as que o exercício pede: um caderno sem nenhuma não toma o lugar de um que tem.

    São aceitos ``nome.ipynb``, a pasta ou o arquivo que o Moodle faz (``Nome_123_assignsubmission_file_…``) e uma
    subpasta por estudante. Com duas entregas da mesma pessoa, vale a de modificação mais recente.

    Raises:
        ValueError: a pasta não existe ou não há nela nenhuma entrega.
    """
    if not folder.is_dir():
        raise ValueError(f"não há a pasta de entregas {folder}")
    if output is not None and os.path.realpath(folder) == os.path.realpath(output):
        raise ValueError(f"a saída não pode ser a própria pasta das entregas, {folder}; dê outra a --saida")
    found: dict[str, list[Submission]] = {}
    ignored = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _JUNK:
            # Um caderno sem nome não some calado; o `._nome` que o macOS deixa em todo zip, sim.
            if _NOTEBOOK.search(path.name) and not path.name.startswith("._"):
                ignored.append(_printable(path.name))
            continue
        # A saída desta correção, ou a de outra, não é a pasta de um estudante.
        if (output is not None and os.path.realpath(path) == os.path.realpath(output)) or _is_output(path):
            continue
        candidates = _candidates(path)
        if not candidates:
            ignored.append(_printable(path.name))
        for submission in candidates:
            found.setdefault(submission.key, []).append(submission)
    if not found:
        raise ValueError(f"não há entregas em {folder}: esperava arquivos .ipynb, ou uma pasta por estudante")
    chosen = [_latest(group, functions) for group in found.values()]
    _tell_apart(chosen)
    return sorted(chosen, key=lambda submission: (*in_order(submission.student), submission.key)), ignored


def _is_output(path: Path) -> bool:
    # De os.path, que não para num atalho para um nome impossível.
    return os.path.isfile(path / "turma.json") and os.path.isdir(path / "resultados")


def _tell_apart(chosen: list[Submission]) -> None:
    """Dá o número do Moodle a quem só o nome não distingue: homônimos, e todos numa avaliação anônima."""
    repeated = Counter(plain(submission.student) for submission in chosen)
    for submission in chosen:
        name = submission.student
        if submission.identifier and plain(name) in _ANONYMOUS:
            submission.student = f"{name} {submission.identifier}"
        elif submission.identifier and repeated[plain(name)] > 1:
            submission.student = f"{name} ({submission.identifier})"


def read_cells(content: bytes) -> Cells:
    """As células de código de um caderno, em qualquer formato de 2 a 4.

    Raises:
        SubmissionError: não é um caderno.
    """
    cells, notes = notebook_cells(content)
    code = [(source, cell) for cell in cells if (source := _source(cell)) is not None]
    sources = [source for source, _ in code]
    if not any(source.strip() for source in sources):
        notes.append("o caderno não tem código.")
    if len(sources) > MAX_CELLS:
        notes.append(f"o caderno tem {len(sources)} células de código; só as primeiras {MAX_CELLS} contam.")
    if any(len(source) > MAX_SOURCE for source in sources):
        notes.append("há uma célula grande demais, que foi pulada.")
    kept = [source if len(source) <= MAX_SOURCE else "" for source in sources[:MAX_CELLS]]
    return Cells(kept, notes, _ran([cell for _, cell in code[:MAX_CELLS]]))


def notebook_cells(content: bytes) -> tuple[list[Any], list[str]]:
    """As células de um caderno, como vieram, e o que dizer do arquivo.

    Raises:
        SubmissionError: não é um caderno.
    """
    if not content.strip():
        raise SubmissionError("o arquivo está vazio")
    text, notes = _decode(content)
    if sum(text.count(mark) for mark in ",[{") > MAX_MARKS:
        raise SubmissionError("o arquivo tem itens demais para ser um caderno; apague as saídas e entregue de novo")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise SubmissionError("o arquivo não é um caderno: o JSON está malformado ou cortado") from None
    if not isinstance(data, dict):
        raise SubmissionError("o arquivo é um JSON, mas não um caderno")
    version = data.get("nbformat")
    if isinstance(data.get("worksheets"), list):
        sheets = [sheet for sheet in data["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
        notes.append(f"o caderno está no formato {version}, antigo; foi convertido.")
    elif isinstance(data.get("cells"), list):
        cells = data["cells"]
    else:
        raise SubmissionError("o arquivo é um JSON, mas não um caderno: não há lista de células")
    return cells, notes


def _decode(content: bytes) -> tuple[str, list[str]]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), ["o arquivo estava em UTF-16; foi convertido."]
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), ["o arquivo não estava em UTF-8; foi lido como Latin-1."]


def _source(cell: Any) -> str | None:
    """O texto de uma célula de código, ou ``None`` se não é uma."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else None


def _ran(cells: list[dict[str, Any]]) -> list[bool | None]:
    """Se cada célula rodou até o fim, pelo que o caderno guarda: o número dela e nenhum erro entre as saídas."""
    counts = [cell.get("execution_count", cell.get("prompt_number")) for cell in cells]
    if not any(type(count) is int for count in counts):
        return [None] * len(cells)
    kinds = [
        {output.get("output_type") for output in _list(cell.get("outputs")) if isinstance(output, dict)}
        for cell in cells
    ]
    failed = [any(kind in ("error", "pyerr") for kind in seen) for seen in kinds]
    return [type(count) is int and not bad for count, bad in zip(counts, failed, strict=True)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _normalised(source: str) -> str:
    """O código sem comentários, linhas vazias e espaços, com os recuos que entram e saem.

    Linha a linha, e não pelo tokenizador do Python: o que vem pode ser feito para que ele leve minutos.
    """
    kept, depth = [], 0
    for line in source.splitlines():
        code = _COMMENT.sub("", line).rstrip()
        if not code:
            continue
        indent = len(code) - len(code.lstrip())
        kept.append("→" * (indent > depth) + "←" * (indent < depth) + "".join(code.split()))
        depth = indent
    return "\n".join(kept)


def _candidates(path: Path) -> list[Submission]:
    """As entregas de um arquivo ou de uma pasta; o que nem se consegue olhar é uma, com o problema dito."""
    try:
        # Um atalho pode apontar para um nome que o sistema nem aceita: não se segue nem para perguntar.
        folder = not path.is_symlink() and path.is_dir()
        return list(_inside_folder(path)) if folder else list(_single(path))
    except OSError as error:
        problem = f"não consegui olhar ({error.strerror})"
        return [Submission(_printable(path.name).strip() or "sem nome", "", path, problem)]


def _single(path: Path) -> Iterator[Submission]:
    """O arquivo solto na pasta de entregas, se tem nome de caderno."""
    if _NOTEBOOK.search(path.name):
        yield _checked(path, _NOTEBOOK.sub("", path.name), _MOODLE_FILE)


def _inside_folder(folder: Path) -> Iterator[Submission]:
    """As entregas na pasta de um estudante; se não há nenhum caderno, uma que diz isso."""
    files, barred = [], []
    for current, folders, names in os.walk(folder, onerror=barred.append):
        folders[:] = sorted(name for name in folders if name not in _JUNK and not name.startswith("."))
        files += [Path(current, name) for name in sorted(names) if not name.startswith(".")]
        links = [name for name in folders if Path(current, name).is_symlink()]
        files += [Path(current, name) for name in links]
        if len(files) > 1_000:
            break
    notebooks = [path for path in files if _NOTEBOOK.search(path.name)]
    for path in notebooks:
        yield _checked(path, folder.name, _MOODLE_FOLDER)
    if not notebooks and barred:
        yield _checked(Path(barred[0].filename), folder.name, _MOODLE_FOLDER)
    elif not notebooks:
        empty = _checked(folder, folder.name, _MOODLE_FOLDER)
        came = ", ".join(_printable(path.name) for path in files[:3]) or "a pasta está vazia"
        empty.problem = f"não há caderno .ipynb na pasta ({came})"
        yield empty


def _checked(path: Path, label: str, moodle: re.Pattern[str]) -> Submission:
    label = unicodedata.normalize("NFC", label)
    match = moodle.match(label)
    student = match["name"] if match else _COPY.sub("", label)
    submission = Submission(_printable(student).strip() or "sem nome", match["id"] if match else "", path)
    submission.when = path.lstat().st_mtime
    if path.is_symlink():
        submission.problem = "é um atalho (link simbólico), e atalhos não são seguidos"
    return submission


def _latest(group: list[Submission], functions: Sequence[str]) -> Submission:
    """A entrega que conta: a mais recente das que têm alguma função pedida."""
    latest = time.time() + DAY
    if len(group) == 1:
        return _doubted(group[0], latest)

    def rank(submission: Submission) -> tuple[bool, bool, bool, float, int]:
        found = _defined(submission, functions)
        # A data de amanhã em diante não diz quando foi a entrega: o relógio estava errado, ou foi escolhida.
        return (not submission.problem, found > 0, submission.when <= latest, submission.when, found)

    ranked = sorted(((rank(submission), submission) for submission in group), key=lambda pair: pair[1].path.name)
    *older, (best, newest) = sorted(ranked, key=lambda pair: pair[0])
    newest.others = [submission for _, submission in older]
    for other, submission in older:
        lacks = best[1] and not other[1] and not submission.problem
        why = "vale a que tem as funções pedidas" if lacks else "vale a mais recente"
        if submission.when > latest:
            why = "a data dela está no futuro"
            newest.alarms.append(f"{submission.file} tem data no futuro e não contou; veja de quem é")
        newest.notes.append(f"há outra entrega da mesma pessoa, {submission.file}, que não contou: {why}.")
    tied = [submission for other, submission in older if other == best and not _same(submission, newest)]
    if tied:
        names = ", ".join(submission.file for submission in tied)
        newest.alarms.append(f"contou {newest.file}, mas {names} tem a mesma data; veja qual é a entrega")
    return _doubted(newest, latest)


def _doubted(submission: Submission, latest: float) -> Submission:
    """A entrega que conta, com um alarme se a sua data não pode ser verdade."""
    if submission.when > latest:
        submission.alarms.append(f"{submission.file} tem data no futuro; o prazo não se pode conferir por ela")
    return submission


def _defined(submission: Submission, functions: Sequence[str]) -> int:
    """Quantas das funções o caderno define."""
    try:
        code = "\n".join(read_cells(submission.read()).cells)
    except SubmissionError:
        return 0
    return sum(bool(re.search(rf"\bdef\s+{name}\b|^\s*{name}\s*=", code, re.MULTILINE)) for name in functions)


def _same(one: Submission, other: Submission) -> bool:
    try:
        return one.read() == other.read()
    except SubmissionError:
        return False


def _printable(name: str) -> str:
    """O nome de um arquivo, numa linha só e sem os caracteres que atrapalham um terminal ou uma planilha."""
    return visible(" ".join(os.fsencode(name).decode("utf-8", errors="replace").split()))


def visible(text: str) -> str:
    """O texto sem os caracteres que mandam no terminal ou que não se podem gravar; as linhas ficam."""
    # Os dois que juntam e separam letras fazem parte de nomes (e de emojis).
    return "".join(letter if letter.isprintable() or letter in "\n\t\u200c\u200d" else "�" for letter in text)
