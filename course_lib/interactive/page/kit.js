// O que toda demonstração usa: o motor, que executa as redes fora da linha da página, e as peças da tela.
//
// Cada peça funciona com o mouse, com o toque e só com o teclado, e diz o que faz a quem ouve a página.
(() => {
  "use strict";
  if (window.Curso) return;

  // --- o motor ---------------------------------------------------------------------------------------------------------

  // Objetos de um tipo conhecido (uma rede, um treino), feitos num Worker; onde não há, na própria página.
  class Engine {
    constructor(wasm) {
      this.wasm = wasm;
      this.waiting = new Map();
      this.sent = 0;
      this.ready = this.startWorker().catch(() => this.startHere());
    }

    startWorker() {
      return new Promise((resolve, reject) => {
        const source = `${cursoRandom}\n` + [cursoRuntime, cursoLearn].map((f) => `(${f})(self);`).join("\n") + `(${serve})(self);`;
        const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
        const worker = new Worker(address);
        const give = (fail) => {
          worker.terminate();
          reject(fail);
        };
        const clock = setTimeout(() => give(new Error("o Worker não respondeu")), 4000);
        worker.onerror = (event) => {
          event.preventDefault();
          clearTimeout(clock);
          give(event);
        };
        worker.onmessage = () => {
          clearTimeout(clock);
          URL.revokeObjectURL(address);
          worker.onmessage = ({ data }) => this.settle(data);
          this.post = (message) => worker.postMessage(message);
          resolve();
        };
        worker.postMessage({ wasm: this.wasm });
      });
    }

    startHere() {
      const scope = { postMessage: (data) => this.settle(data) };
      cursoRuntime(scope);
      cursoLearn(scope);
      serve(scope);
      // Uma conta de cada vez, e entre duas a página responde.
      this.post = (message) => setTimeout(() => scope.onmessage({ data: message }));
      this.inPage = true;
      scope.onmessage({ data: { wasm: this.wasm } });
    }

    settle({ id, value, error }) {
      const call = this.waiting.get(id);
      if (!call) return;
      this.waiting.delete(id);
      if (error) call.reject(new Error(error));
      else call.resolve(value);
    }

    async send(message) {
      await this.ready;
      const id = ++this.sent;
      return new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        this.post({ id, ...message });
      });
    }

    // Um objeto do motor; `call(método, …)` promete o que o método devolve.
    async make(kind, ...args) {
      const handle = await this.send({ make: kind, args });
      return { call: (method, ...rest) => this.send({ handle, method, args: rest }) };
    }

    async program(block) {
      const program = await this.make("program", block);
      return (given) => program.call("run", given);
    }
  }

  // O outro lado do motor.
  function serve(scope) {
    const objects = [];
    let wasm = null;
    scope.onmessage = async ({ data }) => {
      if (!data.id) {
        wasm = data.wasm && cursoBytes(data.wasm);
        scope.postMessage({ id: 0 });
        return;
      }
      try {
        let value;
        if (data.make) value = objects.push(await scope.cursoKinds[data.make](...data.args, wasm)) - 1;
        else value = objects[data.handle][data.method](...data.args);
        scope.postMessage({ id: data.id, value });
      } catch (error) {
        scope.postMessage({ id: data.id, error: error.message });
      }
    };
    function cursoBytes(base64) {
      return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    }
  }

  // --- as peças --------------------------------------------------------------------------------------------------------

  let made = 0;

  const h = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };

  const number = (value, digits = 1) => value.toFixed(digits).replace(".", ",").replace("-", "−");

  const row = (...children) => h("div", { class: "cd-row" }, ...children);
  const labelled = (text, ...children) => h("div", { class: "cd-cell" }, h("span", { class: "cd-name" }, text), ...children);

  const button = (text, onclick) => h("button", { type: "button", class: "cd-button", onclick }, text);

  const slider = ({ label, min, max, step = 0.01, value, format = (v) => number(v, 2), oninput }) => {
    const id = `cd-${++made}`;
    const shown = h("output", { for: id, class: "cd-value" });
    const input = h("input", { id, type: "range", min, max, step });
    // O que se mostra é o valor pedido, mesmo que o controle só tenha degraus vizinhos dele.
    const show = (exact = Number(input.value)) => {
      const text = format(exact);
      shown.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
    input.value = value;
    input.addEventListener("input", () => {
      show();
      oninput(Number(input.value));
    });
    show(Number(value));
    const element = h("div", { class: "cd-slider" }, h("label", { for: id }, label), input, shown);
    return {
      element,
      input,
      get value() {
        return Number(input.value);
      },
      set value(to) {
        input.value = to;
        show(to);
      },
    };
  };

  const choice = ({ label, options, value, onchange }) => {
    const id = `cd-${++made}`;
    const select = h("select", { id }, ...options.map(([key, text]) => h("option", { value: key }, text)));
    select.value = value;
    select.addEventListener("change", () => onchange(select.value));
    return {
      element: h("div", { class: "cd-choice" }, h("label", { for: id }, label), select),
      get value() {
        return select.value;
      },
      set value(to) {
        select.value = to;
      },
    };
  };

  // Uma imagem de tons de -1 a 1, em escala de cinza.
  const picture = (label, { size = 28, shown = 84 } = {}) => {
    const canvas = h("canvas", { width: size, height: size, class: "cd-picture", role: "img", "aria-label": label });
    canvas.style.width = `${shown}px`;
    if (shown > 168) canvas.classList.add("cd-large");
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
    const draw = (pixels) => {
      for (let i = 0; i < pixels.length; i++) {
        const tone = (Math.min(Math.max(pixels[i], -1), 1) + 1) * 127.5;
        image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = tone;
        image.data[4 * i + 3] = 255;
      }
      context.putImageData(image, 0, 0);
      canvas.pixels = Float32Array.from(pixels);
    };
    draw(new Float32Array(size * size).fill(-1));
    return {
      element: canvas,
      draw,
      set label(text) {
        canvas.setAttribute("aria-label", text);
      },
    };
  };

  // O traço de tinta em volta de (x, y), macio como o do MNIST.
  const stamp = (pixels, x, y, size) => {
    for (let r = Math.max(0, Math.floor(y - 2)); r <= Math.min(size - 1, Math.ceil(y + 2)); r++) {
      for (let c = Math.max(0, Math.floor(x - 2)); c <= Math.min(size - 1, Math.ceil(x + 2)); c++) {
        const far = Math.hypot(c - x, r - y);
        const ink = Math.min(1, Math.max(0, 1.9 - far)) * 2 - 1;
        pixels[r * size + c] = Math.max(pixels[r * size + c], ink);
      }
    }
  };

  // O desenho com o centro de massa no centro da imagem, como os dígitos do MNIST; vazio, fica como está.
  const centered = (pixels, size = 28) => {
    let [mass, x, y] = [0, 0, 0];
    pixels.forEach((tone, i) => {
      mass += tone + 1;
      x += (tone + 1) * (i % size);
      y += (tone + 1) * Math.floor(i / size);
    });
    if (mass < 1) return Float32Array.from(pixels);
    const [dx, dy] = [Math.round(x / mass - (size - 1) / 2), Math.round(y / mass - (size - 1) / 2)];
    return Float32Array.from(pixels, (_, i) => {
      const [c, r] = [(i % size) + dx, Math.floor(i / size) + dy];
      return c >= 0 && c < size && r >= 0 && r < size ? pixels[r * size + c] : -1;
    });
  };

  // Imagens guardadas em bytes de 0 a 255, em base64, de 784 pixels cada uma.
  const images = (text) => {
    const bytes = atob(text);
    return Array.from({ length: bytes.length / 784 }, (_, k) =>
      Float32Array.from({ length: 784 }, (_, i) => bytes.charCodeAt(k * 784 + i) / 127.5 - 1),
    );
  };

  const isEmpty = (pixels) => pixels.every((tone) => tone < -0.5);

  // Onde se desenha um dígito: arrastando, ou com as setas e a barra de espaço. `examples` são dígitos prontos.
  // `half`: só a metade de cima conta, e a de baixo aparece coberta. `helped`: outra área já traz a ajuda.
  const pad = ({ label, examples = [], initial = 0, onchange, say, shown = 168, half = false, helped = null }) => {
    const size = 28;
    const pixels = new Float32Array(size * size).fill(-1);
    const help = h("p", { class: "cd-help", id: `cd-${++made}` }, "Desenhe com o mouse ou o dedo; com o teclado, as setas andam e a barra de espaço abaixa ou levanta a caneta.");
    const view = picture(`${label}: desenho`, { shown });
    const canvas = view.element;
    canvas.classList.add("cd-pad");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "área de desenho");
    canvas.setAttribute("aria-label", label);
    canvas.setAttribute("aria-describedby", helped ?? help.id);
    help.hidden = helped !== null;
    const cursor = { x: 14, y: 8, down: false, shown: false };
    const context = canvas.getContext("2d");
    const show = () => {
      view.draw(pixels);
      if (half) {
        context.fillStyle = "rgba(86, 180, 233, 0.35)";
        context.fillRect(0, size / 2, size, size / 2);
      }
      if (cursor.shown) {
        context.fillStyle = cursor.down ? "#e69f00" : "#56b4e9";
        context.fillRect(cursor.x, cursor.y, 1, 1);
      }
    };
    let queued = false;
    const changed = () => {
      show();
      if (queued) return;
      queued = true;
      requestAnimationFrame(() => {
        queued = false;
        onchange(centered(pixels), isEmpty(pixels));
      });
    };
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * size - 0.5, ((event.clientY - box.top) / box.height) * size - 0.5];
    };
    let last = null;
    const draw = (event) => {
      if (!last) return;
      const [x, y] = place(event);
      const steps = Math.max(1, Math.ceil(2 * Math.hypot(x - last[0], y - last[1])));
      for (let i = 1; i <= steps; i++) {
        stamp(pixels, last[0] + ((x - last[0]) * i) / steps, last[1] + ((y - last[1]) * i) / steps, size);
      }
      last = [x, y];
      changed();
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture?.(event.pointerId);
      cursor.shown = false;
      last = place(event);
      draw(event);
      event.preventDefault();
      canvas.focus({ preventScroll: true });
    });
    canvas.addEventListener("pointermove", draw);
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
    canvas.addEventListener("blur", () => {
      cursor.shown = cursor.down = false;
      show();
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step) {
        cursor.x = Math.min(size - 1, Math.max(0, cursor.x + step[0]));
        cursor.y = Math.min(size - 1, Math.max(0, cursor.y + step[1]));
      } else if (event.key === " ") cursor.down = !cursor.down;
      else if (event.key === "Delete" || event.key === "Backspace") clear();
      else return;
      event.preventDefault();
      cursor.shown = true;
      if (cursor.down) {
        stamp(pixels, cursor.x, cursor.y, size);
        changed();
      } else show();
      say(`linha ${cursor.y + 1}, coluna ${cursor.x + 1}, caneta ${cursor.down ? "abaixada" : "levantada"}`);
    });
    const clear = () => {
      pixels.fill(-1);
      changed();
    };
    const set = (image) => {
      pixels.set(image);
      changed();
    };
    const buttons = [button("Apagar", clear)];
    if (examples.length) {
      let next = initial;
      buttons.push(
        button("Outro exemplo", () => {
          next = (next + 1) % examples.length;
          set(examples[next]);
        }),
      );
    }
    const element = h("div", { class: "cd-cell cd-drawing" }, h("span", { class: "cd-name" }, label), canvas, row(...buttons), help);
    if (examples.length) pixels.set(examples[initial]);
    show();
    return {
      element,
      help: help.id,
      get pixels() {
        return centered(pixels);
      },
      // Onde se desenhou, sem levar ao centro.
      get raw() {
        return Float32Array.from(pixels);
      },
      get empty() {
        return isEmpty(pixels);
      },
      set,
    };
  };

  // Um plano com um ponto que se arrasta; com o teclado, os dois controles deslizantes embaixo.
  // `reach`: até onde o ponto vai, se não é até a borda.
  const plane = ({ label, names = ["x", "y"], span, reach = span, shown = 280, paint, onmove, value = [0, 0] }) => {
    const canvas = h("canvas", { class: "cd-plane", role: "img", "aria-label": label });
    canvas.style.width = `${shown}px`;
    const at = [...value];
    const scale = Math.min(3, window.devicePixelRatio || 1);
    canvas.width = canvas.height = shown * scale;
    const context = canvas.getContext("2d");
    const draw = () => {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      // Unidades do plano, com o y para cima.
      const unit = canvas.width / (2 * span);
      context.setTransform(unit, 0, 0, -unit, canvas.width / 2, canvas.height / 2);
      paint(context, at, 1 / unit, getComputedStyle(canvas).color);
    };
    const move = (x, y, quiet) => {
      [x, y].forEach((v, k) => (at[k] = Math.min(reach, Math.max(-reach, v))));
      if (!quiet) controls.forEach((control, k) => (control.value = at[k]));
      draw();
      onmove?.(at);
    };
    const controls = onmove
      ? names.map((name, k) =>
          slider({
            label: name,
            min: -reach,
            max: reach,
            step: reach / 50,
            value: at[k],
            oninput: (v) => move(k ? at[0] : v, k ? v : at[1], true),
          }),
        )
      : [];
    if (onmove) {
      canvas.classList.add("cd-draggable");
      let dragging = false;
      const follow = (event) => {
        if (!dragging) return;
        const box = canvas.getBoundingClientRect();
        move(((event.clientX - box.left) / box.width - 0.5) * 2 * span, (0.5 - (event.clientY - box.top) / box.height) * 2 * span);
      };
      canvas.addEventListener("pointerdown", (event) => {
        dragging = true;
        canvas.setPointerCapture?.(event.pointerId);
        event.preventDefault();
        follow(event);
      });
      canvas.addEventListener("pointermove", follow);
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (dragging = false));
    }
    draw();
    return {
      element: h("div", { class: "cd-cell" }, canvas, ...controls.map((control) => control.element)),
      canvas,
      draw,
      move,
      at,
    };
  };

  const dot = (context, x, y, radius, color) => {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.fill();
  };

  // O anel de oito nuvens: pontos dele, uma nuvem de cada vez, e o círculo em volta de cada uma.
  const ringPoints = ({ radius, std }, draw, n) =>
    Array.from({ length: n }, (_, i) => [
      radius * Math.cos((i * Math.PI) / 4) + std * draw.normal(),
      radius * Math.sin((i * Math.PI) / 4) + std * draw.normal(),
    ]);
  const ringCircles = (context, { radius, near }) => {
    for (let j = 0; j < 8; j++) {
      context.beginPath();
      context.arc(radius * Math.cos((j * Math.PI) / 4), radius * Math.sin((j * Math.PI) / 4), near, 0, 7);
      context.stroke();
    }
  };

  // Uma cor por dígito: as mesmas das figuras do livro.
  const COLORS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];

  // Só o último pedido interessa: enquanto um roda, os do meio se perdem.
  const latest = (work) => {
    let [running, next] = [false, null];
    const run = async (args) => {
      running = true;
      try {
        await work(...args);
      } finally {
        running = false;
        if (next) {
          const then = next;
          next = null;
          run(then);
        }
      }
    };
    return (...args) => {
      if (!running) return run(args);
      next = args;
      return undefined;
    };
  };

  // --- o começo --------------------------------------------------------------------------------------------------------

  let engine = null;
  const demos = {};

  const begin = async (root) => {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const still = root.querySelector(".cd-still");
    const stage = h("div", { class: "cd-stage", hidden: true });
    const live = h("p", { class: "cd-say", "aria-live": "polite" });
    root.append(stage, live);
    let saying = 0;
    const say = (text) => {
      clearTimeout(saying);
      saying = setTimeout(() => (live.textContent = text), 350);
    };
    const fail = (error) => {
      root.dataset.state = "falhou";
      stage.hidden = true;
      if (still) still.hidden = false;
      live.classList.add("cd-failed");
      live.textContent = `Esta demonstração parou: ${error.message}. A figura mostra o que ela faria.`;
    };
    let visible = true;
    new IntersectionObserver((seen) => (visible = seen.some((entry) => entry.isIntersecting))).observe(root);
    const awake = async () => {
      do await new Promise((next) => requestAnimationFrame(next));
      while (!visible || document.hidden);
    };
    try {
      engine ??= new Engine(window.cursoKernel);
      const { options } = data;
      if (options.examples) options.examples = images(options.examples);
      const programs = {};
      for (const [name, block] of Object.entries(data.blocks)) programs[name] = await engine.program(block);
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      // Um erro depois do começo também vira a mensagem, e não uma página morta.
      const guarded = (f) => (...args) => Promise.resolve().then(() => f(...args)).catch(fail);
      await demos[data.demo]({ stage, say, programs, engine, awake, calm, guarded, fail, options });
      if (root.dataset.state === "falhou") return;
      stage.hidden = false;
      if (still) still.hidden = true;
      root.dataset.state = "viva";
      const redraw = () => stage.dispatchEvent(new Event("tema"));
      new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme", "theme"] });
    } catch (error) {
      fail(error);
    }
  };

  const start = (id) => {
    const root = document.getElementById(id);
    if (!root || root.dataset.state) return;
    root.dataset.state = "espera";
    if (!("IntersectionObserver" in window)) return;
    const near = new IntersectionObserver(
      (seen) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        near.disconnect();
        begin(root);
      },
      { rootMargin: "600px" },
    );
    near.observe(root);
  };

  // Cada demonstração se anuncia numa fila, que existe antes ou depois deste programa.
  const announced = window.cursoStart ?? [];
  window.cursoStart = { push: start };
  window.Curso = {
    demos,
    kit: { h, number, images, row, labelled, button, slider, choice, picture, pad, plane, dot, ringPoints, ringCircles, COLORS, random: cursoRandom, latest },
  };
  for (const id of announced) start(id);
})();
