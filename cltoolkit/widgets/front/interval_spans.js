import { hole, mark, short, stroke, ticks, write } from "./view.js";

export const FLOOR = 1e-10; // where an interval without width is drawn

/** Ticks of a logarithmic axis: powers of ten, and what lies between where these are few. */
function powers(low, high, most = 7) {
  const first = Math.floor(Math.log10(low) - 1e-9), last = Math.ceil(Math.log10(high) + 1e-9), step = Math.max(1, Math.ceil((last - first) / most));
  const bases = last - first > 3 ? [1] : [1, 2, 5], every = [];
  for (let k = first; k <= last; k += step) for (const base of bases) every.push(Number(`${base}e${k}`));
  return every.filter((at) => at >= low && at <= high).map((at) => ({ at, text: at < 1e-3 || at > 1e4 ? at.toExponential() : String(at) }));
}

/** Oblique lines in a box, for what is told apart without color. */
export function stripes(ctx, color, x, y, width, height, gap = 7) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.lineWidth = 1;
  for (let k = 0; k < width + height; k += gap) stroke(ctx, color, [[x + k - height, y + height], [x + k, y]]);
  ctx.restore();
}

/**
 * Rows with a thin and a thick segment and marks each, on one axis below, logarithmic where asked.
 * data: { rows: [{ name, thin: [a, b], thick: [a, b], marks: [{ x, marker, color, hollow }], bold, faint }], log, low, high,
 *         narrow (striped below), title, across, legend: [{ marker, color, hollow, text }], words(i), pick(i), clear() }
 */
export function spans(surface, data) {
  const n = data.rows.length, left = 16 + 6.2 * Math.max(5, ...data.rows.map((row) => Math.min(row.name.length, 20)));
  const top = 26, foot = surface.height - 52, right = surface.width - 14, side = (foot - top) / Math.max(n, 1);
  const fit = data.log ? (x) => Math.log10(Math.max(x, FLOOR)) : (x) => x, x0 = fit(data.low), x1 = fit(data.high);
  const px = (x) => left + ((right - left) * (Math.min(Math.max(fit(x), x0), x1) - x0)) / (x1 - x0 || 1), py = (i) => top + (i + 0.5) * side;
  surface.show((ctx, ink) => {
    write(ctx, data.title, left, 12, { color: ink, size: 12, bold: true });
    if (data.narrow > data.low) { ctx.globalAlpha = 0.25; stripes(ctx, ink, left, top, px(data.narrow) - left, foot - top); ctx.globalAlpha = 1; }
    ctx.lineWidth = 1;
    for (const { at, text } of data.log ? powers(data.low, data.high) : ticks(data.low, data.high, 6)) {
      ctx.globalAlpha = 0.15;
      stroke(ctx, ink, [[px(at), top], [px(at), foot]]);
      ctx.globalAlpha = 1;
      write(ctx, text, px(at), foot + 10, { size: 10, color: ink, to: "center" });
    }
    stroke(ctx, ink, [[left, foot], [right, foot]]);
    write(ctx, data.across, (left + right) / 2, foot + 26, { color: ink, to: "center" });
    data.rows.forEach((row, i) => segment(ctx, ink, row, px, py(i), side));
    const gap = [1, 2, 5, 10, 20, 50, 100].find((each) => each * side >= 12) ?? 200, bold = data.rows.findIndex((row) => row.bold);
    data.rows.forEach((row, i) => {
      if (row.bold || (i % gap === 0 && (bold < 0 || Math.abs(i - bold) * side >= 12))) write(ctx, short(row.name, 20), left - 8, py(i), { size: 10, color: ink, to: "right", bold: row.bold });
    });
    if (bold >= 0) { ctx.strokeStyle = ink; ctx.lineWidth = 1.5; ctx.strokeRect(left - 5, py(bold) - side / 2, right - left + 10, side); }
    key(ctx, ink, data.legend ?? [], left, foot + 42);
  }, {
    at: (x, y) => { const i = Math.floor((y - top) / side); return n && i >= 0 && i < n && x <= surface.width ? i : null; },
    holds: (item) => item < n,
    step: (item, dx, dy) => (n ? (item === null ? 0 : Math.min(Math.max(item + (dy || dx), 0), n - 1)) : null),
    words: data.words,
    place: (i) => ({ x: px(data.rows[i].marks[0]?.x ?? data.low), y: py(i) }),
    pick: (i) => data.pick?.(i),
    clear: () => data.clear?.(),
  });
  surface.again = () => spans(surface, data);
}

function segment(ctx, ink, row, px, y, side) {
  const r = Math.min(4, Math.max(1.2, side / 3));
  ctx.globalAlpha = row.faint ? 0.3 : 1;
  if (row.thin?.every(Number.isFinite)) { ctx.lineWidth = Math.min(1.4, side / 3); stroke(ctx, ink, row.thin.map((x) => [px(x), y])); }
  if (row.thick?.every(Number.isFinite)) { ctx.lineWidth = Math.min(8, side * 0.6); stroke(ctx, theme.colors[4], row.thick.map((x) => [px(x), y])); }
  for (const { x, marker, color, hollow } of row.marks) if (Number.isFinite(x)) {
    const own = color ?? ink;
    if (marker === "|") { ctx.lineWidth = 1.8; stroke(ctx, own, [[px(x), y - 2 * r], [px(x), y + 2 * r]]); continue; }
    mark(ctx, marker, px(x), y, r, own);
    if (hollow && r > 2) hole(ctx, marker, px(x), y, r - 1.4);
  }
  ctx.globalAlpha = 1;
}

function key(ctx, ink, entries, x, y) {
  for (const { marker, color, hollow, text } of entries) {
    segment(ctx, ink, { marks: [{ x, marker, color, hollow }] }, (at) => at, y, 12);
    write(ctx, text, x + 8, y, { size: 10, color: ink });
    x += 24 + 5.6 * text.length;
  }
}
