// Arms that differ in factors: shown by their levels, coloured by one factor, dashed by another.

const LEVEL_DASHES = [[], [7, 4], [2, 3], [8, 3, 2, 3]], LEVEL_COLOURS = 8, MANY = 12, MOST_READ = 8;

/** More arms than can be told apart one by one, where levels can be. */
function areMany(arms) {
  return arms.length > MANY && Object.keys(arms[0].levels).length > 0;
}

function factorOf(chart, data, name) {
  return data.factors.find((each) => each.key === chart.querySelector(`[name="${name}"]`)?.value);
}

function placeIn(factor, level) {
  return factor.levels.findIndex((each) => each.key === level);
}

/** Boxes for all levels of all factors; an arm is drawn where all its levels are ticked. */
function levelTicks(chart, data, onChange) {
  chart.querySelector(".levels")?.replaceChildren(...data.factors.map((factor) => element("div", { role: "group", "aria-label": factor.label },
    element("b", {}, factor.label), ...factor.levels.map((level) => {
      const box = element("input", { type: "checkbox", name: `level/${factor.key}`, value: level.key });
      box.checked = true;
      box.addEventListener("input", onChange);
      return element("label", {}, box, element("span", { class: "look" }), level.label);
    }))));
}

function keptBy(chart, data, arms) {
  const off = [...chart.querySelectorAll(".levels input:not(:checked)")].map((box) => [box.name.slice("level/".length), box.value]);
  return new Set(data.arms.filter((arm) => arms.has(arm.name) && !off.some(([factor, level]) => arm.levels[factor] === level)).map((arm) => arm.name));
}

/** Gives arms the look of their levels, and shows beside each level and arm what that is. */
function restyle(chart, data) {
  if (data.factors.length === 0) return;
  const colour = factorOf(chart, data, "colour-by"), dash = factorOf(chart, data, "dash-by");
  const colourAt = (level) => `c${placeIn(colour, level) % LEVEL_COLOURS}`;
  const dashAt = (level) => LEVEL_DASHES[placeIn(dash, level) % LEVEL_DASHES.length];
  for (const arm of data.arms) Object.assign(arm, { colour: colourAt(arm.levels[colour.key]), dash: dash ? dashAt(arm.levels[dash.key]) : [] });
  chart.querySelectorAll(".levels input").forEach((box) => {
    const factor = box.name.slice("level/".length), isColour = factor === colour.key, isDash = factor === dash?.key;
    const look = isColour || isDash ? [swatch({ colour: isColour ? colourAt(box.value) : "ink", dash: isDash ? dashAt(box.value) : [] })] : [];
    box.parentElement.querySelector(".look").replaceChildren(...look);
  });
  chart.querySelectorAll(".arms label").forEach((label, place) => label.querySelector("svg").replaceWith(swatch(data.arms[place])));
}

/** What the cursor meets: of very many lines the best ones. */
function readOut(seen, data, asked) {
  if (!areMany(data.arms) || seen.length <= MANY) return seen.map(([, text]) => text).join(", ");
  const higher = data.metrics.find((each) => each.key === asked.metric).higher;
  const best = [...seen].sort(([a], [b]) => (higher ? b - a : a - b)).slice(0, MOST_READ);
  return `best of ${seen.length}: ${best.map(([, text]) => text).join(", ")}`;
}
