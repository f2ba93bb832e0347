import { array, grid, mark, signed, stroke, ticks, write } from "./view.js";
import { stripes } from "./interval_spans.js";

export const COLUMNS = 10; // pictures in a row

/** Margins of a task as { rank, margin, example, right, picture, label } each, least first. */
export function margins(model, task) {
  const { shape: [count], values } = array(model, `margins/${task}`);
  return Array.from({ length: count }, (_, k) => ({ rank: values[6 * k], margin: values[6 * k + 1], example: values[6 * k + 2], right: values[6 * k + 3] === 1, picture: values[6 * k + 4], label: values[6 * k + 5] }));
}

/** One example in words; `about` is what is known of its certificate. */
export function said({ rank, margin, example, right, label }, about) {
  return `Example ${example}${label >= 0 ? `, of class ${about.classes[label]}` : ""}: answered ${right ? "right" : "wrong"}; margin ${signed(margin)}, ${rank < about.failing ? "not certified" : "certified"}.`;
}

/**
 * Sorted margins as bars from 0: filled where certified, striped where not, a cross at each wrong answer.
 * data: { rows, about, title, picked (example), pick(row), clear() }
 */
export function marginBars(surface, data) {
  const { rows, about, title, picked, pick, clear } = data;
  const left = 48, top = 26, right = surface.width - 12, foot = surface.height - 34, n = about.n;
  let low = 0, high = 0;
  for (const { margin } of rows) if (Number.isFinite(margin)) { low = Math.min(low, margin); high = Math.max(high, margin); }
  const gap = 0.05 * (high - low || 1);
  const px = (rank) => left + ((right - left) * rank) / n, py = (y) => foot - ((foot - top) * (Math.min(Math.max(y, low), high) - low + gap)) / (high - low + 2 * gap || 1);
  const middle = (row) => px(row.rank + 0.5), ring = rows.find((row) => row.example === picked);
  const pictured = rows.filter((row) => row.picture >= 0), walked = pictured.length ? pictured : rows;
  surface.show((ctx, ink) => {
    write(ctx, title, left, 12, { color: ink, size: 12, bold: true });
    grid(ctx, ink, { left, right, top, foot, px, py, xticks: ticks(0, n, 6), yticks: ticks(low, high, 6) });
    write(ctx, "examples, least margin first", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    write(ctx, "margin over the box", 10, (top + foot) / 2, { color: ink, to: "center", turn: -Math.PI / 2 });
    const outline = (part, end) => part.length && [[px(part[0].rank), py(0)], ...part.flatMap((row, k) => [[px(row.rank), py(row.margin)], [px(part[k + 1]?.rank ?? end), py(row.margin)]]), [px(end), py(0)]];
    filled(ctx, theme.colors[0], outline(rows.filter((row) => row.rank >= about.failing), n));
    striped(ctx, ink, outline(rows.filter((row) => row.rank < about.failing), about.failing), [left, top, right - left, foot - top]);
    ctx.lineWidth = 1.5;
    stroke(ctx, ink, [[left, py(0)], [right, py(0)]]);
    ctx.setLineDash([3, 3]);
    stroke(ctx, ink, [[px(about.failing), top], [px(about.failing), foot]]);
    ctx.setLineDash([]);
    const late = about.failing > n / 2;
    write(ctx, `${n - about.failing} of ${n} certified`, px(about.failing) + (late ? -6 : 6), top + 8, { size: 10, color: ink, to: late ? "right" : "left" });
    for (const row of rows) if (!row.right) mark(ctx, "X", middle(row), py(row.margin), 3.5, theme.colors[1]);
    if (rows.some((row) => !row.right)) { mark(ctx, "X", left + 12, top + 26, 3.5, theme.colors[1]); write(ctx, "answered wrong", left + 20, top + 26, { size: 10, color: ink }); }
    if (ring) { ctx.strokeStyle = ink; ctx.lineWidth = 2; ctx.beginPath(); ctx.arc(middle(ring), py(ring.margin), 7, 0, 2 * Math.PI); ctx.stroke(); }
  }, {
    at: (x) => { if (x < left || x > right) return null; const rank = ((x - left) / (right - left)) * n - 0.5; return closest(rows, rank); },
    step: (item, dx, dy) => rows.indexOf(walked[item === null ? 0 : Math.min(Math.max(place(walked, rows[item]) + (dx || dy), 0), walked.length - 1)]),
    words: (item) => said(rows[item], about),
    place: (item) => ({ x: middle(rows[item]), y: py(rows[item].margin) }),
    pick: (item) => pick(rows[item]),
    clear,
  });
  surface.again = () => marginBars(surface, data);
}

const closest = (rows, rank) => rows.reduce((best, row, k) => (Math.abs(row.rank - rank) < Math.abs(rows[best].rank - rank) ? k : best), 0);

/** Where in a walk over some of the rows one of all of them stands. */
const place = (walked, row) => (walked.includes(row) ? walked.indexOf(row) : closest(walked, row.rank));

function filled(ctx, color, path) {
  if (!path) return;
  ctx.fillStyle = color;
  ctx.beginPath();
  path.forEach(([x, y]) => ctx.lineTo(x, y));
  ctx.fill();
}

function striped(ctx, ink, path, box) {
  if (!path) return;
  ctx.save();
  ctx.lineWidth = 1;
  stroke(ctx, ink, path);
  ctx.clip();
  stripes(ctx, ink, ...box, 5);
  ctx.restore();
}

/** The pictures of a task as canvases that can be drawn at any size. */
export function pictures(model, about) {
  if (about.start < 0) return null;
  const { buffer, byteOffset, byteLength } = model.get("arrays").pixels.data, all = new Uint8Array(buffer, byteOffset, byteLength);
  const [height, width, channels] = about.size, size = height * width * channels;
  return Array.from({ length: about.count }, (_, q) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height }), ctx = canvas.getContext("2d"), image = ctx.createImageData(width, height);
    for (let i = 0; i < height * width; i++) for (let c = 0; c < 4; c++)
      image.data[4 * i + c] = c === 3 ? 255 : all[about.start + q * size + i * channels + Math.min(c, channels - 1)];
    ctx.putImageData(image, 0, 0);
    return canvas;
  });
}

