// Capítulo 03: o plano de um espaço latente de duas dimensões.
Curso.demos.latent_plane = async ({ stage, say, programs, options, guarded }) => {
  const { row, labelled, button, picture, pad, plane, dot, number, COLORS, latest } = Curso.kit;
  const drawn = { mu: [0, 0], std: [0, 0], empty: true };
  const decoded = picture("o que o decodificador faz do código", { shown: 168 });
  const show = latest(
    guarded(async (z) => {
      const { out } = await programs.dec({ z: Float32Array.from(z) });
      decoded.draw(out);
      decoded.label = `imagem do código ${number(z[0], 2)} e ${number(z[1], 2)}`;
      say(`código ${number(z[0], 2)} e ${number(z[1], 2)}${drawn.empty ? "" : `; o seu desenho está em ${number(drawn.mu[0], 2)} e ${number(drawn.mu[1], 2)}`}`);
    }),
  );
  // O número de cada dígito, no meio da nuvem dele: as cores sozinhas não se distinguem bem.
  const middles = COLORS.map((_, digit) => {
    const mine = options.cloud.labels.flatMap((label, i) => (label === digit ? [i] : []));
    return [0, 1].map((d) => mine.reduce((sum, i) => sum + options.cloud.points[2 * i + d] / 100 / mine.length, 0));
  });
  const view = plane({
    label: "Plano latente: as médias das imagens de teste, uma cor por dígito, e os círculos da priori",
    names: ["z₀", "z₁"],
    span: 3.5,
    // O ponto na borda se vê inteiro.
    reach: 3.35,
    shown: 300,
    paint(context, at, pixel, ink) {
      const { points, labels } = options.cloud;
      context.globalAlpha = 0.55;
      for (let i = 0; i < labels.length; i++) dot(context, points[2 * i] / 100, points[2 * i + 1] / 100, 2.2 * pixel, COLORS[labels[i]]);
      context.globalAlpha = 1;
      context.fillStyle = ink;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.font = "bold 15px sans-serif";
      for (const [digit, [x, y]] of middles.entries()) {
        context.save();
        context.translate(x, y);
        context.scale(pixel, -pixel);
        context.fillText(String(digit), 0, 0);
        context.restore();
      }
      context.strokeStyle = ink;
      context.lineWidth = pixel;
      context.globalAlpha = 0.4;
      for (const [x, y] of [[1, 0], [0, 1]]) {
        context.beginPath();
        context.moveTo(-4 * x, -4 * y);
        context.lineTo(4 * x, 4 * y);
        context.stroke();
      }
      context.globalAlpha = 1;
      for (const radius of [1, 2]) {
        context.beginPath();
        context.arc(0, 0, radius, 0, 7);
        context.stroke();
      }
      if (!drawn.empty) {
        context.lineWidth = 3 * pixel;
        context.beginPath();
        context.ellipse(drawn.mu[0], drawn.mu[1], 2 * drawn.std[0], 2 * drawn.std[1], 0, 0, 7);
        context.stroke();
      }
      dot(context, at[0], at[1], 7 * pixel, ink);
      dot(context, at[0], at[1], 4.5 * pixel, "#ffffff");
    },
    onmove: show,
  });
  const encode = latest(
    guarded(async (x, empty) => {
      const { mu, logvar } = await programs.enc({ x });
      Object.assign(drawn, { mu: [...mu], std: [...logvar].map((v) => Math.exp(v / 2)), empty });
      if (!empty) return view.move(mu[0], mu[1]);
      view.draw();
      say("A área de desenho está vazia.");
      return undefined;
    }),
  );
  const drawing = pad({ label: "Desenhe um dígito", examples: options.examples, onchange: encode, say, shown: 168 });
  const legend = Curso.kit.h("p", { class: "cd-note" }, "z₀ é a horizontal, z₁ a vertical. Círculos: um e dois desvios da priori. Elipse: dois desvios da nuvem do seu desenho. Cores: ");
  COLORS.forEach((color, digit) => {
    const mark = Curso.kit.h("span", { style: `border-bottom: 4px solid ${color}; margin-right: 0.6em` }, String(digit));
    legend.append(mark);
  });
  stage.append(
    row(drawing.element, labelled("O plano latente: arraste o ponto", view.element), labelled("A imagem desse ponto", decoded.element, button("Ir ao centro", () => view.move(0, 0)))),
    legend,
  );
  stage.addEventListener("tema", () => view.draw());
  await encode(drawing.pixels, drawing.empty);
  await show(view.at);
};
