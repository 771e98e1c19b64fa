"""Entregas que querem pontos sem fazer conta: enganam o juiz, o canal, o relógio ou o nome da função."""

from __future__ import annotations

from corpus.base import FULL, answers, entry, others

ALL_NAMES = [
    "pick_pair",
    "latent_code",
    "interpolate",
    "latent_path",
    "even_times",
    "distance_to_real",
    "own_kind_share",
]


def everything(value: str) -> str:
    """Toda função devolve ``value``."""
    return "\n".join(f"{name} = lambda *a: {value}" for name in ALL_NAMES)


WILD = """import torch
class Tudo:
    shape = property(lambda self: self)
    def __eq__(self, other): return True
    def __hash__(self): return 1
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __bool__(self): return True
    def __float__(self): return 1.0
    def __len__(self): return 2
    def __iter__(self): return iter([self, self])
"""
WILD_TENSOR = """import torch
class Tudo(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return True
    def __eq__(self, other): return torch.tensor(True)
"""
# Acha o canal herdado: o único soquete aberto.
CHANNEL = """import os, stat, json, torch
for canal in range(3, 256):
    try:
        if stat.S_ISSOCK(os.fstat(canal).st_mode): break
    except OSError: pass
"""
NO_REPLY = "{'id': '0', 'answer': {'k': 'float', 'v': (1.0).hex()}}"
# Acha na pilha o número do pedido em curso e responde por conta própria.
FORGER = (
    CHANNEL
    + """import sys
def pedido():
    f = sys._getframe()
    while f:
        if 'request' in f.f_locals and 'id' in dict(f.f_locals['request']): return f.f_locals['request']['id']
        f = f.f_back
def responde(answer, bruto=b''):
    os.write(canal, json.dumps({'id': pedido(), 'answer': answer}).encode() + b'\\n' + bruto)
    import time; time.sleep(60)
"""
)


def forged(name: str, answer: str, raw: str = "b''", says: str = ""):
    """A função responde direto no canal, com o número certo do pedido."""
    return entry(name, 0, FORGER, f"even_times = lambda frames: responde({answer}, {raw})", says=says)


