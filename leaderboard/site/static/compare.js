"use strict";
// Two models beside each other. Their numbers lie in data/NAME.js, which are loaded when they are asked for.
(() => {
  const form = document.querySelector("form[data-compare]");
  const result = document.querySelector("[data-result]");
  if (!form || !result) return;
  const known = new Map();
  window.facebenchModel = (model) => known.set(model.slug, model);
  const options = new Set([...form.elements.a.options].map((option) => option.value).filter(Boolean));

  const load = (slug) => new Promise((resolve, reject) => {
    if (known.has(slug)) { resolve(known.get(slug)); return; }
    const script = document.createElement("script");
    script.src = `data/${slug}.js`;
    script.onload = () => resolve(known.get(slug));
    script.onerror = () => reject(new Error(slug));
    document.head.append(script);
  });

  const make = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  const show = (number, digits) => number.toFixed(digits);
  const range = (low, high, digits) => (low === null ? "" : `[${show(low, digits)}, ${show(high, digits)}]`);

  const verdict = (a, b) => {
    const [, x, xLow, xHigh, , , direction] = a;
    const [, y, yLow, yHigh] = b;
    if (x === y) return ["equal", "same"];
    if (xLow === null || yLow === null) return ["no interval", "same"];
    if (xLow <= yHigh && yLow <= xHigh) return ["intervals overlap", "same"];
    return (y < x) === (direction === "lower") ? ["second is better", "better"] : ["second is worse", "worse"];
  };

  const scoreTable = (title, one, two, everything) => {
    const table = make("table", undefined, { class: "board compare" });
    table.append(make("caption", title));
    const head = table.createTHead().insertRow();
    const titles = ["Score", "First", "Second", "Difference", "Reading"];
    titles.forEach((text, i) => head.append(make("th", text, { scope: "col", class: i && i < 4 ? "num" : "" })));
    const body = table.createTBody();
    const others = new Map(two.scores.map((score) => [score[0], score]));
    for (const a of one.scores) {
      const b = others.get(a[0]);
      if (!b || (!everything && a[0] !== one.headline && (a[0].includes("=") || a[0].includes("+")))) continue;
      const digits = a[7];
      const row = body.insertRow();
      const name = a[0].split("/").slice(2).join(" ");
      row.append(make("th", `${name} ${a[6] === "lower" ? "↓" : "↑"} ${a[5]}`, { scope: "row" }));
      for (const score of [a, b]) {
        const cell = make("td", show(score[1], digits), { class: "num" });
        cell.append(make("span", range(score[2], score[3], digits), { class: "sub" }));
        row.append(cell);
      }
      const difference = b[1] - a[1];
      row.append(make("td", `${difference > 0 ? "+" : ""}${show(difference, digits)}`, { class: "num" }));
      const [text, kind] = verdict(a, b);
      const cell = make("td");
      cell.append(make("span", text, { class: `verdict ${kind}` }));
      row.append(cell);
      if (a[0] === one.headline) row.className = "best";
    }
    const scroll = make("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": title });
    scroll.append(table);
    return scroll;
  };

  const draw = (one, two, everything) => {
    const parts = [];
    for (const a of one.entries) {
      for (const b of two.entries.filter((entry) => entry.benchmark === a.benchmark)) {
        const section = make("section");
        const heading = make("h2");
        heading.append(make("a", a.benchmark, { href: `benchmark/${a.page}.html` }));
        section.append(heading);
        if (a.group === b.group) {
          section.append(scoreTable(`${a.benchmark}: ${one.name} (first) and ${two.name} (second)`, a, b, everything));
        } else {
          const names = new Set([...Object.keys(a.fields), ...Object.keys(b.fields)]);
          const differing = [...names].filter((name) => a.fields[name] !== b.fields[name]);
          const said = differing.map((name) => `${name} (${a.fields[name] ?? "absent"} against ${b.fields[name] ?? "absent"})`);
          section.append(make("p", `May not be compared: not the same ${said.join(", ") || "way of measuring"}.`, { class: "warn" }));
        }
        parts.push(section);
      }
    }
    result.replaceChildren(...(parts.length ? parts : [make("p", "These two share no benchmark.", { class: "warn" })]));
  };

  const update = async () => {
    const [a, b] = [form.elements.a.value, form.elements.b.value];
    if (!a || !b) { result.replaceChildren(make("p", "Choose two models.", { class: "note" })); return; }
    try {
      const [one, two] = await Promise.all([load(a), load(b)]);
      if (form.elements.a.value === a && form.elements.b.value === b) draw(one, two, form.elements.all.checked);
    } catch (error) {
      result.replaceChildren(make("p", `The numbers of ${error.message} are not in this folder.`, { class: "warn" }));
    }
  };

  const write = () => {
    const state = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) state.set(name, value);
    history.replaceState(null, "", `#${state}`);
  };

  const read = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const name of ["a", "b"]) form.elements[name].value = options.has(state.get(name)) ? state.get(name) : "";
    form.elements.all.checked = state.get("all") === "1";
    update();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { write(); update(); });
  form.querySelector("[data-swap]").addEventListener("click", () => {
    [form.elements.a.value, form.elements.b.value] = [form.elements.b.value, form.elements.a.value];
    write();
    update();
  });
  window.addEventListener("hashchange", read);
  document.documentElement.classList.add("js");
  read();
})();
