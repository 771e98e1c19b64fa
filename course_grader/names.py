"""Nomes de pessoas: como se comparam e em que ordem ficam."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """Sem acentos, maiúsculas nem espaços a mais: como se compara um nome com outro."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def loose(text: str) -> str:
    """Só o que se pronuncia: o apóstrofo, reto ou curvo, o hífen e o espaço não distinguem ninguém."""
    last, comma, first = text.partition(",")
    # "Souza, João de" é "João de Souza".
    turned = f"{first} {last}" if comma else text
    return "".join(letter for letter in plain(turned) if unicodedata.category(letter)[0] not in "PZSC")


def in_order(name: str) -> tuple[str, str]:
    """A chave da ordem alfabética do português: Álvaro, ana, Ângela, Bruno, Érica, Zélia."""
    return plain(name), name
