import { Stage, array, element, lines, look, matrix, number, points, put, write } from "./view.js";

const WORDS = { ready: "ready", training: "training", paused: "paused", stopped: "stopped; what is learned is kept", finished: "finished", failed: "failed; what was saved is kept" };

function render({ model, el }) {
  const stage = new Stage(model, el, "board");
  const { tasks } = model.get("content"), T = tasks.length;
  buttons(stage);
  const problem = element("pre", "clt-problem", stage.root);
  problem.setAttribute("role", "alert");
  stage.root.insertBefore(problem, stage.body);
  stage.watch(["problem"], () => { problem.textContent = model.get("problem"); problem.hidden = !model.get("problem"); });
  const pictures = {
    cells: stage.canvas({ width: 430, height: 330 }, "Accuracy matrix"),
    losses: stage.canvas({ width: 430, height: 330 }, "Curves of training"),
    map: stage.canvas({ width: 430, height: 300 }, "Task embeddings"),
    side: stage.canvas({ width: 430, height: 300 }, "Average accuracy"),
  };
  const pick = { pick: (t) => put(model, "task", t), clear: () => put(model, "task", -1) };
  stage.watch(["rev", "task", "loss"], () => {
    const task = model.get("task");
    filled(pictures.cells, model, tasks, task, pick);
    falling(pictures.losses, model, tasks, model.get("loss"));
    drifting(pictures.map, model, tasks, task, pick);
    if (array(model, "widths")) shrinking(pictures.side, model, tasks, task, pick);
    else if (array(model, "curve/width")) falling(pictures.side, model, tasks, "width");
    else average(pictures.side, model, T);
  });
  return stage.end;
}

function buttons(stage) {
  const { model } = stage, live = model.get("kernel");
  const act = (label, wish) => stage.press(label, () => model.send({ do: wish }));
  const all = live ? { start: act("▶ Start", "start"), pause: act("Pause", "pause"), step: act("One step", "step"), task: act("One task", "task"), stop: act("Stop", "stop") } : {};
  const bar = element("progress", "", stage.bar);
  bar.setAttribute("aria-label", "Progress of training");
  const where = element("span", "clt-where", stage.bar);
  const curves = stage.choose("Curve", "loss", []);
  stage.watch(["rev"], () => stage.options(curves, "loss", (model.get("content").curves ?? []).map((name) => [name, name])));
  stage.watch(["state", "place"], () => {
    const state = model.get("state"), { done, total, task, phase, seconds } = model.get("place"), over = state === "finished" || state === "failed";
    Object.assign(bar, { max: total, value: done });
    const name = model.get("content").tasks[task], now = state === "finished" ? "" : `task ${task + 1} of ${model.get("content").tasks.length} ${name}${phase ? `, ${phase}` : ""}, `;
    where.textContent = `${WORDS[state]}: ${now}step ${done} of ${total}, ${seconds} s`;
    stage.root.dataset.state = state;
    if (!live) return;
    all.start.disabled = over || state === "training";
    all.start.textContent = state === "ready" ? "▶ Start" : "▶ Go on";
    all.pause.disabled = state !== "training";
    all.step.disabled = all.task.disabled = over;
    all.stop.disabled = over || state === "stopped";
  });
}

function filled(surface, model, tasks, task, { pick, clear }) {
  const { shape, values } = array(model, "accuracy"), T = tasks.length, rows = ["before", ...tasks.map((name) => `after ${name}`)];
  matrix(surface, { values, shape, rows, columns: tasks, title: "Test accuracy", across: "tested on task", boxed: (i, j) => i === j + 1, picked: [-1, task],
    words: (i, j) => `${rows[i]}, on ${tasks[j]}: ${number(values[i * T + j])}`, pick: (i, j) => pick(j), clear });
}

function falling(surface, model, tasks, name) {
  const held = array(model, `curve/${name}`), starts = model.get("content").starts ?? [];
  const column = (k) => (held ? Float32Array.from({ length: held.shape[0] }, (_, i) => held.values[4 * i + k]) : new Float32Array());
  const [x, y, low, high] = [0, 1, 2, 3].map(column);
  const every = Math.max(1, Math.ceil(tasks.length / 8));
  lines(surface, { title: held ? `${name} of each step (mean, least and largest)` : "no step yet", across: "steps logged, from the first of each task",
    lines: x.length ? [{ name, x, y, low, high, look: look(0, 1) }] : [], xlim: [0, Math.max(x.at(-1) ?? 0, 1)],
    xticks: starts.filter((at, t) => t % every === 0 && at <= (x.at(-1) ?? 0)).map((at) => ({ at, text: tasks[starts.indexOf(at)].slice(0, 8) })), words: (line, k) => `step ${x[k]}: ${number(y[k], 4)}` });
}

function drifting(surface, model, tasks, task, { pick, clear }) {
  const held = array(model, "map"), past = array(model, "trails");
  if (!held) {
    const why = model.get("content").embeds ? "Task embeddings: from the second task on" : "This learner has no task embeddings";
    surface.show((ctx, ink) => write(ctx, why, 40, 12, { color: ink, size: 12, bold: true }));
    return;
  }
  const n = held.shape[0], long = past.shape[1];
  const at = (t, k) => [past.values[2 * (t * long + k)], past.values[2 * (t * long + k) + 1]];
  points(surface, { title: "Task embeddings", across: "first direction", up: "second direction", note: `the plane of ${Math.round(100 * model.get("content").shown)} % of their variance`,
    points: Array.from({ length: n }, (_, t) => ({ x: held.values[2 * t], y: held.values[2 * t + 1], name: tasks[t], look: look(t, tasks.length), bold: t === task, faint: task >= 0 && t !== task })),
    trails: Array.from({ length: n }, (_, t) => Array.from({ length: long }, (_, k) => at(t, k)).filter(([x]) => Number.isFinite(x))), pick, clear });
}

function shrinking(surface, model, tasks, task, { pick, clear }) {
  const { shape: [n, columns], values } = array(model, "widths"), x = Float32Array.from({ length: n }, (_, k) => values[k * columns]);
  const width = (t) => x.map((_, k) => Math.log10(values[k * columns + 1 + t]));
  const known = tasks.map((name, t) => ({ name, t, y: width(t) })).filter(({ y }) => y.some(Number.isFinite));
  lines(surface, { title: "Median half-width of each task's box", across: "steps", up: "log₁₀ half-width",
    lines: known.map(({ name, t, y }) => ({ name, t, x, y, look: look(t, tasks.length), bold: t === task, faint: task >= 0 && t !== task })),
    words: (line, k) => `${line.name}, step ${x[k]}: half-width ${(10 ** line.y[k]).toPrecision(3)}`, pick: (line) => pick(line.t), clear });
}

function average(surface, model, T) {
  const { values } = array(model, "accuracy"), x = [], y = [];
  for (let i = 1; i <= T; i++) { x.push(i); let sum = 0; for (let j = 0; j < i; j++) sum += values[i * T + j]; y.push(sum / i); }
  lines(surface, { title: "Average accuracy on the tasks so far", across: "tasks learned", up: "accuracy", xlim: [1, Math.max(T, 2)], ylim: [0, 1], lines: [{ name: "average", x, y, look: look(0, 1) }] });
}

export default { render };
