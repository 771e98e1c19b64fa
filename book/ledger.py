"""De onde vem cada número do texto: ``python book/ledger.py`` confere todos.

Cada documento tem em ``book/numeros/`` um arquivo ``.toml`` com os trechos em que ele diz um número, e a origem de
cada um. O texto fica limpo, no livro e no Colab; o que se paga é que mudar um número (ou uma saída, um cartão, um
estudo) sem mudar o outro lado fica vermelho. Um trecho::

    [[trecho]]
    texto = "a NLL cai de 91,1 para 86,5 nats"
    origem = [
      "cartao vae_binary: ELBO negativa no teste, binarização dinâmica (nats)",
      "saida 03-1a2b3c4d: log-verossimilhança negativa",
    ]
    afirma = "a > b"

``texto`` é copiado do documento, onde só aparece uma vez. ``origem`` tem um item por número do trecho, na ordem; os
valores são ``a``, ``b``, ``c``… As origens:

- ``saida CÉLULA: rótulo``: o primeiro número impresso pela célula depois do rótulo; ``rótulo #2``, o segundo. Só
  ``#3``, o terceiro da saída.
- ``cartao MODELO: medida``: do cartão dos pesos; a medida pelo nome, ou um caminho (``parameters.model``, ``seconds``,
  ``history.loss.-1``).
- ``estudo NOME: expressão``: em Python, sobre o conteúdo do estudo: ``min(r['error'] for r in runs)``.
- ``conta: expressão``: em Python, com as letras dos outros valores do trecho, os de ``com`` também: ``a / b``.
- ``codigo CÉLULA``: uma escolha, escrita como literal nessa célula.
- ``exemplo: expressão``: uma conta feita à mão no texto, que a expressão refaz.
- ``fonte CHAVE``: um número publicado, de uma entrada de ``referencias.bib``.
- ``fato: razão``: o que não vem de execução nem de artigo (uma norma, uma data, o tamanho do MNIST).
- ``-``: o número não precisa de origem (um ano, um inteiro de contar nos dedos, um que só localiza).

``repete = true`` é de um trecho que aparece mais de uma vez (``\\beta_1 = 0{,}9``).

``com`` traz valores de que o trecho fala sem os escrever; as letras seguem as de ``origem``. ``afirma`` é uma
expressão que precisa ser verdadeira; o trecho que compara ("cai", "maior", "vezes") é obrigado a ter uma. ``margem``
(``"3 %"`` ou ``"0,2"``) é quanto o que uma célula imprime pode mudar de uma máquina para outra: só vale para um livro
que se acabou de construir (``--livro``); com as saídas gravadas, só se perdoa o arredondamento.

O que as células de um capítulo imprimem está gravado ao lado, em ``.json``, com o resumo do código que o imprimiu:
assim a conferência não espera o livro. ``--livro`` confere o livro que acabou de ser construído em ``_build``, no
perfil ``padrao`` e com o MNIST, e ``--gravar`` guarda dele as saídas; as de um gabarito, que não está no livro, guarda
executando-o. Por isso a gravação de um gabarito traz também o resumo do que ele usou da biblioteca para calcular (os
pesos, os estudos, os modelos): se algo muda, é preciso gravá-la de novo.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book import uses  # noqa: E402
from book.address import installs, without_installation  # noqa: E402
from course_lib import console  # noqa: E402
from course_lib.text import number  # noqa: E402

LEDGER = Path("book/numeros")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TYPES = ("saida", "cartao", "estudo", "conta", "codigo", "exemplo", "fonte", "fato")
NO_MARGIN = "0"
# Os minutos de um plano de aula: uma casa de tabela só com um inteiro, que ninguém mediu.
PLANNED = re.compile(r"\| *\d+ *(?=\|)")
# De que depende um número: o que desenha, confere exercícios ou anima uma página não muda nenhum.
CALCULATES = tuple(
    f"course_lib/{name}/" for name in ("data", "metrics", "models", "recipes", "studies", "training", "weights")
)
# As origens que mudam de uma máquina para outra.
VARIES = ("saida", "conta")
NONE = "-"

# Um número como o texto o escreve, depois de plain(): 1.234,5 ou 0,25 ou 12, com sinal só se colado.
WORDS = {
    "duas": 2, "três": 3, "quatro": 4, "cinco": 5, "seis": 6, "sete": 7, "oito": 8, "nove": 9, "dez": 10, "onze": 11,
    "doze": 12, "quinze": 15, "vinte": 20, "trinta": 30, "quarenta": 40, "cinquenta": 50, "cem": 100, "mil": 1_000,
}  # fmt: skip
NUMBER = re.compile(
    r"(?<![\w.,])[-−+]?\d{1,3}(?:\.\d{3})+(?:,\d+)?(?![\w])|(?<![\w.,])[-−+]?\d+(?:,\d+)?(?![\d])"
    rf"|\b(?:{'|'.join(WORDS)})(?= vezes (?:m[aei]|pior|o |a |os |as ))",
    re.IGNORECASE,
)
# Um número que aqui se mede: nunca é dispensado de origem, ainda que seja um inteiro pequeno.
MEASURED = re.compile(
    r"\s*(?:%|vezes (?:m[aei]|pior|o |a |os |as )|dB\b|nats?\b|bits?\b|(?<= )m?s\b|segundos?\b|minutos?\b|horas?\b)"
)
COMPARES = re.compile(
    r"\b(ca(i|em|iu|íram)|sob(e|em|iu|iram)|ma(ior|iores|is)|menor(es)?|menos|melhor(es)?|pior(es)?|vezes|dobro|metade"
    r"|abaixo|acima|reduz\w*|aument\w*|diminu\w*|cresc\w*)\b",
    re.IGNORECASE,
)
# O que antecede um inteiro que só localiza: capítulo 3, equação 4.12, célula 10, seção 2…
POINTS = re.compile(
    r"\b(cap[ií]tulos?|equa(ção|ções)|se(ção|ções)|figuras?|tabelas?|exerc[ií]cios?|quest(ão|ões)|itens|item|passos?"
    r"|p[áa]ginas?|ap[êe]ndices?|teoremas?|algoritmos?|volume|vol\.|n\.º|pp?\.|letras?|partes?|etapas?|versão|Python)"
    r"\s*(\d+\s*(,|e|a|–|-)\s*)*$",
    re.IGNORECASE,
)
SMALL = 12


@dataclass(frozen=True)
class Token:
    """Um número no texto."""

    text: str
    start: int
    end: int

    @property
    def value(self) -> float:
        return parse(self.text)

    @property
    def decimals(self) -> int:
        return len(self.text.partition(",")[2])


@dataclass
class Document:
    """Um caderno ou uma página, com o texto que se lê e as células que o acompanham.

    Attributes:
        name: caminho a partir da raiz, sem a extensão.
        text: o que se lê, já passado por :func:`plain`.
        cells: o código de cada célula.
        outputs: o que cada uma imprime.
        fresh: se as saídas são de uma execução desta máquina, e não as gravadas.
    """

    name: str
    text: str
    cells: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    fresh: bool = False

    @property
    def literals(self) -> set[float]:
        """Os números escritos no código: as escolhas de que o texto pode falar."""
        return {value for source in self.cells.values() for value in literals(source)}


@dataclass(frozen=True)
class Fault:
    """Um número que não confere, ou que não se sabe de onde veio."""

    document: str
    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.document}: «{self.where}»: {self.why}"


class LedgerError(ValueError):
    """Uma origem que não se pode ler."""


def parse(text: str) -> float:
    """``1.234,5`` (e ``−3``, ``duas``) em número."""
    text = text.lower()
    if text in WORDS:
        return float(WORDS[text])
    return float(text.replace(".", "").replace(",", ".").replace("−", "-"))


def plain(markdown: str) -> str:
    """O texto que se lê: sem código, endereços, imagens e comentários, com os números das fórmulas como os da prosa."""
    text = re.sub(r"```.*?```|<!--.*?-->", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*(?:\n[^`\n]+)?`", "`…`", text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"(?<=\])\([^)\s]*\)", "", text)
    # Uma lista de referências tem volumes e páginas; quem as confere é referencias.bib.
    text = re.sub(r"(?ms)^#+ Referências$.*?(?=^# |\Z)", " ", text)
    text = re.sub(r"https?://\S+|doi:\S+|arXiv:\S+", " ", text)
    text = re.sub(r"<[^>\n]+>", " ", text)
    text = (
        text.replace("{,}", ",").replace("\\%", "%").replace("\\,", " ").replace("\u00a0", " ").replace("\u202f", " ")
    )
    # 28×28 e 784-400-20 são formas; 5 - 1 e 0,5 × 3 são contas.
    text = re.sub(r"(?<![\d.,])\d+(?:(?:\s*×\s*|-)\d+)+\b(?!,\d)", " ", text)
    # Índices e expoentes nomeiam: x_1, 10^{-3}.
    text = re.sub(r"[_^]\{[^{}]*\}|[_^]\\?\w", " ", text)
    text = re.sub(r"\*\*?|(?m:^[>#]+ ?)", "", text)
    return re.sub(r"\s+", " ", text).strip()


def tokens(text: str) -> list[Token]:
    """Os números de um texto já passado por :func:`plain`."""
    return [Token(found[0], found.start(), found.end()) for found in NUMBER.finditer(text)]


@cache
def literals(source: str) -> frozenset[float]:
    """Os números literais de um código."""
    try:
        tree = ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source))
    except SyntaxError:
        return frozenset()
    return frozenset(
        float(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    )


# --- Os documentos -------------------------------------------------------------------------------------


def documents(root: Path) -> list[Path]:
    """Tudo o que uma pessoa lê e pode ter números: capítulos, páginas, gabaritos e o README."""
    pages = ("README.md", "index.md", "chapters/*.md", "chapters/professor/*.md")
    patterns = (*pages, "chapters/*.ipynb", "solutions/*.ipynb")
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def read_document(path: Path, root: Path) -> Document:
    """O documento como está escrito; as saídas são as gravadas ao lado da conta (as de um gabarito, as dele mesmo)."""
    name = path.relative_to(root).with_suffix("").as_posix()
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
        return Document(name, plain(PLANNED.sub("|", text) if path.parent.name == "professor" else text))
    notebook = json.loads(path.read_text(encoding="utf-8"))
    parts = [plain("".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    code = {cell["id"]: cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not installs(cell)}
    document = Document(name, "\n".join(parts), {key: "".join(cell["source"]) for key, cell in code.items()})
    stored = {key: printed(cell["outputs"]) for key, cell in code.items()}
    document.outputs = {key: text for key, text in stored.items() if text}
    record = root / LEDGER / f"{name}.json"
    if record.is_file():
        document.outputs |= json.loads(record.read_text(encoding="utf-8"))["saidas"]
    return document


def printed(outputs: list[Mapping[str, Any]]) -> str:
    """O texto que uma célula imprimiu."""
    parts = []
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            parts.append("".join(output["text"]))
        elif output["output_type"] in ("display_data", "execute_result") and "image/png" not in output["data"]:
            parts.append("".join(output["data"].get("text/plain", "")))
    return "\n".join(parts)


def code_hash(document: Document) -> str:
    """Resumo do código de um caderno: se ele muda, as saídas gravadas deixam de valer."""
    return hashlib.sha256(json.dumps(document.cells, sort_keys=True).encode()).hexdigest()[:16]


# --- As origens ----------------------------------------------------------------------------------------


def read_output(document: Document, cell: str, label: str) -> float:
    """O número que ``cell`` imprimiu depois de ``label`` (``rótulo #2``: o segundo)."""
    if cell not in document.cells:
        raise LedgerError(f"não há célula {cell}")
    output = re.sub(r"\s+", " ", document.outputs.get(cell, ""))
    found = re.fullmatch(r"(?P<label>.*?)\s*(?:#(?P<index>\d+))?", label)
    name, index = found["label"], int(found["index"] or 1)
    place = output.find(re.sub(r"\s+", " ", name)) if name else 0
    if place < 0:
        raise LedgerError(f"a célula {cell} não imprime {name!r}")
    after = tokens(output[place + len(name) :])
    if len(after) < index:
        raise LedgerError(f"a célula {cell} não imprime {index} número(s) depois de {name!r}")
    return after[index - 1].value


def read_card(root: Path, model: str, measure: str) -> float:
    """Uma medida do cartão de ``model``, ou o valor num caminho dele."""
    path = root / "course_lib" / "weights" / f"{model}.json"
    if not path.is_file():
        raise LedgerError(f"não há cartão de {model}")
    card = json.loads(path.read_text(encoding="utf-8"))
    if measure in card["metrics"]:
        return float(card["metrics"][measure])
    return float(walk(card, measure))


def walk(value: Any, path: str) -> Any:
    """``history.epochs.-1.loss`` dentro de um objeto JSON."""
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise LedgerError(f"não há {part!r} em {path!r}") from None
    return value


FUNCTIONS: dict[str, Any] = {
    name: getattr(math, name) for name in ("sqrt", "log", "log2", "log10", "exp", "pi", "sin", "cos", "tanh", "atan")
} | {
    "mean": statistics.fmean,
    "median": statistics.median,
    "stdev": statistics.stdev,
    **{
        f.__name__: f
        for f in (abs, min, max, sum, len, round, sorted, all, any, range, zip, enumerate, list, float, int)
    },
}


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """O valor de uma expressão da conta, escrita por quem escreveu o texto."""
    try:
        return eval(expression, {"__builtins__": {}, **FUNCTIONS, **names})
    except Exception as error:
        raise LedgerError(f"{expression!r} não se calcula: {error}") from None


def bibliography(root: Path) -> set[str]:
    """As chaves de ``referencias.bib``."""
    return set(re.findall(r"(?m)^@\w+\{([^,\s]+),", (root / "chapters/referencias.bib").read_text(encoding="utf-8")))


def kind_of(origin: str) -> str:
    """``saida``, ``cartao``, …"""
    return origin.partition(":")[0].strip().partition(" ")[0]


def origin_target(origin: str) -> str:
    """A célula, o modelo, o estudo ou a chave que a origem nomeia."""
    return origin.partition(":")[0].strip().partition(" ")[2].strip()


def value_of(origin: str, document: Document, root: Path, known: Mapping[str, float]) -> float | None:
    """O valor de uma origem; ``None`` se ela só pode ser citada."""
    kind, target, rest = kind_of(origin), origin_target(origin), origin.partition(":")[2].strip()
    if kind not in TYPES:
        raise LedgerError(f"{kind!r} não é uma origem; são {', '.join(TYPES)}")
    match kind:
        case "saida":
            return read_output(document, target, rest)
        case "cartao":
            return read_card(root, target, rest)
        case "estudo":
            path = root / "course_lib" / "studies" / f"{target}.json"
            if not path.is_file():
                raise LedgerError(f"não há estudo {target}")
            return float(evaluate(rest, json.loads(path.read_text(encoding="utf-8"))))
        case "conta" | "exemplo":
            return float(evaluate(rest, known))
        case "fonte" if target not in bibliography(root):
            raise LedgerError(f"{target!r} não está em referencias.bib")
        case "codigo" if target not in document.cells:
            raise LedgerError(f"não há célula {target}")
        case "fato" if not rest:
            raise LedgerError("fato: diga a razão")
        case _:
            return None


# --- A conferência -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """Um trecho do texto, e de onde vem o que ele diz."""

    text: str
    origins: tuple[str, ...]
    others: tuple[str, ...] = ()
    asserts: str = ""
    margin: str = NO_MARGIN
    repeats: bool = False


def read_claims(path: Path) -> list[Claim]:
    """Os trechos de um arquivo da conta; nenhum, se ele não existe."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        entries = tomllib.load(file).get("trecho", [])
    return [read_claim(entry, path.name) for entry in entries]


def read_claim(entry: Mapping[str, Any], file: str) -> Claim:
    """Um trecho, com as suas chaves conferidas."""
    unknown = set(entry) - {"texto", "origem", "com", "afirma", "margem", "repete"}
    if unknown or "texto" not in entry:
        raise LedgerError(f"{file}: um trecho tem texto, origem, com, afirma, margem e repete; veio {sorted(entry)}")
    as_tuple = [
        (value,) if isinstance(value, str) else tuple(value)
        for value in (entry.get("origem", ()), entry.get("com", ()))
    ]
    return Claim(
        plain(entry["texto"]),
        *as_tuple,
        entry.get("afirma", ""),
        entry.get("margem", NO_MARGIN),
        entry.get("repete", False),
    )


def allowed_gap(token: Token, margin: str) -> float:
    """Quanto a origem pode se afastar do número escrito: meia unidade da última casa, e a margem declarada."""
    rounding = 0.5 * 10.0**-token.decimals
    size, percent, _ = margin.partition("%")
    extra = parse(size.strip())
    return rounding * (1 + 1e-6) + (abs(token.value) * extra / 100 if percent else extra)


def is_percent(token: Token, text: str) -> bool:
    """Se o número é seguido de um por cento: o que se escreve 12 % é impresso e guardado também como 0,12."""
    return bool(re.match(r"\s*%", text[token.end :]))


def is_literal(token: Token, source: str) -> bool:
    """Se o número está escrito no código."""
    return bool({abs(token.value), round(abs(token.value) / 100, 9)} & literals(source))


def agrees(token: Token, value: float, text: str, margin: str) -> bool:
    """Se o que está escrito é o valor da origem: arredondado e, com uma margem, quase."""
    scales = (1, 100) if is_percent(token, text) else (1,)
    return any(abs(value * scale - token.value) <= allowed_gap(token, margin) for scale in scales)


def check_claim(claim: Claim, document: Document, root: Path) -> Iterator[str]:
    """O que está errado num trecho que o texto contém."""
    found = tokens(claim.text)
    if len(found) != len(claim.origins):
        yield f"o trecho tem {len(found)} número(s) ({', '.join(t.text for t in found)}) e {len(claim.origins)} origens"
        return
    known: dict[str, float] = {letter: token.value for letter, token in zip(LETTERS, found, strict=False)}
    # As contas por último: usam os outros valores, onde quer que estejam.
    numbered = sorted(
        enumerate((*claim.origins, *claim.others)), key=lambda item: kind_of(item[1]) in ("conta", "exemplo")
    )
    for index, origin in numbered:
        token = found[index] if index < len(found) else None
        if origin == NONE:
            if token is None or needs_origin(token, claim.text, document.literals | CONSTANTS):
                yield f"{token.text if token else origin} precisa de origem"
            continue
        try:
            value = value_of(origin, document, root, known)
        except LedgerError as error:
            yield str(error)
            continue
        if token and kind_of(origin) == "codigo" and not is_literal(token, document.cells[origin_target(origin)]):
            yield f"{token.text} não está escrito na célula {origin_target(origin)}"
        if value is None:
            continue
        margin = claim.margin if document.fresh and kind_of(origin) in VARIES else NO_MARGIN
        if token and not agrees(token, value, claim.text, margin):
            yield f"está escrito {token.text}, e {origin} dá {number(value, '.6g')}"
        known[LETTERS[index]] = value
    if claim.asserts:
        try:
            if not evaluate(claim.asserts, known):
                values = ", ".join(f"{letter} = {number(value, '.6g')}" for letter, value in known.items())
                yield f"afirma {claim.asserts}, e não é o que se mediu ({values})"
        except LedgerError as error:
            yield str(error)
    elif COMPARES.search(claim.text) and len(known) > 1:
        yield "compara, e não diz em afirma o que se compara"


def needs_origin(token: Token, text: str, choices: set[float]) -> bool:
    """Se um número do texto precisa de origem.

    Não precisam os inteiros que só localizam (capítulo 3), os anos, os de contar nos dedos e os que são uma escolha
    escrita no código do mesmo caderno. Uma fração decimal, uma porcentagem, um "vezes" e uma medida sempre precisam.
    """
    if MEASURED.match(text[token.end :]) or token.text.lower() in WORDS or "," in token.text:
        return True
    if POINTS.search(text[: token.start]):
        return False
    value = abs(token.value)
    return not (value <= SMALL or value in choices or (1900 <= value < 2100 and "." not in token.text))


def check_document(path: Path, root: Path, outputs: Mapping[str, str] | None = None) -> tuple[int, list[Fault]]:
    """Confere um documento.

    Args:
        path: o caderno ou a página.
        root: a raiz do projeto.
        outputs: o que as células imprimiram, se não é o que está gravado.

    Returns:
        Quantos números têm origem, e as faltas.
    """
    document = read_document(path, root)
    ledger = root / LEDGER / f"{document.name}.toml"
    if outputs is not None:
        document.outputs, document.fresh = dict(outputs), True
    faults = [Fault(document.name, "saídas gravadas", why) for why in stale_record(document, root)]
    covered: set[int] = set()
    tied = 0
    for claim in read_claims(ledger):
        places = [found.start() for found in re.finditer(re.escape(claim.text), document.text)]
        if not places or (len(places) > 1 and not claim.repeats):
            faults.append(Fault(document.name, claim.text, f"aparece {len(places)} vezes no texto; devia ser uma"))
            continue
        for place in places:
            covered.update(range(place, place + len(claim.text)))
        wrong = list(check_claim(claim, document, root))
        faults += [Fault(document.name, claim.text, why) for why in wrong]
        tied += sum(origin != NONE for origin in claim.origins)
    choices = document.literals | CONSTANTS
    for token in tokens(document.text):
        if token.start not in covered and needs_origin(token, document.text, choices):
            context = document.text[max(0, token.start - 50) : token.end + 30].replace("\n", " ")
            faults.append(Fault(document.name, context, f"{token.text} não tem origem"))
    return tied, faults


# O que o curso inteiro usa: 28 × 28, os tons de um byte e os dois conjuntos do MNIST.
CONSTANTS = {28.0, 784.0, 255.0, 256.0, 60_000.0, 10_000.0}


def stale_record(document: Document, root: Path) -> Iterator[str]:
    """Se as saídas gravadas são de outro código, ou de outra biblioteca."""
    path = root / LEDGER / f"{document.name}.json"
    if not path.is_file():
        return
    record = json.loads(path.read_text(encoding="utf-8"))
    first = "construa o livro no perfil padrao e " if document.name.startswith("chapters/") else ""
    again = f"{first}rode python book/ledger.py --gravar {document.name}.ipynb"
    if record["codigo"] != code_hash(document):
        yield f"o código mudou: {again}"
    used = record.get("usa", {})
    if changed := uses.changed(used, used_now(root, used)):
        yield f"mudou o que ele usa ({', '.join(changed)}): {again}"


def used_now(root: Path, names: Iterable[str]) -> dict[str, str]:
    """O resumo de hoje de cada arquivo da biblioteca."""
    return {name: uses.fingerprint(root / name)[:16] for name in names}


# --- O livro construído --------------------------------------------------------------------------------


def built_outputs(root: Path, path: Path) -> dict[str, str]:
    """O que as células de ``path`` imprimiram no livro construído em ``root``.

    Raises:
        LedgerError: o livro construído é de outra versão do caderno.
    """
    import nbformat
    from jupyter_cache import get_cache

    cache = get_cache(root / "_build" / ".jupyter_cache")
    try:
        notebook = cache.merge_match_into_notebook(without_installation(nbformat.read(path, as_version=4)))[1]
    except KeyError:
        raise LedgerError(f"{path.name} mudou depois de construído o livro de {root / '_build'}: make livro") from None
    return printed_by(notebook)


def run_solution(root: Path, path: Path) -> tuple[dict[str, str], list[str]]:
    """O que as células do gabarito ``path`` imprimem, executado sozinho numa pasta vazia, e com que ele calcula."""
    import nbformat

    from book.execution import ChapterClient

    notebook = nbformat.read(path, as_version=4)
    # A biblioteca desta árvore, ainda que outra esteja instalada.
    found_first = os.pathsep.join(filter(None, (str(root), str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as empty:
        client = ChapterClient(notebook, root, timeout=600, resources={"metadata": {"path": empty}})
        # Os avisos do Jupyter não são de quem espera o resultado.
        client.execute(env={**os.environ, "PYTHONPATH": found_first}, stderr=subprocess.DEVNULL)
    used = [name for name in client.report["uses"] if name.startswith(CALCULATES) and (root / name).is_file()]
    return printed_by(notebook), used


def printed_by(notebook: Any) -> dict[str, str]:
    """O que cada célula de um caderno executado imprimiu, pelo nome dela; as que não imprimiram nada ficam de fora."""
    texts = {cell.id: printed(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"}
    return {key: text for key, text in texts.items() if text}


def is_chapter(path: Path) -> bool:
    """Se o documento é um caderno que o livro executa."""
    return path.suffix == ".ipynb" and path.parent.name == "chapters"


def record_outputs(root: Path, path: Path, outputs: Mapping[str, str], used: Iterable[str] = ()) -> None:
    """Grava as saídas que a conta cita, com o resumo do código que as imprimiu e o do que ele usou."""
    document = read_document(path, root)
    claims = read_claims(root / LEDGER / f"{document.name}.toml")
    cited = {
        origin_target(origin)
        for claim in claims
        for origin in (*claim.origins, *claim.others)
        if kind_of(origin) == "saida"
    }
    record: dict[str, Any] = {"codigo": code_hash(document)}
    if stamp := used_now(root, used):
        record["usa"] = stamp
    record["saidas"] = {key: outputs[key] for key in sorted(cited) if key in outputs}
    target = root / LEDGER / f"{document.name}.json"
    if cited:
        target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        target.unlink(missing_ok=True)


def report(results: Mapping[str, tuple[int, list[Fault]]]) -> str:
    """Quantos números conferem, por documento, e o que não confere."""
    width = max(map(len, results))
    lines = [
        f"{name:<{width}}  {tied:>4} com origem  {len(faults):>4} falta(s)" for name, (tied, faults) in results.items()
    ]
    lines += [f"  ✘ {fault}" for _, faults in results.values() for fault in faults]
    total = sum(tied for tied, _ in results.values())
    wrong = sum(len(faults) for _, faults in results.values())
    mark = "✘" if wrong else "✔"
    return "\n".join([*lines, f"{mark} {total} números com origem; {wrong} falta(s)"])


def check(root: Path, paths: Iterable[Path], *, book: bool = False) -> dict[str, tuple[int, list[Fault]]]:
    """Confere os documentos de ``paths``; com ``book``, os capítulos com o que imprimiram no livro construído."""
    return {
        path.relative_to(root).as_posix(): check_document(
            path, root, built_outputs(root, path) if book and is_chapter(path) else None
        )
        for path in paths
    }


def main() -> int:
    parser = console.Parser(prog="python book/ledger.py", description=__doc__.splitlines()[0])
    parser.add_argument("documento", nargs="*", type=Path, help="só estes (padrão: todos)")
    parser.add_argument("--livro", action="store_true", help="com as saídas do livro construído em _build")
    parser.add_argument("--gravar", action="store_true", help="grava as saídas do livro construído e dos gabaritos")
    options = parser.parse_args()
    paths = [path.resolve() for path in options.documento] or documents(ROOT)

    if options.gravar:
        for path in (path for path in paths if path.suffix == ".ipynb"):
            if is_chapter(path):
                record_outputs(ROOT, path, built_outputs(ROOT, path))
            else:
                record_outputs(ROOT, path, *run_solution(ROOT, path))
    results = check(ROOT, paths, book=options.livro)
    print(report(results))
    return int(any(faults for _, faults in results.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LedgerError as error:
        sys.exit(f"✘ {error}")
