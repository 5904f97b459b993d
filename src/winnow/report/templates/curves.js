// The curves of all arms, and learning against cost, drawn by uPlot from the runs' evaluations.

const MOST_PLACES = 500;

/** The y of a run at any x between its evaluations; null outside of them. */
function between(xs, ys, x) {
  if (x < xs[0] || x > xs[xs.length - 1]) return null;
  let right = xs.findIndex((each) => each >= x);
  if (xs[right] === x || right === 0) return ys[right];
  const share = (x - xs[right - 1]) / (xs[right] - xs[right - 1]);
  return ys[right] === null || ys[right - 1] === null ? null : ys[right - 1] + share * (ys[right] - ys[right - 1]);
}

/** Every place where some run was evaluated, thinned out where there are very many. */
function gridOf(runs) {
  const all = [...new Set(runs.flatMap((run) => run.xs))].sort((a, b) => a - b);
  const stride = Math.max(1, Math.ceil(all.length / MOST_PLACES));
  return all.filter((_, place) => place % stride === 0 || place === all.length - 1);
}

function combined(values) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0 || known.length < values.length) return [null, null, null];
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return [mean, Math.min(...known), Math.max(...known)];
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))];
}

function metricOf(data, asked) {
  return data.metrics.find((each) => each.key === asked.metric);
}

function controlsOf(chart) {
  const value = (name) => chart.querySelector(`[name="${name}"]`)?.value;
  const on = (name) => chart.querySelector(`[name="${name}"]`)?.checked ?? false;
  return { metric: value("metric"), axis: value("axis"), spread: value("spread"), logX: on("log-x"), logY: on("log-y"),
    focus: on("focus"), selection: on("selection") };
}

/** The runs of some arms as xs and ys on the chosen axes; a log axis has no place for 0. */
function runsFor(data, arms, asked) {
  return data.runs.filter((run) => arms.has(run.arm) && run.y[asked.metric]).map((run) => {
    const paid = asked.selection ? data.arms.find((arm) => arm.name === run.arm).selection[asked.axis] ?? 0 : 0;
    const factor = metricOf(data, asked).factor;
    const points = run.x[asked.axis].map((x, place) => [x + paid, run.y[asked.metric][place]])
      .filter(([x, y]) => y !== null && (!asked.logX || x > 0) && (!asked.logY || y > 0));
    return { arm: run.arm, seed: run.seed, xs: points.map(([x]) => x), ys: points.map(([, y]) => factor * y) };
  }).filter((run) => run.xs.length > 0);
}

function unitOf(data, asked) {
  const { label, unit } = metricOf(data, asked);
  return unit ? `${label} (${unit})` : label;
}

function swatch(arm) {
  const line = `<line x1="1" y1="6" x2="25" y2="6" stroke="var(--${arm.colour})" stroke-width="3" stroke-dasharray="${arm.dash.join(" ")}"/>`;
  const holder = element("span", { "aria-hidden": "true" });
  holder.innerHTML = `<svg width="26" height="12">${line}</svg>`;
  return holder.firstChild;
}

function armTicks(place, arms, isOn, onChange) {
  place.replaceChildren(...arms.map((arm) => {
    const box = element("input", { type: "checkbox", name: "arm", value: arm.name });
    box.checked = isOn(arm);
    box.addEventListener("change", onChange);
    const name = element("span", { class: "name", title: arm.name }, arm.name);
    return element("label", {}, box, ...(arm.colour ? [swatch(arm)] : []), name, element("span", { class: "value", "data-arm": arm.name }));
  }));
}

function tickedIn(place) {
  return new Set([...place.querySelectorAll("input:checked")].map((box) => box.value));
}

function axisStyle(label, values) {
  return { label, labelSize: 22, labelFont: "12px system-ui, sans-serif", font: "12px system-ui, sans-serif",
    stroke: colourOf("soft"), grid: { stroke: colourOf("line"), width: 1 }, ticks: { stroke: colourOf("line"), width: 1 },
    values: (_, splits) => splits.map((value) => (value === null ? "" : spelled(value))), ...values };
}

