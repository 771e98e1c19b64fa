"""Entregas de quem fez o que pôde: inteiras, parciais, e escritas de muitos jeitos."""

from __future__ import annotations

import json
from pathlib import Path

from corpus.base import FULL, Entry, answers, entry, notebook, others

ROOT = Path(__file__).resolve().parents[3]

COLAB = """import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps "git+https://exemplo.invalid/curso"
"""


def _version_3(*cells: str) -> bytes:
    sheet = {"cells": [{"cell_type": "code", "input": source, "outputs": [], "language": "python"} for source in cells]}
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [sheet]}).encode()


HONEST = [
    Entry("honesta-solucao", (ROOT / "solutions/09_interpolacao.ipynb").read_bytes(), FULL, FULL),
    Entry("branca", (ROOT / "exercises/09_interpolacao.ipynb").read_bytes(), 0, 0),
    entry("honesta-celulas", FULL, *answers(*others())),
    entry("honesta-uma-celula", FULL, "\n".join(answers(*others()))),
    entry("honesta-ao-contrario", FULL, "import torch", *answers(*others())[:0:-1]),
    entry(
        "honesta-colab",
        FULL,
        COLAB,
        "!pip install torch\n!ls",
        "%matplotlib inline\n%load_ext autoreload",
        "%%time\n" + answers("q1")[1],
        "%%bash\nrm -rf /",
        *answers(*others("q1")),
    ),
    entry(
        "honesta-conferencias",
        FULL,
        "from course_lib.exercises import open_exercise",
        "verificar = open_exercise('09_interpolacao', globals())",
        "verificar('q1')",
        *answers(*others()),
        "verificar('q6')",
    ),
    entry(
        "honesta-celulas-quebradas",
        FULL,
        "1 / 0",
        "def f(:",
        "raise SystemExit",
        "nome_que_nao_existe",
        "x = input('nome? ')",
        *answers(*others()),
        says="ZeroDivisionError",
    ),
    entry(
        "honesta-figuras",
        FULL,
        "from course_lib import viz\nimport matplotlib.pyplot as plt\n"
        "plt.plot([1, 2])\nplt.show()\nviz.image_grid(None)",
        *answers(*others()),
    ),
    entry(
        "honesta-fala-demais",
        FULL,
        "print('x' * 10**7)\nimport sys\nsys.stderr.write('y' * 10**6)",
        *answers(*others()),
    ),
    entry(
        "honesta-lambda",
        FULL,
        *answers(
            *others("q5"),
            q5="import numpy as np\n"
            "even_times = lambda f: np.interp((t := np.linspace(0, 1, len(f))) * (d := np.append(0, "
            "(f[1:] - f[:-1]).flatten(1).norm(dim=1).cumsum(0)))[-1], d, t).tolist()",
        ),
    ),
    entry(
        "honesta-numpy",
        FULL,
        *answers(
            *others("q5"),
            q5="import numpy as np\ndef even_times(frames):\n"
            "    d = np.diff(frames.numpy().reshape(len(frames), -1), axis=0)\n    d = np.sqrt((d**2).sum(1))\n"
            "    d, t = np.append(0, d.cumsum() / d.sum()), np.linspace(0, 1, len(frames))\n"
            "    return np.interp(t, d, t)",
        ),
    ),
    entry(
        "honesta-classe",
        FULL,
        "class Ajuda:\n    def __call__(self, z_a, z_b, n):\n"
        "        import torch\n        return torch.lerp(z_a, z_b, torch.linspace(0, 1, n)[:, None])",
        *answers(*others("q3"), q3="interpolate = Ajuda()"),
    ),
    entry("honesta-redefine", FULL, *answers(*others()), "def interpolate(*a): return 0", answers("q3")[1]),
    entry(
        "honesta-guarda-e-usa",
        FULL,
        *answers(
            *others("q3"),
            q3="T = {}\ndef interpolate(z_a, z_b, n):\n"
            "    T.setdefault(n, torch.linspace(0, 1, n)[:, None])\n    return z_a + T[n] * (z_b - z_a)",
        ),
    ),
    entry(
        "honesta-escreve-em-tmp",
        FULL,
        "open('/tmp/a', 'w').write('a')\nassert open('/tmp/a').read() == 'a'",
        *answers(*others()),
    ),
    entry(
        "honesta-soquete-local",
        FULL,
        "import mmap, socket\na, b = socket.socketpair()\na.send(b'x')\nassert b.recv(1) == b'x'\n"
        "mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "import os\nif os.fork() == 0:\n    raise MemoryError\n" + "\n".join(answers(*others())),
    ),
    entry(
        "honesta-treina",
        FULL,
        "import torch\nnet = torch.nn.Linear(784, 64)\n"
        "opt = torch.optim.Adam(net.parameters())\nfor _ in range(20):\n    opt.zero_grad()\n"
        "    net(torch.randn(32, 784)).square().mean().backward()\n    opt.step()",
        *answers(*others()),
    ),
    Entry("honesta-nbformat-3", _version_3(*answers(*others())), FULL, FULL, "foi convertido"),
    Entry("honesta-bom", b"\xef\xbb\xbf" + notebook(*answers(*others())), FULL, FULL),
    Entry("honesta-utf-16", notebook(*answers(*others())).decode().encode("utf-16"), FULL, FULL, "UTF-16"),
    Entry(
        "honesta-latin-1",
        notebook("# co\\u00e7", *answers(*others())).replace(b"co\\\\u00e7", "coração".encode("latin-1")),
        FULL,
        FULL,
        "Latin-1",
    ),
    entry("parcial-tres", 3, *answers("q1", "q2", "q3")),
    entry(
        "parcial-so-autoencoder",
        7,
        *answers(*others("q2"), q2="def latent_code(model, x):\n    return model.encode(x).detach()"),
    ),
    entry(
        "parcial-com-gradiente",
        7,
        *answers(
            *others("q2"),
            q2="def latent_code(model, x):\n    c = model.encode(x)\n    return c[0] if isinstance(c, tuple) else c",
        ),
    ),
    entry(
        "honesta-devolve-numpy",
        FULL,
        *answers(
            *others("q3"),
            q3="def interpolate(z_a, z_b, n):\n"
            "    return (z_a + torch.linspace(0, 1, n)[:, None] * (z_b - z_a)).numpy()",
        ),
    ),
    entry(
        "parcial-devolve-lista",
        7,
        *answers(
            *others("q3"),
            q3="def interpolate(z_a, z_b, n):\n    return [z_a + t * (z_b - z_a) for t in torch.linspace(0, 1, n)]",
        ),
    ),
    entry(
        "parcial-altera-entrada",
        7,
        *answers(
            *others("q6"),
            q6="def distance_to_real(frames, images):\n"
            "    f = frames.flatten(1); f -= f.mean(1, keepdim=True); f /= f.norm(dim=1, keepdim=True)\n"
            "    i = images.flatten(1); i -= i.mean(1, keepdim=True); i /= i.norm(dim=1, keepdim=True)\n"
            "    return 1 - (f @ i.T).amax(1)",
        ),
    ),
    entry(
        "parcial-sempre-5",
        6,
        *answers(
            *others("q3", "q4"),
            q3="def interpolate(z_a, z_b, n):\n    return torch.lerp(z_a, z_b, torch.linspace(0, 1, 5)[:, None])",
        ),
    ),
    entry("parcial-nome-errado", 7, *answers(*others("q1"), q1=answers("q1")[1].replace("pick_pair", "pickpair"))),
    entry("parcial-argumentos", 6, *answers(*others("q5"), q5="def even_times(): return 1.0")),
    entry(
        "parcial-levanta-erro",
        7,
        *answers(
            *others("q6"),
            q6="def distance_to_real(frames, images):\n    raise ValueError(f'olhe as entradas: {frames}')",
        ),
    ),
]
