import { Stage, array, element, extent, lines, look, matrix, number, put, short } from "./view.js";
import { COLUMNS, gallery, marginBars, margins, pictures, said } from "./interval_margins.js";
import { FLOOR, spans } from "./interval_spans.js";

const OF_ONE = ["layers", "curves", "margins"]; // views of one task
const OF_MOMENT = ["half_widths", "widths", "certified"]; // views of all tasks at one moment
const NARROW = 1e-8;

function render({ model, el }) {
  const stage = new Stage(model, el, "interval");
  const content = () => model.get("content"), tasks = content().tasks, T = tasks.length;
  const select = stage.choose("Show", "view", content().views);
  stage.choose("Task", "task", [[-1, "none picked"], ...tasks.map((name, t) => [t, short(name, 40)])]);
  const moment = stage.slide("After", "moment", { min: 1, max: content().learned, text: (m) => `${m} of ${T}: ${short(tasks[m - 1])}` });
  const scale = stage.slide("Radii ×", "scale", { min: 0, max: content().reach, step: fine(content().reach), text: (x) => String(Number(x.toPrecision(4))) });
  const left = stage.canvas({ width: 560, height: 400 }, "Intervals"), right = stage.canvas({ width: 420, height: 400 }, "Task picked");
  const note = element("p", "clt-note", stage.root);
  stage.body.after(note);
  if (content().missing) element("p", "clt-missing", stage.root).textContent = content().missing;
  const show = { half_widths, widths, layers, curves, margins: marginView, certified };
  const state = { model, stage, tasks, T, left, right, memory: (name) => array(model, name), view: null, hover: -1, pick: (t) => put(model, "task", t), clear: () => put(model, "task", -1), pictures: new Map() };
  if (select.values.length < 2) select.parentElement.style.display = "none";

  stage.watch(["arrays", "content", "rev", "view", "task", "moment", "scale", "example"], () => {
    const view = model.get("view");
    if (view !== state.view || model.get("task") !== state.task) [left, right].forEach((surface) => surface.focus(null)); // items of another picture
    state.view = view;
    shown(moment, OF_MOMENT.includes(view) && content().learned > 1);
    shown(scale, view === "curves");
    right.box.style.display = ["layers", "curves"].includes(view) ? "none" : "";
    state.task = model.get("task");
    state.now = OF_ONE.includes(view) ? known(state, view) : state.task;
    note.textContent = show[view](state);
    for (const surface of [left, right]) surface.canvas.setAttribute("aria-label", `${label(content().views, view)}. ${note.textContent}`);
    if (!model.get("kernel")) stage.tell(note.textContent);
  });
  const later = () => { if (!model.get("kernel")) model.set("example", -1); };
  model.on("change:task", later);
  return () => { model.off("change:task", later); stage.end(); };
}

const label = (views, view) => views.find(([name]) => name === view)[1];
const shown = (control, yes) => { control.closest("label").style.display = yes ? "" : "none"; };

/** A round step, of which some 100 to 250 make up the whole. */
function fine(reach) {
  const power = 10 ** Math.floor(Math.log10(reach / 100 || 0.01));
  return Number((power * ([5, 2, 1].find((base) => base * power <= reach / 100) ?? 1)).toPrecision(1));
}

/** The task that a view of one task shows: that picked, or the first that it knows. */
function known({ model, task }, view) {
  const { curves, certificates } = model.get("content");
  const every = view === "curves" ? curves.map(([t]) => t) : certificates.filter(({ layers }) => view !== "layers" || layers.length).map(({ task: t }) => t);
  return every.includes(task) ? task : every[0];
}

/** The values of a series after so many tasks: a row per task. */
function rows({ memory, model, T }, name, moment = model.get("moment")) {
  const held = memory(`series/${name}`);
  if (!held) return null;
  const width = held.shape[2], own = held.values.subarray((moment - 1) * T * width, moment * T * width);
  return Array.from({ length: T }, (_, t) => own.subarray(t * width, (t + 1) * width));
}

