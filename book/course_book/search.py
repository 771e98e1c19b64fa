"""Busca em português que não distingue acentos: o índice e a consulta passam pela mesma redução."""

from __future__ import annotations

import re
import unicodedata

import snowballstemmer
from sphinx.application import Sphinx
from sphinx.search import SearchLanguage
from sphinx.search.pt import portuguese_stopwords


def fold(word: str) -> str:
    """Palavra em minúsculas, sem acentos, com o plural de -ão levado ao singular (``ações`` → ``acao``)."""
    plain = unicodedata.normalize("NFD", word.lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    # Sem o til, o radicalizador já não junta "redução" e "reduções".
    return re.sub(r"(?<=\w\w)oes$", "ao", plain)


class SearchFoldedPortuguese(SearchLanguage):
    """O português do Sphinx com acentos dobrados; ``language_name`` é o que dá nome ao radicalizador em JavaScript."""

    lang = "pt_BR"
    language_name = "Portuguese"
    js_stemmer_rawcode = "portuguese-stemmer.js"
    # Palavras vazias nas duas grafias: quem digita "nao" não deve exigir que ela esteja no índice.
    stopwords = portuguese_stopwords | {fold(word) for word in portuguese_stopwords}
    # O mesmo que fold(), do lado do navegador; entra em language_data.js logo depois do radicalizador.
    js_splitter_code = """
const foldWord = (word) =>
  word.toLowerCase().normalize("NFD").replace(/\\p{M}/gu, "").replace(/(?<=\\w\\w)oes$/, "ao");
const UnfoldedStemmer = Stemmer;
Stemmer = function () {
  const stemmer = new UnfoldedStemmer();
  this.stemWord = (word) => stemmer.stemWord(foldWord(word));
};
"""

    def init(self, options: dict[str, str]) -> None:
        self.stemmer = snowballstemmer.stemmer("portuguese")

    def stem(self, word: str) -> str:
        return self.stemmer.stemWord(fold(word))


def setup(app: Sphinx) -> None:
    """Registra a língua de busca."""
    app.add_search_language(SearchFoldedPortuguese)
