"""A caixa: o que se vê dentro dela, e o que sobra depois dela."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import course_grader
import course_lib
from course_grader import bubblewrap
from course_grader import sandbox as module
from course_grader.bubblewrap import SandboxError, bubblewrap_command, require_sandbox
from course_grader.inside.lockdown import Limits
from course_grader.memory import queued_memory, shared_out_memory, tree_memory
from course_grader.sandbox import Confinement, Sandbox

# Num clone que mora em /tmp, o caminho até ele é a única coisa que há lá.
CLONE = {folder.parts[2] for folder in bubblewrap._shown() if folder.is_relative_to("/tmp")}

SEEN = """
import os, json, sys, ctypes, resource
libc = ctypes.CDLL(None, use_errno=True)
home = os.path.dirname(sys.modules["course_lib"].__file__)
SECRETS = ("course_grader", "course_lib/exercises/definitions")
raise RuntimeError(json.dumps({
    "uid": os.getuid(), "pid": os.getpid(), "proc": os.listdir("/proc"), "tmp": os.listdir("/tmp"),
    "definitions": os.listdir(os.path.join(home, "exercises", "definitions")),
    "secrets": [name for base in {*sys.path, os.path.dirname(os.path.realpath(home))} for secret in SECRETS
                for _, _, names in os.walk(os.path.join(base, secret)) for name in names],
    "unshare": libc.unshare(0x10000000), "memfd": libc.memfd_create(b"x", 0),
    "nproc": resource.getrlimit(resource.RLIMIT_NPROC), "fsize": resource.getrlimit(resource.RLIMIT_FSIZE),
    "writable": [d for d in ("/", "/usr", "/dev", "/correcao", "/etc") if os.access(d, os.W_OK)],
    "open": [f for f in range(3, 100) if not f == 3 and os.path.exists(f"/dev/fd/{f}")],
}))
"""


def run(channel, source):
    return channel.request({"op": "cell", "source": source}, (), 30)


def test_what_the_student_sees(sandbox):
    import json

    reply = run(sandbox.open(), SEEN.strip())
    seen = json.loads(reply["error"]["text"]) if len(reply["error"]["text"]) < 500 else None
    assert seen is not None, reply["error"]["text"]
    assert seen["uid"] != 0
    assert seen["pid"] == 1
    assert set(seen["proc"]) == {"self", "cpuinfo", "meminfo"}
    assert seen["definitions"] == seen["secrets"] == seen["writable"] == seen["open"] == []
    assert set(seen["tmp"]) == CLONE
    assert seen["unshare"] == seen["memfd"] == -1
    assert seen["nproc"] == [64, 64]
    assert seen["fsize"] == [64 * 2**20] * 2


def test_one_submission_leaves_nothing_to_the_next(sandbox):
    source = (
        "open('/tmp/bilhete', 'w').write('oi')\nopen('/dev/shm/bilhete', 'w').write('oi')\n"
        "import torch, os, time\ntorch.bilhete = 'oi'\nos.fork() or time.sleep(1000)"
    )
    assert "error" not in run(sandbox.open(), source)
    check = (
        f"import os, torch\nassert set({sorted(CLONE)}) == {{*os.listdir('/tmp'), *os.listdir('/dev/shm')}}\n"
        "assert not hasattr(torch, 'bilhete')"
    )
    assert "error" not in run(sandbox.open(), check)


def test_killing_leaves_no_process(sandbox):
    run(sandbox.open(), "import os, time\nfor _ in range(5): os.fork() or (os.setsid(), time.sleep(1000))")
    family = psutil.Process(sandbox._process.pid)
    assert len(family.children(recursive=True)) >= 6
    sandbox.kill()
    # Restam o bubblewrap e o processo que espera.
    assert len(family.children(recursive=True)) <= 2


def test_where_namespaces_do_not_nest_each_submission_has_its_own_box(needs_sandbox):
    with Sandbox(Confinement(nested=False), slot=8) as box:
        assert "error" not in run(box.open(), "open('/tmp/bilhete', 'w').write('oi')\nimport os\nos.fork()")
        first = box._process.pid
        run(box.open(), "import os\nassert os.getuid()\nassert not os.listdir('/tmp')")
        assert box._process.pid != first
    assert not psutil.pid_exists(first)


def test_an_abandoned_box_does_not_come_back(needs_sandbox):
    box = Sandbox(Confinement())
    box.abandon()
    with pytest.raises(SandboxError, match="interrompida"):
        box.open()


def test_the_waiting_process_that_dies_is_replaced(needs_sandbox, sandbox):
    sandbox.open()
    os.kill(sandbox._process.pid, 9)
    assert "error" not in run(sandbox.open(), "x = 1")


def test_memory_is_summed_over_the_family():
    block = b"x" * (100 * 2**20)
    assert shared_out_memory(os.getpid()) > len(block)
    assert tree_memory(os.getpid()) >= shared_out_memory(os.getpid()) * 0.99
    assert tree_memory(2**22 - 1) == shared_out_memory(2**22 - 1) == 0


def test_memory_in_the_queues_of_sockets_is_counted():
    before = queued_memory(os.getpid())
    pairs = [socket.socketpair() for _ in range(20)]
    grown = queued_memory(os.getpid()) - before
    for pair in pairs:
        for end in pair:
            end.close()
    assert grown >= 40 * 2**16
    assert queued_memory(2**22 - 1) == 0


def shown_files(*folders):
    """Os arquivos que a caixa mostra nestas pastas."""
    found = subprocess.run(
        [*bubblewrap_command(Limits()), "--", "/usr/bin/find", *folders, "-type", "f"], capture_output=True, text=True
    )
    return {Path(line) for line in found.stdout.splitlines()}


def test_the_box_shows_the_library_without_the_references(needs_sandbox):
    library = Path(course_lib.__file__).resolve().parent
    shown = shown_files(library, "/correcao")
    assert library / "exercises" / "question.py" in shown
    assert Path("/correcao/inside/serve.py") in shown
    assert not [path for path in shown if "definitions" in path.parts]
    grader = Path(course_grader.__file__).parent
    hidden = {path.name for path in grader.glob("*.py")} - {path.name for path in grader.glob("inside/*.py")}
    assert not [path for path in shown if path.is_relative_to("/correcao") and path.name in hidden]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Um clone inteiro, com o pacote, numa pasta em que se instalam pacotes e que um atalho também nomeia."""
    real, link = tmp_path / "real", tmp_path / "atalho"
    for part in ("course_grader", "course_lib/exercises/definitions", "solutions", "tests/grader", ".git"):
        (real / part).mkdir(parents=True)
        (real / part / "resposta.py").write_text("42")
    (real / "torch.py").write_text("")
    (real / "course_lib" / "exercises" / "question.py").write_text("")
    link.symlink_to(real)
    libraries = bubblewrap._libraries()
    monkeypatch.setattr(bubblewrap, "_libraries", lambda: {*libraries, link})
    return real, link


