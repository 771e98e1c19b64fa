"""Acerta o MathML do Temml: onde uma fórmula larga pode quebrar, o tamanho dos acentos, e nada de classes sem uso."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
# Antes de uma relação ou de uma soma a fórmula pode passar para a linha seguinte; também depois de um espaço largo.
RELATIONS = set("=≠≈≤≥<>∼∝≪≫→←⇒⇐⇔⟹⟺⟶∈")
SUMS = set("+−±")
WIDE_SPACE = 0.9
# De um delimitador de tamanho fixo (``big``) o Temml não diz o lado, e o navegador lhe daria o espaço de um operador.
OPENING, CLOSING = set("([{⟨⌈⌊"), set(")]}⟩⌉⌋")
# Uma fórmula no meio do texto com mais caracteres que isto pode não caber na linha de um telefone: ela também quebra.
LONG = 30
# O resto é para fontes e navegadores de que a nossa não precisa.
KEPT_CLASSES = {"tml-jot", "tml-right", "tml-left", "tml-small", "tml-overline", "tml-underline", "tml-fbox"}

ElementTree.register_namespace("", NAMESPACE)


def polish(mathml: str, tex: str = "") -> str:
    """O MathML como vai para a página.

    Args:
        mathml: o que o Temml devolve para uma fórmula.
        tex: a fórmula, para a mensagem de erro.

    Raises:
        ValueError: o MathML não é XML bem formado.
    """
    try:
        math = ElementTree.fromstring(mathml)
    except ElementTree.ParseError as error:
        raise ValueError(f"a fórmula {tex!r} não deu um MathML bem formado: {error}") from error
    for element in math.iter():
        clean(element)
    if math.get("display") == "block":
        split_lines(math)
    elif len(plain_text(mathml)) > LONG:
        return "".join(map(write, split_formula(math)))
    return write(math)


def write(element: Element) -> str:
    """O elemento por extenso."""
    return ElementTree.tostring(element, encoding="unicode", short_empty_elements=False)


def plain_text(mathml: str) -> str:
    """O que se lê numa fórmula, sem a marcação nem os sinais que não se veem."""
    text = "".join(ElementTree.fromstring(f"<todas>{mathml}</todas>").itertext())
    return text.translate({0x2061: None, 0x2062: None, 0x200B: None})


def clean(element: Element) -> None:
    """Tira de ``element`` as classes sem uso, e o estilo que a folha já diz."""
    classes = [name for name in element.get("class", "").split() if name in KEPT_CLASSES]
    element.attrib.pop("class", None)
    if classes:
        element.set("class", " ".join(classes))
    if element.get("style") == "display:block math;":
        del element.attrib["style"]
    if name(element) == "mo" and element.get("minsize") and element.text in OPENING | CLOSING:
        element.set("form", "prefix" if element.text in OPENING else "postfix")
    if name(element) == "mo" and element.text == "∫":
        # A haste do integral, inclinada, tocaria o que vem depois.
        element.set("rspace", "0.2em")
    if name(element) == "mover" and element[1].get("style") == "math-depth:0;":
        # O Temml impede assim que o acento encolha, mas num índice ele ficaria grande demais.
        element.set("accent", "true")
        del element[1].attrib["style"]


def name(element: Element) -> str:
    """O nome do elemento, sem o espaço de nomes."""
    return element.tag.rpartition("}")[2]


def split_lines(math: Element) -> None:
    """Parte a fórmula nas linhas em que pode quebrar, um ``<mrow>`` para cada."""
    rows = pieces(math)
    if len(rows) > 1:
        math.remove(math[0])
        for row in rows:
            ElementTree.SubElement(math, f"{{{NAMESPACE}}}mrow").extend(row)


def split_formula(math: Element) -> list[Element]:
    """Uma fórmula no meio do texto, em várias que se seguem: o navegador não quebra por dentro de uma."""
    result = []
    for row in pieces(math):
        piece = Element(math.tag, math.attrib)
        ElementTree.SubElement(piece, f"{{{NAMESPACE}}}mrow").extend(row)
        result.append(piece)
    return result or [math]


def pieces(math: Element) -> list[list[Element]]:
    """O que fica junto em cada linha da fórmula; vazio se ela não tem onde quebrar."""
    if len(math) != 1 or name(math[0]) != "mrow":
        return []
    rows: list[list[Element]] = [[]]
    for child in math[0]:
        if any(name(one) != "mspace" for one in rows[-1]) and breaks_before(child):
            child.set("form", "infix")
            rows.append([])
        rows[-1].append(child)
        if is_wide_space(child):
            rows.append([])
    return [row for row in rows if row]


def breaks_before(element: Element) -> bool:
    """Se a linha pode quebrar antes de ``element``."""
    if name(element) != "mo" or element.get("form") in ("prefix", "postfix"):
        return False
    return (element.text or "") in RELATIONS | SUMS


def is_wide_space(element: Element) -> bool:
    """Se ``element`` é um espaço de um quadratim ou mais."""
    width = element.get("width", "")
    return name(element) == "mspace" and width.endswith("em") and float(width.removesuffix("em")) >= WIDE_SPACE
