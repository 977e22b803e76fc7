"use strict";
// Sorting, filtering and joint ranks of one table. All state lives in the address, so that a view can be passed on.
(() => {
  const table = document.querySelector("table[data-board]");
  const form = document.querySelector("form[data-filters]");
  if (!table || !form) return;
  const headers = [...table.tHead.rows[0].cells];
  const bodies = [...table.tBodies];
  const rows = [...table.querySelectorAll("tr[data-row]")].map((row, index) => ({
    row, index, body: row.parentElement, text: row.textContent.toLowerCase(),
  }));
  const joint = document.createElement("tbody");
  const count = form.querySelector(".count");
  const valueColumn = headers.findIndex((cell) => cell.hasAttribute("data-value"));
  let sort = { key: "", down: false };

  const cellValue = (row, column) => {
    const text = row.cells[column].dataset.v ?? "";
    return text === "" ? null : text;
  };

  // Missing values stand last in either direction; equal ones keep the order of the page.
  const compare = (column, down) => {
    const numeric = rows.every(({ row }) => { const v = cellValue(row, column); return v === null || !Number.isNaN(Number(v)); });
    return (a, b) => {
      const [x, y] = [cellValue(a.row, column), cellValue(b.row, column)];
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
      return (down ? -order : order) || a.index - b.index;
    };
  };

  const jointRanks = () => {
    const lower = table.dataset.direction === "lower";
    const shown = rows.filter(({ row }) => !row.hidden && row.hasAttribute("data-ranked"));
    const values = shown.map(({ row }) => Number(cellValue(row, valueColumn)));
    rows.forEach(({ row }) => { const place = row.querySelector(".joint"); if (place) place.textContent = "–"; });
    shown.forEach(({ row }, i) => {
      const better = values.filter((v) => (lower ? v < values[i] : v > values[i])).length;
      row.querySelector(".joint").textContent = String(better + 1);
    });
  };

  const arrange = (together) => {
    const column = headers.findIndex((cell) => cell.dataset.key === sort.key && sort.key !== "");
    let ordered = [...rows];
    if (column >= 0) ordered.sort(compare(column, sort.down));
    else if (together) ordered.sort(compare(valueColumn, table.dataset.direction === "higher"));
    if (together) {
      table.append(joint);
      ordered = [...ordered.filter((r) => r.row.hasAttribute("data-ranked")), ...ordered.filter((r) => !r.row.hasAttribute("data-ranked"))];
      joint.append(...ordered.map(({ row }) => row));
    } else {
      ordered.forEach(({ row, body }) => body.append(row));
      joint.remove();
    }
    bodies.forEach((body) => { body.hidden = together || ![...body.rows].some((row) => row.hasAttribute("data-row") && !row.hidden); });
    table.classList.toggle("together", together);
    document.body.classList.toggle("ranked-together", together);
    headers.forEach((cell, i) => {
      if (cell.dataset.key) cell.setAttribute("aria-sort", i !== column ? "none" : sort.down ? "descending" : "ascending");
    });
  };

  const apply = () => {
    const data = new FormData(form);
    const q = (data.get("q") || "").toLowerCase().trim();
    const wanted = [...data].filter(([name, value]) => value && !["q", "together", "since"].includes(name));
    const since = Number(data.get("since") || 0);
    let visible = 0;
    rows.forEach(({ row, text }) => {
      const fits = text.includes(q) && wanted.every(([name, value]) => row.dataset[name] === value)
        && (!since || Number(row.dataset.since) >= since);
      row.hidden = !fits;
      visible += fits ? 1 : 0;
    });
    const together = data.get("together") === "1";
    arrange(together);
    if (together) jointRanks();
    if (count) count.textContent = visible === rows.length ? `${rows.length} rows` : `${visible} of ${rows.length} rows`;
  };

  const write = () => {
    const state = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) state.set(name, value);
    if (sort.key) state.set("sort", (sort.down ? "-" : "") + sort.key);
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };

  const read = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const field of form.elements) {
      if (!field.name) continue;
      const value = state.get(field.name) || "";
      if (field.type === "checkbox") field.checked = value === field.value;
      else if (field.tagName === "SELECT") field.value = [...field.options].some((o) => o.value === value) ? value : "";
      else field.value = value;
    }
    const key = state.get("sort") || "";
    const name = key.replace(/^-/, "");
    sort = headers.some((cell) => cell.dataset.key === name) ? { key: name, down: key.startsWith("-") } : { key: "", down: false };
    apply();
  };

  headers.forEach((cell) => {
    if (!cell.dataset.key) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      sort = sort.key === cell.dataset.key ? { key: sort.key, down: !sort.down } : { key: cell.dataset.key, down: false };
      apply();
      write();
    });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { apply(); write(); });
  form.addEventListener("reset", () => setTimeout(() => { sort = { key: "", down: false }; apply(); write(); }, 0));
  window.addEventListener("hashchange", read);
  document.documentElement.classList.add("js");
  read();
})();
