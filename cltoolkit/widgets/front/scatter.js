import { extent, grid, mark, short, stroke, ticks, write } from "./view.js";

/**
 * Points over two axes of their own scale each.
 * data: { x, y, low?, high? (arrays), look(k), lit? (1 where a point is meant; others fade), rings: [{ k, look, name }], legend: [{ look, name }], title, across, up, notes: [lines],
 *         level (a horizontal line), at (a vertical one), empty (words where there are no points), words(k), pick(k), clear() }
 */
export function scatter(surface, data) {
  const { notes = [], rings = [] } = data, left = 52, top = 26 + 14 * notes.length + (rings.length ? 15 : 0), bottom = 36, right = surface.width - (data.legend?.length ? 96 : 12), foot = surface.height - bottom, n = data.x.length;
  const [x0, x1] = wide(extent(data.at === undefined ? data.x : [...data.x, data.at])), [y0, y1] = wide(extent(heights(data)));
  const px = (x) => left + ((right - left) * (x - x0)) / (x1 - x0), py = (y) => foot - ((foot - top) * (y - y0)) / (y1 - y0);
  surface.show((ctx, ink) => {
    write(ctx, data.title ?? "", left, 12, { color: ink, size: 12, bold: true });
    if (!n) { write(ctx, data.empty ?? "", (left + right) / 2, (top + foot) / 2, { color: ink, to: "center" }); return; }
    grid(ctx, ink, { left, right, top, foot, px, py, xticks: ticks(x0, x1, 5), yticks: ticks(y0, y1, 5) });
    write(ctx, data.across ?? "", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    write(ctx, data.up ?? "", 8, (top + foot) / 2, { color: ink, to: "center", turn: -Math.PI / 2 });
    ctx.setLineDash([4, 3]);
    if (data.level !== undefined && data.level > y0 && data.level < y1) stroke(ctx, ink, [[left, py(data.level)], [right, py(data.level)]]);
    if (data.at !== undefined) stroke(ctx, ink, [[px(data.at), top], [px(data.at), foot]]);
    ctx.setLineDash([]);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, right - left, foot - top);
    ctx.clip();
    if (n > 400) crowd(ctx, ink, data, px, py); else few(ctx, ink, data, px, py);
    ctx.restore();
    rings.forEach((ring, i) => ringed(ctx, ink, ring, i, { x: px(data.x[ring.k]), y: py(data.y[ring.k]), at: [left + 5 + 110 * i, top - 9] }));
    (data.legend ?? []).forEach(({ look, name }, i) => {
      mark(ctx, look.marker, right + 14, top + 8 + 16 * i, 4, look.color ?? ink);
      write(ctx, short(name, 12), right + 24, top + 8 + 16 * i, { color: ink, size: 10 });
    });
    notes.forEach((line, i) => write(ctx, line, left, 28 + 14 * i, { color: ink, size: 10 }));
  }, {
    at: (x, y) => nearestPoint(data, px, py, x, y),
    step: (item, dx, dy) => along(data, item, dx, dy),
    words: (item) => data.words(item),
    place: (item) => ({ x: px(data.x[item]), y: py(data.y[item]) }),
    pick: (item) => data.pick?.(item),
    clear: () => data.clear?.(),
  });
  surface.again = () => scatter(surface, data);
}

/** What the vertical axis has room for: all points, and of intervals at most as much again, lest a few wide ones flatten the rest. */
function heights({ y, low, high }) {
  if (!low) return y;
  const [a, b] = extent(y), [from, to] = extent([...y, ...low, ...high]), span = b - a || 0.1;
  return [Math.max(from, a - span), Math.min(to, b + span)];
}

function wide([low, high]) {
  const gap = 0.08 * (high - low) || 0.5;
  return [low - gap, high + gap];
}

function few(ctx, ink, data, px, py) {
  for (let k = 0; k < data.x.length; k++) {
    const { color, marker } = data.look(k), own = color ?? ink, x = px(data.x[k]), lit = data.lit?.[k];
    ctx.globalAlpha = 0.45;
    ctx.lineWidth = 1;
    if (data.low && Number.isFinite(data.low[k])) stroke(ctx, own, [[x, py(data.low[k])], [x, py(data.high[k])]]);
    ctx.globalAlpha = data.lit && !lit ? 0.22 : 1;
    mark(ctx, marker, x, py(data.y[k]), lit ? 5.5 : 4, own);
  }
  ctx.globalAlpha = 1;
}

/** Thousands of points in two strokes of the brush: first those that fade, then those that are meant. */
function crowd(ctx, ink, data, px, py) {
  for (const meant of data.lit ? [0, 1] : [1]) {
    const r = data.lit && meant ? 2.5 : 1.5;
    ctx.fillStyle = data.lit && meant ? "#D55E00" : ink;
    ctx.globalAlpha = data.lit && !meant ? 0.12 : 0.5;
    ctx.beginPath();
    for (let k = 0; k < data.x.length; k++) if (!data.lit || data.lit[k] === meant) ctx.rect(px(data.x[k]) - r, py(data.y[k]) - r, 2 * r, 2 * r);
    ctx.fill();
  }
  ctx.globalAlpha = 1;
}

function ringed(ctx, ink, { look, name }, i, { x, y, at: [u, v] }) {
  ctx.lineWidth = 1.8;
  ctx.setLineDash(look.dash);
  for (const [cx, cy, r] of [[x, y, 8 + 2 * i], [u, v, 5]]) {
    ctx.strokeStyle = look.color ?? ink;
    ctx.beginPath();
    ctx.arc(cx, cy, r, 0, 2 * Math.PI);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  write(ctx, name, u + 10, v, { color: ink, size: 10 });
}

function nearestPoint(data, px, py, x, y, reach = 12) {
  let best = null, least = reach ** 2;
  for (let k = 0; k < data.x.length; k++) {
    const away = (px(data.x[k]) - x) ** 2 + (py(data.y[k]) - y) ** 2;
    if (away < least) { least = away; best = k; }
  }
  return best;
}

/** The next point to the right or left, or up or down. */
function along(data, item, dx, dy) {
  if (!data.x.length) return null;
  const values = dx ? data.x : data.y, order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  if (item === null) return order[0];
  return order[Math.min(Math.max(order.indexOf(item) + (dx || -dy), 0), order.length - 1)];
}