/** Number k of task t in a series, after each count of tasks; NaN before it was learned. */
function history({ memory, model, T }, name, t, k = 0) {
  const { shape, values } = memory(name), width = shape[2] ?? 1;
  return Float32Array.from({ length: model.get("content").learned }, (_, i) => (t <= i ? values[(i * T + t) * width + k] : NaN));
}

const spread = new WeakMap();

/** Least and largest positive number of an array, and whether any is below 1e-8; looked up once. */
function ends(held) {
  if (!spread.has(held)) {
    let low = Infinity, high = 0, collapsed = false;
    for (const x of held.values) { if (x > 0) { if (x < low) low = x; if (x > high) high = x; } if (x < NARROW) collapsed = true; }
    spread.set(held, high > 0 ? { low, high, collapsed } : { low: NARROW, high: 1, collapsed });
  }
  return spread.get(held);
}

/** A logarithmic axis for widths, striped where they are collapsed. */
const wide = ({ low, high, collapsed }) => ({ log: true, low: collapsed ? FLOOR : low / 1.3, high: high * 1.3, narrow: collapsed ? NARROW : 0 });
const logged = ({ collapsed }) => `(log scale${collapsed ? "; striped: collapsed, under 1e-8" : ""})`;

const mean = (values) => { const all = values.filter(Number.isFinite); return all.length ? all.reduce((a, b) => a + b) / all.length : NaN; };
const between = (low, high) => (few(low) === few(high) ? few(low) : `${few(low)} to ${few(high)}`);
const few = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : "×");
const tall = (T, least = 400) => Math.min(640, Math.max(least, 90 + 13 * T));
const whole = (low, high, count = 8) => { const step = Math.max(1, Math.ceil((high - low) / count)); return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, k) => ({ at: low + k * step, text: String(low + k * step) })); };
const faint = (task, t) => task >= 0 && task !== t;

// Views of all tasks at one moment

function half_widths(state) {
  const { model, memory, left, right, tasks, T, task, pick, clear } = state, held = memory("series/half_widths"), d = held.shape[2];
  const own = rows(state, "half_widths"), top = ends(held).high, digits = top >= 0.1 ? 2 : Math.min(5, 2 - Math.floor(Math.log10(top)));
  const after = model.get("moment"), sum = (t) => own[t].reduce((a, b) => a + b, 0);
  left.want(560, Math.min(tall(T), 70 + 64 * T));
  right.want(420, 400);
  const flat = new Float32Array(T * d);
  own.forEach((row, t) => flat.set(row, t * d));
  const words = (t, k) => `${tasks[t]}, dimension ${k}: ${Number.isFinite(own[t][k]) ? `half-width ${few(own[t][k])}, ${(100 * own[t][k] / (sum(t) || 1)).toFixed(1)} % of the task's` : "not learned yet"}`;
  matrix(left, { values: flat, shape: [T, d], rows: tasks, columns: Array.from({ length: d }, (_, k) => String(k)), high: top, digits, title: `Half-widths ε ${done(after)}`, across: "dimension of the embedding",
    picked: [task, -1], words, pick: (t) => pick(t), clear });
  const x = Float32Array.from({ length: d }, (_, k) => k), learned = own.map((_, t) => t).filter((t) => Number.isFinite(own[t][0]));
  const even = mean((learned.includes(task) ? [task] : learned).map((t) => sum(t) / d));
  lines(right, { title: task >= 0 ? short(tasks[task], 40) : "Where each task puts its room", across: "dimension of the embedding (dotted: an even share)", up: "half-width ε", xlim: [0, Math.max(d - 1, 1)], ylim: [0, 1.05 * top], xticks: whole(0, d - 1),
    lines: [...learned.map((t) => ({ name: tasks[t], x, y: own[t], look: look(t, T), faint: faint(task, t), bold: task === t, t })),
      { name: "", x: [0, d - 1], y: [even, even], look: { color: null, dash: [1, 3], marker: "o" }, t: -1 }].filter(({ y }) => Number.isFinite(y[0])),
    words: (line, k) => (line.t < 0 ? `an even share: ${few(even)}` : words(line.t, k)), pick: (line) => pick(line.t), clear });
  const radius = rows(state, "radius"), of = (t) => `${tasks[t]}: half-widths sum to ${few(sum(t))}${radius ? ` (γ = ${few(radius[t][0])})` : ""}, widest ${few(Math.max(...own[t]))} in dimension ${own[t].indexOf(Math.max(...own[t]))}`;
  return task < 0 ? `After ${after} of ${T} tasks, ${d} dimensions. Pick a task to see where its room lies.` : Number.isFinite(own[task][0]) ? `${of(task)}; an even share is ${few(sum(task) / d)}.` : `${tasks[task]} is not learned yet.`;
}

