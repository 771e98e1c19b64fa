"""Disfarces de uma célula de trapaça: o mesmo que ela faz, escrito de outro jeito ou feito noutra hora.

Um disfarce recebe o código e um sorteador e devolve outro código, com os mesmos efeitos. Três famílias, nesta ordem:
reescrever (outros nomes, ``getattr`` em cadeia), embrulhar (``exec``, base64, bytes de código) e carregar (onde e
quando o código roda: um decorador, um ``__del__``, uma linha de execução, a mensagem de um erro).
"""

from __future__ import annotations

import ast
import base64
import builtins
import hashlib
import random
import zlib
from collections.abc import Callable

Disguise = Callable[[str, random.Random], str]


def draw_disguise(seed: int) -> tuple[str, Callable[[str], str]]:
    """Um disfarce sorteado, com o seu nome: talvez reescreve, talvez embrulha, e quase sempre carrega."""
    source = random.Random(seed)
    chosen = [
        *source.sample(sorted(REWRITES), source.choice((0, 1, 1, 2))),
        *source.sample(sorted(WRAPS), source.choice((0, 0, 1, 1, 2))),
        *source.sample(sorted(CARRIERS), source.choice((0, 1, 1, 1))),
    ]

    def apply(code: str) -> str:
        # O mesmo sorteio em cada célula: um nome trocado numa é o mesmo na outra.
        source = random.Random(seed)
        for name in chosen:
            code = EVERY[name](code, source)
        return code

    return "+".join(chosen) or "nenhum", apply


def _fresh(source: random.Random) -> str:
    return "".join(source.choice("abcdefgh") for _ in range(9))


def _text(code: str) -> str:
    # O `exec` do Python 3.13 não vê os nomes de quem o chama de dentro de uma função.
    return f"compile({code}, '<celula>', 'exec'), globals()"


