// A definição de um termo do glossário, mostrada ao passar por ele, ao focá-lo ou ao tocá-lo. Escape a esconde.
(() => {
  "use strict";
  const DELAY = 250; // quem só atravessa o texto com o ponteiro não abre nada
  const MARGIN = 8;

  document.addEventListener("DOMContentLoaded", () => {
    const box = document.createElement("div");
    box.className = "definicao";
    box.setAttribute("role", "tooltip");
    box.hidden = true;
    document.body.append(box);
    let owner = null; // o link cuja definição se vê
    let timer = 0;
    let touched = false;

    const place = () => {
      const line = owner.getClientRects()[0] ?? owner.getBoundingClientRect();
      const width = document.documentElement.clientWidth;
      const left = Math.min(Math.max(line.left, MARGIN), width - box.offsetWidth - MARGIN);
      const above = line.bottom + box.offsetHeight + MARGIN > window.innerHeight && line.top > box.offsetHeight + MARGIN;
      const top = above ? line.top - box.offsetHeight : line.bottom;
      box.style.left = `${left + window.scrollX}px`;
      box.style.top = `${top + window.scrollY}px`;
    };
    const show = (link) => {
      clearTimeout(timer);
      if (owner === link) return;
      const source = document.getElementById(link.getAttribute("aria-describedby"));
      if (!source) return;
      owner = link;
      box.replaceChildren(...[...source.childNodes].map((node) => node.cloneNode(true)));
      box.hidden = false;
      place();
    };
    const hide = () => {
      clearTimeout(timer);
      owner = null;
      box.hidden = true;
    };
    const later = (action) => {
      clearTimeout(timer);
      timer = setTimeout(action, DELAY);
    };

    for (const link of document.querySelectorAll('a[aria-describedby^="definicao-"]')) {
      link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && later(() => show(link)));
      link.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && later(hide));
      link.addEventListener("focus", () => link.matches(":focus-visible") && show(link));
      link.addEventListener("blur", () => box.matches(":hover") || hide());
      link.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
      // O primeiro toque mostra a definição; o segundo, no mesmo termo, leva ao glossário.
      link.addEventListener("click", (event) => {
        if (!touched || owner === link) return;
        event.preventDefault();
        show(link);
      });
    }
    // O ponteiro pode ir do termo à definição, para lê-la ou copiá-la, sem que ela suma.
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => later(hide));
    document.addEventListener("keydown", (event) => event.key === "Escape" && owner && hide());
    document.addEventListener("pointerdown", (event) => {
      if (owner && !owner.contains(event.target) && !box.contains(event.target)) hide();
    });
    window.addEventListener("resize", hide);
  });
})();
