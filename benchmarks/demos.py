"""``python -m benchmarks.demos``: as demonstrações num navegador, em números.

De cada uma: o que pesa, quanto demora a primeira figura, quanto custa cada rede, o erro diante do PyTorch com os mesmos
pesos, e a memória depois de muitos toques ao acaso. E, de quem desenha, o que o juiz diz de arredondar os pesos.
Precisa do playwright e de um Chromium.
"""

from __future__ import annotations

import base64
import copy
import random
import statistics
import tempfile
import time
import zlib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.demo_pages import DEMOS, demo, page, shipped
from benchmarks.measure import machine
from book import screenshots
from course_lib import console, runtime
from course_lib.interactive import export
from course_lib.interactive.block import LEVELS
from course_lib.interactive.demo import PAGE
from course_lib.metrics import Judge
from course_lib.models.stylegan import StyleGenerator
from course_lib.text import number, table
from course_lib.weights import load_judge

# Toques e teclas ao acaso antes de medir a memória.
TAPS = 300
# Toques de cada aba por rodada, no uso longo.
ROUND = 40
# Quem desenha na página: o modelo, a rede dele, e o programa de que demonstração a leva.
ROUNDED = (
    ("vae", "model", "who_drew", "p0"),
    ("dcgan", "gen", "who_drew", "p1"),
    ("stylegan", "gen", "who_drew", "p2"),
    ("stylegan", "gen", "styles", "synthesis"),
    ("diffusion", "model", "diffusion", "net"),
)
# Quantos dígitos se desenham de uma vez, para o juiz.
BATCH = 250
# Repetições de uma rede; vale a mediana.
CALLS = 40

STARTED = """
new MutationObserver((_, watcher) => {
  const root = document.querySelector('.curso-demo[data-state=viva]');
  if (root) { window.firstPicture = performance.now(); watcher.disconnect(); }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
}).observe({ type: 'longtask', buffered: true });
"""
CALL = """async ([block, given, calls]) => {
  const { Program, toBytes } = cursoRuntime(window);
  const program = await Program.load(block, toBytes(window.cursoKernel));
  const times = [];
  let out;
  for (let k = 0; k < calls + 5; k++) {
    const start = performance.now();
    out = program.run(given);
    if (k >= 5) times.push(performance.now() - start);
  }
  return [times, Object.values(out).map((values) => [...values])];
}"""
TRAIN = """async ([kind, options, steps, until]) => {
  cursoRuntime(window);
  cursoLearn(window);
  const { toBytes } = cursoRuntime({});
  const model = window.cursoKinds[kind](options, toBytes(window.cursoKernel));
  const start = performance.now();
  let state;
  for (let k = 0; k < steps; k += 50) {
    state = model.train(50);
    if (until && state.covered >= until) break;
  }
  return [(performance.now() - start) / 1000, state.steps];
}"""