def test_another_copy_of_the_course_is_hidden_too(needs_sandbox, installed):
    real, link = installed
    shown = shown_files(f"{link}/")
    assert shown == {link / "torch.py", link / "course_lib" / "exercises" / "question.py"}
    assert not shown_files(real)


def test_python_that_lives_in_tmp_stays_in_sight(needs_sandbox, monkeypatch):
    monkeypatch.setattr(bubblewrap, "_shown", lambda: {Path("/tmp/curso/.venv")})
    command = bubblewrap._assemble(Limits())
    assert command.index("/tmp") < command.index("/tmp/curso/.venv")


def test_a_python_called_through_a_relative_path_works(needs_sandbox, monkeypatch):
    """``../.venv/bin/python -m course_grader``: o caminho passa por uma pasta que a caixa não tem."""
    here = Path(sys.executable)
    monkeypatch.setattr(sys, "executable", str(here.parent / ".." / here.parent.name / here.name))
    monkeypatch.setattr(sys, "prefix", str(Path(sys.prefix) / ".." / Path(sys.prefix).name))
    require_sandbox()
    command = bubblewrap_command(Limits())
    assert not [part for part in command if ".." in Path(part).parts]
    found = subprocess.run(
        [*command, "--", bubblewrap.executable(), "-c", "import sys, torch; print(sys.prefix)"],
        text=True,
        capture_output=True,
        check=True,
    )
    assert Path(found.stdout.strip()) == Path(sys.prefix).resolve()


def test_no_source_of_the_box_is_a_link(needs_sandbox, installed):
    """O bubblewrap 0.12 recusa montar um atalho."""
    command = bubblewrap_command(Limits())
    sources = [command[n + 1] for n, part in enumerate(command) if part.startswith("--ro-bind")]
    assert len(sources) > 5
    assert [source for source in sources if os.path.realpath(source) != source] == []


def test_a_folder_that_bubblewrap_refuses_is_known_at_the_start(needs_sandbox, monkeypatch, tmp_path):
    """A lista verdadeira é experimentada, e não uma caixa qualquer."""
    monkeypatch.setattr(bubblewrap, "_package", lambda: tmp_path / "sumiu")
    with pytest.raises(SandboxError, match="sumiu"):
        require_sandbox()


@pytest.mark.parametrize(
    ("told", "mode", "faults"),
    [
        ("bubblewrap 0.8.0", 0o755, ["CVE-2026-87766"]),
        ("bubblewrap 0.8.0", 0o4755, ["CVE-2026-87766", "CVE-2026-41163"]),
        ("bubblewrap 0.11.2", 0o4755, ["CVE-2026-87766"]),
        ("bubblewrap 0.12", 0o4755, []),
        ("bubblewrap 0.13.1", 0o755, []),
        ("outra coisa", 0o4755, []),
    ],
)
def test_a_bubblewrap_with_a_known_fault_is_told(tmp_path, monkeypatch, told, mode, faults):
    path = tmp_path / "bwrap"
    path.write_text(f"#!/bin/sh\necho '{told}'\n")
    path.chmod(mode)
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: str(path))
    said = bubblewrap.known_faults()
    assert [fault for line in said for fault in faults if fault in line] == faults
    assert len(said) == len(faults)


def test_without_bubblewrap_it_says_how_to_install(monkeypatch):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
        require_sandbox()


@pytest.mark.parametrize(
    ("setting", "advice"),
    [("1\n", r"Ubuntu.*sudo sysctl -w kernel\.restricao=0"), ("0\n", "contêiner"), (None, "contêiner")],
)
def test_a_bubblewrap_that_ubuntu_forbids_says_what_frees_it(monkeypatch, tmp_path, setting, advice):
    """Desde o Ubuntu 23.10 o AppArmor não deixa o bwrap isolar, e isso se muda num comando."""
    restriction = tmp_path / "restricao"
    if setting is not None:
        restriction.write_text(setting)
    monkeypatch.setattr(bubblewrap.sys, "platform", "linux")
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: "/usr/bin/bwrap")
    monkeypatch.setattr(bubblewrap, "_RESTRICTION", restriction)
    monkeypatch.setattr(bubblewrap, "_assemble", lambda limits: ["/bin/false"])
    with pytest.raises(SandboxError, match=advice):
        require_sandbox()


def test_a_broken_bubblewrap_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(module, "bubblewrap_command", lambda limits: ["/bin/false"])
    with pytest.raises(SandboxError, match="não abriu"):
        Sandbox(Confinement()).open()
