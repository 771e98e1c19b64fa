// O que o tema e as suas extensões deixam em inglês no navegador, e a busca sem acentos.
// Carregado com `defer`: roda depois dos scripts comuns e antes de DOMContentLoaded, quando eles agem.
"use strict";

// --- Botão de copiar (sphinx-copybutton não tem português) -------------------------------------
if (typeof messages !== "undefined") {
  Object.assign(messages[locale], {
    copy: "Copiar",
    copy_to_clipboard: "Copiar o código",
    copy_success: "Copiado!",
    copy_failure: "Não foi possível copiar",
  });
  iconCheck = iconCheck.replace(/<title>.*?<\/title>/, "<title>Copiado!</title>");
}

// --- Textos que a tradução do Sphinx ainda não tem ----------------------------------------------
if (typeof Documentation !== "undefined") {
  Object.assign(Documentation.TRANSLATIONS, {
    Search: "Pesquisar",
    Searching: "Pesquisando",
    "Searching...": "Pesquisando…",
    "Preparing search...": "Preparando a busca…",
    "Search Results": "Resultados da busca",
    "Hide Search Matches": "Esconder os resultados destacados",
    "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.":
      "Nenhuma página corresponde à busca. Confira a grafia das palavras.",
    "Search finished, found ${resultCount} page(s) matching the search query.":
      "Busca concluída: ${resultCount} resultado(s).",
    "Search finished, found one page matching the search query.": "Busca concluída: 1 resultado.",
    ", in ": ", em ",
  });
}

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".toggle-button[aria-label]"))
    button.setAttribute("aria-label", "Mostrar ou esconder o conteúdo");
});

// O que é largo demais rola dentro da sua caixa, e o teclado precisa poder chegar até ela. Só se mede o que se vê: medir
// tudo faria o navegador desenhar a página inteira de uma vez.
document.addEventListener("DOMContentLoaded", () => {
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && target.scrollWidth > target.clientWidth + 1 && getComputedStyle(target).overflowX !== "visible")
        target.tabIndex = 0;
  });
  for (const box of document.querySelectorAll(".bd-article :is(table, pre, div.math, .cell_output, .figura-larga)"))
    observer.observe(box);
});

// Quem vai a um trecho fica nele: as seções do caminho só têm a sua altura de verdade depois de desenhadas.
const stayAtTarget = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  let frames = 30;
  const stop = () => (frames = 0);
  const gestures = ["wheel", "touchstart", "keydown", "pointerdown"];
  for (const gesture of gestures) addEventListener(gesture, stop, { once: true, passive: true });
  const stay = () => {
    if (frames-- <= 0) return;
    target.scrollIntoView({ behavior: "instant" });
    requestAnimationFrame(stay);
  };
  requestAnimationFrame(stay);
};
addEventListener("hashchange", stayAtTarget);
addEventListener("load", stayAtTarget);

// --- Busca ----------------------------------------------------------------------------------------
if (typeof Search !== "undefined") {
  // Caractere por caractere, para que as posições no texto dobrado valham no original.
  const foldText = (text) =>
    text.normalize("NFC").split("").map((char) => char.normalize("NFD")[0].toLowerCase()).join("");

  // O trecho de cada resultado é buscado por `fetch`, que os navegadores proíbem em file://.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  // Títulos são comparados letra a letra: refaz a comparação com cada grafia acentuada que existe nos títulos.
  const performSearch = Search._performSearch;
  Search._performSearch = (query, ...terms) => {
    const folded = foldText(query.trim());
    const spellings = new Set();
    for (const title of Object.keys(Search._index.alltitles)) {
      const start = foldText(title).indexOf(folded);
      const spelling = title.normalize("NFC").substring(start, start + folded.length).toLowerCase();
      if (start >= 0 && spelling !== query.trim().toLowerCase()) spellings.add(spelling);
    }
    const results = performSearch(query, ...terms);
    if (!folded) return results;
    const none = [new Set(), new Set(), new Set(), new Set()];
    for (const spelling of spellings) results.push(...performSearch(spelling, ...none));
    const seen = new Set();
    return results
      .sort((a, b) => b[4] - a[4])
      .filter((item) => !seen.has(item[0] + item[2]) && seen.add(item[0] + item[2]))
      .reverse();
  };

  Search.makeSearchSummary = (html, keywords, anchor) => {
    const text = Search.htmlToText(html, anchor);
    if (!text) return null;
    const folded = foldText(text);
    const hits = [...keywords].map((word) => folded.indexOf(word)).filter((place) => place >= 0);
    const start = Math.max((hits.length ? Math.min(...hits) : 0) - 120, 0);
    const summary = document.createElement("p");
    summary.classList.add("context");
    summary.textContent =
      (start ? "…" : "") + text.substring(start, start + 240).trim() + (start + 240 < text.length ? "…" : "");
    return summary;
  };
}
