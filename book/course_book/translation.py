"""Catálogos em português para os textos do Sphinx e dos temas, que não têm pt_BR.

Os ``.po`` são compilados na memória: não há ``.mo`` para guardar nem para esquecer de refazer.
"""

from __future__ import annotations

import gettext
import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from sphinx.application import Sphinx
from sphinx.locale import translators

CATALOGS = Path(__file__).parents[1] / "locale" / "pt_BR" / "LC_MESSAGES"


def compile_catalog(path: Path) -> gettext.GNUTranslations:
    """Compila um ``.po`` na memória."""
    with path.open("rb") as source:
        catalog = read_po(source, locale="pt_BR")
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def setup(app: Sphinx) -> None:
    """Põe os catálogos do curso à frente dos que já existem (o ``pt`` do tema vem de tradução automática)."""
    for path in sorted(CATALOGS.glob("*.po")):
        key = ("general", path.stem)
        ours = compile_catalog(path)
        if key in translators:
            ours.add_fallback(translators[key])
        translators[key] = ours
        if path.stem == "sphinx":
            # Os moldes usam o tradutor que o aplicativo guardou ao começar.
            app.translator = ours
