"""Entregas que gastam o que não é delas, ou tentam sair da caixa."""

from __future__ import annotations

from corpus.base import FULL, POINTS, answers, entry, others

# Um argumento reconhecível: se sobrar um processo com ele depois da correção, alguém escapou.
MARK = "987654321"


def in_the_call(name: str, body: str, says: str = ""):
    """``body`` roda dentro da q5; as outras seis questões estão certas."""
    indented = body.replace("\n", "\n    ")
    return entry(
        name, FULL - POINTS["q5"], *answers(*others("q5"), q5=f"def even_times(frames):\n    {indented}"), says=says
    )


def in_a_cell(name: str, body: str, mark: float = FULL, says: str = ""):
    """``body`` é uma célula no meio; todas as questões estão certas."""
    first, *rest = answers(*others())
    return entry(name, mark, first, rest[0], body, *rest[1:], says=says)


FORK = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
MEMORY = "b = []\nwhile True: b.append(bytearray(50_000_000))"
DISK = """n = 0
while True:
    n += 1
    with open(f'/tmp/{n}', 'wb') as f:
        while True: f.write(b'x' * 2**20)"""

EXHAUSTING = [
    in_a_cell("celula-laco", "while True: pass", says="passou do prazo"),
    in_a_cell("celula-laco-em-c", "sum(range(10**13))", says="não terminou no prazo"),
    in_a_cell("celula-dorme", "import time\ntime.sleep(10**6)", says="passou do prazo"),
    in_a_cell("celula-sai", "import os\nos._exit(0)", says="encerrou o processo"),
    in_a_cell("celula-mata-todos", "import os, signal\nos.kill(-1, signal.SIGKILL)"),
    in_a_cell("celula-se-mata", "import os\nos.abort()", says="encerrou o processo"),
    in_a_cell("celula-pilha", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()"),
    in_a_cell("celula-ponteiro", "import ctypes\nctypes.string_at(8)", says="encerrou o processo"),
    in_a_cell("celula-troca-o-programa", "import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])", says="OSError"),
    in_a_cell(
        "celula-estraga-o-python",
        "import builtins, sys\ndel builtins.print\nsys.stdout = sys.stderr = None",
    ),
    in_a_cell(
        "celula-despede-se",
        "import atexit, threading, time\natexit.register(lambda: time.sleep(1000))\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()",
    ),
    entry("celulas-todas-morrem", 0, *["import os; os._exit(1)"] * 8, *answers(*others()), says="encerrou o processo"),
    in_the_call("chamada-laco", "while True: pass", says=""),
    in_the_call("chamada-laco-em-c", "return sum(range(10**13))", says="prazo esgotado"),
    in_the_call("chamada-regex", "import re\nreturn re.match('(a+)+$', 'a' * 60 + 'b')", says="prazo esgotado"),
    in_the_call("chamada-sai", "import os\nos._exit(0)", says="processo morto"),
    in_the_call("chamada-para", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nwhile True: pass"),
    in_the_call("chamada-memoria", MEMORY),
    in_the_call("chamada-memoria-torch", "import torch\nreturn torch.ones(10**6, 10**5).sum()"),
    in_the_call(
        "chamada-memoria-repartida",
        "import os, time\nfor _ in range(30): os.fork() or (\n"
        "    bytearray(b'x') * 400_000_000, time.sleep(60), os._exit(0))\ntime.sleep(60)",
    ),
    in_the_call(
        "chamada-memoria-dividida",
        "import mmap, time\nb = []\nwhile True:\n"
        "    b.append(mmap.mmap(-1, 50_000_000))\n    b[-1].write(b'x' * 50_000_000)",
    ),
    in_the_call(
        "chamada-memoria-sem-dono",
        "import ctypes, os\nlibc = ctypes.CDLL(None)\nwhile True:\n"
        "    fd = libc.memfd_create(b'x', 0)\n    assert fd >= 0\n    os.write(fd, b'x' * 2**26)",
    ),
    in_the_call("chamada-bifurca", FORK),
    in_the_call(
        "chamada-linhas",
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(1000,)).start()",
    ),
    in_the_call("chamada-disco", DISK),
    in_the_call("chamada-arquivo-grande", "open('/tmp/g', 'wb').truncate(2**30)\nreturn 1"),
    in_the_call("chamada-descritores", "f = []\nwhile True: f.append(open('/dev/null'))"),
    in_the_call("chamada-linha-comprida", "return ['x' * 500] * 900", says="grande demais"),
    in_a_cell("celula-memoria-sem-conta", "import mmap\nmmap.mmap(-1, 4096)", says="PermissionError"),
    in_a_cell(
        "celula-memoria-sem-conta-com-nome",
        "import mmap, os\nmmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096, mmap.MAP_SHARED)",
        says="OSError",
    ),
    in_a_cell(
        "celula-memoria-em-filas",
        "import socket\na, b = socket.socketpair()\na.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)",
        says="PermissionError",
    ),
    in_a_cell("celula-soquete", "import socket\nsocket.socket()", says="PermissionError"),
    in_a_cell("celula-vsock", "import socket\nsocket.socket(40, 1)", says="PermissionError"),
    in_a_cell("celula-texto-que-nao-se-grava", "raise ModuleNotFoundError('\\ud800\x1b[2J')", says="��[2J"),
    in_the_call(
        "chamada-orfao",
        "import os, subprocess\n"
        f"subprocess.Popen(['/bin/sleep', '{MARK}'], start_new_session=True)\n"
        f"if os.fork() == 0:\n    os.setsid()\n    os.execv('/bin/sleep', ['sleep', '{MARK}'])\nreturn 1",
    ),
    # Sair da caixa.
    in_the_call(
        "fuga-escreve-fora",
        "import os\nfor d in ('@MUNDO@', '/work', '/root', '/usr', '/dev', '/', '/correcao'):\n"
        "    try: open(d + '/canario', 'w').write('tomado')\n    except OSError: pass\nreturn 1",
    ),
    in_the_call(
        "fuga-le-vizinho",
        "import os\ntry: return open('@MUNDO@/vizinho.ipynb').read()\nexcept OSError: return str(os.listdir('/'))",
    ),
    in_a_cell(
        "fuga-le-o-sistema",
        "import os, glob\nachou = [p for p in ('/etc/shadow', '/etc/passwd', '/root/.bashrc', "
        "'@MUNDO@', '/proc/1/environ', '/proc/self/environ') if os.path.exists(p)]\n"
        "raise RuntimeError(f'achou {achou} {dict(os.environ).keys() & {\"SEGREDO\"}}')",
        says="achou [] set()",
    ),
    in_the_call(
        "fuga-rede",
        "import socket\ns = socket.create_connection(('127.0.0.1', @PORTA@), 1)\ns.send(b'tomado')\nreturn 1",
    ),
    in_the_call(
        "fuga-rede-de-fora",
        "import urllib.request\nreturn urllib.request.urlopen('http://example.com', timeout=1).read()",
    ),
    in_the_call(
        "fuga-espaco-de-usuarios",
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.unshare(0x10000000) == 0\nreturn 1",
    ),
    in_the_call(
        "fuga-monta",
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "assert libc.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, b'size=90%') == 0\nreturn 1",
    ),
    in_the_call(
        "fuga-sudo", "import subprocess\nsubprocess.run(['/bin/su', '-c', 'echo x > @MUNDO@/canario'])\nreturn 1"
    ),
    in_the_call(
        "fuga-mata-o-pai",
        "import os, signal\nfor p in range(1, 400):\n"
        "    if p != os.getpid():\n        try: os.kill(p, signal.SIGKILL)\n        except OSError: pass\n"
        "os.kill(os.getppid(), signal.SIGKILL)",
    ),
]
