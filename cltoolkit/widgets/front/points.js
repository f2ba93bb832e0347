// Points in the plane, true to scale.

import { extent, reach, short, ticks } from "./words.js";
import { grid, mark, stroke, write } from "./ink.js";

/**
 * Points in the plane, true to scale. data: { points: [{ x, y, name, look, bold, faint }], trails: [[[x, y], …] per point], boxes: [{ x0, y0, x1, y1, look, name, hatch }],
 *   title, across, up, note, limits: [x0, x1, y0, y1], words(k), pick(k), clear() }
 */
export function points(surface, data) {
  const left = 56, top = 26, bottom = 34, right = surface.width - 12, foot = surface.height - bottom;
  const [x0, x1, y0, y1] = data.limits ?? around(data);
  const unit = Math.min((right - left) / (x1 - x0 || 1), (foot - top) / (y1 - y0 || 1)), mx = (x0 + x1) / 2, my = (y0 + y1) / 2;
  const px = (x) => (left + right) / 2 + unit * (x - mx), py = (y) => (top + foot) / 2 - unit * (y - my);
  const many = data.points.length > 60;
  surface.show((ctx, ink) => {
    write(ctx, data.title ?? "", left, 12, { color: ink, size: 12, bold: true });
    const half = [(right - left) / unit / 2, (foot - top) / unit / 2];
    grid(ctx, ink, { left, right, top, foot, px, py, xticks: ticks(mx - half[0], mx + half[0], 5), yticks: ticks(my - half[1], my + half[1], 5) });
    write(ctx, data.across ?? "", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    write(ctx, data.up ?? "", 8, (top + foot) / 2, { color: ink, to: "center", turn: -Math.PI / 2 });
    write(ctx, data.note ?? "", right, 12, { color: ink, to: "right" });
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, right - left, foot - top);
    ctx.clip(); // boxes may be larger than what is looked at
    for (const box of data.boxes ?? []) frameBox(ctx, ink, box, px, py);
    ctx.restore();
    (data.trails ?? []).forEach((trail, k) => {
      ctx.globalAlpha = data.points[k]?.faint ? 0.15 : 0.55;
      ctx.lineWidth = 1.2;
      if (trail.length > 1) stroke(ctx, data.points[k]?.look.color ?? ink, trail.map(([x, y]) => [px(x), py(y)]));
      ctx.globalAlpha = 1;
    });
    const seen = ({ x, y }) => px(x) > left - 8 && px(x) < right + 8 && py(y) > top - 8 && py(y) < foot + 8; // not what is unknown
    for (const point of data.points) if (seen(point)) {
      ctx.globalAlpha = point.faint ? 0.3 : 1;
      const own = point.look.color ?? ink, r = many ? 2.5 : 5;
      mark(ctx, point.look.marker, px(point.x), py(point.y), r, own);
      if (point.bold) { ctx.strokeStyle = ink; ctx.lineWidth = 2; ctx.beginPath(); ctx.arc(px(point.x), py(point.y), r + 5, 0, 2 * Math.PI); ctx.stroke(); }
      const turned = px(point.x) > right - 90;
      if (!many || point.bold) write(ctx, short(point.name, 16), px(point.x) + (turned ? -1 : 1) * (point.bold ? r + 9 : 9), py(point.y) - 2, { size: 10, color: ink, bold: point.bold, to: turned ? "right" : "left" });
      ctx.globalAlpha = 1;
    }
  }, {
    at: (x, y) => closest(data.points, px, py, x, y),
    holds: (item) => item < data.points.length,
    step: (item, dx, dy) => data.points.length ? (item === null ? 0 : (item + (dx || dy) + data.points.length) % data.points.length) : null,
    words: (item) => data.words?.(item) ?? data.points[item].name,
    place: (item) => ({ x: px(data.points[item].x), y: py(data.points[item].y) }),
    pick: (item) => data.pick?.(item),
    clear: () => data.clear?.(),
  });
  surface.again = () => points(surface, data);
}

function around({ points: all, trails = [], boxes = [] }) {
  const [x0, x1] = extent([...all.map((p) => p.x), ...trails.flat().map(([x]) => x), ...boxes.flatMap((b) => [b.x0, b.x1])]);
  const [y0, y1] = extent([...all.map((p) => p.y), ...trails.flat().map(([, y]) => y), ...boxes.flatMap((b) => [b.y0, b.y1])]);
  const gap = 0.08 * Math.max(x1 - x0, y1 - y0, 1e-9);
  return [x0 - gap, x1 + gap, y0 - gap, y1 + gap];
}

function closest(all, px, py, x, y, reach = 12) {
  let best = null, least = reach ** 2;
  all.forEach((point, k) => { const away = (px(point.x) - x) ** 2 + (py(point.y) - y) ** 2; if (away < least) { least = away; best = k; } });
  return best;
}

function frameBox(ctx, ink, box, px, py) {
  const own = box.look.color ?? ink, x = px(box.x0), y = py(box.y1), width = px(box.x1) - x, height = py(box.y0) - y;
  ctx.globalAlpha = box.faint ? 0.06 : 0.14;
  ctx.fillStyle = own;
  ctx.fillRect(x, y, width, height);
  ctx.globalAlpha = box.faint ? 0.3 : 1;
  ctx.strokeStyle = own;
  ctx.lineWidth = box.bold ? 2.5 : 1.2;
  ctx.setLineDash(box.look.dash);
  ctx.strokeRect(x, y, width, height);
  ctx.setLineDash([]);
  if (box.hatch) for (let k = 6; k < width + height; k += 6)
    stroke(ctx, own, [[x + Math.max(0, k - height), y + Math.min(k, height)], [x + Math.min(k, width), y + Math.max(0, k - width)]]);
  ctx.globalAlpha = 1;
}
