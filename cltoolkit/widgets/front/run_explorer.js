import { Stage, array, lines, look, matrix, number, put } from "./view.js";

function render({ model, el }) {
  const stage = new Stage(model, el, "run");
  const runs = model.get("content").runs, tasks = model.get("content").tasks;
  stage.choose("Run", "run", runs.map((name, i) => [i, name]));
  const cells = stage.canvas({ width: 460, height: 360 }, "Accuracy matrix");
  const history = stage.canvas({ width: 380, height: 360 }, "Accuracy of each task over time");
  stage.watch(["arrays", "run", "task", "rev"], () => {
    const { shape: [, m, T], values } = array(model, "accuracy"), own = values.subarray(model.get("run") * m * T, (model.get("run") + 1) * m * T), task = model.get("task");
    const rows = ["before", ...tasks.map((name) => `after ${name}`)];
    matrix(cells, { values: own, shape: [m, T], rows, columns: tasks, title: "Test accuracy", across: "tested on task", boxed: (i, j) => i === j + 1, picked: [-1, task],
      words: (i, j) => `${rows[i]}, on ${tasks[j]}: ${number(own[i * T + j])}`, pick: (i, j) => put(model, "task", j), clear: () => put(model, "task", -1) });
    const x = Float32Array.from({ length: m }, (_, i) => i);
    lines(history, { title: "How it came about", across: "tasks learned", up: "accuracy", ylim: [0, 1], xlim: [0, m - 1],
      lines: tasks.map((name, j) => ({ name, x, y: x.map((_, i) => own[i * T + j]), look: look(j, T), faint: task >= 0 && task !== j, bold: task === j, j })),
      words: (line, k) => `${line.name}, ${rows[k]}: ${number(line.y[k])}`, pick: (line) => put(model, "task", line.j), clear: () => put(model, "task", -1) });
  });
  return stage.end;
}

export default { render };
