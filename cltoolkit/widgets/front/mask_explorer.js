import { Stage, array, element, extent, lines, matrix, put, putAll } from "./view.js";
import { capacity, key, owned, scores, tree } from "./mask_bars.js";
import { drawn, height, holds, weight, weights } from "./mask_weights.js";

const percent = (share) => { const value = 100 * share; return `${value.toFixed(value >= 9.95 || value < 0.05 ? 0 : 1)} %`; };
const count = (n, what) => `${Math.round(n).toLocaleString("en-US")} ${what}${Math.round(n) === 1 ? "" : "s"}`;
const sum = (values) => values.reduce((all, x) => all + x, 0);

/** The counts of the model, with the sentences that they make. */
class Ledger {
  constructor(model) {
    const { tasks, layers, grids, T } = model.get("content");
    for (const name of ["kept", "exclusive", "sizes", "shared", "by_chance", "used_by_chance", "reused", "donor", "scores", "levels"]) this[name] = array(model, name).values;
    Object.assign(this, { T, L: layers.length, names: tasks, layers, grids, cells: array(model, "owner")?.values, users: array(model, "users")?.values });
    this.total = sum(this.sizes);
    this.size = Array.from({ length: T }, (_, t) => sum(this.row("kept", t)));
  }

  row(name, t) { return this[name].subarray(t * this.L, (t + 1) * this.L); }

  pair(i, j) {
    const at = i * this.T + j, smaller = Math.min(this.size[i], this.size[j]), { shared, by_chance: chance } = this;
    const of = smaller ? `: ${percent(shared[at] / smaller)} of the smaller mask` : "";
    return `${this.names[i]} and ${this.names[j]} share ${count(shared[at], "weight")}${of}; chance would give ${smaller ? `${percent(chance[at] / smaller)} of it (${count(chance[at], "weight")})` : "none"}.`;
  }

  mask(t) {
    return `The mask of ${this.names[t]} holds ${count(this.size[t], "weight")}, ${percent(this.size[t] / this.total)} of all; ${count(sum(this.row("exclusive", t)), "weight")} of them no earlier mask holds.`;
  }

  most(t) {
    const others = [...Array(this.T).keys()].filter((j) => j !== t), excess = (j) => this.shared[t * this.T + j] - this.by_chance[t * this.T + j];
    return others.length ? ` It shares most, chance taken off, with ${this.names[others.reduce((best, j) => (excess(j) > excess(best) ? j : best))]}.` : "";
  }

  origin(t) {
    const own = this.scores.subarray(t * this.T, t * this.T + t), [needed, chance] = this.levels.subarray(2 * t, 2 * t + 2), k = this.donor[t], name = this.names[t];
    const bar = Number.isFinite(needed) ? `; more than ${needed.toFixed(2)} was needed (chance ${chance.toFixed(2)})` : "";
    if (k >= 0) return `${name} started from ${this.names[k]}${Number.isFinite(own[k]) ? ` with a score of ${own[k].toFixed(2)}` : ""}${bar}.`;
    if (!own.some(Number.isFinite)) return `${name} was offered no earlier mask, and started from scores of its own.`;
    const best = own.reduce((most, x, j) => (Number.isFinite(x) && !(own[most] >= x) ? j : most), 0);
    return `${name}: none, fell back to a start of its own; the best, ${this.names[best]}, scored ${own[best].toFixed(2)}${bar}.`;
  }
}

