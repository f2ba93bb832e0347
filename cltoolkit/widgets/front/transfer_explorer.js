import { Stage, array, element, extent, look, matrix, number, put, short, signed } from "./view.js";
import { scatter } from "./scatter.js";

const FLOORS = 2; // times its noise floor that a score must reach to say something of the labels

function render({ model, el }) {
  const stage = new Stage(model, el, "transfer");
  const { names, labels, sources, tasks } = model.get("content");
  const every = names.map((name, i) => [name, labels[i]]);
  stage.choose("Left", "left", every);
  stage.choose("Right", "right", every);
  stage.choose("Show", "shown", [["values", "values"], ["ranks", "ranks of sources"], ["difference", "difference of ranks"]]);
  stage.choose("Tasks", "order", [["given", "as given"], ["similar", "by similarity"]]);
  stage.choose("Target", "task", [[-1, "none picked"], ...tasks.map((name, t) => [t, name])]);
  const sides = ["left", "right"].map((side) => {
    const surface = stage.canvas({ width: 440, height: 380 }, "Transfer matrix");
    surface.canvas.classList.add(`clt-at-${side}`);
    return surface;
  });
  const cloud = stage.canvas({ width: 440, height: 340 }, "Left against right");
  agreement(stage, model);
  const own = tasks.map((name) => sources.indexOf(name)), held = kept(model);
  stage.watch(["arrays", "rev", "left", "right", "shown", "order", "task"], () => {
    const at = ["left", "right"].map((side) => names.indexOf(model.get(side))), state = { model, held, at, own, ...arrangement(model, at) };
    sides.forEach((surface, side) => panel(surface, side, state));
    pairs(cloud, state);
  });
  return stage.end;
}

/** Arrays of the model, each unpacked once. */
function kept(model) {
  let from = null, known = {};
  return (name) => {
    if (from !== model.get("arrays")) { from = model.get("arrays"); known = {}; }
    return (known[name] ??= array(model, name)?.values ?? null);
  };
}

/** Which rows and columns come first. */
function arrangement(model, at) {
  const { orders, sources, tasks } = model.get("content"), found = model.get("order") === "similar" ? orders[at[0]] ?? orders[at[1]] : null;
  return { rows: found ?? sources.map((_, s) => s), columns: found ?? tasks.map((_, t) => t), alike: Boolean(found) };
}

// A matrix

function panel(surface, side, { model, held, at, own, rows, columns, alike }) {
  const { labels, sources, tasks, digits, gains } = model.get("content"), shown = model.get("shown"), task = model.get("task");
  const [m, n] = [sources.length, tasks.length], me = at[side], difference = shown === "difference" && side === 1;
  const cell = (i, j) => rows[i] * n + columns[j];
  const all = difference ? places(held, at) : held(`${shown === "values" ? "values" : "ranks"} ${me}`), floor = held(`floor ${me}`);
  const values = Float32Array.from({ length: m * n }, (_, k) => all[cell(Math.floor(k / n), k % n)]);
  const bound = Math.max(...extent(values).map(Math.abs)) || 1, gain = shown === "values" && gains[me];
  const scale = difference || gain ? { low: -bound, high: bound, map: "diverging" } : shown === "values" ? limits(values) : { low: 1, high: Math.max(m, 2), flip: true };
  const title = difference ? `places higher, ${short(labels[at[0]], 22)} than ${short(labels[at[1]], 22)}` : `${shown === "values" ? "" : "ranks by "}${short(labels[me], 34)}`;
  matrix(surface, {
    values, shape: [m, n], rows: rows.map((s) => sources[s]), columns: columns.map((t) => tasks[t]), ...scale, title, across: "target (task to learn)",
    digits: shown === "values" ? digits[me] : values.every((x) => !(x % 1)) ? 0 : 1,
    boxed: (i, j) => own[columns[j]] === rows[i],
    hatched: !difference && shown === "values" && floor && !gains[me] ? (i, j) => all[cell(i, j)] < FLOORS * floor[cell(i, j)] : null,
    crossed: task < 0 ? null : [rows.indexOf(own[task]), columns.indexOf(task)],
    words: (i, j) => cellWords(model, held, difference ? at : [me], rows[i], columns[j]),
    pick: (i, j) => put(model, "task", columns[j]), clear: () => put(model, "task", -1),
  });
  surface.canvas.setAttribute("aria-label", `${title}: ${m} sources as rows, ${n} targets as columns, ${alike ? "similar tasks side by side" : "as given"}${task < 0 ? "" : `; picked target ${tasks[task]}`}. Arrow keys read cells, Enter picks a target.`);
}

const limits = (values) => { const [low, high] = extent(values); return { low, high }; };

