// Cells as colors, with names and numbers.

import { clamp, level, light, number, shade, short, signed, ticks } from "./words.js";
import { stroke, write } from "./ink.js";

const PICK = "#D55E00"; // the frame of cells that are meant
const FAINT = 0.22; // of cells that are not meant

/**
 * Cells as colors, with names and, where there is room, numbers.
 * data: { values, shape: [rows, columns], rows, columns (names), low, high, map, digits, title, across, down,
 *         lit (1 where a cell is meant; others fade), boxed(i, j), hatched(i, j), picked: [i, j] (-1: the whole row or column), crossed: [i, j] (row and column),
 *         flip (small numbers light, for ranks), words(i, j), pick(i, j), clear() }
 */
export function matrix(surface, data) {
  const [m, n] = data.shape;
  const { low = 0, high = 1, map = "sequential", digits = 2 } = data;
  const left = Math.min(110, 14 + 6 * longest(data.rows, 16, 4)), top = 26, room = surface.width - left - 62;
  const bottom = 6 * longest(data.columns, 14) > Math.min(room / n, (1.6 * (surface.height - top - 36)) / m) ? 32 + 4.6 * longest(data.columns, 14) : 36;
  const side = Math.min(room / n, (surface.height - top - bottom) / m), wide = Math.min(room / n, 1.6 * side);
  const right = left + wide * n, foot = top + side * m;
  const cell = (x, y) => [Math.floor((y - top) / side), Math.floor((x - left) / wide)];
  const inside = (i, j) => i >= 0 && j >= 0 && i < m && j < n;
  const color = (x) => shade(map, high > low ? (data.flip ? high - x : x - low) / (high - low) : 0.5);
  const frame = (ctx, i, j, height = 1, width = 1) => ctx.strokeRect(left + j * wide + 1, top + i * side + 1, width * wide - 2, height * side - 2);
  const [pi, pj] = data.crossed ?? data.picked ?? [-1, -1];
  surface.show((ctx, ink) => {
    write(ctx, data.title ?? "", left, 12, { color: ink, size: 12, bold: true });
    const size = Math.min(11, wide / (digits + 2) / 0.6, side * 0.7);
    if (size < 7) carpet(ctx, data, (x) => (high > low ? (data.flip ? high - x : x - low) / (high - low) : 0.5), map, [left, top, right - left, foot - top]);
    if (side >= 4) for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) { // smaller ones have room for nothing but their color
      const k = i * n + j, x = data.values[k], known = Number.isFinite(x), fill = known ? color(x) : null, faint = data.lit && !data.lit[k];
      if (known && size >= 7) { ctx.globalAlpha = faint ? FAINT : 1; ctx.fillStyle = fill; ctx.fillRect(left + j * wide, top + i * side, wide + 0.5, side + 0.5); ctx.globalAlpha = 1; }
      if (size >= 7) write(ctx, known ? (map === "diverging" ? signed(x, digits) : number(x, digits)) : "×", left + (j + 0.5) * wide, top + (i + 0.5) * side,
        { size, to: "center", bold: Boolean(data.lit) && !faint, color: !known || faint ? ink : light(fill) < 140 ? "#fff" : "#000" });
      else if (!known) write(ctx, "×", left + (j + 0.5) * wide, top + (i + 0.5) * side, { size: side, to: "center", color: ink });
      if (known && !faint && data.hatched?.(i, j)) hatch(ctx, left + j * wide, top + i * side, wide, side, light(fill) < 140 ? "#fff" : "#000");
      if (data.lit ? data.lit[k] : data.boxed?.(i, j)) { ctx.strokeStyle = data.lit ? PICK : "#fff"; ctx.lineWidth = side > 12 ? 2 : 1; frame(ctx, i, j); }
    }
    for (const [color, width] of [["#fff", 4.5], ["#000", 2.2]]) { // seen on light cells and on dark ones
      ctx.strokeStyle = color;
      ctx.lineWidth = width;
      if (data.crossed) { if (pi >= 0) frame(ctx, pi, 0, 1, n); if (pj >= 0) frame(ctx, 0, pj, m, 1); }
      else if (pi >= 0 || pj >= 0) frame(ctx, Math.max(pi, 0), Math.max(pj, 0), pi < 0 ? m : 1, pj < 0 ? n : 1);
    }
    cellNames(ctx, ink, data.columns, data.rows, { left, top, wide, side, foot, m, n, pj, pi });
    write(ctx, data.across ?? "", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    scale(ctx, ink, { x: right + 14, y: top, height: foot - top, low, high, map, flip: data.flip });
  }, {
    at: (x, y) => { const [i, j] = cell(x, y); return inside(i, j) ? i * n + j : null; },
    holds: (item) => item < m * n,
    step: (item, dx, dy) => item === null ? Math.max(pi, 0) * n + Math.max(pj, 0) : clamp(Math.floor(item / n) + dy, m) * n + clamp((item % n) + dx, n),
    words: (item) => data.words(Math.floor(item / n), item % n),
    place: (item) => ({ x: left + ((item % n) + 0.5) * wide, y: top + (Math.floor(item / n) + 0.5) * side }),
    pick: (item) => data.pick?.(Math.floor(item / n), item % n),
    clear: () => data.clear?.(),
  });
  surface.again = () => matrix(surface, data);
}

