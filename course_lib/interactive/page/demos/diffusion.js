// Capítulo 07: a volta da difusão, salto a salto, com o dígito, a orientação, os saltos e a semente escolhidos por quem lê.
Curso.demos.diffusion = async ({ stage, say, programs, options, awake, calm, guarded }) => {
  const { h, row, labelled, button, slider, choice, picture, pad, number, random } = Curso.kit;
  const KEPT = 8;
  const total = options.alphaBar.length;
  const bar = (t) => (t < 0 ? 1 : options.alphaBar[t]);
  // Como o round do Python: o meio vai para o par.
  const even = (v) => (Math.abs((v % 1) - 0.5) < 1e-9 && Math.floor(v) % 2 === 0 ? Math.floor(v) : Math.round(v));
  const visited = (steps) => Array.from({ length: steps + 1 }, (_, i) => even((total - 1) * (1 - i / steps) - i / steps));
  const logSnr = (t) => Math.log(options.alphaBar[t] / (1 - options.alphaBar[t]));
  const [noisy, clean] = [picture("imagem no instante escolhido", { shown: 168 }), picture("imagem que a rede imagina ali", { shown: 168 })];
  const settings = { digit: options.digit, guidance: 1, steps: 10, seed: 1, half: false };
  let [frames, turn] = [[], 0];

  // A imagem limpa que a rede imagina: v-predição, com a orientação, cortada em [-1, 1].
  const imagine = async (x, t) => {
    const given = { x, t: [t / total] };
    const { out } = await programs.net({ ...given, y: [settings.digit < 0 ? options.noClass : settings.digit] });
    let v = out;
    if (settings.guidance > 0 && settings.digit >= 0) {
      const { out: free } = await programs.net({ ...given, y: [options.noClass] });
      v = out.map((one, i) => (1 + settings.guidance) * one - settings.guidance * free[i]);
    }
    const [signal, noise] = [Math.sqrt(bar(t)), Math.sqrt(1 - bar(t))];
    return x.map((one, i) => Math.min(1, Math.max(-1, signal * one - noise * v[i])));
  };

  const paint = () => {
    const k = Math.min(Number(scrub.value), frames.length - 1);
    if (k < 0) return;
    noisy.draw(frames[k].x);
    clean.draw(frames[k].x0);
    scrub.input.setAttribute("aria-valuetext", `salto ${k} de ${frames.length - 1}`);
  };

  // Os últimos desenhos ficam lado a lado: é comparando que se vê o que a orientação e a semente fazem.
  const shelf = row();
  const keep = (x) => {
    const { digit, guidance, steps, seed, half } = settings;
    const asked = digit < 0 ? "sem dizer qual" : `${digit}, w ${number(guidance, 1)}`;
    const how = [asked, ...(half ? ["completado"] : []), `${steps} saltos`, `semente ${seed}`];
    const small = picture(`desenho pronto: ${how.join(", ")}`, { shown: 64 });
    small.draw(x);
    shelf.prepend(h("div", { class: "cd-cell cd-kept" }, small.element, ...how.map((text) => h("span", {}, text))));
    while (shelf.children.length > KEPT) shelf.lastChild.remove();
  };

  const sample = guarded(async () => {
    const mine = ++turn;
    const steps = settings.steps;
    const draw = random(settings.seed);
    const start = performance.now();
    say("a rede está desenhando…");
    let x = draw.normals(784);
    const known = settings.half ? drawing.raw : null;
    const path = visited(steps);
    let before = null;
    frames = [];
    scrub.input.max = steps;
    for (let k = 0; k < steps; k++) {
      const [t, s] = [path[k], path[k + 1]];
      const x0 = await imagine(x, t);
      if (mine !== turn) return;
      frames.push({ x, x0 });
      scrub.value = k;
      paint();
      // Segunda ordem: mira a estimativa do meio do salto.
      let aim = x0;
      if (before && s >= 0) {
        const ahead = (logSnr(s) - logSnr(t)) / (2 * (logSnr(t) - logSnr(before.t)));
        aim = x0.map((v, i) => v + ahead * (v - before.x0[i]));
      }
      before = { t, x0 };
      const [signal, noise] = [Math.sqrt(bar(t)), Math.sqrt(1 - bar(t))];
      const [signalNext, noiseNext] = [Math.sqrt(bar(s)), Math.sqrt(1 - bar(s))];
      x = x.map((v, i) => {
        if (known && i < 392) return signalNext * known[i] + noiseNext * draw.normal();
        return signalNext * aim[i] + (noiseNext * (v - signal * aim[i])) / noise;
      });
      if (!calm && k + 1 < steps) await awake();
    }
    frames.push({ x, x0: x });
    scrub.value = steps;
    paint();
    keep(x);
    stage.dataset.ms = Math.round(performance.now() - start);
    const calls = steps * (settings.guidance > 0 && settings.digit >= 0 ? 2 : 1);
    if (known && drawing.empty) say("A metade de cima está vazia: a rede completa um papel em branco.");
    else say(`pronto: ${steps} saltos, ${calls} avaliações da rede, ${number((performance.now() - start) / 1000, 1)} s. Arraste “Ver o salto” para rever a volta.`);
  });

  const scrub = slider({ label: "Ver o salto", min: 0, max: 10, step: 1, value: 0, format: (v) => String(v), oninput: paint });
  const digit = choice({
    label: "Dígito",
    options: [...Array.from({ length: 10 }, (_, d) => [String(d), String(d)]), ["-1", "sem dizer qual"]],
    value: String(settings.digit),
    onchange: (v) => {
      settings.digit = Number(v);
      controls[0].input.disabled = settings.digit < 0;
      sample();
    },
  });
  const controls = [
    slider({ label: "Orientação w", min: 0, max: 6, step: 0.5, value: settings.guidance, format: (v) => number(v, 1), oninput: (v) => sample((settings.guidance = v)) }),
    slider({ label: "Saltos", min: 2, max: 20, step: 1, value: settings.steps, format: (v) => String(v), oninput: (v) => sample((settings.steps = v)) }),
    slider({ label: "Semente", min: 1, max: 50, step: 1, value: settings.seed, format: (v) => String(v), oninput: (v) => sample((settings.seed = v)) }),
  ];
  const drawing = pad({ label: "Desenhe a metade de cima", examples: options.examples, onchange: () => settings.half && sample(), say, shown: 140, half: true });
  const half = button("Completar a metade de baixo", () => {
    settings.half = !settings.half;
    half.setAttribute("aria-pressed", settings.half);
    drawing.element.hidden = !settings.half;
    sample();
  });
  half.setAttribute("aria-pressed", "false");
  drawing.element.hidden = true;
  stage.append(
    row(
      h("div", { class: "cd-cell" }, row(labelled("A imagem xₜ", noisy.element), labelled("O que a rede imagina", clean.element)), scrub.element),
      h("div", { class: "cd-cell" }, digit.element, ...controls.map((c) => c.element), row(button("Desenhar de novo", () => {
        controls[2].value = settings.seed = (settings.seed % 50) + 1;
        sample();
      }), half)),
      drawing.element,
    ),
    labelled("Os últimos desenhos", shelf),
  );
  await sample();
};
