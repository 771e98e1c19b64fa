"""As demonstrações num navegador de verdade: os números, o mouse, o teclado, os temas e o que pode dar errado."""

from __future__ import annotations

import base64
import json
import math
import random
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser_watch import watch

from benchmarks.demo_pages import DEMOS, coupling, demo, page, programs, shipped
from book import screenshots
from course_lib.interactive.demo import PAGE
from course_lib.models.diffusion import sample

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")

# Segundos de cliques e teclas ao acaso em cada demonstração.
FUZZ_SECONDS = 3
SEED = 0
# Um Worker que demora a ouvir: o que a página faz enquanto a rede pensa acontece em toda visita, e não só na de azar.
SLOW_WORKER = """const send = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message) { setTimeout(() => send.call(this, message), 60); };"""
# Muito mais do que qualquer espera destes testes: só um travamento chega lá.
LONG = 120_000
# O que uma demonstração mostra, pixel a pixel.
SEEN = """() => [...document.querySelectorAll(".cd-stage canvas")].map((canvas) => canvas.toDataURL()).join(" ")
  + document.querySelector(".cd-stage").innerText"""


class Visit:
    """Uma página com uma demonstração, aberta de um arquivo, e o que deu errado nela."""

    def __init__(self, context: playwright.BrowserContext, text: str, folder: Path) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(LONG)
        self.problems = watch(self.page)
        file = folder / "demo.html"
        file.write_text(text, encoding="utf-8")
        self.page.goto(file.as_uri())

    def wait(self, state: str = "viva") -> None:
        """Espera que a demonstração comece, ou desista, e confere qual dos dois."""
        self.page.wait_for_function("['viva', 'falhou'].includes(document.querySelector('.curso-demo').dataset.state)")
        assert self.page.evaluate("document.querySelector('.curso-demo').dataset.state") == state

    def changes(self, before: str) -> None:
        """Espera que o que se vê deixe de ser o de antes."""
        self.page.wait_for_function(f"before => ({SEEN})() !== before", arg=before)

    @property
    def seen(self) -> str:
        """O que se vê agora."""
        found: str = self.page.evaluate(SEEN)
        return found


@pytest.fixture
def open_demo(browser: playwright.Browser, tmp_path: Path) -> Iterator:
    contexts = []

    def opened(name: str, view: str = "claro", *, script: str = "", text: str = "", **options: object) -> Visit:
        scheme, size = screenshots.VIEWS[view]
        context = browser.new_context(color_scheme=scheme, viewport=size, locale="pt-BR", **options)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        return Visit(context, text or page(name, scheme), tmp_path)

    yield opened
    for context in contexts:
        context.close()


# --- os números -------------------------------------------------------------------------------------------------------

RUN = """async ([block, given, kernel]) => {
  const { Program, toBytes } = cursoRuntime(window);
  const program = await Program.load(block, kernel ? toBytes(window.cursoKernel) : null);
  program.run(given);  // a segunda vez, sobre a memória usada, dá o mesmo
  return Object.values(program.run(given)).map((out) => [...out]);
}"""


@pytest.mark.parametrize("kernel", [True, False], ids=["WebAssembly", "só JavaScript"])
def test_page_computes_what_pytorch_does(browser: playwright.Browser, kernel: bool) -> None:
    tab = browser.new_page()
    tab.set_content("<p>conta</p>")
    for part in ("kernel", "runtime"):
        tab.add_script_tag(content=(PAGE / f"{part}.js").read_text("utf-8"))
    for name, (exported, inputs) in programs().items():
        given = {key: value.flatten().tolist() for key, value in zip(exported.names[0], inputs, strict=True)}
        for ours, theirs in zip(tab.evaluate(RUN, [exported.block(), given, kernel]), exported(*inputs), strict=True):
            gap = (torch.tensor(ours) - theirs.flatten()).abs().max().item()
            assert gap <= 1e-4 * max(1, theirs.abs().max().item()), f"{name}: {gap:.1e}"
    tab.close()


