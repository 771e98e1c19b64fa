// Capítulo 03: as mesmas amostras, com os mesmos sorteios, para cada valor de um parâmetro.
Curso.demos.gallery = async ({ stage, say, options }) => {
  const { h, slider, picture, images } = Curso.kit;
  const grids = options.pictures.map(images);
  const shown = grids[0].map((_, i) => picture(`imagem ${i + 1}`));
  const show = (k) => {
    shown.forEach((one, i) => one.draw(grids[k][i]));
    say(`${options.name} = ${options.values[k]}`);
  };
  const value = slider({ label: options.name, min: 0, max: grids.length - 1, step: 1, value: 0, format: (k) => options.values[k], oninput: show });
  stage.classList.add("cd-quiet");
  stage.append(value.element, h("div", { class: "cd-grid" }, ...shown.map((one) => one.element)));
  show(0);
};
