"use strict";
// What all parts of the page share: data of a study, small builders, choices that outlive a reload, sorting of tables.

const MINUS = "\u2212";

function dataOf(study) {
  return JSON.parse(document.getElementById(`${study}-json`).textContent);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Keeps what a reader chose while the live page is replaced. */
const chosen = new Map();

function remember(form, key) {
  for (const control of form.querySelectorAll("select, input")) {
    const name = `${key}/${control.name}/${control.type === "checkbox" ? control.value : ""}`;
    const kept = chosen.get(name);
    if (kept !== undefined) {
      if (control.type === "checkbox") control.checked = kept;
      else if (control.tagName !== "SELECT" || [...control.options].some((each) => each.value === kept)) control.value = kept;
    }
    control.addEventListener("input", () => chosen.set(name, control.type === "checkbox" ? control.checked : control.value));
  }
}

function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A number as people read it: four significant digits, powers of a thousand spelled out. */
function spelled(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const units = [[1e21, "Z"], [1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]];
  for (const [unit, letter] of units) {
    if (size >= unit) return `${trimmed(value / (letter === "k" ? 1e3 : unit))}\u202f${letter}`;
  }
  return trimmed(value);
}

function trimmed(value) {
  const shown = Number(value.toPrecision(4));
  const text = Math.abs(shown) < 1e-3 && shown !== 0 ? shown.toExponential(2) : String(shown);
  return text.replace("-", MINUS);
}

/** The value that a cell sorts by: the stored number, else the printed text. */
function sortKey(cell) {
  const raw = cell.dataset.value;
  if (raw !== undefined && raw !== "" && !Number.isNaN(Number(raw))) return Number(raw);
  const text = cell.textContent.trim();
  return text === "–" ? null : text;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = element("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[place]), row]);
      rows.sort(([a], [b]) => (falling && a !== null && b !== null ? -compare(a, b) : compare(a, b)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

/** A sortable table of an interactive figure; a cell is a text, or a number to be spelled. */
function tableOf(headings, rows) {
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  const lines = rows.map((row) => element("tr", {}, ...row.map((value, place) => {
    if (place === 0) return element("th", { scope: "row" }, value);
    return typeof value === "number" ? element("td", { "data-value": value }, spelled(value)) : element("td", {}, value ?? "–");
  })));
  const table = element("table", { class: "sortable" }, element("thead", {}, head), element("tbody", {}, ...lines));
  makeSortable(table);
  return table;
}

const redraws = [];

function redrawAll() {
  for (const redraw of redraws) redraw();
}

function bind(root) {
  redraws.length = 0;
  root.querySelectorAll("table.sortable").forEach(makeSortable);
  root.querySelectorAll(".chart").forEach((chart) => (chart.dataset.kind === "curves" ? bindCurves : bindFrontier)(chart));
  root.querySelectorAll(".browser").forEach(bindItems);
}

function start() {
  bind(document);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  window.addEventListener("resize", redrawAll);
  window.addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); redrawAll(); });
  window.addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); redrawAll(); });
  if (typeof follow === "function") follow();
}
