// Capítulo 06: um desenho vai ao outro domínio e volta; quanto se perde no ciclo.
Curso.demos.cycle = async ({ stage, say, programs, options, guarded }) => {
  const { h, row, labelled, picture, pad, number, latest } = Curso.kit;
  const [there, back] = [picture("tradução para Y", { shown: 168 }), picture("de volta a X", { shown: 168 })];
  const error = h("canvas", { class: "cd-picture", width: 28, height: 28, role: "img", "aria-label": "onde o ciclo erra" });
  error.style.width = "168px";
  const facts = h("p", { class: "cd-note" });
  const missOf = (x, again) => again.reduce((sum, v, i) => sum + Math.abs(v - x[i]) / x.length, 0);
  let usual = 0;
  for (const x of options.examples) {
    const { out: y } = await programs.toY({ x });
    usual += missOf(x, (await programs.toX({ x: y })).out) / options.examples.length;
  }
  const show = latest(
    guarded(async (x, empty) => {
      const { out: y } = await programs.toY({ x });
      const { out: again } = await programs.toX({ x: y });
      there.draw(y);
      back.draw(again);
      const context = error.getContext("2d");
      const image = context.createImageData(28, 28);
      again.forEach((v, i) => {
        const miss = Math.abs(v - x[i]);
        image.data.set([213, 94, 0, Math.min(255, 400 * miss)], 4 * i);
      });
      context.putImageData(image, 0, 0);
      const missed = missOf(x, again);
      facts.textContent = `O ciclo erra ${number(missed / usual, 1)} vezes o que erra, em média, nos exemplos (${number(missed, 3)} contra ${number(usual, 3)} por pixel, do preto, −1, ao branco, 1)${empty ? "; e isto é o que ele faz de um papel em branco" : ""}.`;
      say(facts.textContent);
    }),
  );
  const drawing = pad({ label: "Desenhe em X", examples: options.examples, onchange: show, say });
  stage.classList.add("cd-quiet");
  stage.append(row(drawing.element, labelled("Em Y", there.element), labelled("De volta a X", back.element), labelled("Onde o ciclo erra", error)), facts);
  await show(drawing.pixels, drawing.empty);
};