def measure_demo(browser: Any, name: str, folder: Path) -> dict[str, float]:
    """Uma demonstração, na sua página."""
    made = demo(name)
    file = folder / f"{name}.html"
    file.write_text(page(name), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(STARTED)
    tab = context.new_page()
    tab.goto(file.as_uri())
    tab.wait_for_function("window.firstPicture")
    first = tab.evaluate("window.firstPicture")
    # Os primeiros toques compilam e criam o que depois se reusa.
    tap(tab, TAPS)
    before = heap(context, tab)
    tap(tab, TAPS)
    after = heap(context, tab)
    longest = tab.evaluate("window.longest")
    context.close()
    blocks = made.data()["blocks"].values()
    weights = sum(len(zlib.decompress(base64.b64decode(block["data"]))) for block in blocks)
    return {
        "pesos (kB)": weights / 1000,
        "na rede (kB)": len(zlib.compress(file.read_bytes(), 9)) / 1000,
        "1.ª figura (ms)": first,
        "maior pausa (ms)": longest,
        "memória, a mais (%)": 100 * (after / before - 1),
        **measure_programs(browser, name),
    }


def measure_programs(browser: Any, name: str) -> dict[str, float]:
    """As redes da demonstração: o tempo de uma passada por todas, e o maior erro."""
    tab = browser.new_page()
    tab.set_content("<p>conta</p>")
    for part in ("kernel", "random", "runtime", "learn"):
        tab.add_script_tag(content=(PAGE / f"{part}.js").read_text("utf-8"))
    total, gap = 0.0, 0.0
    for program in demo(name).programs.values():
        with runtime.isolated_seed(0):
            inputs = [draw_input(entry, value.shape) for entry, value in zip(*described(program), strict=True)]
        given = {entry: one.flatten().tolist() for entry, one in zip(program.names[0], inputs, strict=True)}
        times, outputs = tab.evaluate(CALL, [program.block(), given, CALLS])
        total += statistics.median(times)
        for ours, theirs in zip(outputs, program(*inputs), strict=True):
            gap = max(gap, (torch.tensor(ours) - theirs.flatten()).abs().max().item())
    found = {"redes (ms)": total, "erro": gap}
    options = demo(name).options
    if name == "ring_gan":
        game = {**options["games"]["taxas iguais"], "data": options["data"], "seed": 1001}
        found["treino (s)"], _ = tab.evaluate(TRAIN, ["ringGAN", game, options["limit"], 8])
    if name == "ring_flow":
        made = {"data": options["data"], "seed": 11, "total": options["limit"]}
        found["treino (s)"], _ = tab.evaluate(TRAIN, ["ringFlow", made, options["limit"], 0])
    tab.close()
    return found


def described(program: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Os nomes e os valores das entradas."""
    return program.names[0], program.recording.inputs


def draw_input(name: str, shape: tuple[int, ...]) -> Tensor:
    """Uma entrada qualquer, na faixa que a rede espera."""
    if name == "y":
        return torch.randint(10, shape)
    return torch.rand(shape) if name in ("t", "x") else torch.randn(shape)


def tap(tab: Any, times: int, seed: int = 0) -> None:
    """Cliques e teclas ao acaso."""
    chance = random.Random(seed)
    box = tab.query_selector(".cd-stage").bounding_box()
    for _ in range(times):
        if chance.random() < 0.6:
            tab.mouse.click(box["x"] + chance.random() * box["width"], box["y"] + chance.random() * box["height"])
        else:
            tab.keyboard.press(chance.choice(["Tab", "ArrowLeft", "ArrowRight", "ArrowUp", " "]))
    tab.wait_for_timeout(500)


def soak(browser: Any, names: list[str], folder: Path, minutes: float) -> list[tuple[str, ...]]:
    """Minutos de uso de todas, cada uma na sua aba, em rodadas de toques: como cada uma fica, e o que ocupa a mais."""
    tabs: dict[str, Any] = {}
    problems: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        file = folder / f"{name}.html"
        file.write_text(page(name), encoding="utf-8")
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        tabs[name] = context, context.new_page()
        tabs[name][1].on("pageerror", lambda error, name=name: problems[name].append(str(error)))
        tabs[name][1].goto(file.as_uri())
        tabs[name][1].wait_for_function("document.querySelector('.curso-demo').dataset.state !== 'espera'")
        tap(tabs[name][1], TAPS)
    before = {name: heap(*tabs[name]) for name in names}
    taps, end = 0, time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        taps += 1
        for name in names:
            tabs[name][1].bring_to_front()
            tap(tabs[name][1], ROUND, seed=taps)
    state = "document.querySelector('.curso-demo').dataset.state"
    return [
        (
            name,
            tabs[name][1].evaluate(state),
            number(taps * ROUND, ","),
            str(len(problems[name])),
            number(100 * (heap(*tabs[name]) / before[name] - 1), "+.1f"),
        )
        for name in names
    ]


def heap(context: Any, tab: Any) -> float:
    """Bytes que a página guarda, depois de recolhido o que ninguém usa."""
    session = context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return used


def rounding_cost(n: int) -> list[tuple[str, str, float, float]]:
    """A distância de Fréchet de quem desenha, com os pesos de sempre e com os da página: as mesmas sementes."""
    judge, rows = load_judge(), []
    for name, part, demonstration, program in ROUNDED:
        # O que a demonstração exporta é que diz como ela guarda os pesos.
        (weights,) = {constant.kind for constant in demo(demonstration).programs[program].constants} & set(LEVELS)
        network = copy.deepcopy(shipped(name, part))
        plain, rounded = diffusions(network, weights) if hasattr(network, "network") else drawings(network, weights)
        distances = (distance(judge, sample, n) for sample in (plain, rounded))
        rows.append((f"{name}, em {demonstration}", weights, *distances))
    return rows


def distance(judge: Judge, sample: Callable[[int], Tensor], n: int) -> float:
    """A distância média de ``n`` amostras, em três sorteios."""
    found = []
    for seed in range(3):
        with runtime.isolated_seed(seed):
            found.append(judge.compare("página", sample(n), seed=0).frechet)
    return statistics.mean(found)


def drawings(network: Any, weights: str) -> tuple[Callable[[int], Tensor], Callable[[int], Tensor]]:
    """Quem amostra de uma rede que desenha de ``z``, e quem amostra do que a página recebe dela."""

    def draw_inputs() -> list[Tensor]:
        noise = network.synthesis.draw_noise(BATCH) if isinstance(network, StyleGenerator) else []
        return [torch.randn(BATCH, network.latent_dim), *noise]

    function = getattr(network, "decode", network)
    if isinstance(network, StyleGenerator):
        function = lambda z, *noise: network(z, noise=noise)  # noqa: E731
    inputs = {f"x{k}": one for k, one in enumerate(draw_inputs())}
    exported = export(function, inputs, modules=[network], weights=weights)

    def sampler(draw: Callable[..., Tensor]) -> Callable[[int], Tensor]:
        def sample(n: int) -> Tensor:
            with torch.no_grad():
                return torch.cat([draw(*draw_inputs()) for _ in range(-(-n // BATCH))])[:n]

        return sample

    return sampler(function), sampler(lambda *inputs: exported(*inputs)[0])


def diffusions(model: Any, weights: str) -> tuple[Callable[[int], Tensor], Callable[[int], Tensor]]:
    """Quem amostra de uma difusão, e quem amostra com a rede que a página recebe."""
    rounded = copy.deepcopy(model)
    inputs = {"x": torch.randn(1, 1, 28, 28), "t": torch.tensor([0.5]), "y": torch.tensor([3])}
    with torch.no_grad():
        # As constantes são os próprios pesos: trocadas no lugar, a rede serve a lotes de qualquer tamanho.
        for constant in export(rounded.network, inputs, weights=weights).constants:
            constant.tensor.copy_(constant.stored())
    return model.sample, rounded.sample


def main(arguments: list[str] | None = None) -> int:
    """Mede e mostra as duas tabelas."""
    parser = console.Parser(prog="python -m benchmarks.demos", description=__doc__)
    parser.add_argument("--so", nargs="+", choices=list(DEMOS), default=list(DEMOS), help="só estas demonstrações")
    parser.add_argument("--n", type=int, default=2_000, help="amostras para o juiz; 0 não o chama")
    parser.add_argument("--minutos", type=float, help="em vez das medidas, tantos minutos de uso de todas elas")
    options: Namespace = parser.parse_args(arguments)
    print(machine())
    if options.minutos:
        with screenshots.open_browser() as browser, tempfile.TemporaryDirectory() as folder:
            used = soak(browser, options.so, Path(folder), options.minutos)
        print(table(used, ["demonstração", "estado", "toques", "erros", "memória, a mais (%)"]))
        return 0
    with screenshots.open_browser() as browser, tempfile.TemporaryDirectory() as folder:
        found = {name: measure_demo(browser, name, Path(folder)) for name in options.so}
    header = list(dict.fromkeys(column for row in found.values() for column in row))
    rows = [(name, *(cell(row, column) for column in header)) for name, row in found.items()]
    print(table(rows, ["demonstração", *header]))
    if options.n:
        compared = [
            (name, weights, number(before, ".3f"), number(after, ".3f"), number(after / before - 1, "+.1%"))
            for name, weights, before, after in rounding_cost(options.n)
        ]
        print(table(compared, ["desenha", "pesos", "Fréchet, float32", "Fréchet, na página", "diferença"]))
    return 0


def cell(row: dict[str, float], column: str) -> str:
    """Um número da tabela."""
    if column not in row:
        return "—"
    return number(row[column], ".1e" if column == "erro" else ".1f")


if __name__ == "__main__":
    raise SystemExit(main())