def normals(seed: int, n: int) -> list[float]:
    """O mesmo sorteio de ``cursoRandom``."""
    state = seed

    def uniform() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) % 2**32
        t = (state ^ (state >> 15)) * (state | 1) % 2**32
        t ^= (t + (t ^ (t >> 7)) * (t | 61)) % 2**32
        return (t ^ (t >> 14)) / 2**32

    return [math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform()) for _ in range(n)]


class Stored(torch.nn.Module):
    """A rede com os pesos como a página os recebe."""

    n_classes = 10

    def __init__(self, exported) -> None:
        super().__init__()
        self.exported = exported

    def forward(self, x: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rows = [self.exported(x[k : k + 1], t[k : k + 1], y[k : k + 1])[0] for k in range(len(x))]
        return torch.cat(rows)


def test_diffusion_draws_what_pytorch_draws(open_demo) -> None:
    visit = open_demo("diffusion")
    visit.wait()
    pixels = visit.page.evaluate("[...document.querySelectorAll('.cd-stage canvas')[0].pixels]")
    model = shipped("diffusion")
    network, model.network = model.network, Stored(demo("diffusion").programs["net"])
    try:
        start = torch.tensor(normals(1, 784)).view(1, 1, 28, 28)
        drawn = sample(model, start, steps=10, order=2, y=torch.tensor([3]), guidance=1.0)
    finally:
        model.network = network
    assert (torch.tensor(pixels) - drawn.flatten()).abs().max() < 1e-2


def test_diffusion_keeps_the_last_drawings_side_by_side(open_demo) -> None:
    visit = open_demo("diffusion")
    visit.wait()
    visit.page.get_by_label("Saltos", exact=True).fill("2")
    for seed in range(2, 12):
        visit.page.click("text=Desenhar de novo")
        visit.page.wait_for_function(f"document.querySelector('.cd-kept')?.textContent.endsWith('semente {seed}')")
    kept = visit.page.query_selector_all(".cd-kept")
    assert [one.inner_text().split()[-1] for one in kept] == [str(seed) for seed in range(11, 3, -1)]
    newest, shown = (visit.page.evaluate(f"[...document.querySelector('{selector}').pixels]")
                     for selector in (".cd-kept canvas", ".cd-stage canvas"))  # fmt: skip
    assert newest == shown
    assert len({tuple(one.evaluate("cell => [...cell.querySelector('canvas').pixels]")) for one in kept}) == 8
    visit.page.get_by_label("Saltos", exact=True).fill("3")
    visit.page.wait_for_function("document.querySelector('.cd-kept').textContent.includes('3 saltos')")


def test_rubber_sheet_measures_the_area_that_pytorch_predicts(open_demo) -> None:
    visit = open_demo("rubber_sheet")
    visit.wait()
    visit.page.get_by_label("Camadas desfeitas").fill("8")
    visit.page.get_by_label("Lado do quadrado").fill("0.1")
    visit.page.wait_for_function("document.querySelector('.cd-note').textContent.includes('0,010 no ruído')")
    shown = re.findall(r"[\d,]+ na folha|prevê [\d,]+", visit.page.inner_text(".cd-note"))
    measured, predicted = (float(re.search(r"[\d,]+", text)[0].replace(",", ".")) for text in shown)
    flow, z = coupling(), torch.full((1, 2), 0.64)
    jacobian = torch.autograd.functional.jacobian(flow.inverse, z)[0, :, 0]
    assert measured == pytest.approx(0.01 * jacobian.det().abs().item(), abs=2e-3)
    assert predicted == pytest.approx(measured, abs=2e-3)


def test_rubber_sheet_keeps_the_square_on_the_sheet_and_its_corners_square(open_demo) -> None:
    visit = open_demo("rubber_sheet")
    visit.wait()
    box = visit.page.query_selector("canvas.cd-draggable").bounding_box()
    visit.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 2)
    assert [visit.page.get_by_label(name).input_value() for name in ("z₀", "z₁")] == ["2.5", "2.5"]
    visit.page.get_by_label("Lado do quadrado").fill("1.5")
    visit.page.wait_for_function("document.querySelector('.cd-note').textContent.includes('2,250')")
    visit.page.get_by_label("Camadas desfeitas").fill("8")
    visit.page.get_by_label("Lado do quadrado").fill("0.05")
    visit.page.wait_for_function("document.querySelector('.cd-note').textContent.includes('0,0025 no ruído')")
    assert "Batem" in visit.page.inner_text(".cd-note")