/** Cells too small for numbers: one pixel each, enlarged. */
function carpet(ctx, { values, shape: [m, n], lit }, share, map, place) {
  const table = theme[map].map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
  const image = new ImageData(n, m), small = Object.assign(document.createElement("canvas"), { width: n, height: m });
  for (let k = 0; k < m * n; k++) if (Number.isFinite(values[k])) image.data.set([...table[level(share(values[k]))], lit && !lit[k] ? 255 * FAINT : 255], 4 * k);
  small.getContext("2d").putImageData(image, 0, 0);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(small, ...place);
}

/** Stripes over a cell. */
function hatch(ctx, x, y, width, height, color) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = 1;
  for (let k = 5; k < width + height; k += 6) stroke(ctx, color, [[x + k, y], [x + k - height, y + height]]);
  ctx.restore();
}

const longest = (texts, most, least = 1) => texts.reduce((length, text) => Math.max(length, Math.min(text.length, most)), least);

function cellNames(ctx, ink, columns, rows, { left, top, wide, side, foot, m, n, pj, pi }) {
  const shown = (room, least, picked) => {
    const gap = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((each) => each * room >= least) ?? 1000;
    return (i) => i === picked || (i % gap === 0 && (picked < 0 || Math.abs(i - picked) * room >= least));
  };
  const slant = 6 * longest(columns, 14) > wide;
  for (let j = 0, chosen = shown(wide, 13, pj); j < n; j++) if (chosen(j))
    write(ctx, short(columns[j], 14), left + (j + 0.5) * wide, foot + 8, { size: 10, color: ink, to: slant ? "right" : "center", turn: slant ? -Math.PI / 4 : 0, bold: j === pj });
  for (let i = 0, chosen = shown(side, 11, pi); i < m; i++) if (chosen(i))
    write(ctx, short(rows[i], 16), left - 6, top + (i + 0.5) * side, { size: 10, color: ink, to: "right", bold: i === pi });
}

function scale(ctx, ink, { x, y, height, low, high, map, flip }) {
  for (let k = 0; k < height; k++) { ctx.fillStyle = shade(map, flip ? k / height : 1 - k / height); ctx.fillRect(x, y + k, 10, 1.5); }
  for (const { at, text } of ticks(low, high, Math.min(6, Math.max(1, Math.floor(height / 13))))) write(ctx, text, x + 14, y + height * (1 - (at - low) / (high - low || 1)), { size: 10, color: ink });
}