def renamed(code: str, source: random.Random) -> str:
    """Outros nomes em tudo o que o código cria, menos no que se acha por nome: atributos, textos, módulos, funções."""
    tree, salt = ast.parse(code), source.random()
    nodes = [*ast.walk(tree)]
    fixed = {*dir(builtins)} | {node.id for node in _class_names(nodes)}
    fixed |= {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    fixed |= {keyword.arg for keyword in nodes if isinstance(keyword, ast.keyword)}
    # Uma função de uma linha só, solta, é uma resposta: o corretor a procura pelo nome.
    fixed |= {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    mine = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    mine |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    fresh = {
        n: "v" + hashlib.sha256(f"{n}{salt}".encode()).hexdigest()[:8] for n in mine - fixed if f"'{n}'" not in code
    }
    for node in nodes:
        if isinstance(node, ast.Name):
            node.id = fresh.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = fresh.get(node.arg, node.arg)
    return ast.unparse(tree)


def _class_names(nodes: list[ast.AST]) -> list[ast.Name]:
    """O que se atribui no corpo de uma classe: são atributos."""
    bodies = [statement for node in nodes if isinstance(node, ast.ClassDef) for statement in node.body]
    found = [name for statement in bodies if isinstance(statement, ast.Assign) for name in statement.targets]
    return [name for name in found if isinstance(name, ast.Name)]


def by_getattr(code: str, source: random.Random) -> str:
    """Cada ``a.b`` lido vira ``getattr(a, 'x'[::-1])``."""

    class Chain(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            self.generic_visit(node)
            if not isinstance(node.ctx, ast.Load):
                return node
            cut = source.randrange(len(node.attr))
            name = (
                f"{node.attr[:cut]!r} + {node.attr[cut:]!r}" if source.random() < 0.5 else f"{node.attr[::-1]!r}[::-1]"
            )
            return ast.parse(f"getattr({ast.unparse(node.value)}, {name})", mode="eval").body

    return ast.unparse(Chain().visit(ast.parse(code)))


def by_import_function(code: str, source: random.Random) -> str:
    """Cada ``import`` vira ``__import__`` ou ``importlib``."""

    class Call(ast.NodeTransformer):
        def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
            how = source.choice(("__import__({!r})", "__import__('importlib').import_module({!r})"))
            lines = []
            for alias in node.names:
                if alias.asname:
                    lines.append(f"{alias.asname} = __import__('importlib').import_module({alias.name!r})")
                elif "." in alias.name:
                    lines.append(f"import {alias.name}")
                else:
                    lines.append(f"{alias.name} = {how.format(alias.name)}")
            return ast.parse("\n".join(lines)).body

    return ast.unparse(Call().visit(ast.parse(code)))


def by_exec(code: str, source: random.Random) -> str:
    """``exec(compile(…))``."""
    return f"exec({_text(repr(code))})"


def by_base64(code: str, source: random.Random) -> str:
    """Em base64, inteiro ou comprimido."""
    if source.random() < 0.5:
        return f"import base64\nexec({_text(f'base64.b64decode({base64.b64encode(code.encode())!r}).decode()')})"
    packed = base64.b85encode(zlib.compress(code.encode()))
    return f"import base64, zlib\nexec({_text(f'zlib.decompress(base64.b85decode({packed!r})).decode()')})"


def by_letters(code: str, source: random.Random) -> str:
    """Letra a letra, com um número somado a cada uma."""
    key = source.randrange(3, 90)
    letters = [ord(letter) + key for letter in code]
    joined = f"''.join(chr(n - {key}) for n in {letters})"
    return f"exec({_text(joined)})"


def by_bytecode(code: str, source: random.Random) -> str:
    """Como código já compilado, por ``marshal`` ou numa função montada à mão."""
    if source.random() < 0.5:
        return f"import marshal\nexec(marshal.loads(marshal.dumps({_compiled(code)})), globals())"
    return f"import types\ntypes.FunctionType({_compiled(code)}, globals())()"


def _compiled(code: str) -> str:
    return f"compile({code!r}, '<celula>', 'exec')"


def _inside(code: str, header: str) -> str:
    """O código no corpo de ``header``, com o que ele define ainda no nível de cima."""
    tree = ast.parse(code)
    made = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        # O que outra função ou uma compreensão cria não é de cima, mas declará-lo não faz mal.
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
    lines = [f"global {', '.join(sorted(made))}"] if made else []
    lines += ast.unparse(tree).splitlines()
    margin = " " * (len(header.splitlines()[-1]) - len(header.splitlines()[-1].lstrip()) + 4)
    return header + "\n" + "\n".join(margin + line for line in lines)


def _function(code: str, name: str) -> str:
    # Um texto de várias linhas não se indenta sem mudar: o corpo vai como `exec`.
    if any(isinstance(node, ast.Constant) and "\n" in str(node.value) for node in ast.walk(ast.parse(code))):
        code = f"exec({_text(repr(code))})"
    return _inside(code, f"def {name}(*_a, **_k):")


def _carried(template: str) -> Disguise:
    def carry(code: str, source: random.Random) -> str:
        name = _fresh(source)
        return _function(code, name) + "\n" + template.replace("~", name)

    return carry


REWRITES: dict[str, Disguise] = {"nomes": renamed, "getattr": by_getattr, "import": by_import_function}
WRAPS: dict[str, Disguise] = {"exec": by_exec, "base64": by_base64, "letras": by_letters, "bytes": by_bytecode}
CARRIERS: dict[str, Disguise] = {
    "decorador": _carried("@lambda f: ~()\ndef ~_(): pass"),
    "classe": _carried("class ~_:\n    ~()"),
    "metaclasse": _carried("class ~_(type):\n    __init__ = ~\n~_('x', (), {})"),
    "descritor": _carried("class ~_:\n    __set_name__ = ~\nclass ~__:\n    x = ~_()"),
    "gancho de importação": _carried(
        "import sys\nclass ~_:\n    find_spec = staticmethod(~)\nsys.meta_path.insert(0, ~_)\n"
        "try:\n    import nada_com_este_nome\nexcept ImportError: pass\nfinally: sys.meta_path.remove(~_)"
    ),
    "mágica": _carried(
        "get_ipython().register_magic_function(~, 'line', '~_')\nget_ipython().run_line_magic('~_', '')"
    ),
    "depois da célula": _carried("get_ipython().events.register('post_run_cell', ~)"),
    "antes da próxima": _carried("get_ipython().events.register('pre_run_cell', ~)"),
    "entrada transformada": _carried("get_ipython().input_transformers_cleanup.append(lambda l: (~(), l)[1])"),
    "__del__": _carried("class ~_:\n    __del__ = ~\n~__ = ~_()\ndel ~__"),
    "lixo": _carried("import gc\nclass ~_:\n    __del__ = ~\n~__ = ~_()\n~__.x = ~__\ndel ~__\ngc.collect()"),
    "finalizador": _carried("import weakref\nclass ~_: pass\n~__ = ~_()\nweakref.finalize(~__, ~)\ndel ~__"),
    "atexit": _carried("import atexit\natexit._clear()\natexit.register(~)\natexit._run_exitfuncs()"),
    "linha de execução": _carried("import threading\n~_ = threading.Thread(target=~)\n~_.start()\n~_.join(3)"),
    "linha solta": _carried("import threading\nthreading.Thread(target=~, daemon=True).start()"),
    "filho": _carried("import os\nif os.fork() == 0:\n    ~()"),
    "neto": _carried(
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        ~()\n    os._exit(0)"
    ),
    "sinal": _carried("import signal\nsignal.signal(signal.SIGUSR1, ~)\nsignal.raise_signal(signal.SIGUSR1)"),
    "alarme": _carried(
        "import signal\nsignal.signal(signal.SIGVTALRM, ~)\nsignal.setitimer(signal.ITIMER_VIRTUAL, 0.01)"
    ),
    "rastreador": _carried("import sys\nsys.settrace(lambda *a: (sys.settrace(None), ~())[0])\n(lambda: 0)()"),
    "auditoria": _carried("import sys\n~_ = []\nsys.addaudithook(lambda *a: ~_ or (~_.append(1), ~()))"),
    "tarefa": _carried("import asyncio\nasync def ~_(): ~()\nawait asyncio.create_task(~_())"),
    "gerador": _carried("def ~_():\n    try: yield\n    finally: ~()\n~__ = ~_()\nnext(~__)\n~__.close()"),
    "contexto": _carried("class ~_:\n    __enter__ = __exit__ = ~\nwith ~_(): pass"),
    "texto do erro": _carried("class ~_(Exception):\n    __str__ = lambda self: (~(), 'x')[1]\nraise ~_"),
    "soma": _carried("class ~_:\n    __add__ = __radd__ = ~\n1 + ~_()"),
    "ordenação": _carried("sorted([2, 1], key=lambda n: (~(), n)[1] if n == 1 else n)"),
    "torch": _carried("import torch\nclass ~_:\n    __torch_function__ = classmethod(~)\ntorch.add(~_(), 1)"),
    "gancho de rede": _carried(
        "import torch\n~_ = torch.nn.Identity()\n~_.register_forward_hook(~)\n~_(torch.ones(1))"
    ),
}
EVERY: dict[str, Disguise] = REWRITES | WRAPS | CARRIERS