function frame(plot, data, asked, range) {
  const wide = plot.clientWidth || 600;
  return {
    width: wide, height: wide < 560 ? 320 : 420, legend: { show: false }, padding: [12, 14, 0, 4],
    cursor: { points: { size: 7 }, drag: { x: true, y: false }, focus: { prox: 24 } }, focus: { alpha: 0.25 },
    scales: { x: { time: false, distr: asked.logX ? 3 : 1 }, y: { distr: asked.logY ? 3 : 1, ...(range ? { range } : {}) } },
    axes: [axisStyle(axisLabel(data, asked), { space: 70 }), axisStyle(unitOf(data, asked), { size: 58 })],
  };
}

function axisLabel(data, asked) {
  const label = data.axes.find((each) => each.key === asked.axis).label;
  return asked.selection && asked.axis !== "steps" ? `${label}, selection included` : label;
}

/** Lines, and bands between lowest and highest seed, for each arm on one grid of places. */
function linesOf(data, runs, asked) {
  const grid = gridOf(runs), columns = [grid], series = [{}], bands = [];
  for (const arm of data.arms) {
    const own = runs.filter((run) => run.arm === arm.name);
    if (own.length === 0) continue;
    const colour = colourOf(arm.colour);
    const add = (values, width, dash, name) => {
      columns.push(values);
      series.push({ label: name, stroke: colour, width, dash, spanGaps: true, points: { show: false } });
    };
    if (asked.spread === "each" || own.length === 1) {
      for (const run of own) add(grid.map((x) => between(run.xs, run.ys, x)), own.length === 1 ? 2.2 : 1.3, arm.dash, arm.name);
      continue;
    }
    const found = grid.map((x) => combined(own.map((run) => between(run.xs, run.ys, x))));
    add(found.map(([mean]) => mean), areMany(data.arms) ? 1.4 : 2.2, arm.dash, arm.name);
    if (asked.spread === "band") {
      add(found.map(([, , high]) => high), 0, [], null);
      add(found.map(([, low]) => low), 0, [], null);
      bands.push({ series: [columns.length - 2, columns.length - 1], fill: `${colour}2b` });
    }
  }
  return { columns, series, bands };
}

/** From just below the lowest value to the third quartile of what falls: the steep start would hide where arms differ. */
function focused(runs, asked, falls) {
  const values = runs.flatMap((run) => run.ys);
  const low = Math.min(...values), high = asked.focus && falls ? quantile(values, 0.75) : Math.max(...values);
  const margin = 0.06 * (high - low) || 0.01 * Math.abs(high) || 0.01;
  return [asked.logY ? low * 0.99 : low - margin, high + margin];
}

function readingOf(chart, plotted, data, asked, place) {
  const x = plotted.data[0][place];
  chart.querySelectorAll(".value").forEach((each) => { each.textContent = ""; });
  if (x === undefined || x === null) return "";
  const seen = [];
  plotted.series.forEach((line, column) => {
    const value = plotted.data[column][place];
    if (column === 0 || !line.label || value === null || value === undefined) return;
    seen.push([value, `${line.label} ${spelled(value)}`]);
    const slot = chart.querySelector(`.value[data-arm="${CSS.escape(line.label)}"]`);
    if (slot) slot.textContent = spelled(value);
  });
  return `${axisLabel(data, asked)} ${spelled(x)}: ${readOut(seen, data, asked)}`;
}

/** Arrow keys move the cursor of a focused figure; what it meets is read out. */
function steerable(plot, current) {
  let place = null;
  plot.addEventListener("keydown", (event) => {
    const plotted = current();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!plotted || step === undefined) return;
    event.preventDefault();
    const last = plotted.data[0].length - 1;
    place = Math.max(0, Math.min(last, place === null ? (step > 0 ? 0 : last) : place + step));
    plotted.setCursor({ left: plotted.valToPos(plotted.data[0][place], "x"), top: 10 });
  });
}

