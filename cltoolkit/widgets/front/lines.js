// Lines over a common axis.

import { clamp, decades, number, reach, short, ticks } from "./words.js";
import { FONT, grid, mark, paragraph, rule, stroke, write } from "./ink.js";

const CROWD = 20; // lines past which each is thin
const MARKED = 40; // points of a line up to which each has its marker

/**
 * Lines over a common axis. data: { lines: [{ name, x, y, low?, high?, look, faint, bold, steps? (between two points, the value of the "next" or the "last") }], title, across, up, xlim, ylim, xticks, digits, words(line, k), pick(line, k), clear(),
 *         at (a vertical rule), log (whether the axis is logarithmic), begins (where tasks begin), nothing (what to say where there are no lines) }
 */
export function lines(surface, data) {
  const left = 46, top = 26, bottom = 34, right = surface.width - 10, foot = surface.height - bottom;
  const known = data.lines.filter((line) => line.x.length);
  const [x0, x1] = data.xlim ?? reach(known.map((line) => line.x)), [a, b] = data.ylim ?? reach(known.map((line) => line.y));
  const up = data.log ? Math.log10 : (y) => y;
  const [y0, y1] = a < b ? [up(a), up(b)] : [up(a) - 0.5, up(b) + 0.5];
  const px = (x) => left + ((right - left) * (x - x0)) / (x1 - x0 || 1), py = (y) => foot - ((foot - top) * (up(y) - y0)) / (y1 - y0 || 1);
  surface.show((ctx, ink) => {
    write(ctx, data.title ?? "", left, 12, { color: ink, size: 12, bold: true });
    if (!known.length && data.nothing) { paragraph(ctx, ink, data.nothing, left, top + 24, right - left); return; }
    grid(ctx, ink, { left, right, top, foot, px, py, xticks: data.xticks ?? ticks(x0, x1, 6), yticks: data.log ? decades(a, b) : ticks(y0, y1, 5) });
    for (const x of data.begins ?? []) { ctx.globalAlpha = 0.15; stroke(ctx, ink, [[px(x), top], [px(x), foot]]); ctx.globalAlpha = 1; }
    write(ctx, data.across ?? "", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    write(ctx, data.up ?? "", 10, (top + foot) / 2, { color: ink, to: "center", turn: -Math.PI / 2 });
    if (data.at !== undefined) rule(ctx, ink, px(data.at), top, foot);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left - 5, top - 5, right - left + 10, foot - top + 10);
    ctx.clip();
    const thin = known.length > CROWD ? 0.9 : 1.6; // up to a width of 1 lines are drawn in a tenth of the time
    for (const line of known) if (!line.bold) curve(ctx, ink, line, px, py, thin);
    for (const line of known) if (line.bold) curve(ctx, ink, line, px, py, thin);
    ctx.restore();
    legend(ctx, ink, known, { left, right, top, foot, px, py });
  }, {
    at: (x, y) => nearest(known, px, py, x, y),
    holds: ([line, k]) => k < (known[line]?.x.length ?? 0),
    step: (item, dx, dy) => {
      if (!known.length) return null;
      const [line, k] = item ?? [0, -1], next = clamp(line + dy, known.length);
      return [next, clamp(k + dx, known[next].x.length)];
    },
    words: ([line, k]) => data.words?.(known[line], k) ?? `${known[line].name}: ${number(known[line].y[k], data.digits)}`,
    place: ([line, k]) => ({ x: px(known[line].x[k]), y: Number.isFinite(known[line].y[k]) ? py(known[line].y[k]) : foot }),
    pick: ([line, k]) => data.pick?.(known[line], k),
    clear: () => data.clear?.(),
  });
  surface.again = () => lines(surface, data);
}

