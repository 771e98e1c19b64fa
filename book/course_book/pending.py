"""As páginas dos capítulos enquanto eles são executados: já se leem, e se refazem quando as saídas chegam.

``book/build.py`` escreve em ``_build/pendentes.json`` os capítulos que ainda não têm saídas. O Sphinx os lê sem as
executar, e a página diz que as figuras ainda vêm.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from book.address import without_installation

LIST = "pendentes.json"
PENDING = "pendente"
NOTICE = (
    '<blockquote class="caixa caixa-nota" role="status"><p>Este capítulo ainda está sendo executado: as saídas e as '
    "figuras aparecem aqui quando ele terminar. Recarregue a página daqui a pouco.</p></blockquote>"
)


def setup(app: Sphinx) -> None:
    """Registra a leitura do que falta."""
    app.connect("env-get-outdated", find_changed)
    app.connect("source-read", hold)
    app.connect("html-page-context", announce)


def read_pending(root: Path) -> set[str]:
    """Os capítulos que ainda não têm saídas."""
    path = root / "_build" / LIST
    return set(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else set()


def find_changed(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """Os capítulos cujas saídas não são as da última leitura da página."""
    if env.mystnb_config.execution_mode != "cache":
        return []
    pending, cache = read_pending(Path(app.srcdir)), get_cache(env.mystnb_config.execution_cache_path)
    now = {}
    for name in env.found_docs:
        path = Path(env.doc2path(name))
        if path.suffix == ".ipynb":
            now[name] = PENDING if name in pending else outputs(cache, path)
    before: dict[str, str] = getattr(env, "course_outputs", {})
    env.course_outputs = now
    return [name for name, state in now.items() if before.get(name) != state]


def outputs(cache: Any, path: Path) -> str:
    """O que distingue as saídas guardadas de um caderno de quaisquer outras; vazio se não há."""
    try:
        record = cache.match_cache_notebook(without_installation(nbformat.read(path, as_version=4)))
    except KeyError:
        return ""
    return f"{record.pk} {record.created}"


def hold(app: Sphinx, docname: str, source: list[str]) -> None:
    """Diz ao myst-nb que não execute um capítulo que já está sendo executado."""
    if getattr(app.env, "course_outputs", {}).get(docname) == PENDING:
        notebook = json.loads(source[0])
        notebook["metadata"].setdefault("mystnb", {})["execution_mode"] = "off"
        source[0] = json.dumps(notebook)


def announce(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Avisa, no alto da página, que as saídas ainda vêm."""
    if "body" in context and getattr(app.env, "course_outputs", {}).get(pagename) == PENDING:
        context["body"] = NOTICE + context["body"]
