// Capítulo 05: três estilos por faixa de resolução, o truncamento e o ruído.
Curso.demos.styles = async ({ stage, say, programs, options, guarded }) => {
  const { h, row, labelled, button, slider, choice, picture, number, latest, random } = Curso.kit;
  const BANDS = [["grossa (4×4 e 8×8)", 0, 4], ["média (16×16)", 4, 6], ["fina (32×32)", 6, 8]];
  const NAMES = ["A", "B", "C"];
  const width = options.wMean.length;
  let [seed, noiseSeed, psi, strength] = [2, 1, 1, 1];
  const sources = NAMES.map((name) => picture(`estilo ${name}`, { shown: 84 }));
  const mixed = picture("imagem misturada", { shown: 196 });
  let styles = [];
  const noise = (s, size) => {
    const draw = random(s);
    return Object.fromEntries(options.noise.map((n, k) => [`n${k}`, draw.normals(n).map((v) => v * size)]));
  };
  const truncate = (w, amount) => w.map((v, i) => options.wMean[i] + amount * (v - options.wMean[i]));
  const synthesize = async (layers, given, amount) => {
    const w = new Float32Array(8 * width);
    layers.forEach((style, k) => w.set(truncate(style, amount), k * width));
    return (await programs.synthesis({ w, ...given })).out;
  };
  const facts = h("p", { class: "cd-note" });
  const show = latest(
    guarded(async () => {
      const layers = BANDS.flatMap(([, from, to], k) => Array(to - from).fill(styles[NAMES.indexOf(bands[k].value)]));
      const image = await synthesize(layers, noise(noiseSeed, strength), psi);
      const still = await synthesize(layers, noise(noiseSeed, 0), psi);
      mixed.draw(image);
      const moved = image.reduce((sum, v, i) => sum + Math.abs(v - still[i]) / image.length, 0);
      facts.textContent = `O ruído mudou a imagem em ${number(moved, 3)} por pixel, em tons de −1 a 1.${psi === 0 ? " Com ψ = 0 todo estilo é o médio: trocar as faixas não muda nada." : ""}`;
      say(`faixas: ${bands.map((band) => band.value).join(", ")}. ${facts.textContent}`);
    }),
  );
  const draw = guarded(async () => {
    const fresh = [];
    for (const [k, source] of sources.entries()) {
      const z = random(100 * seed + k).normals(options.zDim);
      fresh.push((await programs.mapping({ z })).out);
      source.draw(await synthesize(Array(8).fill(fresh[k]), noise(1, 1), 1));
    }
    styles = fresh;
    await show();
  });
  const bands = BANDS.map(([name]) =>
    choice({ label: `Faixa ${name}`, options: NAMES.map((one) => [one, `estilo ${one}`]), value: NAMES[0], onchange: show }),
  );
  const controls = [
    slider({ label: "Truncamento ψ", min: 0, max: 1, step: 0.05, value: psi, oninput: (v) => show((psi = v)) }),
    slider({ label: "Força do ruído (1: a do treino)", min: 0, max: 20, step: 0.5, value: strength, format: (v) => number(v, 1), oninput: (v) => show((strength = v)) }),
  ];
  stage.classList.add("cd-quiet");
  stage.append(
    row(
      h("div", { class: "cd-cell" }, row(...sources.map((source, k) => labelled(`Estilo ${NAMES[k]}`, source.element))), ...bands.map((band) => band.element), ...controls.map((c) => c.element)),
      h("div", { class: "cd-cell" }, labelled("Mistura", mixed.element), facts),
    ),
    row(
      button("Outros estilos", () => {
        seed++;
        draw();
      }),
      button("Outro ruído", () => {
        noiseSeed++;
        show();
      }),
    ),
  );
  await draw();
};
