"""Os kernels que nascem de um processo pronto: executam como os outros, e não sobrevivem a quem os pediu."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from book import execution, warm

ROOT = Path(__file__).resolve().parents[1]

# Um processo como os que executam capítulos: diz o que o kernel disse, e se falhou.
WORKER = """
import sys
from pathlib import Path
import nbformat
from book import execution

if __name__ == "__main__":
    execution.prepare({}, 1, many=True)
    cells = [nbformat.v4.new_code_cell(source) for source in sys.argv[2:]]
    notebook = nbformat.v4.new_notebook(cells=cells)
    result = execution.execute(Path(sys.argv[1]), Path(sys.argv[1], "um.ipynb"), notebook, [], 60)
    print([output.get("text", "") for cell in result.notebook.cells for output in cell.outputs], flush=True)
    print(result.failure and result.failure.reason, flush=True)
"""

# Quem espera o livro: abre um processo que executa capítulos, e não chega a fechá-lo.
BUILD = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from book import execution

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=execution.prepare, initargs=({}, 1, False)) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not warm.AVAILABLE, reason="só o Linux tem fork e pidfd")


def open_worker(folder: Path, *cells: str) -> subprocess.Popen[str]:
    (folder / "_build").mkdir(exist_ok=True)
    command = [sys.executable, "-c", WORKER, str(folder), *cells]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, encoding="utf-8")


def test_a_kernel_is_born_with_pytorch_and_without_the_course(tmp_path: Path) -> None:
    worker = open_worker(
        tmp_path,
        "import os, sys; print('torch' in sys.modules, any(n.startswith('course_lib') for n in sys.modules))",
        "import signal; print(signal.getsignal(signal.SIGINT), os.getcwd())",
        "print(__name__)",
        "import subprocess; print(subprocess.run(['false']).returncode)",
    )
    out, err = worker.communicate(timeout=120)
    assert "'True False\\n'" in out
    assert "default_int_handler>" in out
    assert str(tmp_path) in out
    assert "'__main__\\n'" in out
    assert "'1\\n'" in out  # os filhos do kernel têm código de saída: o SIGCHLD ignorado é só da origem
    assert out.splitlines()[-1] == "None"
    assert err == ""


def test_an_error_and_a_death_are_told_as_always(tmp_path: Path) -> None:
    out, _ = open_worker(tmp_path, "1 / 0").communicate(timeout=120)
    assert out.splitlines()[-1] == "ZeroDivisionError: division by zero"
    out, _ = open_worker(tmp_path, "import os; os.kill(os.getpid(), 9)").communicate(timeout=120)
    assert "morreu" in out.splitlines()[-1]


def test_a_kernel_dies_with_who_asked_for_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    worker = open_worker(
        tmp_path, f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    try:
        pid = int(wait_for(lambda: mark.exists() and mark.read_text(), 120))
        assert alive(pid)
    finally:
        worker.kill()
        worker.communicate()
    wait_for(lambda: not alive(pid), 60)


def test_who_executes_dies_with_who_waits_for_the_book() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BUILD]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, encoding="utf-8") as build:
        pid = int(build.stdout.readline())
        assert alive(pid)
        build.kill()
        wait_for(lambda: not alive(pid), 60)


def dead_origin() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    origin = subprocess.Popen([sys.executable, "-c", ""], stdin=pipe, stdout=pipe, bufsize=0)
    origin.wait()
    return origin


@pytest.mark.parametrize("find_origin", [lambda: None, dead_origin], ids=["nenhuma", "morta"])
def test_without_an_origin_a_kernel_starts_from_scratch(find_origin, tmp_path, monkeypatch) -> None:
    origin = find_origin()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(warm, "_origin", origin)
    monkeypatch.setattr(execution, "ignore_interrupts", lambda: None)  # os outros testes precisam do Ctrl-C
    (tmp_path / "_build").mkdir()
    cell = nbformat.v4.new_code_cell("import sys; print('torch' in sys.modules)")
    result = execution.execute(tmp_path, tmp_path / "um.ipynb", nbformat.v4.new_notebook(cells=[cell]), [], 60)
    if origin is not None:
        origin.stdin.close()
        origin.stdout.close()
    assert result.failure is None
    assert result.notebook.cells[0].outputs[0].text == "False\n"


def wait_for(question, seconds: float):
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "demorou demais"
        time.sleep(0.1)
    return answer


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
