"""Faz ``book/vendor/stix/formulas-fonte.css``: a fonte das fórmulas, só com os sinais que um curso assim usa.

Uso: ``python tools/subset_math_font.py STIXMath-Regular.otf`` (do pacote fonts-stix do Debian). Precisa do fonttools e
do brotli. A fonte vai dentro da folha de estilo: aberta do disco, uma página não pode carregar fontes em todos os
navegadores. A licença não deixa que uma fonte modificada tenha o nome da original.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

TARGET = Path(__file__).resolve().parents[1] / "book" / "vendor" / "stix" / "formulas-fonte.css"
FAMILY = "Fórmulas do curso"
# Milésimos da altura da letra, acima e abaixo da linha.
ASCENT, DESCENT = 780, 240
# Latim e acentos, grego, setas, operadores e relações, delimitadores e chaves que crescem, e as letras da matemática:
# itálico, negrito, manuscrita e vazada. Ficam fora as góticas, as sem serifa e as de largura fixa.
RANGES = (
    "20-7E A0-FF 131 237 2C6-2DD 300-30C 338 391-3A9 3B1-3C9 3D1 3D5 3D6 3F0 3F1 3F5 2010-2026 2032-2034 203E 2057 "
    "20D0-20D7 2061-2064 2102 210B 210F-2113 2115 2118-211D 2124 212C 2130 2131 2133 2190-2199 21A6 21D0-21D5 "
    "2200-22FF 2308-230B 23DE 23DF 25A1 27E8 27E9 27F5-27FA 2A7D 2A7E 1D400-1D467 1D49C-1D4CF 1D538-1D56B 1D6A4 "
    "1D6A5 1D6A8-1D71B 1D7CE-1D7E1"
)


def code_points() -> list[int]:
    """Os sinais de ``RANGES``."""
    points: list[int] = []
    for part in RANGES.split():
        first, _, last = part.partition("-")
        points += range(int(first, 16), int(last or first, 16) + 1)
    return points


def main(arguments: list[str]) -> int:
    """Grava a folha de estilo com a fonte dentro."""
    options = subset.Options(
        hinting=False, layout_features=["ssty", "dtls", "flac", "kern"], name_IDs=[0, 1, 2, 4, 6, 13]
    )
    font = TTFont(arguments[0])
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=code_points())
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 4, 6):
            record.string = FAMILY if record.nameID != 6 else "FormulasDoCurso"
    # A altura da maior chave da fonte faria, no Firefox, a de cada linha do texto com uma fórmula.
    header, system = font["hhea"], font["OS/2"]
    header.ascent = system.sTypoAscender = system.usWinAscent = ASCENT
    header.descent = system.sTypoDescender = -DESCENT
    system.usWinDescent = DESCENT
    header.lineGap = system.sTypoLineGap = 0
    font.flavor = "woff2"
    content = io.BytesIO()
    font.save(content)
    encoded = base64.b64encode(content.getvalue()).decode()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(
        "/* Feita por tools/subset_math_font.py a partir da STIX Math 1.1.1; licença em OFL.txt. */\n"
        f'@font-face {{\n  font-family: "{FAMILY}";\n'
        f'  src: url("data:font/woff2;base64,{encoded}") format("woff2");\n}}\n',
        encoding="utf-8",
    )
    print(f"{TARGET}: {len(content.getvalue()) // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
