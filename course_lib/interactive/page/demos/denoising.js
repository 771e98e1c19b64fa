// Capítulo 02: somar ruído a um desenho e tirá-lo aos poucos; para onde a rede empurra cada pixel.
Curso.demos.denoising = async ({ stage, say, programs, options, awake, calm, guarded }) => {
  const { h, row, labelled, button, slider, picture, pad, number, latest, random } = Curso.kit;
  const [dirty, guess] = [picture("imagem com ruído", { shown: 168 }), picture("estimativa da imagem limpa", { shown: 168 })];
  const push = h("canvas", { class: "cd-picture", width: 28, height: 28, role: "img", "aria-label": "para onde o escore empurra cada pixel: azul clareia, laranja escurece" });
  push.style.width = "168px";
  let [sigma, seed, x, turn, pure] = [0.5, 1, null, 0, false];
  const show = async (level) => {
    const { out } = await programs.net({ x });
    // A imagem ruidosa passa da faixa: mostra-se dividida pelo seu tamanho típico.
    const scale = Math.max(1, Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length));
    dirty.draw(x.map((v) => v / scale));
    guess.draw(out);
    const context = push.getContext("2d");
    const image = context.createImageData(28, 28);
    out.forEach((clean, i) => {
      const pull = Math.min(1, Math.abs(clean - x[i]) / Math.max(0.3, 4 * level));
      image.data.set([...(clean > x[i] ? [86, 180, 233] : [230, 159, 0]), 255 * pull], 4 * i);
    });
    context.putImageData(image, 0, 0);
    return out;
  };
  const dirtied = () => {
    // Uma limpeza leva o controle até o fim; ruído novo é do tamanho escolhido.
    level.value = sigma;
    const draw = random(seed);
    x = drawing.pixels.map((v) => (pure ? 0 : v) + 2 * sigma * draw.normal());
  };
  const add = latest(
    guarded(async () => {
      turn++;
      dirtied();
      await show(sigma);
      say(pure ? "Só ruído: aqui não há desenho nenhum." : `Ruído de desvio ${number(sigma, 2)} em cada pixel; do preto ao branco vai 1.`);
    }),
  );
  const clean = guarded(async () => {
    const mine = ++turn;
    const draw = random(seed + 99);
    let now = sigma;
    // Limpa-se sempre a imagem suja, e não a que a limpeza anterior deixou.
    dirtied();
    say("limpando…");
    const steps = Math.max(2, Math.round(options.steps * (Math.log(sigma / options.sigmaMin) / Math.log(options.sigmaMax / options.sigmaMin)) + 2));
    const ratio = (options.sigmaMin / Math.max(sigma, 1.01 * options.sigmaMin)) ** (1 / (steps - 1));
    for (let k = 1; k < steps; k++) {
      const out = await show(now);
      // Quem mexeu no ruído ou no desenho enquanto a rede pensava já tem outra imagem: esta limpeza acaba aqui.
      if (mine !== turn) return;
      now *= ratio;
      level.value = now;
      x = x.map((v, i) => out[i] + ratio ** 2 * (v - out[i]) + 2 * now * Math.sqrt(1 - ratio ** 2) * draw.normal());
      if (!calm) for (let wait = 0; wait < 8; wait++) await awake();
      if (mine !== turn) return;
    }
    const { out: last } = await programs.net({ x });
    if (mine !== turn) return;
    x = last;
    await show(now);
    say(`Pronto: ${steps} estimativas, cada uma com um pouco menos de ruído.`);
  });
  const drawing = pad({ label: "Desenhe um dígito", examples: options.examples, onchange: () => add((pure = false)), say });
  const level = slider({ label: "Ruído (desvio σ)", min: options.sigmaMin, max: options.sigmaMax, step: 0.05, value: sigma, oninput: (v) => add((sigma = v), (pure = false)) });
  const noiseOnly = button("Só ruído", () => {
    [sigma, pure] = [options.sigmaMax, true];
    seed++;
    add();
  });
  const other = button("Outro ruído", () => {
    seed++;
    add();
  });
  stage.append(
    row(drawing.element, labelled("A imagem agora", dirty.element), labelled("O que a rede imagina", guess.element), labelled("O empurrão: azul clareia, laranja escurece", push)),
    row(level.element, other, noiseOnly, button("Limpar aos poucos", clean)),
  );
  await add();
};
