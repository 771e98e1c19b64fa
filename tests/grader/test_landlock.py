"""A segunda parede: o que ela deixa ler e gravar, por si só e na caixa."""

from __future__ import annotations

import subprocess
import sys

import pytest

from course_grader.inside import landlock

if not landlock.version():
    pytest.skip("este núcleo não tem Landlock", allow_module_level=True)

PROGRAM = """
import ctypes, os, sys
from course_grader.inside import landlock
folder = sys.argv[1]
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
assert landlock.restrict([f"{folder}/lido", f"{folder}/nada"], [f"{folder}/rascunho", "/dev/null"])
def can(action):
    try:
        action()
    except OSError:
        return False
    return True
def write(path):
    with open(path, "w") as file:
        file.write("x")
print([
    can(lambda: open(f"{folder}/lido/a").read()), can(lambda: os.listdir(f"{folder}/lido")),
    can(lambda: open(f"{folder}/segredo").read()), can(lambda: os.listdir(folder)),
    can(lambda: open(f"{folder}/lido/atalho").read()), can(lambda: write(f"{folder}/lido/a")),
    can(lambda: write(f"{folder}/segredo")), can(lambda: os.remove(f"{folder}/lido/a")),
    can(lambda: write(f"{folder}/rascunho/b")), can(lambda: os.makedirs(f"{folder}/rascunho/c/d")),
    can(lambda: os.rename(f"{folder}/rascunho/b", f"{folder}/rascunho/c/d/b")),
    can(lambda: open(f"{folder}/rascunho/c/d/b").read()), can(lambda: os.remove(f"{folder}/rascunho/c/d/b")),
    can(lambda: os.link(f"{folder}/segredo", f"{folder}/rascunho/s")), can(lambda: write("/dev/null")),
    can(lambda: os.execv("/bin/true", ["true"])),
])
"""


def test_only_what_is_shown_is_read_and_only_the_scratch_is_written(tmp_path):
    for folder in ("lido", "rascunho"):
        (tmp_path / folder).mkdir()
    for name in ("lido/a", "segredo"):
        (tmp_path / name).write_text("x")
    (tmp_path / "lido" / "atalho").symlink_to(tmp_path / "segredo")
    ran = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    read = [True, True, False, False]
    changed = [False, False, False, False]
    scratch = [True, True, True, True, True]
    assert ran.stdout.strip() == str([*read, *changed, *scratch, False, True, False])


def test_the_box_has_it(sandbox):
    """A raiz existe dentro da caixa, e não está entre o que se mostra: só o Landlock a fecha."""
    channel = sandbox.open()
    reply = channel.request({"op": "cell", "source": "import os\nos.listdir('/')"}, (), 30)
    assert reply["error"]["type"] == "PermissionError"
    cells = ("import os\nos.listdir('/usr')", "open('/content/x', 'w').write('1')", "open('/tmp/x', 'w').write('1')")
    for source in (*cells, "import shutil\nos.mkdir('/tmp/p')\nshutil.move('/tmp/x', '/tmp/p/x')"):
        assert "error" not in channel.request({"op": "cell", "source": source}, (), 30), source
