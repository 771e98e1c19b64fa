"""Roda cada capítulo e cada exercício como o Colab os roda: ``python tools/run_in_colab.py`` ou ``make colab``.

Um ambiente com as versões do Colab (``tools/colab/versoes.txt``), em que a biblioteca não está; um ``google.colab`` de
mentira já importado; e cada caderno numa pasta vazia, no perfil ``rapido``. Quem instala a biblioteca é a primeira
célula do próprio caderno, com o endereço que está nela: o git o troca por esta árvore, como está. No fim, uma tabela
com os segundos de cada um, o primeiro erro, e o que a instalação mudou do que já havia.

Um exercício roda resolvido, a partir de ``solutions/``: é o caderno que o aluno tem no fim.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book.address import installs, read_address  # noqa: E402
from course_lib import console, files  # noqa: E402
from course_lib.text import number, table  # noqa: E402

PYTHON = "3.13"
STAND_IN = ROOT / "tools" / "colab"
VERSIONS = STAND_IN / "versoes.txt"
# O que a primeira célula instala; antes de cada caderno sai, para que ele o instale.
OWN = "course-lib"
STARTUP = "import google.colab\n"
# Uma célula que passe disto está presa.
CELL_SECONDS = 600


class ColabError(RuntimeError):
    """O ambiente não se fez; a mensagem diz por quê."""


@dataclass
class Outcome:
    """O que um caderno deixou.

    Attributes:
        name: a pasta e o nome dele.
        install: os segundos da primeira célula.
        seconds: os segundos de todas.
        error: a primeira que falhou, e por quê; vazio se nenhuma.
        replaced: o que já estava instalado e mudou.
    """

    name: str
    install: float = 0.0
    seconds: float = 0.0
    error: str = ""
    replaced: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """O primeiro erro e o que a instalação mudou."""
        return [*([self.error] if self.error else []), *(f"mudou {what}" for what in self.replaced)]


def prepare_environment(folder: Path, base: str, index: str | None) -> Path:
    """O Python de um ambiente com as versões do Colab; o de outra vez serve, se as versões são as mesmas.

    Args:
        folder: onde ele fica.
        base: o Python, pela versão ou pelo caminho.
        index: de onde tirar o PyTorch, se não do registro.

    Raises:
        ColabError: não há o Python, ou a instalação falhou.
    """
    wanted, done = VERSIONS.read_text(encoding="utf-8") + PYTHON, folder / "versoes-instaladas.txt"
    python = folder / "bin" / "python"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Instalando as versões do Colab em {folder} (uns 6 GB, ou 2 com TORCH=cpu)…", flush=True)
    uv = Path(sys.executable).with_name("uv")
    source = ["--extra-index-url", index, "--index-strategy", "unsafe-best-match"] if index else []
    for command in (
        [uv, "venv", "--quiet", "--python", base, folder],
        [uv, "pip", "install", "--quiet", "--python", python, *source, "-r", VERSIONS],
    ):
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if result.returncode:
            hint = f"Há o Python {PYTHON} nesta máquina? Diga onde: make colab COLAB_PYTHON=/caminho/do/python"
            raise ColabError(f"não consegui fazer o ambiente do Colab. {hint}\nO uv disse: {result.stderr.strip()}")
    done.write_text(wanted, encoding="utf-8")
    return python


def publish(folder: Path) -> None:
    """Faz em ``folder`` um repositório com esta árvore, como está, na revisão que os cadernos pedem."""
    revision = read_address(ROOT).revision

    def git(*arguments: str) -> str:
        command = ["git", f"--git-dir={folder}", f"--work-tree={ROOT}", "-c", "user.name=x", "-c", "user.email=x"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    git("add", "--all")
    git("commit", "--quiet", "--message=esta árvore")
    if revision != "main":
        git("tag", revision)
    # O pip pede um clone parcial.
    git("config", "uploadpack.allowFilter", "true")
    git("config", "uploadpack.allowAnySHA1InWant", "true")


def kernel_environment(work: Path, repository: Path) -> dict[str, str]:
    """O ambiente de um kernel do Colab, em que o endereço do curso leva a ``repository``."""
    startup = work / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text(STARTUP, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CURSO_", "PYTHON", "JUPYTER"))}
    data = files.data_root(os.environ)
    return {
        **kept,
        **({"CURSO_DADOS": str(data.absolute())} if data else {}),
        "CURSO_PERFIL": "rapido",
        "CURSO_CACHE": str(work / "cache"),
        "IPYTHONDIR": str(work / "ipython"),
        "PYTHONPATH": str(STAND_IN),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": read_address(ROOT).repository,
    }


@contextmanager
def kernel_named(python: Path, folder: Path) -> Iterator[str]:
    """O nome de um kernel que roda em ``python``."""
    spec = folder / "kernels" / "colab"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Colab", "language": "python"}))
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = str(folder)
    try:
        yield "colab"
    finally:
        os.environ.pop("JUPYTER_PATH")
        if before is not None:
            os.environ["JUPYTER_PATH"] = before


def installed(python: Path) -> dict[str, str]:
    """O que há no ambiente, com as versões."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    return json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)