/** The example that is looked at, large, and all that have a picture, small: data as of `marginBars`, and `drawn`, `looked` (example). */
export function gallery(surface, data) {
  const { rows, about, drawn, looked, pick, clear } = data;
  const shown = drawn ? rows.filter((row) => row.picture >= 0) : [], now = rows.find((row) => row.example === looked);
  const head = 166, cell = (surface.width - 10) / COLUMNS;
  const corner = (k) => [4 + (k % COLUMNS) * cell, head + 18 + Math.floor(k / COLUMNS) * cell];
  surface.show((ctx, ink) => {
    ctx.imageSmoothingEnabled = false;
    if (now && drawn && now.picture >= 0) framed(ctx, ink, drawn[now.picture], 4, 4, head - 20, { failing: now.rank < about.failing });
    const lines = now
      ? [`example ${now.example}`, ...(now.label >= 0 ? [`class ${about.classes[now.label]}`] : []), `answered ${now.right ? "right" : "wrong"}`, `margin ${signed(now.margin)}`, now.rank < about.failing ? "not certified" : "certified"]
      : drawn ? ["Point at a bar or a picture,", "or walk with the arrows."] : [];
    const beside = now && drawn && now.picture < 0 ? [...lines, "(its picture is not among those kept)"] : lines;
    beside.forEach((line, k) => write(ctx, line, now && drawn && now.picture >= 0 ? head : 6, 16 + 18 * k, { color: ink, bold: k === 0 && Boolean(now) }));
    if (drawn) write(ctx, `${shown.length === about.n ? "all" : shown.length} of ${about.n}, least margin first; dashed: not certified, ×: wrong`, 4, head + 6, { size: 10, color: ink });
    else wrapped(about.why, 52).forEach((line, k) => write(ctx, line, 6, head + 6 + 16 * k, { color: ink }));
    shown.forEach((row, k) => framed(ctx, ink, drawn[row.picture], ...corner(k), cell - 6, { failing: row.rank < about.failing, wrong: !row.right, bold: row === now }));
  }, shown.length ? {
    at: (x, y) => { const k = Math.floor((y - head - 18) / cell) * COLUMNS + Math.floor((x - 4) / cell); return x >= 4 && y >= head + 18 && k < shown.length ? k : null; },
    step: (item, dx, dy) => (item === null ? 0 : Math.min(Math.max(item + dx + COLUMNS * dy, 0), shown.length - 1)),
    words: (item) => said(shown[item], about),
    place: (item) => { const [x, y] = corner(item); return { x: x + cell / 2, y: y - 14 }; },
    pick: (item) => pick(shown[item]),
    clear,
    row: (item) => shown[item],
  } : null);
  surface.again = () => gallery(surface, data);
}

function framed(ctx, ink, canvas, x, y, side, { failing, wrong, bold }) {
  const unit = side / Math.max(canvas.width, canvas.height);
  ctx.drawImage(canvas, x, y, unit * canvas.width, unit * canvas.height);
  ctx.strokeStyle = bold ? ink : failing ? theme.colors[1] : "#8c8c8c";
  ctx.lineWidth = bold ? 3 : failing ? 2 : 1;
  ctx.setLineDash(failing ? [4, 3] : []);
  ctx.strokeRect(x - 1, y - 1, unit * canvas.width + 2, unit * canvas.height + 2);
  ctx.setLineDash([]);
  if (wrong) mark(ctx, "X", x + side - 6, y + 6, 4, theme.colors[1]);
}

function wrapped(text, length) {
  const out = [""];
  for (const word of text.split(" ")) if (`${out.at(-1)} ${word}`.length > length) out.push(word); else out[out.length - 1] += ` ${word}`;
  return out.map((line) => line.trim());
}
