// Capítulo 04: uma GAN no plano, treinada enquanto se olha; o colapso e as suas curas.
Curso.demos.ring_gan = async ({ stage, say, engine, options, awake, guarded }) => {
  const { h, row, button, choice, plane, dot, ringPoints, ringCircles, number, random } = Curso.kit;
  const SPAN = 3.2;
  const GRID = 40;
  const state = { points: [], field: null, steps: 0, covered: 0, on: 0 };
  const data = ringPoints(options.data, random(3), 120);
  let [game, running, turn] = [null, false, 0];
  const view = plane({
    label: "Pontos do gerador sobre as oito nuvens de dados, e o que o discriminador acha de cada lugar",
    span: SPAN,
    shown: 320,
    paint(context, _at, pixel, ink) {
      const cell = (2 * SPAN) / GRID;
      if (state.field) {
        state.field.forEach((p, i) => {
          const [x, y] = [(i % GRID) * cell - SPAN, SPAN - (Math.floor(i / GRID) + 1) * cell];
          context.fillStyle = p > 0.5 ? `rgba(0, 114, 178, ${(p - 0.5) * 0.9})` : `rgba(213, 94, 0, ${(0.5 - p) * 0.9})`;
          context.fillRect(x, y, cell, cell);
        });
      }
      context.strokeStyle = ink;
      context.lineWidth = 1.5 * pixel;
      ringCircles(context, options.data);
      for (const [x, y] of data) dot(context, x, y, 1.6 * pixel, "#009e73");
      for (let i = 0; i < state.points.length; i += 2) dot(context, state.points[i], state.points[i + 1], 2.4 * pixel, ink);
    },
  });
  const facts = h("p", { class: "cd-note" });
  const show = () => {
    view.draw();
    facts.textContent = `passo ${state.steps} de ${options.limit}: ${state.covered} de 8 nuvens com amostras, ${number(100 * state.on, 0)} % das amostras em alguma`;
  };
  const begin = async (name) => {
    turn++;
    game = await engine.make("ringGAN", { ...options.games[name], data: options.data, seed: 1000 + turn });
    Object.assign(state, await game.call("train", 1), { field: await game.call("field", GRID, SPAN) });
    show();
    say(facts.textContent);
  };
  const run = guarded(async () => {
    const mine = ++turn;
    while (running && mine === turn) {
      Object.assign(state, await game.call("train", 20), { field: await game.call("field", GRID, SPAN) });
      show();
      if (state.steps % 400 === 1) say(facts.textContent);
      if (state.steps >= options.limit) {
        toggle(false);
        facts.textContent += ". Fim deste jogo: Treinar começa outro.";
        say(facts.textContent);
      }
      await awake();
    }
  });
  const toggle = (on) => {
    running = on;
    play.textContent = running ? "Pausar" : "Treinar";
    if (running) run();
    else say(facts.textContent);
  };
  const play = button("Treinar", guarded(async () => {
    if (!running && state.steps >= options.limit) await begin(rule.value);
    toggle(!running);
  }));
  const rule = choice({
    label: "Jogo",
    options: Object.keys(options.games).map((name) => [name, name]),
    value: Object.keys(options.games)[0],
    onchange: guarded(async (name) => {
      toggle(false);
      await begin(name);
      toggle(true);
    }),
  });
  const again = button("Recomeçar", guarded(async () => {
    toggle(false);
    await begin(rule.value);
  }));
  stage.classList.add("cd-quiet");
  stage.append(row(view.element, h("div", { class: "cd-cell cd-side" }, rule.element, row(play, again), facts, h("p", { class: "cd-note" }, "Verde: os dados, em oito nuvens. Pontos: o gerador. Azul: ali o discriminador acha real; laranja: falso. Longe de todos os pontos, ninguém lhe ensinou nada, e a cor não quer dizer nada. O que vale são as nuvens cobertas: acertar sempre a mesma é o colapso."))));
  stage.addEventListener("tema", show);
  await begin(rule.value);
};
