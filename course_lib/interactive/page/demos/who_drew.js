// Capítulo 10: adivinhar que família desenhou cada dígito; o seu acerto ao lado do acaso e do juiz.
Curso.demos.who_drew = async ({ stage, say, programs, options, guarded }) => {
  const { h, row, button, picture, number, random } = Curso.kit;
  const { images } = Curso.kit;
  const FLOOR = -0.85;
  const families = options.families.map((one) => ({ ...one, images: one.images && images(one.images) }));
  const image = picture("dígito misterioso", { shown: 196 });
  const [facts, score] = [h("p", { class: "cd-note" }), h("p", { class: "cd-note" })];
  const hits = Object.fromEntries(families.map(({ name }) => [name, [0, 0]]));
  const draw = random(Date.now() % 100000);
  let [truth, answered, asked, right] = [null, true, 0, 0];
  const make = async (family) => {
    if (family.images) return family.images[Math.floor(draw.uniform() * family.images.length)];
    const z = draw.normals(family.latent);
    const given = Object.fromEntries(family.noise.map((n, k) => [`n${k}`, draw.normals(n)]));
    return (await programs[family.program]({ z, ...given })).out;
  };
  const next = guarded(async () => {
    const family = families[Math.floor(draw.uniform() * families.length)];
    const pixels = await make(family);
    // A imagem e o autor trocam juntos: quem pede dois dígitos seguidos responde sobre o que está vendo.
    // O fundo quase preto de algumas redes denunciaria o autor sem que ninguém olhasse o traço.
    image.draw(pixels.map((tone) => (tone < FLOOR ? -1 : tone)));
    [truth, answered] = [family, false];
    buttons.forEach((one) => {
      one.disabled = false;
      delete one.dataset.verdict;
    });
    facts.textContent = "Quem desenhou?";
    say("novo dígito: quem desenhou?");
  });
  const answer = (k) => {
    if (answered) return;
    answered = true;
    asked++;
    const good = families[k] === truth;
    right += good;
    hits[truth.name][1]++;
    hits[truth.name][0] += good;
    buttons.forEach((one) => (one.disabled = true));
    buttons[k].dataset.verdict = "erro";
    buttons[families.indexOf(truth)].dataset.verdict = "certo";
    facts.textContent = `${good ? "✔ Isso: foi" : "✘ Não: foi"} ${truth.name}. ${truth.clue}`;
    const byAuthor = families
      .filter(({ name }) => hits[name][1])
      .map(({ name }) => `${name}, ${hits[name][0]} de ${hits[name][1]}`);
    score.textContent = `Você acertou ${right} de ${asked} (${number((100 * right) / asked, 0)} %); ao acaso seriam ${number(100 / families.length, 0)} %, e o juiz acerta ${number(100 * options.judge, 0)} %. Acertos por autor: ${byAuthor.join("; ")}.`;
    say(`${facts.textContent} ${score.textContent}`);
    again.focus();
  };
  const buttons = families.map(({ name }, k) => button(name, () => answer(k)));
  const again = button("Outro dígito", next);
  stage.classList.add("cd-quiet");
  stage.append(row(image.element, h("div", { class: "cd-cell cd-side" }, row(...buttons), again, facts, score)));
  await next();
};
