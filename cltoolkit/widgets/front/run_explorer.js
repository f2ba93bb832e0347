import { Stage, array, ask, element, lines, look, matrix, number, putAll, put, short, signed } from "./view.js";

const VIEWS = [["history", "how it came about"], ["average", "average so far"], ["curves", "losses"], ["anytime", "accuracy during training"]];
const two = (x) => number(x, 2);

/** What the model holds, as this view reads it. */
function record(model) {
  const content = model.get("content"), { runs, tasks, metrics } = content;
  const all = array(model, "accuracy"), [, m, T] = all.shape;
  const of = (name, r) => { const { shape: [, ...rest], values } = array(model, name), size = rest.reduce((a, b) => a * b, 1); return values.subarray(r * size, (r + 1) * size); };
  const metric = metrics.find((each) => each.name === model.get("metric")) ?? null;
  const dialect = metric && (metric.dialects.find((each) => each.name === model.get("dialect")) ?? metric.dialects[0]);
  const moments = ["before", ...tasks.map((name) => `after ${name}`)];
  return { content, runs, tasks, metrics, metric, dialect, moments, m, T, of, run: model.get("run"), other: model.get("other"), task: model.get("task"), moment: model.get("moment"),
    accuracy: (r) => of("accuracy", r), value: (r, at) => of("values", r)[at] };
}

/** 1 where the chosen dialect depends on a cell; null without one. */
function lit({ dialect, of, content, run }) {
  return dialect && Uint8Array.from(of("cells", content.cells_of[run]), (bits) => (bits >> dialect.at) & 1);
}

/** The cell picked, against the moment at which its task was learned. */
function sentence({ accuracy, run, other, task: j, moment, tasks, runs, T }, own = accuracy(run)) {
  if (j < 0) return "";
  const i = moment < 0 ? T : moment, at = (row) => own[row * T + j], when = i ? `After ${tasks[i - 1]}` : "Before training";
  const said = `${when}, task ${tasks[j]}: ${two(at(i))}`, beside = other < 0 ? "" : ` ${runs[other]}: ${two(accuracy(other)[i * T + j])}.`;
  if (i <= j) return `${said}; it is not learned yet.${beside}`;
  if (i === j + 1) return `${said}, right after it was learned.${beside}`;
  return `${said}; right after it was learned ${two(at(j + 1))}: ${signed(at(i) - at(j + 1), 2)}.${beside}`;
}

/** Slopes, asked for once: `of(i, j)` gives a number, null while it is under way or where it cannot be known. */
function slopes(model, arrived) {
  const known = new Map(), missing = new Set();
  const request = (question, about) => {
    known.set(about, null);
    ask(model, question).then((answer) => { known.set(about, answer); arrived(); }, () => { missing.add(about); arrived(); });
  };
  return {
    missing: ({ run, metric, dialect, content }) => content.at_once ? missing.has(JSON.stringify(["slopes", run, metric.name, dialect.name])) : !model.get("kernel"),
    prepare({ content, run, metric, dialect }) {
      const question = ["slopes", run, metric.name, dialect.name], about = JSON.stringify(question);
      if (content.at_once && !known.has(about)) request(question, about);
    },
    of({ content, run, metric, dialect, T }, marks, i, j) {
      if (content.at_once) {
        const all = known.get(JSON.stringify(["slopes", run, metric.name, dialect.name]));
        return all ? all[marks.subarray(0, i * T + j).reduce((sum, mark) => sum + mark, 0)] : null;
      }
      const question = ["slope", run, metric.name, dialect.name, i, j], about = JSON.stringify(question);
      if (model.get("kernel") && !known.has(about)) request(question, about);
      return known.get(about) ?? null;
    },
  };
}

function drawMatrix(surface, model, known) {
  const held = record(model), { runs, tasks, moments, accuracy, run, other, task, moment, m, T, dialect } = held;
  const own = accuracy(run), than = other < 0 ? null : accuracy(other), marks = lit(held);
  const values = than ? own.map((x, k) => x - than[k]) : own, [least, most] = [Math.min(0, ...span(values)), Math.max(than ? 0.05 : 1, ...span(values))], far = Math.max(-least, most);
  if (dialect) known.prepare(held);
  const words = (i, j) => {
    const k = i * T + j, parts = [`${moments[i]}, on ${tasks[j]}: ${number(own[k])}`];
    if (than) parts.push(`${runs[other]}: ${number(than[k])}; difference ${signed(values[k])}`);
    const slope = marks?.[k] ? known.of(held, marks, i, j) : null;
    if (marks) parts.push(!marks[k] ? `${dialect.key} does not depend on it` : slope === null ? `${dialect.key} uses it` : `+0.10 here: ${signed(slope / 10, 4)} in ${dialect.key}`);
    return parts.join("\n");
  };
  matrix(surface, { values, shape: [m, T], rows: moments, columns: tasks, across: "tested on task", low: than ? -far : least, high: than ? far : most, map: than ? "diverging" : "sequential",
    title: than ? "Test accuracy, less that of the Run compared with" : `Test accuracy, ${short(runs[run], 40)}`, lit: marks, boxed: (i, j) => i === j + 1, picked: [task < 0 ? -1 : moment, task], words,
    pick: (i, j) => putAll(model, { task: j, moment: i }), clear: () => putAll(model, { task: -1, moment: -1 }) });
  surface.canvas.setAttribute("aria-label", `Accuracy matrix, ${m} moments by ${T} tasks. ${held.content.told[run]} ${sentence(held)}`);
}

