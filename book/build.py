"""Constrói o livro: ``python book/build.py`` (é o que ``make livro`` chama).

O Jupyter Book guarda as saídas dos capítulos e só executa de novo os cadernos que mudaram, mas não percebe que a
biblioteca, o perfil ou os dados mudaram. Este programa percebe: guarda uma assinatura de cada coisa e apaga o que
ela invalida antes de construir. Os capítulos que faltam são executados por ``execution.py``; enquanto isso o Sphinx faz
as páginas, e refaz as dos que terminam. Nada do que se usa aqui carrega o torch, que a segunda vez teria de esperar.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book import ledger  # noqa: E402
from book.execution import Chapters, Failure  # noqa: E402
from course_lib import files  # noqa: E402
from course_lib.console import tolerate_any_terminal  # noqa: E402
from course_lib.text import number  # noqa: E402

# Os pacotes cujas versões mudam o que um capítulo mostra.
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib", "umap-learn", "ipywidgets")
LIBRARY_SUFFIXES = {".py", ".safetensors", ".json", ".js", ".css", ".html"}
PATH_VARIABLES = ("CURSO_DADOS", "CURSO_CACHE")
BOOK_COMMAND = "from jupyter_book.cli.main import main; main()"

# Segundos, pelo menos, entre uma rodada de páginas e a seguinte, enquanto há capítulos em execução.
BETWEEN_ROUNDS = 60
# E quantas vezes o que levou a anterior: mesmo a que só refaz uma página lê o livro inteiro, e os capítulos, que são
# quem se espera, perderiam para ela um núcleo a cada minuto.
ROUNDS_APART = 10
WARNING = re.compile(r"\b(WARNING|ERROR|CRITICAL|SEVERE): ")
COLOURS = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True)
class Signature:
    """O que decide se o livro guardado ainda vale.

    Attributes:
        library: código e pesos de ``course_lib``.
        environment: Python, pacotes, perfil e dispositivo.
        data: os dados que os capítulos vão encontrar.
        look: a extensão, os moldes e a configuração do livro, que mudam as páginas mas não as execuções.
    """

    library: str
    environment: str
    data: str
    look: str


def hash_files(root: Path, files: Iterable[Path]) -> str:
    """SHA-256 dos nomes e dos conteúdos."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_in(folder: Path, suffixes: set[str] | None = None) -> list[Path]:
    """Arquivos de ``folder`` e das suas pastas, sem os que o Python gera."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and (suffixes is None or path.suffix in suffixes)
    ]


def installed(package: str) -> str:
    """Versão instalada, sem importar o pacote."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "ausente"


def data_in_use(environ: Mapping[str, str]) -> str:
    """Diz de onde sairá o MNIST, procurando onde ``load_mnist`` procura: ``CURSO_DADOS`` e depois o cache.

    Nada é lido: para um conjunto que não muda, basta o tamanho dos arquivos.
    """
    names = [name for split in files.MNIST_FILES.values() for name, _, _ in split]
    for folder in filter(None, (files.data_root(environ), files.cache_dir(environ))):
        found = [path for name in names if (path := files.mnist_file(folder, name)) is not None]
        if len(found) == len(names):
            return f"MNIST {[path.stat().st_size for path in found]}"
    return "sem MNIST no disco"


def compute_signature(root: Path, environ: Mapping[str, str]) -> Signature:
    """Assinatura do estado atual do projeto e do ambiente."""
    environment = {
        "python": platform.python_version(),
        "perfil": environ.get("CURSO_PERFIL") or "padrao",
        "dispositivo": environ.get("CURSO_DISPOSITIVO", ""),
        **{package: installed(package) for package in PACKAGES},
    }
    library = root / "course_lib"
    # A conta dos números não muda página nenhuma.
    pages = [path for path in files_in(root / "book") if "numeros" not in path.parts]
    # Do __init__ da biblioteca saem o endereço do repositório e a versão, que estão em todas as páginas.
    look = [*pages, root / "_config.yml", root / "_toc.yml", library / "__init__.py"]
    return Signature(
        library=hash_files(root, files_in(library, LIBRARY_SUFFIXES)),
        environment=json.dumps(environment, sort_keys=True),
        data=data_in_use(environ),
        look=hash_files(root, [path for path in look if path.is_file()]),
    )


