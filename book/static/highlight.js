// Um resultado da busca abre na seção em que as palavras estão, e elas aparecem marcadas. Escape tira as marcas.
(() => {
  "use strict";
  const PARAMETER = "destaque";
  const WORD = /[\p{L}\p{N}]+/gu;
  const fold = (word) => word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");

  // As marcas do Sphinx, letra a letra e sem ir à seção, sairiam junto destas. Este arquivo roda antes de elas serem feitas.
  try {
    localStorage.removeItem("sphinx_highlight_terms");
  } catch {
    // Sem armazenamento, também não há marcas do Sphinx.
  }

  // --- Na página da busca: cada resultado leva consigo as raízes do que se procurou ---------------------------
  const rootsOf = (query) => {
    const stemmer = new Stemmer();
    const words = [...query.matchAll(WORD)].map((found) => found[0].toLowerCase());
    const wanted = words.filter((word) => !stopwords.has?.(word) && !stopwords.includes?.(word));
    return [...new Set(wanted.map((word) => stemmer.stemWord(word)))].filter(Boolean);
  };
  const markResults = (results) => {
    const query = new URLSearchParams(location.search).get("q") ?? "";
    const roots = rootsOf(query);
    if (!roots.length) return;
    const complete = () => {
      for (const link of results.querySelectorAll("li > a[href]:not([data-destaque])")) {
        link.dataset.destaque = "";
        const [page, anchor] = link.getAttribute("href").split("#");
        link.setAttribute("href", `${page}?${PARAMETER}=${encodeURIComponent(roots.join(" "))}${anchor ? `#${anchor}` : ""}`);
      }
    };
    new MutationObserver(complete).observe(results, { childList: true, subtree: true });
    complete();
  };

  // --- Na página encontrada ---------------------------------------------------------------------------------------
  const textsOf = (article) => {
    const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT, (node) =>
      node.parentElement.closest("script, style, svg, math, mjx-container, .math, .headerlink, .questao")
        ? NodeFilter.FILTER_REJECT
        : NodeFilter.FILTER_ACCEPT,
    );
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    return texts;
  };
  const markText = (text, roots) => {
    const found = [...text.data.matchAll(WORD)].filter((word) => roots.some((root) => fold(word[0]).startsWith(root)));
    if (!found.length) return;
    const pieces = [];
    let end = 0;
    for (const word of found) {
      const mark = document.createElement("mark");
      mark.className = "destaque";
      mark.textContent = word[0];
      mark.dataset.raiz = roots.find((root) => fold(word[0]).startsWith(root));
      pieces.push(text.data.slice(end, word.index), mark);
      end = word.index + word[0].length;
    }
    text.replaceWith(...pieces, text.data.slice(end));
  };
  // A primeira seção que tem mais das palavras procuradas.
  const bestSection = (marks) => {
    const seen = new Map();
    for (const mark of marks) {
      const section = mark.closest("section");
      if (!seen.has(section)) seen.set(section, { first: mark, roots: new Set() });
      seen.get(section).roots.add(mark.dataset.raiz);
    }
    const most = Math.max(...[...seen.values()].map((each) => each.roots.size));
    return [...seen].find(([, each]) => each.roots.size === most);
  };
  const goTo = ([section, { first }]) => {
    section?.scrollIntoView({ behavior: "instant" });
    // Numa seção longa a palavra pode ter ficado fora da tela.
    if (first.getBoundingClientRect().bottom > window.innerHeight) first.scrollIntoView({ block: "center", behavior: "instant" });
  };
  const offerToClear = (marks) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "tirar-destaques";
    button.textContent = marks.length === 1 ? "Tirar a marca" : `Tirar as ${marks.length} marcas`;
    const clear = () => {
      for (const mark of marks) mark.replaceWith(...mark.childNodes);
      button.remove();
      document.removeEventListener("keydown", onKey);
      const address = new URL(location.href);
      address.searchParams.delete(PARAMETER);
      history.replaceState(null, "", address);
    };
    const onKey = (event) => event.key === "Escape" && clear();
    button.addEventListener("click", clear);
    document.addEventListener("keydown", onKey);
    document.body.append(button);
  };
  const markPage = (article) => {
    const roots = (new URLSearchParams(location.search).get(PARAMETER) ?? "").split(" ").map(fold).filter(Boolean);
    if (!roots.length) return;
    for (const text of textsOf(article)) markText(text, roots);
    const marks = [...article.querySelectorAll("mark.destaque")];
    if (!marks.length) return;
    if (!location.hash) goTo(bestSection(marks));
    offerToClear(marks);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const results = document.getElementById("search-results");
    const article = document.querySelector(".bd-article");
    if (results) markResults(results);
    else if (article) window.addEventListener("load", () => markPage(article));
  });
})();