function span(values) {
  let low = 0, high = 0;
  for (const x of values) { if (x < low) low = x; if (x > high) high = x; }
  return [low, high];
}

/** Lines of all tasks, those of the Run compared with dashed. */
function history({ accuracy, run, other, task, moment, tasks, moments, runs, m, T }, model) {
  const x = Float32Array.from({ length: m }, (_, i) => i), [least, most] = span(other < 0 ? accuracy(run) : [...span(accuracy(run)), ...span(accuracy(other))]);
  const of = (r, dash) => tasks.map((name, j) => ({ name: dash ? `${name}, ${runs[r]}` : name, x, y: x.map((_, i) => accuracy(r)[i * T + j]), j, faint: task >= 0 && task !== j, bold: task === j, look: { ...look(j, T), ...dash } }));
  const all = other < 0 ? of(run) : [...of(run, { dash: [] }), ...of(other, { dash: [6, 3] })].filter((line) => T <= 7 || line.j === task || !line.look.dash.length);
  return { title: other < 0 ? "How it came about" : "How it came about (dashed: the other Run)", across: "tasks learned", up: "accuracy", lines: all, ylim: [Math.min(0, least), Math.max(1, most)], xlim: [0, m - 1], at: moment < 0 ? undefined : moment,
    words: (line, k) => `${line.name}, ${moments[k]}: ${number(line.y[k])}`, pick: (line, k) => putAll(model, { task: line.j, moment: k }) };
}

function average({ of, runs, run, other, T }) {
  const x = Float32Array.from({ length: T }, (_, i) => i + 1);
  const dash = (r) => (r === other ? { dash: [6, 3] } : {});
  const all = runs.map((name, r) => ({ name, x, y: of("average", r), look: { ...look(r, runs.length), ...dash(r) }, bold: r === run, faint: runs.length > 1 && r !== run && r !== other && (other >= 0 || runs.length > 7), r }));
  return { title: "Average accuracy on the tasks seen so far", across: "tasks seen so far", up: "accuracy", lines: all, xlim: [1, Math.max(T, 2)], ylim: scores(all), words: (line, k) => `${line.name}, ${k + 1} tasks: ${number(line.y[k])}` };
}

/** Up to one, and down to the tenth below the lowest. */
function scores(all) {
  let low = 1, high = 1;
  for (const { y } of all) for (const v of y) { if (v < low) low = v; if (v > high) high = v; }
  return [low >= 0 ? Math.max(0, Math.floor(10 * low - 0.5) / 10) : low, high];
}

/** The lines of an array `(L, 2, P)`. */
function unpacked(held) {
  if (!held) return [];
  const { shape: [L, , P], values } = held;
  return Array.from({ length: L }, (_, l) => ({ x: values.subarray(2 * l * P, (2 * l + 1) * P), y: values.subarray((2 * l + 1) * P, 2 * (l + 1) * P) }));
}

function curves({ content, run, runs }, model) {
  const names = content.losses[run], begins = content.begins[run];
  const all = unpacked(array(model, `curves ${run}`)).map((line, l) => ({ ...line, name: names[l], look: look(l, names.length) }));
  const known = all.flatMap(({ y }) => [...y].filter(Number.isFinite)), low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity), log = low > 0 && high > 30 * low;
  return { title: `Losses${log ? ", on a logarithmic axis" : ""}`, across: "training steps", up: "loss", lines: all, log, xlim: [0, begins[begins.length - 1] || 1], ylim: known.length ? [log ? low : Math.min(0, low), high] : undefined, begins: begins.slice(1, -1),
    words: (line, k) => `${line.name}, step ${line.x[k]}: ${number(line.y[k], 4)}`, nothing: `${runs[run]} has no logged losses; train with log_every set to fewer steps to see them here.` };
}

function anytime({ content, run, runs, task, tasks, T }, model) {
  const begins = content.begins[run];
  const all = unpacked(array(model, `anytime ${run}`)).map((line, j) => ({ ...line, name: tasks[j], j, faint: task >= 0 && task !== j, bold: task === j, look: { ...look(j, T), dash: T > 20 ? [] : look(j, T).dash } }));
  return { title: "Accuracy during training", across: "training steps", up: "accuracy", lines: all, xlim: [0, begins[begins.length - 1] || 1], ylim: scores(all), begins: begins.slice(1, -1),
    words: (line, k) => `${line.name}, step ${line.x[k]}: ${number(line.y[k])}`, pick: (line) => put(model, "task", line.j), nothing: `${runs[run]} was not evaluated during training; train with eval_every set to see here what happens within tasks.` };
}