def read_signature(path: Path) -> Signature | None:
    """Assinatura da última construção, ou None se não há uma que se possa ler."""
    try:
        return Signature(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_signature(path: Path, signature: Signature) -> None:
    """Guarda a assinatura."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(signature), indent=1), encoding="utf-8")


def hash_project(root: Path) -> str:
    """SHA-256 de cada arquivo do projeto, menos os do ambiente e os que se constroem."""
    found = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith((".", "_")) and not name.endswith(".egg-info")]
        folders[:] = [name for name in folders if not (here / name / "pyvenv.cfg").exists()]
        found += [here / name for name in names if not name.startswith(".")]
    return hash_files(root, (path for path in found if path.is_file()))


def read_finished(path: Path) -> dict[str, str]:
    """O que a última construção inteira deixou dito: os arquivos de que saiu e a conta dos números; vazio, se nada."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def discard_stale(build: Path, old: Signature | None, new: Signature) -> str:
    """Apaga de ``build`` o que a assinatura nova invalida e diz, em português, o que será feito."""
    if old is None:
        shutil.rmtree(build, ignore_errors=True)
        return "primeira construção: todos os capítulos serão executados"
    reasons = {
        "as versões, o perfil ou o dispositivo mudaram": old.environment != new.environment,
        "os dados mudaram": old.data != new.data,
    }
    changed = [reason for reason, happened in reasons.items() if happened]
    if changed:
        shutil.rmtree(build, ignore_errors=True)
        return f"{' e '.join(changed)}: todos os capítulos serão executados de novo"
    if old.look != new.look:
        discard_pages(build)
    if old.library != new.library:
        return "a biblioteca mudou: só os capítulos que usam o que mudou serão executados"
    if old.look != new.look:
        return "a aparência do livro mudou: as páginas serão refeitas com as saídas guardadas"
    return "a biblioteca, o perfil e os dados são os mesmos: só os capítulos que mudaram serão executados"


def discard_pages(build: Path) -> None:
    """Apaga as páginas e as árvores do Sphinx, mas não as saídas guardadas dos capítulos."""
    for name in ("html", ".doctrees"):
        shutil.rmtree(build / name, ignore_errors=True)


def kernel_environment(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Ambiente em que os capítulos são executados."""
    result = dict(environ)
    for name in PATH_VARIABLES:
        if result.get(name):
            # Os capítulos rodam em chapters/: um caminho relativo apontaria para outro lugar.
            result[name] = str(files.expand(result[name], name).absolute())
    # A biblioteca desta árvore, ainda que outra esteja instalada; e o kernel deste ambiente, ainda que a pessoa tenha
    # registrado outro com o mesmo nome, na sua pasta ou em JUPYTER_PATH, que o Jupyter olha antes de tudo.
    result["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), result.get("PYTHONPATH"))))
    own = str(Path(sys.prefix) / "share" / "jupyter")
    result["JUPYTER_PATH"] = os.pathsep.join(filter(None, (own, result.get("JUPYTER_PATH"))))
    result["JUPYTER_PREFER_ENV_PATH"] = "1"
    # O que os filhos escrevem é lido aqui como UTF-8, seja qual for o terminal da pessoa.
    result["PYTHONIOENCODING"] = "utf-8"
    result["PYTHONUTF8"] = "1"
    result["PYTHONUNBUFFERED"] = "1"
    # O que um cálculo libera fica com o processo até o fim da célula, em vez de ser devolvido e pedido de novo a cada
    # passo: 5 % do tempo. No fim da célula, o kernel o devolve (``book/uses.py``). Só a glibc os lê.
    result.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 * 2**20))
    result.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))
    result.setdefault("MALLOC_TOP_PAD_", str(64 * 2**20))
    # As barras de progresso não ficam nas páginas: cada atualização seria uma mensagem do kernel e uma saída a guardar.
    result.setdefault("TQDM_MININTERVAL", "3600")
    return result


@dataclass
class Report:
    """O que aconteceu numa rodada do Sphinx."""

    status: int = 0
    warnings: int = 0


def run_book(root: Path, log: Path, *, quiet: bool = False) -> Report:
    """Chama o Jupyter Book, mostra os avisos (a menos que ``quiet``) e guarda tudo o que ele diz em ``log``."""
    command = [sys.executable, "-c", BOOK_COMMAND, "build", str(root), "-W", "-n", "--keep-going"]
    report = Report()
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = kernel_environment(root, os.environ)
    with (
        log.open("w", encoding="utf-8") as record,
        subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        ) as process,
    ):
        for raw in process.stdout:
            line = COLOURS.sub("", raw)
            record.write(line)
            if WARNING.search(line):
                report.warnings += 1
                if not quiet:
                    print(f"  aviso: {line.strip()}", flush=True)
    report.status = process.returncode
    return report


def make_pages(root: Path, chapters: Chapters, log: Path) -> Report:
    """Faz as páginas, em rodadas, enquanto os capítulos são executados; devolve a última, com todos terminados.

    Cada rodada só refaz as páginas dos capítulos que terminaram desde a anterior. Um aviso numa delas sairia uma vez,
    e ninguém o veria: se houve algum, a última refaz tudo e o mostra.
    """
    build = root / "_build"
    clean, first, shown = True, not (build / "html" / "index.html").exists(), chapters.pending
    pause: float = BETWEEN_ROUNDS
    while not chapters.done:
        start = time.monotonic()
        if first or chapters.pending != shown:
            shown = chapters.pending
            clean &= run_round(root, chapters, log, quiet=True).status == 0
            pause = pause_after(time.monotonic() - start, first=first)
        if first:
            print("  as páginas já podem ser abertas (make ver); as dos capítulos vão se completando", flush=True)
            first = False
        while not chapters.done and time.monotonic() - start < pause:
            chapters.wait(pause - (time.monotonic() - start))
    if not clean:
        discard_pages(build)
    return run_round(root, chapters, log)


def pause_after(seconds: float, *, first: bool) -> float:
    """Os segundos, do começo de uma rodada que levou ``seconds``, até o da seguinte.

    A primeira faz todas as páginas, e o que ela leva não diz nada das outras.
    """
    return BETWEEN_ROUNDS if first else max(BETWEEN_ROUNDS, ROUNDS_APART * seconds)


def run_round(root: Path, chapters: Chapters, log: Path, *, quiet: bool = False) -> Report:
    """Uma rodada: as páginas do que há, e as dos capítulos sem saídas como estão."""
    (root / "_build" / "pendentes.json").write_text(json.dumps(chapters.pending), encoding="utf-8")
    return run_book(root, log, quiet=quiet)


def explain_failures(build: Path, failures: Mapping[str, Failure]) -> None:
    """Diz em português que células falharam, e onde está o erro inteiro de cada uma."""
    for name, failure in failures.items():
        target = build / "erros" / f"{Path(name).name}.txt"
        target.parent.mkdir(exist_ok=True)
        target.write_text(failure.detail + "\n", encoding="utf-8")
        where = f"Uma célula de {name}.ipynb falhou ({failure.cell})" if failure.cell else f"{name}.ipynb não terminou"
        print(f"\n✘ {where}:")
        print(f"    {failure.reason}")
        print(f"  A célula e o erro completo estão em {target}")
    print("\n  Os outros capítulos estão prontos e guardados; depois do conserto, make livro só executa o que faltou.")


def explain_warnings(log: Path, report: Report) -> None:
    """Diz em português por que o livro não saiu e onde está o relatório."""
    if report.warnings:
        print(f"\n✘ O livro tem {report.warnings} aviso(s), e aqui aviso é erro: corrija-os e construa de novo.")
        print(f"  O registro completo está em {log}")
    else:
        print("\n✘ O livro não foi construído. Fim do registro:")
        print("".join(f"    {line}\n" for line in log.read_text(encoding="utf-8").splitlines()[-25:]))
        print(f"  O registro completo está em {log}")


def compare_numbers(root: Path, signature: Signature, target: Path) -> str:
    """Confere os números do texto com os que esta construção imprimiu, e grava em ``target`` o que não confere.

    Só o perfil ``padrao`` com o MNIST refaz os números de que o texto fala. Um que não confere não reprova o livro:
    outra máquina, ou outra versão do PyTorch, pode levar um treino a outro lugar, e quem lê precisa saber.
    """
    if json.loads(signature.environment)["perfil"] != "padrao" or not signature.data.startswith("MNIST"):
        return "\nNúmeros do texto: são os do perfil padrao com o MNIST; os desta construção são outros."
    results = ledger.check(root, ledger.documents(root), book=True)
    target.write_text(ledger.report(results) + "\n", encoding="utf-8")
    tied = sum(count for count, _ in results.values())
    wrong = sum(len(faults) for _, faults in results.values())
    if wrong:
        return f"\nNúmeros do texto: {tied} conferidos; {wrong} não saíram aqui como estão escritos. Veja {target}"
    return f"\nNúmeros do texto: {tied} conferidos com os que esta construção imprimiu."


def build_book(root: Path) -> int:
    """Constrói o livro de ``root`` e devolve o código de saída."""
    start = time.monotonic()
    build = root / "_build"
    kept, log, finished = build / "assinatura.json", build / "livro.log", build / "pronto.json"
    page = build / "html" / "index.html"
    environ = kernel_environment(root, os.environ)
    signature = compute_signature(root, environ)
    project, last = hash_project(root), read_finished(finished)
    if last.get("project") == project and read_signature(kept) == signature and page.exists():
        print("Livro: nada mudou desde a última construção.")
        announce(page, last["numbers"], start, executed=0)
        return 0
    finished.unlink(missing_ok=True)
    print(f"Livro: {discard_stale(build, read_signature(kept), signature)}.", flush=True)
    # Antes de executar: o que uma construção interrompida deixar guardado já é desta assinatura.
    write_signature(kept, signature)
    with Chapters(root, environ) as chapters:
        report = make_pages(root, chapters, log)
    if chapters.failures:
        explain_failures(build, chapters.failures)
        return 1
    if report.status:
        explain_warnings(log, report)
        # O Sphinx daria por boas, da próxima vez, as páginas que só tiveram avisos.
        discard_pages(build)
        return report.status
    # Um capítulo pode ter baixado o MNIST: sem isto, a próxima construção acharia que os dados mudaram. Do resto fica o
    # que havia no começo: o que se editou durante a construção é novidade para a próxima.
    write_signature(kept, replace(signature, data=data_in_use(environ)))
    numbers = compare_numbers(root, signature, build / "numeros.txt")
    finished.write_text(json.dumps({"project": project, "numbers": numbers}), encoding="utf-8")
    announce(page, numbers, start, executed=len(chapters.executed))
    return 0


def announce(page: Path, numbers: str, start: float, *, executed: int) -> None:
    """Diz que o livro está pronto, e onde."""
    print(numbers)
    seconds = number(time.monotonic() - start, ".0f")
    print(
        f"\n✔ Livro pronto em {seconds} s, sem avisos ({executed} capítulo(s) executado(s)). Abra:\n  {page.as_uri()}"
    )


if __name__ == "__main__":
    tolerate_any_terminal()
    try:
        sys.exit(build_book(ROOT))
    except ValueError as error:
        print(f"✘ {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\n⏹ Interrompido. Os capítulos que terminaram ficam guardados: make livro continua daí.")
        sys.exit(130)