def test_denoising_cleans_the_same_dirty_image_again(open_demo) -> None:
    visit = open_demo("denoising", reduced_motion="reduce")
    visit.wait()
    cleaned = []
    for _ in range(2):
        visit.page.click("text=Limpar aos poucos")
        visit.page.wait_for_function("document.querySelector('.cd-say').textContent.startsWith('Pronto')")
        cleaned.append(visit.page.evaluate("[...document.querySelectorAll('.cd-stage canvas')[1].pixels]"))
        visit.page.evaluate("document.querySelector('.cd-say').textContent = ''")
    assert cleaned[0] == cleaned[1]


def test_only_noise_has_no_drawing_in_it(open_demo) -> None:
    visit = open_demo("denoising", reduced_motion="reduce")
    visit.wait()
    visit.page.click("text=Só ruído")
    visit.page.wait_for_function("document.querySelector('.cd-say').textContent.startsWith('Só ruído')")
    seen = torch.tensor(visit.page.evaluate("[...document.querySelectorAll('.cd-stage canvas')[1].pixels]"))
    noise = torch.tensor(normals(2, 784))
    assert (seen - noise / (noise**2).mean().sqrt()).abs().max() < 1e-3


def test_a_trained_flow_trains_anew(open_demo) -> None:
    visit = open_demo("ring_flow", text=page("ring_flow").replace('"limit":1200', '"limit":20'))
    visit.wait()
    train = visit.page.get_by_role("button", name="Treinar", exact=True)
    for _ in range(2):
        visit.page.evaluate("document.querySelector('.cd-note').textContent = ''")
        train.click()
        visit.page.wait_for_function(
            "/^passo 20 de 20.*Fim do treino/.test(document.querySelector('.cd-note').textContent)"
        )


def test_the_empty_drawing_is_said_to_be_empty_while_its_code_is_mixed(open_demo) -> None:
    visit = open_demo("code_bars")
    visit.wait()
    visit.page.click("text=Apagar")
    visit.page.wait_for_function("document.querySelector('.cd-say').textContent.startsWith('Área vazia')")
    before = visit.seen
    visit.page.get_by_label("Mistura com o sorteado").fill("0.5")
    visit.changes(before)
    visit.page.wait_for_timeout(500)
    assert visit.page.inner_text(".cd-say").startswith("Área vazia")


def test_the_verdict_is_not_faded(open_demo) -> None:
    visit = open_demo("who_drew")
    visit.wait()
    visit.page.click("text=o VAE")
    shown = visit.page.query_selector_all("[data-verdict]")
    assert [one.evaluate("one => getComputedStyle(one).opacity") for one in shown] == ["1"] * len(shown)
    assert shown


def test_on_a_phone_two_drawings_stand_side_by_side(open_demo) -> None:
    visit = open_demo("interpolation", "telefone")
    visit.wait()
    first, second = (one.bounding_box() for one in visit.page.query_selector_all("canvas.cd-pad"))
    assert first["y"] == second["y"]
    assert first["x"] < second["x"]


# --- o uso ------------------------------------------------------------------------------------------------------------