const done = (after) => `after ${after} task${after === 1 ? "" : "s"}`;

function widths(state) {
  const { model, memory, left, right, tasks, T, task, pick, clear } = state, own = rows(state, "width"), share = rows(state, "collapsed"), after = model.get("moment"), { values } = memory("series/width");
  const range = ends(memory("series/width")), learned = (t) => values[(t * T + t) * 5 + 2];
  left.want(560, tall(T));
  right.want(420, 400);
  const of = (t) => `${tasks[t]}: ${Number.isFinite(own[t][2]) ? `median width ${few(own[t][2])}, ${few(learned(t))} when learned; least ${few(own[t][0])}, largest ${few(own[t][4])}${share ? `; ${few(100 * share[t][0])} % collapsed` : ""}${own[t][2] < NARROW ? "; VACUOUS" : ""}` : "not learned yet"}`;
  spans(left, { title: `Widths of the weights' intervals ${done(after)}`, across: `width ${logged(range)}`, ...wide(range),
    rows: tasks.map((name, t) => ({ name, thin: [own[t][0], own[t][4]], thick: [own[t][1], own[t][3]], bold: task === t, faint: faint(task, t),
      marks: [{ x: own[t][2], marker: "o", hollow: true }, { x: Number.isFinite(own[t][2]) ? learned(t) : NaN, marker: "|", color: theme.colors[1] }] })),
    legend: [{ marker: "o", hollow: true, text: "median (thick: middle half)" }, { marker: "|", color: theme.colors[1], text: "median when learned" }], words: of, pick, clear });
  const every = tasks.map((_, t) => history(state, "series/width", t, 2).map((x) => Math.max(x, FLOOR))), x = every[0].map((_, i) => i + 1), [least, most] = extent(every.flatMap((line) => [...line]));
  lines(right, { title: "Median width in training", across: "tasks learned", up: "median width (log scale)", log: true, ylim: [least / 1.5, most * 1.5], xlim: [1, Math.max(x.length, 2)], xticks: whole(1, Math.max(x.length, 2)), at: after,
    lines: tasks.map((name, t) => ({ name, x, y: every[t], look: look(t, T), faint: faint(task, t), bold: task === t, t })),
    words: (line, k) => `${line.name} ${done(k + 1)}: ${Number.isFinite(line.y[k]) ? few(line.y[k]) : "not learned yet"}`, pick: (line) => pick(line.t), clear });
  const medians = own.map((row) => row[2]).filter(Number.isFinite), vacuous = tasks.filter((_, t) => own[t][2] < NARROW);
  return task >= 0 ? `${of(task)}.` : medians.length ? `After ${after} of ${T} tasks: medians ${between(...extent(medians))}.${vacuous.length ? ` VACUOUS, with medians under 1e-8: ${vacuous.join(", ")}.` : ""}` : "None is known.";
}

const KINDS = [["clean", "clean", "o", 0], ["certified", "series/certified", "D", 2], ["certified without data", "series/certified_by_drift", "P", 6]]; // the last on other examples

