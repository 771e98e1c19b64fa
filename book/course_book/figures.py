"""O que uma página pede ao navegador: cada figura só quando se chega perto dela, e o desenho de uma seção também.

Com o tamanho das figuras e a altura estimada das seções escritos na página, nada pula quando elas aparecem.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx

IMAGE = re.compile(r'(?P<before><img [^>]*?src="[^"]*_images/(?P<name>[^"/]+)"[^>]*?)\s*/?>')
SECTION = re.compile(r'<section (?P<attributes>[^>]*?id="(?P<id>[^"]+)")')
# Bytes de uma figura pesada.
HEAVY = 60_000
# Numa tela estreita, mais que isto já não cabe com o texto legível: a figura rola.
WIDE = 580
# Pontos de tela: a altura de uma linha, quantos caracteres cabem nela, e o que separa os blocos.
LINE, COLUMNS, CODE_LINE, GAP = 27, 90, 20, 24


def setup(app: Sphinx) -> None:
    """Registra o que se faz com o HTML de cada página."""
    app.add_css_file("reading.css", priority=900)
    app.add_css_file("icons.css", priority=900)
    app.connect("html-page-context", complete)


def complete(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Completa as figuras e as seções de uma página."""
    if "body" not in context or doctree is None:
        return
    sources = {name: path for path, name in app.builder.images.items()}
    sizes: dict[str, tuple[int, int]] = {}

    def replace(found: re.Match[str]) -> str:
        path = sources.get(found["name"], "")
        if not path.endswith(".png"):
            return found[0]
        width, height = sizes[found["name"]] = shrink(Path(app.srcdir) / path, Path(app.outdir) / "_images")
        # O Sphinx não precisa mais copiar a original.
        app.builder.images.pop(path, None)
        size = f'width="{width}" height="{height}" loading="lazy" decoding="async"'
        wide = " figura-larga" if width > WIDE else ""
        image = found["before"].replace(".png", ".webp")
        return f'<span class="figura{wide}" style="--largura: {width}px">{image} {size}></span>'

    context["body"] = IMAGE.sub(replace, context["body"])
    shown = [height for _, height in sizes.values()]
    average = sum(shown) / len(shown) if shown else 0
    heights = estimate_heights(doctree, average)
    context["body"] = SECTION.sub(
        lambda found: f'{found[0]} style="--altura: {heights[found["id"]]}px"' if found["id"] in heights else found[0],
        context["body"],
    )


def shrink(source: Path, folder: Path) -> tuple[int, int]:
    """Grava em ``folder`` a figura em WebP, um terço do PNG, se ainda não está lá; devolve o tamanho dela.

    Os tons são arredondados de quatro em quatro, o que não se vê e se comprime muito melhor. Uma figura que ainda assim
    é pesada é uma textura, como uma imagem de ruído: ela perde o que o olho não vê, como uma fotografia.
    """
    target = folder / f"{source.stem}.webp"
    with Image.open(source) as image:
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            rounded = image.convert("RGB").point(lambda tone: min(255, (tone + 2) // 4 * 4))
            content = encode(rounded, lossless=True, method=4)
            if len(content) > HEAVY:
                content = min(content, encode(image.convert("RGB"), quality=85, method=4), key=len)
            target.write_bytes(content)
        return image.size


def encode(image: Image.Image, **options: Any) -> bytes:
    """A imagem em WebP."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def estimate_heights(doctree: nodes.document, figure: float) -> dict[str, int]:
    """A altura, em pontos de tela, que cada seção de segundo nível deve ter; ``figure`` é a de uma figura."""
    found = {}
    for section in doctree.findall(nodes.section):
        if isinstance(section.parent, nodes.section) and isinstance(section.parent.parent, nodes.document):
            found[section["ids"][0]] = round(estimate(section, figure))
    return found


def estimate(node: nodes.Node, figure: float) -> float:
    """A altura de um nó: a das linhas do seu texto, ou a soma das dos filhos."""
    if isinstance(node, nodes.literal_block):
        return (node.astext().count("\n") + 1) * CODE_LINE + 2 * GAP
    if isinstance(node, nodes.image):
        return figure + GAP
    if isinstance(node, nodes.math_block):
        return 3 * LINE
    if isinstance(node, (nodes.paragraph, nodes.title, nodes.entry)):
        images = len(list(node.findall(nodes.image)))
        return math.ceil(len(node.astext()) / COLUMNS) * LINE + GAP + images * figure
    heights = [estimate(child, figure) for child in node.children]
    return max(heights, default=0.0) if isinstance(node, nodes.row) else sum(heights)