function curve(ctx, ink, line, px, py, thin) {
  const { color, dash, marker } = line.look, own = color ?? ink;
  ctx.globalAlpha = line.faint ? 0.18 : 1;
  if (line.low) band(ctx, own, line, px, py);
  ctx.lineJoin = line.x.length > 100 ? "bevel" : "round";
  ctx.lineWidth = line.bold ? 3 : thin;
  ctx.setLineDash(dash);
  ctx.strokeStyle = own;
  ctx.beginPath();
  let pen = false;
  for (let k = 0; k < line.x.length; k++) {
    const y = line.y[k];
    if (!Number.isFinite(y)) { pen = false; continue; }
    if (pen && line.steps) ctx.lineTo(px(line.x[line.steps === "next" ? k - 1 : k]), py(line.y[line.steps === "next" ? k : k - 1]));
    if (pen) ctx.lineTo(px(line.x[k]), py(y)); else ctx.moveTo(px(line.x[k]), py(y));
    pen = true;
  }
  ctx.stroke();
  ctx.setLineDash([]);
  if (line.x.length <= MARKED && (thin > 1 || line.bold)) for (let k = 0; k < line.x.length; k++) if (Number.isFinite(line.y[k])) mark(ctx, marker, px(line.x[k]), py(line.y[k]), 3.5, own);
  ctx.globalAlpha = 1;
}

function band(ctx, color, line, px, py) {
  const known = [...line.x.keys()].filter((k) => Number.isFinite(line.low[k]) && Number.isFinite(line.high[k]));
  ctx.save();
  ctx.globalAlpha *= 0.15;
  ctx.fillStyle = color;
  ctx.beginPath();
  known.forEach((k) => ctx.lineTo(px(line.x[k]), py(line.high[k])));
  known.reverse().forEach((k) => ctx.lineTo(px(line.x[k]), py(line.low[k])));
  ctx.fill();
  ctx.restore();
}

/** Names of a few lines, in the corner that they cross least. */
function legend(ctx, ink, known, { left, right, top, foot, px, py }) {
  const shown = known.filter((line) => !line.faint && line.name);
  if (shown.length > 8 || shown.length < 2) return;
  const names = shown.map((line) => short(line.name, 26));
  ctx.font = `10px ${FONT}`;
  const wide = 36 + Math.max(...names.map((name) => ctx.measureText(name).width)), high = 14 * shown.length + 2;
  const corners = [[left + 6, foot - high - 4], [right - wide - 2, foot - high - 4], [right - wide - 2, top + 2], [left + 6, top + 2]];
  const crossed = ([x, y]) => known.reduce((sum, line) => {
    const every = Math.max(1, Math.floor(line.x.length / 200));
    for (let k = 0; k < line.x.length; k += every) {
      const u = px(line.x[k]) - x, v = py(line.y[k]) - y;
      if (u > -4 && u < wide + 4 && v > -4 && v < high + 4) sum += every;
    }
    return sum;
  }, 0);
  const [x, y0] = corners.map((corner) => [crossed(corner), corner]).reduce((best, each) => (each[0] < best[0] ? each : best))[1];
  shown.forEach((line, i) => {
    const y = y0 + 14 * i + 8, own = line.look.color ?? ink;
    ctx.lineWidth = line.bold ? 3 : 1.6;
    ctx.setLineDash(line.look.dash);
    stroke(ctx, own, [[x, y], [x + 22, y]]);
    ctx.setLineDash([]);
    if (line.x.length <= MARKED) mark(ctx, line.look.marker, x + 11, y, 3, own);
    write(ctx, names[i], x + 28, y, { size: 10, color: ink, bold: line.bold });
  });
}

function nearest(known, px, py, x, y, reach = 14) {
  let best = null, least = reach ** 2;
  known.forEach((line, l) => { for (let k = 0; k < line.x.length; k++) {
    const away = (px(line.x[k]) - x) ** 2 + (py(line.y[k]) - y) ** 2;
    if (away < least) { least = away; best = [l, k]; }
  } });
  return best;
}