def operate(visit: Visit) -> None:
    """Aperta, com o mouse, cada botão e arrasta em cada desenho e plano: a tela muda."""
    tab = visit.page
    for canvas in tab.query_selector_all(".cd-stage canvas.cd-pad, .cd-stage canvas.cd-draggable"):
        if canvas.is_visible():
            before, box = visit.seen, canvas.bounding_box()
            tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
            tab.mouse.down()
            tab.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=6)
            tab.mouse.up()
            visit.changes(before)


# O que se aperta em cada uma, e que sempre muda alguma coisa.
BUTTONS = {
    "code_bars": ["Sortear outro código", "Outro exemplo", "Apagar"],
    "cycle": ["Outro exemplo", "Apagar"],
    "denoising": ["Outro ruído", "Só ruído", "Limpar aos poucos"],
    "diffusion": ["Desenhar de novo", "Completar a metade de baixo"],
    "gallery": [],
    "interpolation": ["Outro exemplo"],
    "latent_plane": ["Ir ao centro", "Outro exemplo"],
    "ring_flow": ["Treinar", "Recomeçar"],
    "ring_gan": ["Treinar", "Recomeçar"],
    "rubber_sheet": [],
    "styles": ["Outros estilos", "Outro ruído"],
    "who_drew": ["o VAE", "Outro dígito"],
}


@pytest.mark.parametrize("name", DEMOS)
def test_demo_by_mouse(open_demo, name: str) -> None:
    visit = open_demo(name)
    visit.wait()
    assert visit.page.evaluate("document.querySelector('.cd-still').hidden")
    operate(visit)
    for label in BUTTONS[name]:
        before = visit.seen
        visit.page.get_by_role("button", name=label, exact=True).first.click()
        visit.changes(before)
    assert visit.problems == []


@pytest.mark.parametrize("name", DEMOS)
def test_demo_by_keyboard(open_demo, name: str) -> None:
    visit = open_demo(name, "telefone")
    visit.wait()
    tab, reached = visit.page, 0
    for control in tab.query_selector_all(".cd-stage :is(input, select, canvas[tabindex])"):
        if not control.is_visible():
            continue
        before = visit.seen
        control.focus()
        kind = control.evaluate("node => node.tagName")
        if kind == "CANVAS":
            for key in (" ", "ArrowDown", "ArrowDown", "ArrowRight"):
                tab.keyboard.press(key)
        else:
            low = kind == "INPUT" and control.evaluate("node => Number(node.value) > Number(node.min)")
            tab.keyboard.press("ArrowLeft" if low else "ArrowDown" if kind == "SELECT" else "ArrowRight")
        visit.changes(before)
        reached += 1
    # Quem não tem controles, só botões: todos se alcançam com o Tab, e se apertam com o Enter.
    if not reached:
        before = visit.seen
        tab.query_selector(".cd-stage button:not([disabled])").focus()
        tab.keyboard.press("Enter")
        visit.changes(before)
    overflow = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    assert visit.problems == []


@pytest.mark.parametrize("script", ["", SLOW_WORKER], ids=["depressa", "devagar"])
@pytest.mark.parametrize("name", DEMOS)
def test_demo_survives_a_thousand_taps(open_demo, name: str, script: str) -> None:
    visit = open_demo(name, script=script)
    visit.wait()
    tab, chance = visit.page, random.Random(SEED)
    box = tab.query_selector(".cd-stage").bounding_box()
    clock = "performance.now()"
    end = tab.evaluate(clock) + 1000 * FUZZ_SECONDS
    while tab.evaluate(clock) < end:
        for _ in range(10):
            x, y = box["x"] + chance.random() * box["width"], box["y"] + chance.random() * box["height"]
            if chance.random() < 0.6:
                tab.mouse.click(x, y)
            else:
                tab.keyboard.press(chance.choice(["Tab", "ArrowLeft", "ArrowRight", "ArrowUp", "End", "Home", " "]))
    tab.set_viewport_size({"width": 320, "height": 640})
    assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert tab.evaluate("document.querySelector('.curso-demo').dataset.state") == "viva"
    assert visit.problems == []


