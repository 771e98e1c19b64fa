// Capítulo 08: a folha de borracha de um fluxo do plano, e a área de um quadrado dela.
Curso.demos.rubber_sheet = async ({ stage, say, programs, options, guarded }) => {
  const { h, labelled, slider, plane, dot, number, latest, random } = Curso.kit;
  const [LINES, PER_LINE, CLOUD] = [11, 64, 256];
  // A folha vai até aqui para cada lado; o quadrado não sai dela.
  const FOLD = 2.5;
  // Pontos do contorno: tantos em cada lado, para que os cantos estejam entre eles, e sobra lugar para o centro.
  const [START, EDGE] = [[0.64, 0.64], 4 * Math.floor((options.points - 1) / 4)];
  let [stageNow, side, square, areas] = [0, 0.2, [], []];

  // Cada ponto, antes e depois de desfeita cada camada; e quanto o logaritmo da área cresce no último deles.
  const through = async (points) => {
    const frames = Array.from({ length: options.layers + 1 }, () => []);
    let grown = [];
    for (let from = 0; from < points.length; from += options.points) {
      const some = points.slice(from, from + options.points);
      const z = Float32Array.from({ length: 2 * options.points }, (_, i) => some[Math.min(i >> 1, some.length - 1)][i % 2]);
      const out = await programs.flow({ z });
      some.forEach((point, i) => {
        frames[0].push(point);
        for (let k = 1; k <= options.layers; k++) frames[k].push([out[`x${k}`][2 * i], out[`x${k}`][2 * i + 1]]);
      });
      grown = [0, ...Array.from({ length: options.layers }, (_, k) => out[`grown${k + 1}`][some.length - 1])];
    }
    return { frames, grown };
  };
  // O contorno do quadrado, e por último o centro.
  const outline = ([x, y]) => {
    const edge = (u) => (u < 1 ? [2 * u - 1, -1] : u < 2 ? [1, 2 * u - 3] : u < 3 ? [5 - 2 * u, 1] : [-1, 7 - 2 * u]);
    const around = Array.from({ length: EDGE }, (_, i) => edge((4 * i) / EDGE)).map(([a, b]) => [x + (a * side) / 2, y + (b * side) / 2]);
    return [...around, [x, y]];
  };
  const area = (points) =>
    Math.abs(points.reduce((sum, [x, y], i) => {
      const [u, v] = points[(i + 1) % points.length];
      return sum + (x * v - u * y) / 2;
    }, 0));
  const path = (context, points, close) => {
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (close) context.closePath();
  };

  const axis = Array.from({ length: LINES }, (_, i) => -FOLD + (2 * FOLD * i) / (LINES - 1));
  const along = Array.from({ length: PER_LINE }, (_, i) => -FOLD + (2 * FOLD * i) / (PER_LINE - 1));
  const lines = [...axis.map((x) => along.map((y) => [x, y])), ...axis.map((y) => along.map((x) => [x, y]))];
  const draw = random(5);
  const cloud = await through(Array.from({ length: CLOUD }, () => [draw.normal(), draw.normal()]));
  const sheet = [];
  for (const line of lines) sheet.push((await through(line)).frames);

  // Os dois planos na mesma escala, e a folha inteira à vista em todas as camadas.
  const reach = Math.max(...sheet.flat(2).map(([x, y]) => Math.max(Math.abs(x), Math.abs(y))));
  const SPAN = Math.min(5, Math.max(3, 1.04 * reach));

  const paint = (k) => (context, _at, pixel, ink) => {
    if (k() === options.layers) {
      context.globalAlpha = 0.35;
      for (const [x, y] of options.data) dot(context, x / 100, y / 100, 2 * pixel, "#009e73");
      context.globalAlpha = 1;
    }
    context.strokeStyle = "#0072b2";
    context.lineWidth = 0.8 * pixel;
    for (const frames of sheet) {
      path(context, frames[k()]);
      context.stroke();
    }
    context.globalAlpha = 0.7;
    for (const [x, y] of cloud.frames[k()]) dot(context, x, y, 1.8 * pixel, "#e69f00");
    context.globalAlpha = 1;
    if (!square.length) return;
    context.strokeStyle = ink;
    context.fillStyle = "rgba(213, 94, 0, 0.45)";
    context.lineWidth = 2 * pixel;
    path(context, square[k()].slice(0, EDGE), true);
    context.fill();
    context.stroke();
  };
  const facts = h("p", { class: "cd-note" });
  const show = () => {
    left.draw();
    right.draw();
    const [before, after] = [area(square[0].slice(0, EDGE)), area(square[stageNow].slice(0, EDGE))];
    const digits = side < 0.1 ? 4 : 3;
    const predicted = before * Math.exp(areas[stageNow]);
    const grown = predicted / before;
    const change = Math.abs(grown - 1) < 0.05 ? "quase não mudou" : grown < 1 ? `subiu ${number(1 / grown, 1)} vezes` : `caiu ${number(grown, 1)} vezes`;
    const fits = Math.abs(after / predicted - 1) < 0.1;
    facts.textContent =
      stageNow === 0
        ? `Nenhuma camada desfeita: o quadrado tem a mesma área, ${number(before, digits)}, dos dois lados.`
        : `Área do quadrado: ${number(before, digits)} no ruído, ${number(after, digits)} na folha; o log-determinante, no centro, prevê ${number(predicted, digits)}. ${fits ? "Batem:" : "Não batem: o quadrado é grande demais para uma previsão que é de um ponto só; diminua o lado."} ${fits ? "" : "No centro, "}a densidade ${change}.`;
    say(facts.textContent);
  };
  const move = latest(
    guarded(async (at) => {
      const { frames, grown } = await through(outline(at));
      [square, areas] = [frames, grown];
      show();
    }),
  );
  const left = plane({ label: "O ruído: a malha, a nuvem e o quadrado que se arrasta", names: ["z₀", "z₁"], span: SPAN, reach: FOLD, shown: 290, value: START, paint: paint(() => 0), onmove: (at) => move([...at]) });
  const right = plane({ label: "A folha, com as camadas escolhidas já desfeitas, sobre os dados", span: SPAN, shown: 290, paint: paint(() => stageNow) });
  const layers = slider({ label: "Camadas desfeitas", min: 0, max: options.layers, step: 1, value: stageNow, format: String, oninput: (k) => {
    stageNow = k;
    show();
  } });
  const size = slider({ label: "Lado do quadrado", min: 0.05, max: 1.5, step: 0.05, value: side, oninput: (v) => {
    side = v;
    move([...left.at]);
  } });
  stage.classList.add("cd-quiet");
  stage.append(
    h("div", { class: "cd-row cd-pair" }, labelled("O ruído (z): arraste o quadrado", size.element, left.element), labelled("A folha (x)", layers.element, right.element)),
    facts,
    h("p", { class: "cd-note" }, "Laranja: amostras da normal, levadas pela folha. Verde: os dados, com todas as camadas desfeitas."),
  );
  stage.addEventListener("tema", () => [left, right].forEach((one) => one.draw()));
  await move(START);
};
