// The browser of items: what each arm's model put out, side by side.

const PER_PAGE = 12;
const FIRST_COLUMNS = 3;

function wordsOf(row) {
  return [row.id, row.prompt, row.answer, ...row.given.flatMap((each) => (each ? each.slice(2) : []))].filter(Boolean).join("\n").toLowerCase();
}

/** Whether a row is to be seen: of the chosen set, with these words, and with this pattern of right and wrong. */
function isWanted(row, columns, asked) {
  if (asked.set && row.set !== asked.set) return false;
  if (asked.search && !wordsOf(row).includes(asked.search)) return false;
  const marks = columns.map((column) => row.given[column]).filter(Boolean).map((each) => each[0]);
  if (asked.filter !== "all" && marks.some((mark) => mark === null)) return false;
  if (asked.filter === "right") return marks.every(Boolean);
  if (asked.filter === "wrong") return !marks.some(Boolean);
  if (asked.filter === "disagree") return marks.some(Boolean) && !marks.every(Boolean);
  return true;
}

function givenOf(name, given) {
  if (!given) return element("div", {}, element("dt", {}, name), element("dd", {}, "was not asked"));
  const [right, loss, output, extracted] = given;
  const said = right === null ? "open answer" : right ? "✓ right" : "✗ wrong";
  const mark = element("dd", {}, element("span", { class: "mark" }, said), loss === null ? "" : ` · loss ${trimmed(loss)}`);
  const parts = [element("dt", {}, name), mark];
  if (right === null) return element("div", {}, ...parts);
  if (given.length > 2) {
    parts.push(element("dd", {}, (output ?? "").trim() || "(nothing)"));
    parts.push(element("dd", { class: "read" }, extracted === null ? "no answer in it" : `read as ${extracted}`));
  }
  return element("div", { class: right ? "right" : "wrong" }, ...parts);
}

function itemOf(row, items, columns) {
  const parts = [element("h4", {}, row.hash ? `${row.set} · ${row.hash}` : `${row.set} · ${row.id}`)];
  if (row.hash) parts.push(element("p", { class: "note" }, "The licence of this set does not let its texts be shown; above is the hash of the prompt."));
  else {
    parts.push(element("p", { class: row.prompt ? "prompt" : "note" }, row.prompt ?? "The records do not hold this prompt."));
    parts.push(element("p", { class: "answer" }, element("strong", {}, "Answer: "), row.answer));
  }
  parts.push(element("dl", { class: "given" }, ...columns.map((column) => givenOf(items.columns[column], row.given[column]))));
  return element("section", { class: "item", "aria-label": `Item ${row.id}` }, ...parts);
}

function bindItems(browser) {
  const { items, arms } = dataOf(browser.dataset.study);
  const ticks = browser.querySelector(".arms"), list = browser.querySelector(".items"), status = browser.querySelector(".readout");
  const [back, place, on] = browser.querySelector(".pages").children;
  const first = new Set(arms.filter((arm) => arm.place < FIRST_COLUMNS).map((arm) => arm.name));
  let page = 0;
  const draw = () => {
    const value = (name) => browser.querySelector(`[name="${name}"]`).value;
    const asked = { set: value("set"), filter: value("filter"), search: value("search").trim().toLowerCase() };
    const ticked = tickedIn(ticks);
    const columns = items.columns.flatMap((name, column) => (ticked.has(name) ? [column] : []));
    const rows = items.rows.filter((row) => isWanted(row, columns, asked));
    const pages = Math.max(1, Math.ceil(rows.length / PER_PAGE));
    page = Math.max(0, Math.min(page, pages - 1));
    const rates = columns.map((column) => {
      const known = rows.map((row) => row.given[column]).filter((each) => each && each[0] !== null);
      return `${items.columns[column]} ${known.filter((each) => each[0]).length} of ${known.length} right`;
    });
    status.textContent = `${rows.length} items; ${rates.join(", ")}`;
    list.replaceChildren(...rows.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((row) => itemOf(row, items, columns)));
    place.textContent = `page ${page + 1} of ${pages}`;
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
  };
  const restart = () => { page = 0; draw(); };
  const styled = items.columns.map((name) => arms.find((arm) => arm.name === name) ?? { name });
  armTicks(ticks, styled, (arm) => first.has(arm.name), restart);
  remember(browser, `${browser.dataset.study}/items`);
  browser.querySelectorAll(".controls select, .controls input").forEach((each) => each.addEventListener("input", restart));
  for (const button of [back, on]) button.addEventListener("click", () => { page += Number(button.dataset.page); draw(); });
  draw();
}