function bindCurves(chart) {
  const data = dataOf(chart.dataset.study), arms = chart.querySelector(".arms"), plot = chart.querySelector(".plot");
  const readout = chart.querySelector(".readout");
  let plotted = null;
  const draw = () => {
    restyle(chart, data);
    const asked = controlsOf(chart), runs = runsFor(data, keptBy(chart, data, tickedIn(arms)), asked);
    plotted?.destroy();
    plotted = null;
    chart.dataset.lines = "0";
    if (runs.length === 0) { plot.replaceChildren(element("p", { class: "note" }, "No arm is chosen.")); return; }
    plot.replaceChildren();
    const { columns, series, bands } = linesOf(data, runs, asked);
    const level = data.levels[asked.metric];
    const hooks = { setCursor: [(made) => { readout.textContent = readingOf(chart, made, data, asked, made.cursor.idx); }] };
    if (level !== undefined) hooks.draw = [(made) => levelLine(made, 100 * level, "constant answer")];
    plotted = new uPlot({ ...frame(plot, data, asked, focused(runs, asked, !metricOf(data, asked).higher)), series, bands, hooks }, columns, plot);
    chart.dataset.lines = String(series.filter((each) => each.label).length);
    const asTable = chart.querySelector(".as-table");
    if (asTable.open) fillTable(asTable, runs, data, asked);
  };
  armTicks(arms, data.arms, (arm) => arm.shown, draw);
  levelTicks(chart, data, draw);
  remember(chart, `${chart.dataset.study}/curves`);
  chart.querySelectorAll(".controls select, .controls input").forEach((each) => each.addEventListener("input", draw));
  chart.querySelectorAll("[data-arms]").forEach((button) => button.addEventListener("click", () => {
    const wanted = { all: () => true, none: () => false, first: (arm) => arm.shown }[button.dataset.arms];
    arms.querySelectorAll("input").forEach((box, place) => { box.checked = wanted(data.arms[place]); box.dispatchEvent(new Event("input")); });
    draw();
  }));
  chart.querySelector("[data-zoom]").addEventListener("click", () => {
    const focus = chart.querySelector('[name="focus"]');
    focus.checked = false;
    draw();
  });
  chart.querySelector(".as-table").addEventListener("toggle", draw);
  steerable(plot, () => plotted);
  redraws.push(draw);
  draw();
}

function levelLine(made, level, label) {
  const y = made.valToPos(level, "y", true), { left, top, width, height } = made.bbox;
  if (y < top || y > top + height) return;
  const pen = made.ctx;
  pen.save();
  pen.strokeStyle = pen.fillStyle = colourOf("bad");
  pen.setLineDash([3, 4]);
  pen.lineWidth = devicePixelRatio;
  pen.beginPath(); pen.moveTo(left, y); pen.lineTo(left + width, y); pen.stroke();
  pen.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  pen.textAlign = "right";
  pen.textBaseline = "alphabetic";
  pen.fillText(label, left + width - 6 * devicePixelRatio, y - 4 * devicePixelRatio);
  pen.restore();
}

function fillTable(asTable, runs, data, asked) {
  const rows = runs.flatMap((run) => run.xs.map((x, place) => [run.arm, String(run.seed), x, run.ys[place]]));
  asTable.querySelector(".scroll").replaceChildren(tableOf(["arm", "seed", axisLabel(data, asked), unitOf(data, asked)], rows));
}

/** Arm -> mean cost and quality of its seeds at their best checkpoints. */
function endsOf(data, asked) {
  return data.arms.flatMap((arm) => {
    const own = data.runs.filter((run) => run.arm === arm.name && run.y[asked.metric]?.[run.best] != null);
    if (own.length === 0) return [];
    const mean = (read) => own.reduce((sum, run) => sum + read(run), 0) / own.length;
    const paid = asked.selection ? arm.selection[asked.axis] ?? 0 : 0;
    const factor = metricOf(data, asked).factor;
    return [{ arm, x: paid + mean((run) => run.x[asked.axis][run.best]), y: factor * mean((run) => run.y[asked.metric][run.best]) }];
  }).filter((end) => !asked.logX || end.x > 0).sort((a, b) => a.x - b.x || a.y - b.y);
}

/** Marks the ends that nothing cheaper equals. */
function withFrontier(ends, higher) {
  let best = null;
  return ends.map((end) => {
    const leads = best === null || (higher ? end.y > best : end.y < best);
    if (leads) best = end.y;
    return { ...end, leads };
  });
}