def run_notebook(path: Path, python: Path, environ: dict[str, str], kernel: str, folder: Path) -> Outcome:
    """Roda um caderno sozinho em ``folder``, vazia, com a biblioteca por instalar."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    remove = [python, "-m", "pip", "uninstall", "--quiet", "--yes", OWN]
    subprocess.run(remove, capture_output=True, check=False)
    before, outcome = installed(python), Outcome(path.relative_to(ROOT).with_suffix("").as_posix())
    folder.mkdir()
    notebook = nbformat.read(path, as_version=4)
    times: list[float] = []

    def finish(cell: Any, **_: Any) -> None:
        times.append(time.monotonic())
        if installs(cell):
            outcome.install = times[-1] - start

    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name=kernel, resources={"metadata": {"path": str(folder)}},
        on_cell_executed=finish,
    )  # fmt: skip
    start = time.monotonic()
    try:
        client.execute(env=environ, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        outcome.error = f"célula {len(times)}: {error.ename}: {error.evalue}".splitlines()[0]
    except (CellTimeoutError, DeadKernelError) as error:
        outcome.error = f"célula {len(times) + 1}: {type(error).__name__}"
    outcome.seconds = time.monotonic() - start
    after = installed(python)
    outcome.replaced = sorted(f"{name} {old} → {after.get(name, 'nada')}" for name, old in before.items()
                              if after.get(name) != old)  # fmt: skip
    return outcome


def report(outcomes: list[Outcome]) -> str:
    """A tabela, e quantos não servem."""
    rows = [(one.name, one.install, one.seconds, "✘" if one.faults else "✔") for one in outcomes]
    wrong = [f"✘ {one.name}: {fault}" for one in outcomes for fault in one.faults]
    total = number(sum(one.seconds for one in outcomes) / 60, ".1f")
    end = f"cadernos: {len(outcomes)}, em {total} minutos; {'com faltas' if wrong else 'nada substituído'}"
    return "\n".join([table(rows, ("caderno", "instalar (s)", "tudo (s)", ""), spec=".1f"), *wrong, end])


def find_notebooks(names: list[str]) -> list[Path]:
    """Os cadernos pedidos; sem nomes, todos os capítulos e todos os exercícios.

    Raises:
        ValueError: não há um deles.
    """
    everything = [path for folder in ("chapters", "solutions") for path in sorted((ROOT / folder).glob("*.ipynb"))]
    found = [path for path in everything if not names or path.relative_to(ROOT).with_suffix("").as_posix() in names]
    if len(found) < len(names):
        known = ", ".join(path.relative_to(ROOT).with_suffix("").as_posix() for path in everything)
        raise ValueError(f"não achei {' ou '.join(names)}; há {known}")
    return found


def build_parser() -> console.Parser:
    """O analisador de argumentos."""
    parser = console.Parser(prog="python tools/run_in_colab.py", description=__doc__.splitlines()[0])
    parser.add_argument("caderno", nargs="*", help="só estes, como chapters/01_autoencoder (padrão: todos)")
    parser.add_argument("--ambiente", type=Path, help="onde fica o ambiente (padrão: na pasta de cache do curso)")
    parser.add_argument(
        "--python", default=PYTHON, help="o Python do Colab: a versão, ou o caminho (padrão: %(default)s)"
    )
    parser.add_argument("--torch-indice", metavar="ENDEREÇO", help="de onde tirar o PyTorch, se não do registro")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """O comando; devolve 0 se todos servem."""
    options = build_parser().parse_args(arguments)
    return console.run(lambda: _run(options), ColabError)


def _run(options: argparse.Namespace) -> int:
    notebooks = find_notebooks([name.removesuffix(".ipynb") for name in options.caderno])
    folder = options.ambiente or files.cache_dir(os.environ) / "colab"
    python = prepare_environment(folder, options.python, options.torch_indice)
    outcomes = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        publish(work / "curso.git")
        environ = kernel_environment(work, work / "curso.git")
        with kernel_named(python, work / "jupyter") as kernel:
            for path in notebooks:
                print(f"  {path.relative_to(ROOT)} …", flush=True)
                outcomes.append(run_notebook(path, python, environ, kernel, work / f"{path.parent.name}-{path.stem}"))
    print(report(outcomes))
    return int(any(one.faults for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
