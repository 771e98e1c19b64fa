// Capítulo 01: o código de um desenho, a volta dele, e o que dá um código que não veio de imagem nenhuma.
Curso.demos.code_bars = async ({ stage, say, programs, options, guarded }) => {
  const { h, row, labelled, button, slider, picture, pad, number, latest, random } = Curso.kit;
  const n = options.mean.length;
  const [back, walked] = [picture("reconstrução do desenho", { shown: 168 }), picture("imagem do código misturado", { shown: 168 })];
  const bars = h("canvas", { class: "cd-plane", width: 640, height: 120, role: "img", "aria-label": "barras do código" });
  bars.style.cssText = "width: 560px; aspect-ratio: 16 / 3";
  let [code, other, share, seed, drawn, blank] = [new Float32Array(n), null, 0, 1, null, false];
  const sortear = () => {
    const draw = random(seed++);
    other = Float32Array.from({ length: n }, (_, i) => Math.max(options.floor, options.mean[i] + options.std[i] * draw.normal()));
  };
  const paint = (mixed) => {
    const context = bars.getContext("2d");
    const tallest = Math.max(...options.mean.map((m, i) => Math.abs(m) + 3 * options.std[i]), 1e-6);
    context.clearRect(0, 0, 640, 120);
    const zero = options.floor === 0 ? 118 : 60;
    for (const [values, color, width] of [[code, "#0072b2", 0.9], [mixed, "#e69f00", 0.45]]) {
      context.fillStyle = color;
      values.forEach((v, i) => context.fillRect((i * 640) / n, zero, (width * 640) / n, (-v / tallest) * (zero - 4)));
    }
  };
  const missOf = (x, again) => again.reduce((sum, v, i) => sum + Math.abs(v - x[i]) / x.length, 0);
  // Um erro por pixel sozinho não diz se é grande: a medida é o dos exemplos.
  let usual = 0;
  for (const x of options.examples) {
    const { z } = await programs.enc({ x });
    usual += missOf(x, (await programs.dec({ z })).out) / options.examples.length;
  }
  const update = latest(
    guarded(async (x, empty) => {
      if (x) {
        [drawn, blank] = [x, empty];
        ({ z: code } = await programs.enc({ x }));
        back.draw((await programs.dec({ z: code })).out);
      }
      const mixed = code.map((v, i) => (1 - share) * v + share * other[i]);
      walked.draw((await programs.dec({ z: mixed })).out);
      paint(mixed);
      const missed = missOf(drawn, back.element.pixels);
      say(blank ? "Área vazia: o código é o de uma imagem preta." : `A volta erra ${number(missed / usual, 1)} vezes o que erra, em média, nos exemplos (${number(missed, 3)} contra ${number(usual, 3)} por pixel, do preto, −1, ao branco, 1).`);
    }),
  );
  const drawing = pad({ label: "Desenhe um dígito", examples: options.examples, onchange: update, say });
  const mix = slider({
    label: "Mistura com o sorteado",
    min: 0,
    max: 1,
    step: 0.02,
    value: 0,
    format: (v) => `${number(100 * v, 0)} %`,
    oninput: (v) => {
      share = v;
      update(null);
    },
  });
  sortear();
  const again = button("Sortear outro código", () => {
    sortear();
    if (share === 0) mix.value = share = 1;
    update(null);
  });
  stage.append(
    row(drawing.element, labelled("Ida e volta", back.element), labelled("Código misturado", walked.element)),
    labelled(`O código: ${n} números (azul, o do desenho; laranja, o misturado)`, bars),
    row(mix.element, again),
  );
  await update(drawing.pixels, drawing.empty);
};
