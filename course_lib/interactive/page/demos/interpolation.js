// Capítulo 09: de um desenho a outro pelo espaço latente de dois modelos, o exercício do documento.
Curso.demos.interpolation = async ({ stage, say, programs, options, guarded }) => {
  const { h, row, labelled, slider, picture, pad, latest } = Curso.kit;
  const STEPS = 7;
  let t = 0.5;
  const rows = options.models.map((name) => ({
    name,
    strip: Array.from({ length: STEPS }, (_, i) => picture(`${name}: passo ${i + 1} de ${STEPS}`, { shown: 96 })),
    now: picture(`${name}: no ponto escolhido`, { shown: 140 }),
  }));
  let codes = [];
  const at = (a, b, u) => a.map((v, i) => (1 - u) * v + u * b[i]);
  const walk = latest(
    guarded(async () => {
      for (const [k, { now }] of rows.entries()) now.draw((await programs[`dec${k}`]({ z: at(...codes[k], t) })).out);
    }),
  );
  const encode = latest(
    guarded(async () => {
      // Os códigos só trocam quando todos estão prontos: o controle deslizante pode pedir um ponto a qualquer hora.
      const fresh = rows.map(() => []);
      for (const [k, ends] of fresh.entries()) {
        for (const side of [first, second]) ends.push((await programs[`enc${k}`]({ x: side.pixels })).z);
      }
      codes = fresh;
      for (const [k, { strip }] of rows.entries()) {
        for (const [i, one] of strip.entries()) {
          one.draw((await programs[`dec${k}`]({ z: at(...fresh[k], i / (STEPS - 1)) })).out);
        }
      }
      await walk();
      const blank = [first, second].find((side) => side.empty);
      say(blank ? "Uma das pontas está vazia: o caminho sai de um papel em branco, ou chega a um." : "");
    }),
  );
  const common = { examples: options.examples, onchange: () => encode(), say, shown: 140 };
  const first = pad({ ...common, label: "De", initial: 0 });
  const second = pad({ ...common, label: "Para", initial: 1, helped: first.help });
  const where = slider({ label: "Ponto do caminho", min: 0, max: 1, step: 0.02, value: t, oninput: (v) => walk((t = v)) });
  stage.append(
    row(first.element, second.element, h("div", { class: "cd-cell" }, where.element, row(...rows.map(({ name, now }) => labelled(name, now.element))))),
    ...rows.map(({ name, strip }) => labelled(`${name}: o caminho inteiro`, h("div", { class: "cd-row cd-strip" }, ...strip.map((one) => one.element)))),
  );
  await encode();
};