/** By how many places left puts a source higher than right. */
function places(held, [left, right]) {
  const mine = held(`ranks ${left}`), theirs = held(`ranks ${right}`);
  return mine.map((rank, k) => theirs[k] - rank);
}

/** What a cell was computed from. */
function cellWords(model, held, which, s, t) {
  const { labels, made, digits, gains, repeats, by_target, sources, tasks } = model.get("content"), n = tasks.length, k = s * n + t;
  const lines = [`${sources[s]} → ${tasks[t]}${sources[s] === tasks[t] ? " (itself)" : ""}`];
  for (const i of which) {
    const ranks = held(`ranks ${i}`), known = column(ranks, t, n).filter(Number.isFinite).length, places = digits[i] + 1, floor = held(`floor ${i}`)?.[k];
    lines.push(`${labels[i]}: ${gains[i] ? signed(held(`values ${i}`)[k], places) : number(held(`values ${i}`)[k], places)}, ${Number.isFinite(ranks[k]) ? `rank ${+ranks[k].toFixed(1)} of ${known}` : "not computed"}`);
    if (Number.isFinite(floor)) lines.push(`noise floor ${number(floor, places)}${held(`values ${i}`)[k] < FLOORS * floor && !gains[i] ? ": under twice that, it says little" : ""}`);
    if (repeats[i] > 1) lines.push(`95 % interval ${number(held(`low ${i}`)[k], places)} to ${number(held(`high ${i}`)[k], places)}, ${repeats[i]} repetitions`);
    for (const [what, values] of Object.entries(by_target[i])) lines.push(`${what} on this target ${number(values[t] ?? NaN, 3)}`);
    lines.push(`computed from ${made[i]}`);
  }
  return lines.join("\n");
}

const column = (values, t, n) => Array.from({ length: values.length / n }, (_, s) => values[s * n + t]);

// Pair against pair

function pairs(surface, { model, held, at, own }) {
  const { labels, names, sources, tasks, digits, gains } = model.get("content"), task = model.get("task"), n = tasks.length;
  const [a, b] = at.map((i) => held(`values ${i}`)), which = [];
  for (let k = 0; k < a.length; k++) if (own[k % n] !== Math.floor(k / n) && Number.isFinite(a[k]) && Number.isFinite(b[k])) which.push(k);
  const rho = held("rho"), many = names.length, [over, within] = [0, 1].map((kind) => rho[(kind * many + at[0]) * many + at[1]]);
  scatter(surface, {
    x: Float32Array.from(which, (k) => a[k]), y: Float32Array.from(which, (k) => b[k]), lit: task < 0 ? null : Uint8Array.from(which, (k) => k % n === task),
    look: (p) => (n > theme.colors.length ? { color: null, marker: "o" } : look(which[p] % n, n)), level: gains[at[1]] ? 0 : undefined,
    legend: n > theme.colors.length ? [] : tasks.map((name, t) => ({ name, look: look(t, n) })),
    title: "Pair against pair", across: short(labels[at[0]], 40), up: short(labels[at[1]], 34), empty: "no pair with both values known",
    notes: at[0] === at[1] ? [] : [`Spearman's ρ ${signed(over, 2)} over all pairs`, `${signed(within, 2)} within targets, on average`],
    words: (p) => `${sources[Math.floor(which[p] / n)]} → ${tasks[which[p] % n]}\n${at.map((i, side) => `${labels[i]}: ${number([a, b][side][which[p]], digits[i] + 1)}`).join("\n")}`,
    pick: (p) => put(model, "task", which[p] % n), clear: () => put(model, "task", -1),
  });
  surface.canvas.setAttribute("aria-label", `${labels[at[0]]} against ${labels[at[1]]}, ${which.length} pairs of different tasks${Number.isFinite(over) ? `, Spearman's ρ ${signed(over, 2)}` : ""}.`);
}

// Agreement

function agreement(stage, model) {
  const box = element("div", "clt-agreement", stage.body);
  Object.assign(box.style, { maxWidth: "480px", fontSize: "12px" });
  stage.watch(["content"], () => {
    const { rows, words } = model.get("content").agreement;
    box.replaceChildren();
    if (rows.length) {
      const table = element("table", "", box);
      line(table, ["with measured", "weighted τ", "Spearman's ρ", "targets"], "th");
      rows.forEach((row) => line(table, row, "td"));
    }
    element("p", "", box).textContent = words;
  });
}

function line(table, texts, tag) {
  const row = element("tr", "", table);
  texts.forEach((text) => { Object.assign(element(tag, "", row), { textContent: text }).style.whiteSpace = "nowrap"; });
}

export default { render };