@pytest.mark.parametrize("view", ["claro", "escuro"])
@pytest.mark.parametrize("name", DEMOS)
def test_demo_is_accessible(open_demo, name: str, view: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    visit = open_demo(name, view)
    visit.wait()
    found = axe.Axe().run(visit.page).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []


def test_less_motion_keeps_every_demo_still(open_demo) -> None:
    for name in ("ring_gan", "ring_flow", "denoising"):
        visit = open_demo(name, reduced_motion="reduce")
        visit.wait()
        before = visit.seen
        visit.page.wait_for_timeout(300)
        assert visit.seen == before


# --- o que pode dar errado --------------------------------------------------------------------------------------------


def test_without_javascript_the_picture_stays(open_demo) -> None:
    visit = open_demo("diffusion", java_script_enabled=False)
    picture = visit.page.query_selector(".cd-still")
    assert picture.is_visible()
    assert picture.get_attribute("alt")


@pytest.mark.parametrize(
    "script",
    [
        "delete window.Worker",
        "window.Worker = class { terminate() {} constructor() { setTimeout(() => this.onerror(new Event('error'))) } }",
        "URL.createObjectURL = () => { throw new Error('bloqueado'); }",
        "delete window.WebAssembly",
    ],
    ids=["sem Worker", "Worker que falha", "blob bloqueado", "sem WebAssembly"],
)
def test_demo_lives_without_what_a_browser_may_lack(open_demo, script: str) -> None:
    visit = open_demo("code_bars", script=script)
    visit.wait()
    operate(visit)
    assert visit.problems == []


def spoiled(change: str) -> str:
    """A página com o bloco estragado."""
    text = page("code_bars")
    start = text.index('<script type="application/json">') + len('<script type="application/json">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end].replace("<\\/", "</"))
    block = data["blocks"]["dec"]
    weights = bytearray(zlib.decompress(base64.b64decode(block["data"])))
    if change == "corrompidos":
        weights[1000] ^= 255
    elif change == "não é finito":
        weights[-4:] = b"\x00\x00\xc0\x7f"
        block["crc32"] = zlib.crc32(bytes(weights))
    elif change == "versão":
        block["version"] = 0
    compressed = zlib.compress(bytes(weights))
    if change == "incompletos":
        compressed = compressed[: len(compressed) // 2]
    block["data"] = base64.b64encode(compressed).decode()
    return text[:start] + json.dumps(data) + text[end:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("corrompidos", "os pesos chegaram corrompidos"),
        ("incompletos", "os pesos chegaram corrompidos"),
        ("não é finito", "um número que não é finito"),
        ("versão", "este bloco é da versão 0"),
    ],
)
def test_bad_weights_say_so_and_leave_the_picture(open_demo, change: str, message: str) -> None:
    visit = open_demo("code_bars", text=spoiled(change))
    visit.wait("falhou")
    assert message in visit.page.inner_text(".cd-say")
    assert visit.page.query_selector(".cd-still").is_visible()
    assert visit.problems == []


def test_an_old_browser_is_told_so(open_demo) -> None:
    visit = open_demo("code_bars", script="delete window.Worker; delete window.DecompressionStream")
    visit.wait("falhou")
    assert "este navegador é antigo demais" in visit.page.inner_text(".cd-say")
    assert visit.page.query_selector(".cd-still").is_visible()


def test_two_demos_in_one_page(open_demo) -> None:
    two = page("latent_plane").replace("</main>", demo("code_bars")._repr_html_() + "</main>")
    visit = open_demo("", text=two)
    visit.page.evaluate("document.querySelectorAll('.curso-demo')[1].scrollIntoView()")
    visit.page.wait_for_function("document.querySelectorAll('[data-state=viva]').length === 2")
    assert visit.problems == []