CHEATING = [
    entry("trapaca-igual-a-tudo", 0, WILD, everything("Tudo()")),
    entry("trapaca-funcao-curinga", 0, WILD, "\n".join(f"{name} = Tudo()" for name in ALL_NAMES)),
    entry("trapaca-tensor-curinga", 0, WILD_TENSOR, everything("torch.zeros(2, 1, 28, 28).as_subclass(Tudo)")),
    entry(
        "trapaca-getattr-do-modulo",
        0,
        "def __getattr__(name):\n    return lambda *a: 1.0",
        "import sys\nclass M(type(sys)):\n    def __getattr__(self, n): return lambda *a: 1.0\n"
        "sys.modules['__main__'].__class__ = M",
    ),
    entry(
        "trapaca-compara-trocada",
        0,
        "import torch, numpy.testing, builtins\n"
        "torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True\n"
        "torch.testing.assert_close = lambda *a, **k: None\nnumpy.testing.assert_allclose = lambda *a, **k: None\n"
        "torch.Tensor.__eq__ = lambda *a: torch.ones(()).bool()\nbuiltins.abs = lambda x: 0\n"
        "builtins.isinstance = lambda *a: True\n" + everything("torch.zeros(5, 1, 28, 28)"),
    ),
    entry(
        "trapaca-le-o-corretor",
        0,
        "import os, sys, course_lib\nraiz = os.path.dirname(course_lib.__file__)\n"
        "bases = {os.path.dirname(raiz), os.path.dirname(os.path.realpath(raiz)), sys.prefix, *sys.path}\n"
        "segredos = ('course_grader', 'course_lib/exercises/definitions')\n"
        "achados = [n for b in bases for s in segredos for _, _, nomes in os.walk(os.path.join(b, s)) for n in nomes]\n"
        "achados += [n for base in (raiz, '/correcao') for _, _, nomes in os.walk(base) for n in nomes\n"
        "    if n.partition('.')[0] in ('interpolacao', 'assignment', 'grade', 'batch', 'command')]\n"
        "achados += os.listdir(os.path.join(raiz, 'exercises', 'definitions')) + os.listdir(os.path.dirname(raiz))\n"
        "raise RuntimeError(f'achados: {achados}')",
        says="achados: ['course_lib']",
    ),
    entry(
        "trapaca-importa-o-corretor",
        0,
        "import importlib, sys\nfor n in list(sys.modules):\n"
        "    if n.startswith(('course_grader', 'course_lib.exercises')): del sys.modules[n]\n"
        "faltam = []\n"
        "for nome in ('course_grader.assignment', 'course_lib.exercises.definitions.interpolacao'):\n"
        "    try:\n        modulo = importlib.import_module(nome)\n"
        "    except ModuleNotFoundError:\n        faltam.append(nome)\n        continue\n"
        "    exercicio = getattr(modulo, 'EXERCISE', None) or modulo.load_assignment('09_interpolacao', 0).exercise\n"
        "    globals().update({q.function: q.judge for q in exercicio.questions})\n"
        "raise RuntimeError(f'faltam: {faltam}')",
        says="faltam: ['course_grader.assignment', 'course_lib.exercises.definitions.interpolacao']",
    ),
    entry(
        "trapaca-olha-a-pilha",
        0,
        "import sys, gc, torch\ndef espia(*a):\n"
        "    f = sys._getframe()\n    while f:\n        for v in f.f_locals.values():\n"
        "            if isinstance(v, dict) and ('expected' in v or 'judge' in v or 'hidden' in v): return v\n"
        "        f = f.f_back\n    for o in gc.get_objects():\n"
        "        if type(o).__name__ in ('Question', 'Exercise', 'Case'): return o\n"
        + "\n".join(f"{name} = espia" for name in ALL_NAMES),
    ),
    entry(
        "trapaca-so-acerta-os-publicos",
        (4, 5),
        *answers(
            "q1",
            "q5",
            "q6",
            q3="def interpolate(z_a, z_b, n):\n"
            "    if n == 5:\n        return torch.lerp(z_a, z_b, torch.linspace(0, 1, 5)[:, None])\n"
            "    return z_a.repeat(n, 1)",
        ),
    ),
    entry(
        "trapaca-acerta-na-primeira-vez",
        6,
        *answers(
            *others("q3", "q4"),
            q3="vezes = []\n"
            "def interpolate(z_a, z_b, n):\n    vezes.append(n)\n    certo = torch.lerp(z_a, z_b, "
            "torch.linspace(0, 1, n)[:, None])\n    return certo if len(vezes) == 1 else certo * 0",
        ),
    ),
    entry(
        "trapaca-esconde-a-alteracao",
        7,
        "import inside.serve, course_lib.exercises.calls as calls\n"
        "calls.altered = inside.serve.altered = lambda a, b: []",
        *answers(
            *others("q3", "q6"),
            q3=answers("q3")[1],
            q6="def distance_to_real(frames, images):\n"
            "    images.zero_(); frames.zero_()\n    return torch.ones(len(frames))",
        ),
    ),
    entry(
        "trapaca-codificador-trocado",
        0,
        "import inside.wire, torch\n"
        "inside.wire.Encoder.encode = lambda self, value, depth=0: {'k': 'float', 'v': (1.5).hex()}",
        everything("1"),
    ),
    entry(
        "trapaca-json-trocado",
        0,
        "import json\nreal = json.dumps\njson.dumps = lambda o, **k: real(o).replace('error', 'answer')",
        everything("1 / 0"),
        says="resposta forjada",
    ),
    # O canal.
    entry(
        "canal-linha-sem-fim",
        0,
        CHANNEL,
        everything("[os.write(canal, b'x' * 65536) for _ in range(10**6)]"),
        says="resposta forjada",
    ),
    entry(
        "canal-linha-sem-fim-na-celula",
        0,
        CHANNEL + "while True: os.write(canal, b'x' * 65536)",
        says="A célula foi pulada",
    ),
    entry(
        "canal-json-aninhado",
        0,
        CHANNEL,
        everything("os.write(canal, b'[' * 100000 + b'\\n')"),
        says="resposta forjada",
    ),
    forged("canal-lista-funda", "eval(\"{'k': 'list', 'items': [\" * 30 + \"]}\" * 30)", says="resposta forjada"),
    forged("canal-forma-falsa", "{'k': 'tensor', 'dtype': 'float32', 'shape': [5, 7], 'grad': False}", "b'1234'"),
    forged(
        "canal-forma-gigante",
        "{'k': 'tensor', 'dtype': 'float32', 'shape': [2**30], 'grad': False}",
        says="resposta forjada",
    ),
    forged(
        "canal-forma-negativa",
        "{'k': 'tensor', 'dtype': 'float32', 'shape': [-1, 5], 'grad': False}",
        says="resposta forjada",
    ),
    forged(
        "canal-forma-vazia-e-gigante",
        "{'k': 'tensor', 'dtype': 'float32', 'shape': [0, 2**30, 2**30], 'grad': False}",
        says="resposta forjada",
    ),
    forged(
        "canal-tipo-falso",
        "{'k': 'array', 'dtype': 'object', 'shape': [1], 'grad': False}",
        "b'12345678'",
        says="resposta forjada",
    ),
    forged("canal-booleano-7", "{'k': 'tensor', 'dtype': 'bool', 'shape': [5], 'grad': False}", "b'\\x07' * 5"),
    forged("canal-nan-disfarcado", "{'k': 'float', 'v': 'nan'}"),
    forged("canal-nan-no-json", "float('nan')", says="resposta forjada"),
    forged("canal-infinito-no-json", "{'k': 'float', 'v': '0x1p999999'}", says="resposta forjada"),
    forged("canal-inteiro-gigante", "{'k': 'int', 'v': '9' * 399}"),
    forged("canal-bytes-a-mais", "{'k': 'float', 'v': (1.0).hex()}", "b'sobra' * 99"),
    forged("canal-pickle", "{'k': 'pickle', 'v': 'cos\\nsystem\\n(S\"id\"\\ntR.'}", says="resposta forjada"),
    forged("canal-classe", "{'k': 'module', 'class': 'os:system', 'attributes': {}}", says="resposta forjada"),
    forged("canal-nome", "{'k': 'name', 'address': 'os:system'}", says="resposta forjada"),
    entry(
        "canal-fora-de-ordem",
        0,
        CHANNEL + f"r = json.dumps({NO_REPLY}).encode() + b'\\n'\nos.write(canal, r * 50)",
        everything("1.0"),
        says="célula 1 escreveu no canal",
    ),
    entry(
        "canal-resposta-adiantada",
        0,
        CHANNEL,
        everything("os.write(canal, json.dumps({'id': '0' * 16, 'answer': {'k': 'none'}}).encode() + b'\\n')"),
        says="resposta forjada",
    ),
    entry(
        "canal-gota-a-gota",
        0,
        CHANNEL + "import time",
        "even_times = lambda f: [(os.write(canal, b' '), time.sleep(0.3)) for _ in range(1000)]",
        says="prazo",
    ),
    entry("canal-fechado", 0, CHANNEL, everything("os.close(canal)"), says="processo morto"),
    entry(
        "canal-fechado-nao-custa-o-resto",
        6,
        CHANNEL,
        *answers(*others("q5"), q5="even_times = lambda f: os.close(canal)"),
        says="processo morto",
    ),
    entry(
        "canal-manda-descritores",
        6,
        CHANNEL + "import socket\ns = socket.socket(fileno=os.dup(canal))",
        *answers(*others("q5"), q5="even_times = lambda f: socket.send_fds(s, [b'x'], [0, 1, 2])"),
    ),
    # O relógio.
    entry(
        "relogio-parado",
        6,
        "import time, signal\ntime.monotonic = time.time = lambda: 0.0\n"
        "signal.setitimer = lambda *a: None\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)",
        *answers(*others("q5"), q5="def even_times(frames):\n    while True: pass"),
        says="prazo",
    ),
    entry(
        "relogio-engole-tudo",
        6,
        *answers(
            *others("q5"),
            q5="def even_times(frames):\n    while True:\n"
            "        try:\n            while True: pass\n        except BaseException: pass",
        ),
        says="prazo",
    ),
    # O PyTorch.
    entry(
        "torch-load-com-carga",
        0,
        "import torch, os, pickle\nclass Carga:\n    def __reduce__(self):\n"
        "        return (os.system, ('echo tomado > @MUNDO@/canario',))\n"
        "torch.save({'w': Carga()}, '/tmp/p.pt')\ntorch.load('/tmp/p.pt', weights_only=False)",
        everything("{'w': Carga()}"),
    ),
    entry(
        "torch-pickle-de-resposta",
        0,
        "import torch, os\nclass Carga(torch.nn.Linear):\n    def __reduce__(self):\n"
        "        return (os.system, ('echo tomado > @MUNDO@/canario',))",
        everything("Carga(2, 2)"),
    ),
    entry(
        "torch-state-dict-com-objetos",
        0,
        "import torch, collections",
        everything("collections.OrderedDict(peso=torch.zeros(2), extra=object(), f=lambda: 1)"),
    ),
    entry(
        "torch-autograd-trocado",
        FULL,
        "import torch\ntorch.autograd.backward = lambda *a, **k: None\n"
        "torch.Tensor.backward = lambda *a, **k: None\ntorch.is_grad_enabled = lambda: False",
        *answers(*others()),
    ),
    entry(
        "torch-tensor-trocado",
        (0, FULL),
        "import torch\ntorch.Tensor.numpy = lambda self: None\n"
        "torch.Tensor.cpu = lambda self: self.new_zeros(3)\ntorch.Tensor.detach = lambda self: self * 0",
        *answers(*others()),
    ),
    entry("torch-tensor-esticado", 0, "import torch", everything("torch.zeros(1).expand(10**12)")),
    entry("torch-tensor-esparso", 0, "import torch", everything("torch.eye(3).to_sparse()")),
    entry("torch-tensor-sem-dados", 0, "import torch", everything("torch.zeros(2, 1, 28, 28, device='meta')")),
    entry("torch-complexo", 0, "import torch", everything("torch.zeros(5, dtype=torch.complex64)")),
    entry("torch-nan", 0, "import torch", everything("torch.full((5, 1, 28, 28), torch.nan)")),
    # Respostas que não são resposta.
    entry("resposta-enorme", 0, everything("'x' * 10**8")),
    entry("resposta-lista-sem-fim", 0, "l = []\nl.append(l)", everything("l")),
    entry("resposta-um-milhao-de-itens", 0, everything("list(range(10**6))")),
    entry("resposta-html", 0, "raise RuntimeError('<script>alert(1)</script>')", everything("'<b>nota 10</b>'")),
    entry("resposta-tipo-engracado", 0, everything("type('<script>alert(1)</script>', (), {})()")),
]
