// Lines over a common axis.

import { clamp, decades, number, reach, short, ticks } from "./words.js";
import { FONT, grid, mark, paragraph, rule, stroke, write } from "./ink.js";

const CROWD = 20; // lines past which each is thin
const GRAIN = 6; // pixels, as finely as room for names is looked for
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
  ctx.globalAlpha = line.faint ? 0.28 : 1;
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

/** Names of a few lines, where they cover least of all lines. */
function legend(ctx, ink, known, { left, right, top, foot, px, py }) {
  const shown = known.filter((line) => !line.faint && line.name);
  if (shown.length > 8 || shown.length < 2) return;
  const names = shown.map((line) => short(line.name, 40));
  ctx.font = `10px ${FONT}`;
  const wide = 36 + Math.max(...names.map((name) => ctx.measureText(name).width)), high = 14 * shown.length + 2;
  const [x, y0] = emptiest(known, { px, py }, { wide, high }, { x: [left + 6, right - wide - 2, (left + right - wide) / 2], low: top + 2, foot: foot - high - 4 });
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

/** Of places for a box in one of three columns, the corners first, the one that lines cross least. */
function emptiest(known, { px, py }, { wide, high }, { x: columns, low, foot }) {
  const cells = new Map(), add = (x, y) => { const at = Math.floor(x / GRAIN) * 4096 + Math.floor(y / GRAIN); cells.set(at, (cells.get(at) ?? 0) + 1); };
  for (const { x, y, steps } of known) for (let k = 0, every = Math.max(1, Math.floor(x.length / 200)); k < x.length; k += every) {
    const [u, v] = [px(x[k]), py(y[k])], next = Math.min(k + every, x.length - 1), [du, dv] = [px(x[next]) - u, py(y[next]) - v];
    if (!Number.isFinite(u + v + du + dv)) { if (Number.isFinite(u + v)) add(u, v); continue; }
    const count = Math.max(1, Math.ceil(Math.max(Math.abs(du), Math.abs(dv)) / GRAIN));
    for (let i = 0; i < count; i++) add(u + (du * i) / count, v + (dv * (steps === "last" ? 0 : steps === "next" ? 1 : i / count)));
  }
  const crossed = (x, y) => { let sum = 0; for (const [at, count] of cells) { const u = GRAIN * Math.floor(at / 4096), v = GRAIN * (at % 4096); if (u > x - 2 * GRAIN && u < x + wide + GRAIN && v > y - 2 * GRAIN && v < y + high + GRAIN) sum += count; } return sum; };
  const between = Array.from({ length: Math.max(0, Math.floor((foot - low) / (2 * GRAIN))) }, (_, i) => foot - 2 * GRAIN * (i + 1));
  const places = [foot, low, ...between].flatMap((y) => columns.map((x) => [x, y]));
  let best = places[0], least = Infinity;
  for (const [x, y] of places) { const sum = crossed(x, y); if (sum < least) { least = sum; best = [x, y]; } if (!least) break; }
  return best;
}

function nearest(known, px, py, x, y, reach = 14) {
  let best = null, least = reach ** 2;
  known.forEach((line, l) => { for (let k = 0; k < line.x.length; k++) {
    const away = (px(line.x[k]) - x) ** 2 + (py(line.y[k]) - y) ** 2;
    if (away < least) { least = away; best = [l, k]; }
  } });
  return best;
}
