import { write } from "./view.js";

const WORD = 24; // tasks to a number of `users`

/** Whether task t's mask holds cell c: a bit of `users` `(words, n)`; null where the page has no users. */
export function holds(users, n, c, t) {
  if (!users.length) return null;
  return Math.floor(users[Math.floor(t / WORD) * n + c] / 2 ** (t % WORD)) % 2 === 1;
}

/** Where cell c of a grid lies in its layer: the index of the weight. */
export function weight(grid, c) {
  const row = Math.floor(c / grid.columns), column = c % grid.columns, input = Math.floor(column / grid.kernel) * grid.steps[1];
  if (grid.shape.length === 1) return [input];
  const at = [row * grid.steps[0], input];
  for (let rest = column % grid.kernel, k = grid.shape.length - 1, tail = []; k >= 2; k--) {
    tail.unshift(rest % grid.shape[k]);
    rest = Math.floor(rest / grid.shape[k]);
    if (k === 2) at.push(...tail);
  }
  return at;
}

/** How the cells relate to the layer, in words. */
export function drawn(grid) {
  const nth = (k) => `${k}${{ 1: "st", 2: "nd", 3: "rd" }[[11, 12, 13].includes(k % 100) ? 0 : k % 10] ?? "th"}`;
  const left = ["output", "input"].map((what, i) => (grid.steps[i] > 1 ? `every ${nth(grid.steps[i])} ${what}` : "")).filter(Boolean);
  return left.length ? `each cell is one weight; drawn: ${left.join(" and ")}` : "each cell is one weight";
}

/**
 * A layer's weights, outputs by inputs, each in the color of its owner; paper is free.
 * data: { grid, owner, color(t), lit(c) (cells that are meant; others fade), moment, title, legend(ctx, ink, x, y, height), words(c), pick(c), clear() }
 */
export function weights(surface, data) {
  const { grid, owner, moment } = data, { rows, columns } = grid, left = 54, right = surface.width - 190, top = 30;
  const wide = (right - left) / columns, tall = rowHeight(grid, right - left), foot = top + tall * rows;
  const cell = (x, y) => [Math.floor((y - top) / tall), Math.floor((x - left) / wide)];
  const inside = (i, j) => i >= 0 && j >= 0 && i < rows && j < columns;
  surface.show((ctx, ink) => {
    write(ctx, data.title, 0, 12, { color: ink, size: 12, bold: true });
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(image(data, moment), left, top, right - left, tall * rows);
    ctx.strokeStyle = "#8c8c8c";
    ctx.lineWidth = 1;
    ctx.strokeRect(left - 0.5, top - 0.5, right - left + 1, tall * rows + 1);
    axis(ctx, ink, { grid, left, right, top, foot });
    data.legend(ctx, ink, right + 18, top + 6, surface.height - top - 20);
  }, {
    at: (x, y) => { const [i, j] = cell(x, y); return inside(i, j) ? i * columns + j : null; },
    step: (item, dx, dy) => { if (item === null) return 0; const i = Math.floor(item / columns) + dy, j = (item % columns) + dx; return inside(i, j) ? i * columns + j : item; },
    words: (item) => data.words(item),
    place: (item) => ({ x: left + ((item % columns) + 0.5) * wide, y: top + (Math.floor(item / columns) + 0.5) * tall }),
    pick: (item) => { if (owner[item] >= 0 && owner[item] < moment) data.pick(owner[item]); },
    clear: () => data.clear(),
    holds: (item) => item < rows * columns,
  });
  surface.again = () => weights(surface, data);
}

const rowHeight = (grid, wide) => Math.min(380 / grid.rows, (3 * wide) / grid.columns, 40);

/** How high a picture of this width has to be, with T owners beside it. */
export const height = (grid, T, width) => 90 + Math.max(rowHeight(grid, width - 244) * grid.rows, Math.min(13 * T + 40, 200));

/** The cells, a pixel each. */
function image({ grid, owner, color, lit }, moment) {
  const canvas = Object.assign(document.createElement("canvas"), { width: grid.columns, height: grid.rows });
  const ctx = canvas.getContext("2d"), pixels = ctx.createImageData(grid.columns, grid.rows), shades = new Map();
  const rgb = (t) => { if (!shades.has(t)) shades.set(t, [1, 3, 5].map((at) => parseInt(color(t).slice(at, at + 2), 16))); return shades.get(t); };
  for (let c = 0; c < grid.rows * grid.columns; c++) {
    const t = owner[c], shown = t >= 0 && t < moment, own = shown ? rgb(t) : [255, 255, 255], ink = shown && !lit(c) ? 0.1 : 1;
    for (let k = 0; k < 3; k++) pixels.data[4 * c + k] = 255 - ink * (255 - own[k]);
    pixels.data[4 * c + 3] = 255;
  }
  ctx.putImageData(pixels, 0, 0);
  return canvas;
}

function axis(ctx, ink, { grid, left, right, top, foot }) {
  const [out, inputs] = grid.shape.length > 1 ? grid.shape : [1, grid.shape[0]], kernel = grid.shape.slice(2).join(" × ");
  write(ctx, "0", left, foot + 10, { size: 10, to: "center", color: ink });
  write(ctx, String(inputs - 1), right, foot + 10, { size: 10, to: "center", color: ink });
  write(ctx, grid.shape.length > 1 ? `input${kernel ? ` × kernel position (${kernel})` : ""}` : "unit", (left + right) / 2, foot + 24, { to: "center", color: ink });
  if (grid.shape.length === 1) return;
  write(ctx, "0", left - 5, top + 5, { size: 10, to: "right", color: ink });
  if (foot - top > 24) write(ctx, String(out - 1), left - 5, foot - 5, { size: 10, to: "right", color: ink });
  write(ctx, "output", 14, (top + foot) / 2, { to: "center", turn: -Math.PI / 2, color: ink });
  write(ctx, drawn(grid), (left + right) / 2, foot + 40, { size: 10, to: "center", color: ink });
}
