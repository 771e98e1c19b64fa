// As perguntas: cada alternativa vira um botão que mostra a sua explicação, e o que se escolheu fica só neste navegador.
// Sem este arquivo a página tem as mesmas alternativas em <details>. Carregado com `defer`.
"use strict";

(() => {
  const KEY = "curso:perguntas";

  // --- O que já se escolheu: {"03-pergunta-07": [2, 0]}, na ordem das tentativas --------------------------
  let saved = {};
  let keeps = true;

  const load = () => {
    try {
      const read = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      saved = {};
      for (const [name, tries] of Object.entries(read ?? {}))
        if (Array.isArray(tries) && tries.every(Number.isInteger)) saved[name] = tries;
    } catch (error) {
      // Um armazenamento proibido vale só enquanto a página está aberta; um texto estragado se esquece.
      keeps = error instanceof SyntaxError;
      if (keeps) saved = {};
    }
  };

  const store = () => {
    try {
      if (Object.keys(saved).length) localStorage.setItem(KEY, JSON.stringify(saved));
      else localStorage.removeItem(KEY);
    } catch {
      keeps = false;
    }
  };

  const create = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // Uma pergunta certa é a que tem a alternativa certa entre as tentativas; a certa se guarda como 0, as outras como
  // a posição a partir de 1: assim o mapa, que não tem as perguntas, sabe contar.
  const isRight = (name) => (saved[name] ?? []).includes(0);
  const countRight = (names) => names.filter(isRight).length;

  // --- Uma pergunta ----------------------------------------------------------------------------------------
  class Question {
    constructor(box) {
      this.name = box.id;
      const details = [...box.querySelectorAll(":scope > details.alternativa")];
      const stem = box.querySelector(":scope > p");
      stem.id = `${this.name}-enunciado`;
      const group = create("div", { role: "group", "aria-labelledby": stem.id, class: "alternativas" });
      details[0].before(group);
      this.choices = details.map((detail, index) => this.build(detail, index));
      group.append(...this.choices.flatMap((choice) => [choice.button, choice.explanation]));
      this.status = create("p", { role: "status", class: "so-para-ouvir" });
      group.after(this.status);
      this.show();
    }

    build(detail, index) {
      const code = "certa" in detail.dataset ? 0 : index + 1;
      const letter = "ABCD"[index];
      const mark = create("span", { class: "marca", "aria-hidden": "true" }, letter);
      const said = create("span", { class: "so-para-ouvir" });
      const text = create("span", { class: "texto" }, ...detail.querySelector("summary").childNodes);
      const button = create("button", { type: "button", class: "alternativa", "aria-pressed": "false" }, mark, text, said);
      const explanation = detail.querySelector(".explicacao");
      explanation.hidden = true;
      button.addEventListener("click", () => this.choose(code));
      detail.remove();
      return { code, letter, mark, said, button, explanation };
    }

    choose(code) {
      load();
      const tries = (saved[this.name] ??= []);
      if (!tries.includes(code)) tries.push(code);
      store();
      this.show();
      const { letter, explanation } = this.choices.find((choice) => choice.code === code);
      this.status.textContent = `Alternativa ${letter}. ${heard(explanation)}`;
      refresh();
    }

    show() {
      const tries = saved[this.name] ?? [];
      for (const { code, letter, mark, said, button, explanation } of this.choices) {
        const chosen = tries.includes(code);
        button.setAttribute("aria-pressed", String(chosen));
        button.classList.toggle("certa", chosen && code === 0);
        button.classList.toggle("ainda-nao", chosen && code !== 0);
        mark.textContent = !chosen ? letter : code === 0 ? "✔" : "↺";
        said.textContent = !chosen ? "" : code === 0 ? " (certo)" : " (ainda não)";
        explanation.hidden = !chosen;
      }
    }
  }

  // O que se ouve de uma explicação: uma fórmula está na página desenhada e escrita, e basta uma das duas.
  const heard = (explanation) => {
    const copy = explanation.cloneNode(true);
    copy.querySelectorAll("mjx-container > svg, annotation").forEach((twice) => twice.remove());
    return copy.textContent.replace(/\s+/g, " ").trim();
  };

  // --- O fim da página, o mapa e o botão de apagar -----------------------------------------------------------
  const eraser = (label, question, names) => {
    const button = create("button", { type: "button", class: "apagar-respostas" }, label);
    button.addEventListener("click", () => {
      if (!window.confirm(question)) return;
      load();
      if (names) for (const name of names) delete saved[name];
      else saved = {};
      store();
      for (const asked of questions) {
        asked.status.textContent = "";
        asked.show();
      }
      refresh("As respostas foram apagadas.");
    });
    return button;
  };

  const meters = [];
  const refresh = (notice = "") => meters.forEach((update) => update(notice));

  const bar = (right, total) => {
    const filled = create("span", { style: `inline-size: ${(100 * right) / total}%` });
    return create("span", { class: "barra", "aria-hidden": "true" }, filled);
  };

  const NOT_KEPT = "Este navegador não deixa guardar as respostas: elas valem só enquanto a página estiver aberta.";

  const buildFooter = (article) => {
    const names = questions.map((asked) => asked.name);
    const text = create("p", { role: "status" });
    const erase = eraser("Apagar as respostas deste capítulo", "Apagar as suas respostas deste capítulo?", names);
    const footer = create("aside", { class: "progresso", "aria-label": "As suas respostas" }, text, erase);
    meters.push((notice) => {
      const right = countRight(names);
      const first = names.filter((name) => saved[name]?.[0] === 0).length;
      const done = `Neste capítulo você acertou ${right} de ${names.length} perguntas, ${first} na primeira tentativa.`;
      text.textContent = [notice, done, keeps ? "" : NOT_KEPT].filter(Boolean).join(" ");
      erase.hidden = !names.some((name) => saved[name]);
    });
    article.append(footer);
  };

  const buildMap = (map) => {
    for (const item of map.querySelectorAll("li")) {
      const names = item.dataset.perguntas.split(" ").filter(Boolean);
      if (!names.length) continue;
      const place = create("span", { class: "mapa-progresso" });
      item.append(place);
      meters.push(() => {
        const right = countRight(names);
        item.classList.toggle("completo", right === names.length);
        const mark = right === names.length ? "✔ " : "";
        place.replaceChildren(bar(right, names.length), `${mark}acertou ${right} de ${names.length}`);
      });
    }
    const text = create("p", { role: "status" });
    const erase = eraser("Apagar todas as respostas", "Apagar as suas respostas do curso inteiro?", null);
    map.after(create("div", { class: "progresso" }, text, erase));
    meters.push((notice) => {
      const local = "O que você responde fica só neste navegador: nada é enviado.";
      text.textContent = [notice, keeps ? local : NOT_KEPT].filter(Boolean).join(" ");
      erase.hidden = !Object.keys(saved).length;
    });
  };

  load();
  const questions = [...document.querySelectorAll("div.pergunta")].map((box) => new Question(box));
  const article = document.querySelector("article.bd-article");
  if (questions.length && article) buildFooter(article);
  document.querySelectorAll(".mapa-do-curso").forEach(buildMap);
  if (meters.length) {
    refresh();
    // Outra aba, ou voltar para o mapa pelo botão do navegador.
    const again = () => {
      load();
      questions.forEach((asked) => asked.show());
      refresh();
    };
    window.addEventListener("storage", (event) => (event.key === KEY || event.key === null) && again());
    window.addEventListener("pageshow", (event) => event.persisted && again());
  }
})();