function render({ model, el }) {
  const stage = new Stage(model, el, "masks"), content = () => model.get("content");
  let held = new Ledger(model);
  const { T } = held, go = { task: (t) => put(model, "task", t), other: (t) => put(model, "other", t) }, clear = () => putAll(model, { task: -1, other: -1 });
  const tasks = [[-1, "none"], ...held.names.slice(0, T).map((name, t) => [t, name])];
  stage.choose("Show", "view", content().views);
  const own = {
    measure: stage.choose("Overlap as", "measure", content().measures),
    layer: stage.choose("Layer", "layer", held.layers.map((name) => [name, name])),
    moment: stage.slide("After", "moment", { min: 1, max: T, text: (t) => `${t} of ${T} task${T === 1 ? "" : "s"}` }),
    task: stage.choose("Task", "task", tasks),
    other: stage.choose("with", "other", tasks),
  };
  const main = stage.canvas({ width: 620, height: 440 }, "Masks"), side = stage.canvas({ width: 440, height: 340 }, "Scores of donors");
  for (const text of content().missing) element("p", "clt-missing", stage.root).textContent = text;

  const uses = { overlap: ["measure", "task", "other"], capacity: ["moment", "task"], weights: ["layer", "moment", "task"], donors: ["task"], exclusive: ["task"] };
  const shown = { overlap, capacity: shares, weights: owners, donors, exclusive };
  stage.watch(["arrays"], () => { held = new Ledger(model); });
  stage.watch(["arrays", "view", "measure", "moment", "layer", "task", "other", "rev"], () => {
    if (main.canvas.dataset.view !== model.get("view")) [main, side].forEach((surface) => surface.focus(null)); // items of another picture
    const view = model.get("view"), task = model.get("task") < T ? model.get("task") : -1, other = model.get("other") < T ? model.get("other") : -1;
    for (const [name, control] of Object.entries(own)) control.closest("label").style.display = uses[view].includes(name) ? "" : "none";
    side.box.hidden = view !== "donors";
    const said = shown[view](task, other);
    main.canvas.setAttribute("aria-label", said);
    main.canvas.dataset.view = view;
    stage.say(said);
    stage.tell(`${content().told} ${said}`);
  });

  /** Makes room for a picture of another size, without drawing the last one again. */
  function room(width, height) {
    main.again = () => {};
    main.want(width, height);
  }

  function overlap(task, other) {
    const pair = task >= 0 && other >= 0 && other !== task, measure = model.get("measure"), root = (i, j) => Math.sqrt(held.size[i] * held.size[j]);
    const kinds = {
      excess: { title: "More in common than by chance", of: (at, i, j) => (held.shared[at] - held.by_chance[at]) / root(i, j), across: "shared / √(sizes), minus chance", digits: 2 },
      share: { title: "Share in common", of: (at, i, j) => held.shared[at] / root(i, j), across: "shared / √(sizes)", digits: 2 },
      count: { title: "Weights in common", of: (at) => held.shared[at], across: "weights in both masks", digits: 0 },
    };
    const { title, of, across, digits } = kinds[measure], names = held.names.slice(0, T);
    const values = Float32Array.from({ length: T * T }, (_, at) => { const i = Math.floor(at / T), j = at % T; return i === j ? NaN : of(at, i, j); });
    const [low, high] = extent(values), most = Math.max(Math.abs(low), Math.abs(high)) || 0.01;
    room(620, 440);
    matrix(main, { values, shape: [T, T], rows: names, columns: names, title, across: `${across} (×: a mask with itself)`, digits,
      low: measure === "excess" ? -most : 0, high: most, map: measure === "excess" ? "diverging" : "sequential", picked: [task, pair ? other : -1],
      words: (i, j) => (i === j ? held.mask(i) : held.pair(i, j)), pick: (i, j) => putAll(model, { task: i, other: i === j ? -1 : j }), clear });
    if (pair) return held.pair(task, other);
    return task >= 0 ? held.mask(task) + held.most(task) : "Pick a cell: what do the masks of two tasks have in common?";
  }

  function shares(task) {
    const moment = model.get("moment"), { L } = held;
    const layer = (l, name) => ({ name, size: held.sizes[l], parts: Array.from({ length: T }, (_, t) => held.exclusive[t * L + l] / held.sizes[l]), chance: held.used_by_chance[moment * L + l] });
    const rows = held.layers.map((name, l) => layer(l, name));
    if (L > 1) rows.unshift({ name: "all layers", bold: true, size: held.total, parts: Array.from({ length: T }, (_, t) => sum(held.row("exclusive", t)) / held.total), chance: sum(rows.map((row) => row.chance * row.size)) / held.total });
    for (const row of rows) row.note = `${row.size.toLocaleString("en-US")} weights, ${percent(sum(row.parts.slice(0, moment)))} used`;
    const tall = Math.min(560, Math.max(270, 92 + 44 * rows.length));
    room(760, tall);
    capacity(main, { rows, T, moment, names: held.names, picked: task, title: `Who owns the weights after ${count(moment, "task")}`, clear, pick: go.task,
      words: (i, t) => {
        const row = rows[i], part = t === T ? Math.max(0, 1 - sum(row.parts.slice(0, moment))) : row.parts[t], n = count(part * row.size, "weight");
        return t === T ? `${row.name}: ${n}, ${percent(part)}, are free after ${count(moment, "task")}` : `${row.name}: ${held.names[t]} owns ${n}, ${percent(part)}`;
      } });
    const used = sum(rows[0].parts.slice(0, moment));
    return task >= 0 ? held.mask(task) : `After ${count(moment, "task")} ${percent(used)} of ${count(rows[0].size, "weight")} are in use; independent masks of these sizes would use ${percent(rows[0].chance)}.`;
  }

  function owners(task) {
    const moment = model.get("moment"), l = held.layers.indexOf(model.get("layer")), grid = held.grids[l], size = grid.rows * grid.columns, n = held.cells.length;
    const owner = held.cells.subarray(grid.begin, grid.begin + size), at = (c) => `weight [${weight(grid, c).join(", ")}]`;
    const uses = (c, t) => t < moment && (holds(held.users, n, grid.begin + c, t) ?? owner[c] === t);
    const part = (t) => held.exclusive[t * held.L + l] / held.sizes[l], free = Math.max(0, 1 - sum([...Array(moment).keys()].map(part)));
    const picked = task >= 0 && task < moment ? task : -1;
    room(760, height(grid, T, 760));
    weights(main, { grid, owner, moment, color: (t) => owned(t, T), lit: (c) => picked < 0 || uses(c, picked), clear, pick: go.task,
      title: `${grid.name} (${grid.shape.join(" × ")}) after ${count(moment, "task")}${picked < 0 ? "" : `: the mask of ${held.names[picked]}`}`,
      legend: (ctx, ink, x, y, tall) => key(ctx, ink, { x, y, height: tall, names: held.names, T, picked, plain: true, free: percent(free), texts: Array.from({ length: T }, (_, t) => (t < moment ? percent(part(t)) : "later")) }),
      words: (c) => {
        const t = owner[c];
        if (!(t >= 0 && t < moment)) return `${at(c)}: free${t >= moment ? ` so far; ${held.names[t]} takes it later` : "; no mask holds it"}`;
        const users = [...Array(moment).keys()].filter((j) => uses(c, j)).map((j) => held.names[j]);
        return `${at(c)}: owner ${held.names[t]}\n${held.users.length ? `in the mask${users.length === 1 ? "" : "s"} of ${users.length > 8 ? `${users.length} tasks: ${users.slice(0, 8).join(", ")}, …` : users.join(", ")}` : "this page does not know which other tasks use it: there are too many"}`;
      } });
    const which = picked < 0 ? "" : ` ${held.names[picked]} uses ${count(held.kept[picked * held.L + l], "weight")} of it, ${count(held.exclusive[picked * held.L + l], "weight")} for the first time.`;
    return `${grid.name}: ${percent(free)} of ${count(held.sizes[l], "weight")} are free after ${count(moment, "task")}; ${drawn(grid)}.${which}`;
  }

  function donors(task) {
    const t = task >= 0 ? task : T - 1, other = model.get("other") < t ? model.get("other") : -1, donor = [...held.donor];
    room(480, 340);
    tree(main, { donor, names: held.names, picked: task, title: "From which mask each started", words: (j) => held.origin(j), pick: (j) => putAll(model, { task: j, other: -1 }), clear,
      scores: (j) => held.scores[j * T + donor[j]] });
    const own = held.scores.subarray(t * T, t * T + t), asked = own.some(Number.isFinite);
    scores(side, { values: asked ? [...own] : [], names: held.names, chosen: donor[t], needed: held.levels[2 * t], chance: held.levels[2 * t + 1], picked: other, title: `Starts offered to ${held.names[t]}`,
      words: (k) => `${held.names[k]} as a start for ${held.names[t]}: ${own[k].toFixed(3)}${k === donor[t] ? ", the donor" : own[k] <= held.levels[2 * t] ? ", not enough" : ""}`, pick: go.other, clear: () => go.other(-1) });
    side.canvas.setAttribute("aria-label", held.origin(t));
    return held.origin(t);
  }

  function exclusive(task) {
    const x = Float32Array.from({ length: T }, (_, t) => t + 1), percents = (k) => held.reused.subarray(k * T, (k + 1) * T).map((share) => 100 * share);
    const look = (k) => ({ color: theme.colors[k], dash: theme.dashes[k], marker: theme.markers[k] });
    const most = Math.max(10, 110 * extent(held.reused)[1]);
    room(620, 360);
    lines(main, { title: "Weights of each mask that earlier masks hold", across: "task, in the order learned", up: "share of the mask (%)", ylim: [-0.13 * most, most], xlim: [1, Math.max(2, T)],
      xticks: x.length <= 20 ? [...x].map((at) => ({ at, text: String(at) })) : undefined, at: task >= 0 ? task + 1 : undefined,
      lines: [{ name: "measured", x, y: percents(0), look: look(0), bold: true }, { name: "independent masks", x, y: percents(1), look: look(1) }],
      words: (line, k) => `${held.names[k]}, ${line.name}: ${percent(line.y[k] / 100)} of its mask is held by earlier ones, ${percent(1 - line.y[k] / 100)} is exclusive`, pick: (line, k) => go.task(k), clear });
    const t = task >= 0 ? task : T - 1, [now, null_] = [held.reused[t], held.reused[T + t]];
    return `${held.names[t]}: earlier masks hold ${percent(now)} of its mask, and ${percent(1 - now)} is exclusive; of independent masks it would be ${percent(null_)} and ${percent(1 - null_)}.`;
  }
  return stage.end;
}

export default { render };