const BESIDE = { history, average, curves, anytime };

function drawBeside(surface, model) {
  const held = record(model), clear = () => putAll(model, { task: -1, moment: -1 }), data = BESIDE[model.get("view")](held, model);
  lines(surface, { ...data, clear });
  const shown = data.lines.length ? `${data.title}, ${data.lines.length} line${data.lines.length > 1 ? "s" : ""}. ${sentence(held)}` : data.nothing;
  surface.canvas.setAttribute("aria-label", shown);
}

// Beside the pictures

function explained(panel, model, known) {
  const held = record(model), { metric, dialect, run, other, runs, value, content } = held;
  panel.hidden = !metric;
  if (!metric) return "";
  const marks = lit(held), used = marks.reduce((sum, mark) => sum + mark, 0), own = value(run, dialect.at), than = other < 0 ? "" : `; ${runs[other]} ${number(value(other, dialect.at), 4)}, difference ${signed(own - value(other, dialect.at), 4)}`;
  const cells = !dialect.cells ? "from evaluations during training, not from this matrix" : `from ${used} of ${marks.length} cells`, sources = known.missing(held) && used ? " What a change of one cell does is computed in a notebook." : "";
  const rows = [[`${metric.title} (${dialect.name})`, "strong"], [`${number(own, 4)}${than}`, "data"], [dialect.formula, "code"], [`${metric.direction} is better; ${metric.unit}; ${cells}.${sources}`, "span"], [metric.note, "span"]];
  const doubt = content.doubts[run][metric.name];
  if (doubt) rows.push([`Warning: ${doubt}`, "em"]);
  panel.replaceChildren(...rows.map(([text, tag]) => Object.assign(document.createElement(tag), { textContent: text })));
  return rows.map(([text]) => text).join(" ");
}

function table(into, model) {
  const { metrics, runs, run, other, value } = record(model), two = other >= 0;
  const head = ["metric", runs[run], ...(two ? [runs[other], "difference"] : []), "better"];
  const rows = metrics.flatMap((metric) => metric.dialects.map((dialect) => {
    const own = value(run, dialect.at), than = two ? value(other, dialect.at) : NaN;
    return [`${metric.title} (${dialect.name})`, number(own, 4), ...(two ? [number(than, 4), signed(own - than, 4)] : []), metric.direction];
  }));
  const made = document.createElement("table");
  for (const [k, row] of [head, ...rows].entries()) {
    const tr = element("tr", "", made);
    row.forEach((text, c) => {
      const cell = element(k && c ? "td" : "th", "", tr);
      cell.textContent = text;
      if (!k || !c) cell.setAttribute("scope", k ? "row" : "col");
    });
  }
  into.replaceChildren(made);
}

// The whole

function render({ model, el }) {
  const stage = new Stage(model, el, "run-explorer"), { runs, metrics, T } = record(model), named = runs.map((name, r) => [r, name]);
  stage.choose("Run", "run", named);
  if (runs.length > 1) stage.choose("compare with", "other", [[-1, "none"], ...named]);
  stage.choose("beside", "view", VIEWS);
  stage.choose("metric", "metric", [["", "none"], ...metrics.map(({ name, title }) => [name, title])]);
  const dialects = stage.choose("dialect", "dialect", [["", "none"]]);
  const size = T > 12 ? { width: 560, height: 500 } : { width: 470, height: 380 };
  const cells = stage.canvas(size, "Accuracy matrix"), beside = stage.canvas({ width: 440, height: size.height }, "Lines");
  const panel = element("div", "clt-explained", stage.root), more = element("details", "clt-metrics", stage.root);
  element("summary", "", more).textContent = "All metrics";
  const into = element("div", "clt-scroll", more);
  stage.root.append(stage.said, stage.words.parentElement);
  const known = slopes(model, () => { cells.focus(cells.item); explained(panel, model, known); });
  stage.watch(["metric", "dialect"], () => {
    const { metric, dialect } = record(model), all = metric ? metric.dialects.map(({ name }) => name) : ["none"];
    if (metric && model.get("dialect") && dialect.name !== model.get("dialect")) put(model, "dialect", "");
    stage.options(dialects, "dialect", all.map((name, k) => [k ? name : "", name]));
    dialects.selectedIndex = dialect ? all.indexOf(dialect.name) : 0;
    dialects.disabled = all.length < 2;
  });
  stage.watch(["rev", "run", "other", "task", "moment", "metric", "dialect"], () => drawMatrix(cells, model, known));
  stage.watch(["rev", "run", "other", "task", "moment", "view"], () => drawBeside(beside, model));
  stage.watch(["rev", "run", "other"], () => table(into, model));
  stage.watch(["other"], () => { more.open = more.open || model.get("other") >= 0; });
  stage.watch(["rev", "run", "other", "task", "moment", "metric", "dialect"], () => {
    const held = record(model), said = sentence(held);
    if (said || stage.said.textContent) stage.say(said);
    stage.tell([held.content.told[held.run], explained(panel, model, known), said].filter(Boolean).join("\n"));
  });
  return stage.end;
}

export default { render };