function certified(state) {
  const { model, memory, left, right, tasks, T, task, pick, clear } = state, after = model.get("moment"), content = model.get("content"), without = (kind) => kind === KINDS[2][0], kinds = KINDS.filter(([, name]) => memory(name));
  const now = (name) => { const { values } = memory(name); return (t) => (t < after ? values[(after - 1) * T + t] : NaN); };
  const at = kinds.map(([kind, name, marker, i]) => ({ kind, marker, look: { color: ink(i), dash: theme.dashes[i], marker }, value: now(name) }));
  left.want(560, tall(T));
  right.want(420, 400);
  const of = (t) => (t < after ? `${tasks[t]}: ${at.map(({ kind, value }) => `${kind} ${number(value(t))}`).join(", ")}${dull(model, t, at[1].value(t))}` : `${tasks[t]}: not learned yet`);
  spans(left, { title: `Accuracy ${done(after)}`, across: "accuracy on test examples (fraction)", low: 0, high: 1, words: of, pick, clear, legend: at.map(({ kind, marker, look: { color } }) => ({ text: without(kind) ? `${kind} (${content.watched} examples)` : kind, marker, color })),
    rows: tasks.map((name, t) => ({ name, thin: t < after ? extent(at.map(({ value }) => value(t))) : null, bold: task === t, faint: faint(task, t), marks: at.map(({ value, marker, look: { color } }) => ({ x: value(t), marker, color })) })) });
  const x = Float32Array.from({ length: content.learned }, (_, i) => i + 1);
  lines(right, { title: task >= 0 ? `${short(tasks[task], 30)}: in training` : "Certified accuracy in training", across: "tasks learned", up: "accuracy", ylim: [0, 1], xlim: [1, Math.max(x.length, 2)], xticks: whole(1, Math.max(x.length, 2)), at: after,
    lines: task >= 0 ? at.map(({ kind, look: own }, k) => ({ name: kind, kind, x, y: history(state, kinds[k][1], task), look: own, bold: kind === "certified", t: task }))
      : tasks.map((name, t) => ({ name, kind: "certified", x, y: history(state, "series/certified", t), look: look(t, T), t })),
    words: ({ t, kind, y }, k) => `${tasks[t]}, ${kind} ${done(k + 1)}: ${Number.isFinite(y[k]) ? number(y[k]) : "not learned yet"}`, pick: ({ t }) => pick(t), clear });
  const others = kinds.length > 2 ? ` Without data: on ${content.watched} examples; the rest on test examples.` : " On test examples.";
  return (task >= 0 ? `${of(task)}.` : `On average ${done(after)}: ${at.map(({ kind, value }) => `${kind} ${number(mean(tasks.map((_, t) => value(t))))}`).join(", ")}.`) + others;
}

const ink = (i) => (theme.colors[i] === "#000000" ? null : theme.colors[i]);

// Views of one task

/** Why a certificate says nothing; empty where it says something. */
function dull(model, t, value) {
  const chance = model.get("content").chance[t];
  if (value === 0) return " VACUOUS: no example is certified, so nothing is promised.";
  return chance !== null && value < chance ? ` VACUOUS: certified accuracy is below chance, ${number(chance)}.` : "";
}

function layers(state) {
  const { model, memory, left, tasks, now } = state, about = model.get("content").certificates.find(({ task }) => task === now), { values } = memory(`layers/${now}`);
  const known3 = about.layers.map((name, k) => [name, values.subarray(3 * k, 3 * k + 3)]), range = ends(memory(`layers/${now}`));
  left.want(640, tall(known3.length, 260));
  const of = (k) => `${known3[k][0]}: median width ${few(known3[k][1][1])}, middle half ${few(known3[k][1][0])} to ${few(known3[k][1][2])}`;
  spans(left, { title: `${short(tasks[now], 40)}: widths layer by layer`, across: `width of a weight's interval ${logged(range)}`, ...wide(range),
    rows: known3.map(([name, three]) => ({ name, thick: [three[0], three[2]], marks: [{ x: three[1], marker: "o", hollow: true }] })), legend: [{ marker: "o", hollow: true, text: "median (thick: middle half)" }], words: of, clear: state.clear });
  return `${tasks[now]}: ${about.verdict}`;
}

