"""As demonstrações noutro motor: o que só foi tentado num navegador funciona só nele."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from firefox import Firefox, find_firefox, open_firefox

from benchmarks.demo_pages import DEMOS, page

STATE = "document.querySelector('.curso-demo').dataset.state"
SEEN = """[...document.querySelectorAll('.cd-stage canvas')].map((canvas) => canvas.toDataURL()).join(' ')
  + document.querySelector('.cd-stage').innerText"""
CONTROL = "document.querySelector('.cd-stage :is(input, select, canvas[tabindex], button:not([disabled]))')"
# As setas para os lados, no código do WebDriver.
LEFT, ARROW = "\ue012", "\ue014"


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    program = find_firefox()
    if program is None:
        pytest.skip("não há um Firefox nesta máquina")
    with open_firefox(program, tmp_path_factory.mktemp("firefox")) as opened:
        yield opened


@pytest.mark.parametrize("name", DEMOS)
def test_demo_lives_in_firefox(firefox: Firefox, tmp_path: Path, name: str) -> None:
    file = tmp_path / "demo.html"
    file.write_text(page(name), encoding="utf-8")
    firefox.problems.clear()
    firefox.open(file.as_uri())
    firefox.wait(f"['viva', 'falhou'].includes({STATE})")
    assert firefox.evaluate(STATE) == "viva"
    firefox.evaluate(f"window.before = {SEEN}; {CONTROL}.focus()")
    kind = firefox.evaluate(f"{CONTROL}.tagName")
    if kind == "BUTTON":
        firefox.click(CONTROL)
    # Um controle que já está no fim só anda para trás.
    ends = firefox.evaluate(f"{CONTROL}.type === 'range' && {CONTROL}.value === {CONTROL}.max")
    for key in {"BUTTON": [], "CANVAS": [" ", ARROW, ARROW]}.get(kind, [LEFT if ends else ARROW]):
        firefox.press(key)
    firefox.wait(f"({SEEN}) !== window.before")
    assert firefox.problems == []
