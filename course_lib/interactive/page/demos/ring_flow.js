// Capítulo 08: flow matching no plano, treinado enquanto se olha; depois, a correnteza leva o ruído aos dados.
Curso.demos.ring_flow = async ({ stage, say, engine, options, awake, calm, guarded }) => {
  const { h, row, button, slider, plane, dot, ringPoints, ringCircles, number, random } = Curso.kit;
  const SPAN = 3.2;
  const COUNT = 300;
  const noise = random(7).normals(2 * COUNT);
  const data = ringPoints(options.data, random(3), 240);
  let [model, running, frames, at, turn, state] = [null, false, [noise], 1, 0, { steps: 0, loss: NaN }];
  let steps = 12;
  const view = plane({
    label: "Partículas levadas pela correnteza aprendida, do ruído aos dados",
    span: SPAN,
    shown: 320,
    paint(context, _at, pixel, ink) {
      const place = at * (frames.length - 1);
      const [low, part] = [Math.min(Math.floor(place), frames.length - 1), place % 1];
      const [now, next] = [frames[low], frames[Math.min(low + 1, frames.length - 1)]];
      context.strokeStyle = ink;
      context.globalAlpha = 0.25;
      context.lineWidth = pixel;
      for (let i = 0; i < 60; i++) {
        context.beginPath();
        frames.slice(0, low + 1).forEach((frame, k) => (k ? context.lineTo(frame[2 * i], frame[2 * i + 1]) : context.moveTo(frame[2 * i], frame[2 * i + 1])));
        context.stroke();
      }
      context.globalAlpha = 0.5;
      for (const [x, y] of data) dot(context, x, y, 1.6 * pixel, "#0072b2");
      context.globalAlpha = 1;
      ringCircles(context, options.data);
      for (let i = 0; i < COUNT; i++) {
        dot(context, now[2 * i] * (1 - part) + next[2 * i] * part, now[2 * i + 1] * (1 - part) + next[2 * i + 1] * part, 2.6 * pixel, "#e69f00");
      }
    },
  });
  const facts = h("p", { class: "cd-note" });
  const near = (points, n = COUNT) => {
    let inside = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < 8; j++) {
        const angle = (2 * Math.PI * j) / 8;
        const [dx, dy] = [points[2 * i] - options.data.radius * Math.cos(angle), points[2 * i + 1] - options.data.radius * Math.sin(angle)];
        if (Math.hypot(dx, dy) < options.data.near) inside++;
      }
    }
    return inside / n;
  };
  const ceiling = near(Float32Array.from(data.flat()), data.length);
  const show = () => {
    view.draw();
    const loss = Number.isNaN(state.loss) ? "" : `, perda ${number(state.loss, 2)}`;
    const arrived = number(100 * near(frames[frames.length - 1]), 0);
    facts.textContent =
      state.steps === 0
        ? `Sem treino as partículas quase não saem do lugar: ${arrived} % delas estão, por sorte, numa nuvem.`
        : `passo ${state.steps} de ${options.limit} do treino${loss}; ${arrived} % das partículas chegam a uma nuvem (dos próprios dados, ${number(100 * ceiling, 0)} % estão numa)`;
  };
  const flow = async () => {
    frames = await model.call("flow", noise, steps);
    show();
  };
  const begin = async () => {
    model = await engine.make("ringFlow", { seed: 11 + turn++, data: options.data, total: options.limit });
    state = { steps: 0, loss: NaN };
    await flow();
    say(facts.textContent);
  };
  const run = guarded(async () => {
    const mine = ++turn;
    while (running && mine === turn) {
      state = await model.call("train", 10);
      await flow();
      if (state.steps % 200 === 0) say(facts.textContent);
      if (state.steps >= options.limit) {
        toggle(false);
        facts.textContent += ". Fim do treino: Treinar começa outro.";
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
    time.value = at = 1;
    if (!running && state.steps >= options.limit) await begin();
    toggle(!running);
  }));
  const again = button("Recomeçar", guarded(async () => {
    toggle(false);
    await begin();
  }));
  const time = slider({ label: "Instante t", min: 0, max: 1, step: 0.01, value: 1, format: (v) => ({ 0: "0 (ruído)", 1: "1 (dados)" })[v] ?? number(v, 2), oninput: (v) => {
    at = v;
    view.draw();
  } });
  const jumps = slider({ label: "Passos da travessia", min: 1, max: 30, step: 1, value: steps, format: (v) => String(v), oninput: guarded(async (v) => {
    steps = v;
    await flow();
    say(facts.textContent);
  }) });
  const release = button("Soltar o ruído", guarded(async () => {
    if (calm) {
      time.value = at = 1;
      show();
      return;
    }
    for (let k = 0; k <= 60; k++) {
      time.value = at = k / 60;
      view.draw();
      await awake();
    }
    say(facts.textContent);
  }));
  stage.classList.add("cd-quiet");
  stage.append(row(view.element, h("div", { class: "cd-cell cd-side" }, row(play, again, release), time.element, jumps.element, facts, h("p", { class: "cd-note" }, "Laranja: as partículas, que partem do ruído. Azul: os dados. Círculos: as oito nuvens. Na travessia, cada passo é do ponto médio."))));
  stage.addEventListener("tema", show);
  await begin();
};