function curves(state) {
  const { model, memory, left, tasks, now } = state, [, scales, clean, width] = model.get("content").curves.find(([t]) => t === now), { values } = memory(`curve/${now}`), n = scales.length;
  const x = scales, certifiedAt = values.subarray(0, n), attackedAt = values.subarray(n), at = model.get("scale"), attacked = attackedAt.some(Number.isFinite);
  const up = scales.findIndex((each) => each >= at), down = scales.findLastIndex((each) => each <= at);
  left.want(700, 400);
  const kinds = [["clean", scales.map(() => clean), "last", 0], ...(attacked ? [["attacked", attackedAt, "last", 1]] : []), ["certified", certifiedAt, "next", 2]];
  lines(left, { title: `${short(tasks[now], 40)}: accuracy as all radii grow`, across: "scale of all radii (1: as trained)", up: "accuracy", ylim: [0, 1], xlim: [0, model.get("content").reach], at,
    lines: kinds.map(([name, y, steps, i]) => ({ name, x, y, steps, look: { color: ink(i), dash: theme.dashes[i], marker: theme.markers[i] }, bold: name === "certified" })),
    words: (line, k) => `radii × ${few(x[k])}: ${line.name} ${number(line.y[k])}`, pick: (_, k) => put(model, "scale", x[k]), clear: state.clear });
  const found = [["certified", up < 0 ? 0 : certifiedAt[up]], ["attacked", down < 0 ? NaN : attackedAt[down]], ["clean", clean]].filter(([, y]) => Number.isFinite(y));
  const chain = found.map(([name, y], k) => `${k ? (found[k - 1][1] <= y ? " ≤ " : " > ") : ""}${name} ${number(y)}`).join("") + (found.length < 3 ? " (no attack)" : "");
  const why = up < 0 ? ` VACUOUS: nothing was certified beyond the scale ${few(scales[n - 1])}.` : width * at < NARROW ? " VACUOUS: half of the weights' intervals are narrower than 1e-8: hardly more than one network." : dull(model, now, certifiedAt[up]);
  const source = up >= 0 && scales[up] !== at ? ` Certified at ${few(scales[up])}, the next larger scale of the grid, so it holds here${down >= 0 && attacked ? `; attacked at ${few(scales[down])}, in a box inside this one` : ""}.` : "";
  return `${tasks[now]}, radii × ${Number(at.toPrecision(4))}: ${chain}.${why}${source}`;
}

function marginView(state) {
  const { model, left, right, tasks, now, pictures: kept } = state, about = model.get("content").certificates.find(({ task }) => task === now);
  if (!kept.has(now)) kept.set(now, { rows: margins(model, now), drawn: pictures(model, about) });
  const data = { ...kept.get(now), about, title: `${short(tasks[now], 40)}: margins`, picked: model.get("example"), pick: (row) => put(model, "example", row.example), clear: () => put(model, "example", -1) };
  left.want(520, 420);
  right.want(420, 166 + 18 + 42 * Math.max(1, data.drawn ? Math.ceil(about.count / COLUMNS) : 1));
  const look2 = () => gallery(right, { ...data, looked: state.hover >= 0 ? state.hover : data.picked });
  marginBars(left, data);
  look2();
  state.looking = (row) => { state.hover = row ? row.example : -1; look2(); };
  if (!state.follows) follow(state, data);
  const chosen = data.rows.find((row) => row.example === data.picked), share = (about.n - about.failing) / about.n;
  return `${tasks[now]}: ${about.n - about.failing} of ${about.n} examples are certified (${number(share)}), ${about.right} answered right (${number(about.right / about.n)}).${dull(model, now, share)}${chosen ? ` ${said(chosen, about)}` : ""}`;
}

/** What is pointed at in the bars or among the pictures is shown large. */
function follow(state) {
  const { model, left, right } = state;
  state.follows = true;
  for (const [surface, row] of [[left, (item) => state.pictures.get(state.now)?.rows[item]], [right, (item) => right.items?.row?.(item)]]) {
    const focus = surface.focus.bind(surface);
    surface.focus = (item) => { focus(item); if (model.get("view") === "margins") state.looking(item === null ? null : row(item)); };
  }
}

export default { render };
