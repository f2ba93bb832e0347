// Tasks as points. Maps are asked of the kernel, or taken from those that came along; dimensions and boxes are drawn
// from the numbers themselves.
import { Stage, array, ask, element, extent, look, number, points, put, short } from "./view.js";

const PACE = 900; // ms between two moments while it plays

function render({ model, el }) {
  const stage = new Stage(model, el, "task-map");
  const content = model.get("content"), { tasks, ways, learned, moments, dim, taken } = content, T = tasks.length;
  const maps = new Map(Object.entries(model.get("answers"))), failed = new Map(), reach = new Map();
  const way = () => ways.find(({ key }) => key === model.get("by"));
  let waiting = null, truth = null;

  stage.choose("Tasks by", "by", ways.map(({ key, label }) => [key, label]));
  const method = stage.choose("Map", "method", [["mds", "truest distances (MDS)"], ["pca", "one plane (PCA)"]]);
  stage.slide("After", "moment", { min: 1, max: learned, text: (t) => `${t} of ${T} tasks` });
  player(stage, learned);
  const numbers = Array.from({ length: Math.max(dim, 2) }, (_, k) => [k, String(k)]);
  const across = stage.choose("Dimension →", "x", numbers), up = stage.choose("Dimension ↑", "y", numbers);
  const near = stage.tick("Near the picked task", "near");
  const trusted = element("p", "clt-trust", stage.root);
  trusted.title = "Kruskal's stress-1: 0 where a map shows all distances as they are";
  stage.root.insertBefore(trusted, stage.body);
  const surface = stage.canvas({ width: 620, height: 460 }, "Map of tasks");

  // Reading

  const row = (name, t) => { const { shape: [rows, n, d], values } = held(name); const at = Math.min(t, rows) - 1; return { n, d, values: values.subarray(at * n * d, (at + 1) * n * d) }; };
  let arrays = null, read = new Map();
  function held(name) {
    if (arrays !== model.get("arrays")) { arrays = model.get("arrays"); read = new Map(); }
    if (!read.has(name)) read.set(name, array(model, name));
    return read.get(name);
  }

  /** True distance of tasks i and j after t tasks. */
  function distance(by, i, j, t) {
    const { n, all } = way().fixed ? { n: held(`distances/${by}`).shape[0], all: held(`distances/${by}`).values } : between(t);
    return all[Math.max(i, j) * n + Math.min(i, j)];
  }

  /** All true distances after t tasks, `n × n`, below the diagonal: kept, for they are many and seldom change. */
  function between(t) {
    const { n, d, values } = row("embeddings", t);
    if (truth?.values === values.buffer && truth.at === values.byteOffset) return truth;
    truth = { n, all: new Float32Array(n * n), values: values.buffer, at: values.byteOffset };
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += (values[i * d + k] - values[j * d + k]) ** 2;
      truth.all[i * n + j] = Math.sqrt(sum);
    }
    return truth;
  }

  function nearest(by, i, n, t) {
    let best = -1, least = Infinity;
    for (let j = 0; j < n; j++) if (j !== i) { const away = distance(by, i, j, t); if (away < least) { least = away; best = j; } }
    return best < 0 ? "" : `\nnearest: ${short(tasks[best], 24)}, truly ${figures(least)} away`;
  }

  function described(by, i, place, n, t) {
    const accuracy = held("accuracy").values[model.get("moment") * T + i];
    return `${tasks[i]}: (${figures(place[0])}, ${figures(place[1])})${nearest(by, i, n, t)}\naccuracy after ${model.get("moment")} tasks: ${number(accuracy)}`;
  }

  // Asking

  /** The map to draw: the one that is meant, or, on a page without a kernel, the last one before it that came along. */
  function meant() {
    const by = model.get("by"), fixed = way().fixed, kind = fixed ? "mds" : model.get("method");
    const t = fixed ? 0 : Math.min(model.get("moment"), moments), exact = ["map", by, kind, t];
    if (fixed || maps.has(name(exact)) || model.get("kernel") || !taken[kind].length) return exact;
    return ["map", by, kind, Math.max(...taken[kind].filter((each) => each <= t), taken[kind][0])];
  }

  function request(question) {
    if (waiting) return;
    waiting = name(question);
    stage.root.setAttribute("aria-busy", "true");
    ask(model, question).then((map) => keep(name(question), map), (error) => failed.set(name(question), error.message)).then(() => {
      waiting = null;
      stage.root.removeAttribute("aria-busy");
      stage.again(draw);
    });
  }

  function keep(about, map) {
    maps.set(about, map);
    const [, by, kind] = JSON.parse(about), key = `${by} ${kind}`, all = [...(reach.get(key) ?? []), ...map.points];
    const [x0, x1] = extent(all.map(([x]) => x)), [y0, y1] = extent(all.map(([, y]) => y));
    reach.set(key, [[x0, y0], [x1, y1]]);
  }

  // Drawing

  function draw() {
    const by = model.get("by"), inside = by === "dimensions";
    show(method, !inside && !way().fixed);
    for (const each of [across, up]) show(each, inside);
    show(near, inside && content.shared.length > 0);
    if (inside) return dimensions();
    const question = meant(), found = maps.get(name(question));
    if (found) place(question, found);
    else if (failed.has(name(question))) trusted.textContent = failed.get(name(question));
    else { trusted.textContent = "The kernel is making this map…"; request(question); }
  }

  function place([, by, kind, t], { points: places, stress, variance, note, words }) {
    const fixed = way().fixed, moment = model.get("moment"), n = places.length, task = model.get("task");
    const late = !fixed && t !== Math.min(moment, moments) ? `This page holds the ${kind.toUpperCase()} maps after ${taken[kind].join(", ")} tasks; a notebook makes all of them.` : "";
    const faint = fixed && moment < n ? "Faint: not learned yet." : "";
    tell([`${verdict(stress, variance)}.`, note, late, faint].filter(Boolean).join(" "), words, `${by} ${kind} ${t}`);
    const [[x0, y0], [x1, y1]] = reach.get(`${by} ${kind}`), gap = 0.08 * Math.max(x1 - x0, y1 - y0, 1e-9);
    points(surface, {
      points: places.map(([x, y], j) => ({ x, y, name: tasks[j], look: look(j, T), bold: j === task, faint: fixed && j >= moment })),
      trails: fixed ? [] : places.map((_, j) => n <= 60 || j === task ? trail(by, kind, j, t) : []),
      title: `${short(way().label, 40)}, ${fixed ? `${n} tasks` : `after ${t} of ${T} tasks`}`, note: verdict(stress, variance),
      across: `${kind === "pca" ? "principal axis" : "map coordinate"} 1 (unit of the distances)`, up: `${kind === "pca" ? "principal axis" : "map coordinate"} 2`,
      limits: [x0 - gap, x1 + gap, y0 - gap, y1 + gap],
      words: (j) => described(by, j, places[j], n, t), pick: (j) => put(model, "task", j), clear: () => put(model, "task", -1),
    });
  }

  function trail(by, kind, j, t) {
    const path = [];
    for (let s = j + 1; s <= t; s++) { const known = maps.get(name(["map", by, kind, s])); if (known) path.push(known.points[j]); }
    return path;
  }

  function dimensions() {
    const t = Math.min(model.get("moment"), moments), [a, b] = [model.get("x"), model.get("y")], task = model.get("task");
    const { d, values } = row("embeddings", t), places = Array.from({ length: t }, (_, j) => [values[j * d + a], values[j * d + b]]);
    const halves = held("half_widths") ? row("half_widths", t).values : null;
    const boxes = halves ? places.map(([x, y], j) => framed(x, y, halves[j * d + a], halves[j * d + b], { name: tasks[j], look: look(j, T), bold: j === task, faint: task >= 0 && j !== task })) : [];
    const common = halves && t > 1 ? held("common").values.subarray((t - 1) * 2 * d, t * 2 * d) : null;
    if (common && common[a] <= common[d + a] && common[b] <= common[d + b])
      boxes.push({ x0: common[a], x1: common[d + a], y0: common[b], y1: common[d + b], look: { color: null, dash: [] }, hatch: true, name: "shared by all" });
    const star = halves && t > 1 ? held("universal").values.subarray((t - 1) * d, t * d) : [NaN], at = [star[a], star[b]], known = Number.isFinite(star[0]);
    const said = halves ? ` ${content.shared[t - 1]}` : "", which = a === b ? "One" : "Two", words = `${which} of ${d} dimensions, exact in themselves; as a map of all, ${verdict(...trustOf(places, t))}.`;
    tell(`${words}${said}`, `Tasks by embedding after ${t} of ${T} tasks, dimensions ${a} and ${b}. ${words}${said}`, `dimensions ${a} ${b} ${t}`);
    const shown = places.map(([x, y], j) => ({ x, y, name: tasks[j], look: look(j, T), bold: j === task }));
    if (known) shown.push({ x: at[0], y: at[1], name: "", look: { color: null, marker: "*" } });
    points(surface, {
      points: shown, boxes, trails: [], title: `After ${t} of ${T} tasks${boxes.length > t ? "; hatched: shared by all" : ""}${known ? "; star: universal point" : ""}`,
      across: `embedding dimension ${a}`, up: `embedding dimension ${b}`, limits: model.get("near") && boxes[task] && task < t ? around(boxes[task]) : undefined,
      words: (j) => j < t ? `${described("dimensions", j, places[j], t, t)}${halves ? `\nhalf-widths here: ${figures(halves[j * d + a])}, ${figures(halves[j * d + b])}` : ""}` : `universal point: (${figures(at[0])}, ${figures(at[1])})`,
      pick: (j) => { if (j < t) put(model, "task", j); }, clear: () => put(model, "task", -1),
    });
  }

  /** Stress, and share of the variance, of two dimensions. */
  function trustOf(places, t) {
    const { n, all } = between(t);
    let missed = 0, size = 0;
    for (let i = 0; i < t; i++) for (let j = 0; j < i; j++) {
      const square = (places[i][0] - places[j][0]) ** 2 + (places[i][1] - places[j][1]) ** 2;
      missed += (Math.sqrt(square) - all[i * n + j]) ** 2;
      size += square;
    }
    const { d, values } = row("embeddings", t), spread = (pick) => { const all = Array.from({ length: t }, (_, j) => pick(j)), mean = all.reduce((sum, x) => sum + x, 0) / t; return all.reduce((sum, x) => sum + (x - mean) ** 2, 0); };
    let total = 0;
    for (let k = 0; k < d; k++) total += spread((j) => values[j * d + k]);
    const two = spread((j) => places[j][0]) + spread((j) => places[j][1]);
    return [size > 0 ? Math.sqrt(missed / size) : missed > 0 ? null : 0, total > 0 ? two / total : 1];
  }

  function verdict(stress, variance) {
    const share = variance === null ? "" : `, ${(100 * variance).toFixed(0)} % of the variance`;
    if (stress === null) return `stress unknown${share}`;
    return `stress ${number(stress)} (${content.verdicts.find(([bound]) => bound === null || stress <= bound)[1]})${share}`;
  }

  function tell(line, words, shown) {
    trusted.textContent = line[0].toUpperCase() + line.slice(1);
    surface.canvas.setAttribute("aria-label", words);
    Object.assign(surface.canvas.dataset, { shown, task: model.get("task") });
    stage.tell(words);
  }

  for (const [about, map] of [...maps]) keep(about, map);
  stage.watch(["arrays", "by", "method", "moment", "x", "y", "near", "task", "rev"], draw);
  return stage.end;
}

/** A button that walks through the moments; none where a person wants no motion. */
function player(stage, last) {
  if (last < 2 || window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const { model } = stage;
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const button = stage.press("Play", () => {
    if (timer) { stop(); return; }
    if (model.get("moment") === last) put(model, "moment", 1);
    button.textContent = "Stop";
    timer = setInterval(() => { put(model, "moment", Math.min(model.get("moment") + 1, last)); if (model.get("moment") === last) stop(); }, PACE);
  });
  button.classList.add("clt-play");
  stage.undo.push(() => clearInterval(timer));
}

const name = (question) => JSON.stringify(question);
const figures = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : "×");
const framed = (x, y, wide, high, more) => ({ x0: x - wide, x1: x + wide, y0: y - high, y1: y + high, ...more });
const show = (control, yes) => { control.closest("label").style.display = yes ? "" : "none"; };

function around({ x0, x1, y0, y1 }) {
  const gap = 0.25 * Math.max(x1 - x0, y1 - y0, 1e-9);
  return [x0 - gap, x1 + gap, y0 - gap, y1 + gap];
}

export default { render };