function bindFrontier(chart) {
  const data = dataOf(chart.dataset.study), plot = chart.querySelector(".plot"), readout = chart.querySelector(".readout");
  let plotted = null;
  const draw = () => {
    const asked = controlsOf(chart), higher = metricOf(data, asked).higher;
    restyle(chart, data);
    const kept = keptBy(chart, data, new Set(data.arms.map((arm) => arm.name)));
    const ends = withFrontier(endsOf({ ...data, arms: data.arms.filter((arm) => kept.has(arm.name)) }, asked), higher);
    plotted?.destroy();
    plotted = null;
    plot.replaceChildren();
    if (ends.length === 0) { plot.replaceChildren(element("p", { class: "note" }, "No arm is chosen.")); return; }
    const xs = ends.map((end) => end.x), lead = [];
    ends.forEach((end, place) => { lead.push(end.leads ? end.y : lead[place - 1]); });
    const series = [{}, { stroke: colourOf("soft"), width: 1.3, dash: [4, 4], paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }];
    const points = ends.map((end, place) => {
      series.push({ label: end.arm.name, paths: () => null, points: { show: true, size: 9, width: 2, stroke: colourOf(end.arm.colour), fill: end.leads ? colourOf(end.arm.colour) : colourOf("back") } });
      return xs.map((_, at) => (at === place ? end.y : null));
    });
    const ys = ends.map((end) => end.y), margin = 0.12 * (Math.max(...ys) - Math.min(...ys)) || 0.05;
    const gap = 0.06 * (xs[xs.length - 1] - xs[0]) || 0.1 * xs[0] || 1;
    const options = frame(plot, data, asked, [Math.min(...ys) - margin, Math.max(...ys) + margin]);
    options.scales.x.range = asked.logX ? [xs[0] * 0.9, xs[xs.length - 1] * 1.1] : [Math.max(0, xs[0] - gap), xs[xs.length - 1] + gap];
    options.cursor = { ...options.cursor, drag: { x: false, y: false } };
    options.hooks = { draw: [(made) => nameEnds(made, ends)],
      setCursor: [(made) => { const end = ends[made.cursor.idx]; readout.textContent = end ? `${end.arm.name}: ${spelled(end.y)} at ${spelled(end.x)} ${axisLabel(data, asked)}` : ""; }] };
    plotted = new uPlot({ ...options, series }, [xs, lead, ...points], plot);
    const rows = ends.map((end) => [end.arm.name, end.x, end.y, end.leads ? "yes" : "no"]);
    chart.querySelector(".as-table .scroll").replaceChildren(tableOf(["arm", axisLabel(data, asked), unitOf(data, asked), "on the frontier"], rows));
  };
  const axis = chart.querySelector('[name="axis"]');
  if ([...axis.options].some((each) => each.value === data.cost)) axis.value = data.cost;
  levelTicks(chart, data, draw);
  remember(chart, `${chart.dataset.study}/frontier`);
  chart.querySelectorAll(".controls select, .controls input").forEach((each) => each.addEventListener("input", draw));
  steerable(plot, () => plotted);
  redraws.push(draw);
  draw();
}

/** Names beside and above the points, moved apart where they would overlap; a narrow figure names the frontier alone. */
function nameEnds(made, ends) {
  const pen = made.ctx, scale = devicePixelRatio, narrow = made.bbox.width / scale < 480 || areMany(ends.map((end) => end.arm)), taken = [];
  pen.save();
  pen.font = `${11 * scale}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  for (const end of ends.filter((each) => each.leads || !narrow)) {
    const x = made.valToPos(end.x, "x", true), wide = pen.measureText(end.arm.name).width;
    const flip = x + wide + 12 * scale > made.bbox.left + made.bbox.width;
    const left = flip ? x - wide - 9 * scale : x + 9 * scale;
    if (left < made.bbox.left) continue;
    let y = made.valToPos(end.y, "y", true) - 8 * scale;
    const meets = (each) => Math.abs(each.y - y) < 13 * scale && left < each.right && each.left < left + wide;
    for (let tries = 0; tries < 12 && taken.some(meets); tries += 1) y += 13 * scale * (tries % 2 ? -(tries + 1) : tries + 1);
    taken.push({ left, right: left + wide, y });
    pen.strokeStyle = colourOf("back");
    pen.lineWidth = 3 * scale;
    pen.strokeText(end.arm.name, left, y);
    pen.fillStyle = colourOf(end.arm.colour);
    pen.fillText(end.arm.name, left, y);
  }
  pen.restore();
}
