import { grid, hole, mark, number, shade, short, stroke, ticks, write } from "./view.js";

const PAPER = "#ffffff", GREY = "#b0b0b0", CROWD = 20;

/** Color of owner t of T: dark first, light last, in grey too, as in the plots. */
export const owned = (t, T) => shade("ordinal", (0.88 * t) / Math.max(T - 1, 1));

/** A color of text that can be read on an owner's. */
export const on = (t, T) => (t < 0.55 * T ? "#fff" : "#000");

/** A rectangle of striped paper: what is free, or not enough. */
export function stripe(ctx, x, y, width, height, { fill = PAPER, line = GREY, gap = 6 } = {}) {
  if (width <= 0 || height <= 0) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.clip();
  ctx.lineWidth = 1;
  ctx.strokeStyle = line;
  ctx.beginPath();
  for (let k = -height; k < width; k += gap) { ctx.moveTo(x + k, y + height); ctx.lineTo(x + k + height, y); }
  ctx.stroke();
  ctx.restore();
}

/** Owners, their colors and a word on each: a list while they are few, else a ramp from first to last. */
export function key(ctx, ink, { x, y, height, names, T, texts, picked, free, plain }) {
  write(ctx, "owner", x, y, { size: 10, color: ink, bold: true });
  const few = T <= CROWD && T * 13 <= height - 34, top = y + 10;
  if (few) names.slice(0, T).forEach((name, t) => {
    ctx.fillStyle = owned(t, T);
    ctx.fillRect(x, top + 13 * t, 12, 10);
    write(ctx, `${t + 1}  ${short(name, 12)}${texts?.[t] ? `  ${texts[t]}` : ""}`, x + 17, top + 13 * t + 5, { size: 10, color: ink, bold: t === picked });
  });
  else {
    const long = Math.min(140, height - 60);
    for (let k = 0; k < long; k++) { ctx.fillStyle = shade("ordinal", (0.88 * k) / long); ctx.fillRect(x, top + k, 12, 1.5); }
    [0, picked, T - 1].filter((t) => t >= 0 && t < T).forEach((t) => write(ctx, `${t + 1}  ${short(names[t], 12)}${texts?.[t] ? `  ${texts[t]}` : ""}`,
      x + 17, top + (long * t) / Math.max(T - 1, 1), { size: 10, color: ink, bold: t === picked }));
  }
  const foot = top + (few ? 13 * T : Math.min(140, height - 60) + 10) + 4;
  stripe(ctx, x, foot, 12, 10, { gap: 4, line: plain ? PAPER : GREY });
  ctx.strokeStyle = GREY;
  ctx.strokeRect(x + 0.5, foot + 0.5, 11, 9);
  write(ctx, `free${free ? `  ${free}` : ""}`, x + 17, foot + 5, { size: 10, color: ink });
}

/**
 * A bar for each layer, its parts in the order of their owners; what is free is striped; a mark where independent masks would end.
 * data: { rows: [{ name, note, parts (shares of owners), chance }], T, moment, names, picked, title, words(row, owner), pick(owner), clear() }
 */
export function capacity(surface, data) {
  const { rows, T, moment } = data, left = 150, right = surface.width - 150, top = 46, foot = surface.height - 34;
  const step = (foot - top) / rows.length, tall = Math.min(30, 0.7 * step), wide = right - left;
  const ends = rows.map((row) => { let sum = 0; return [0, ...Array.from({ length: moment }, (_, t) => (sum += row.parts[t]))]; });
  const y = (i) => top + (i + 0.5) * step - tall / 2, x = (share) => left + wide * share;
  const span = (i, t) => (t === T ? [ends[i][moment], 1] : [ends[i][t], ends[i][t + 1]]);
  const shown = (i, t) => t === T || (t < moment && span(i, t)[1] > span(i, t)[0]);
  surface.show((ctx, ink) => {
    write(ctx, data.title, 0, 12, { color: ink, size: 12, bold: true });
    ctx.lineWidth = 2;
    stroke(ctx, "#D55E00", [[6, 24], [6, 36]]);
    write(ctx, "in use, if masks were independent", 14, 30, { size: 10, color: ink });
    rows.forEach((row, i) => {
      for (let t = 0; t < moment; t++) {
        const [a, b] = span(i, t);
        ctx.globalAlpha = data.picked >= 0 && data.picked !== t ? 0.45 : 1;
        ctx.fillStyle = owned(t, T);
        ctx.fillRect(x(a), y(i), wide * (b - a), tall);
        if (T <= CROWD) { ctx.fillStyle = PAPER; ctx.fillRect(x(b) - 0.5, y(i), 1, tall); }
        ctx.globalAlpha = 1;
        if (T <= CROWD && wide * (b - a) > 14 && tall > 9) write(ctx, String(t + 1), x((a + b) / 2), y(i) + tall / 2,
          { size: 10, to: "center", color: data.picked >= 0 && data.picked !== t ? ink : on(t, T), bold: t === data.picked });
        if (t === data.picked && b > a) { ctx.strokeStyle = ink; ctx.lineWidth = 2; ctx.strokeRect(x(a), y(i) - 1, Math.max(1, wide * (b - a)), tall + 2); }
      }
      stripe(ctx, x(ends[i][moment]), y(i), wide * (1 - ends[i][moment]), tall);
      ctx.strokeStyle = GREY;
      ctx.lineWidth = 1;
      ctx.strokeRect(left + 0.5, y(i) + 0.5, wide - 1, tall - 1);
      for (const [color, thick] of [[PAPER, 5], ["#D55E00", 2.5]]) { ctx.lineWidth = thick; stroke(ctx, color, [[x(row.chance), y(i) - 4], [x(row.chance), y(i) + tall + 4]]); }
      if (step >= 26) {
        write(ctx, short(row.name, 22), left - 8, y(i) + tall / 2 - 6, { size: 11, to: "right", color: ink, bold: row.bold });
        write(ctx, row.note, left - 8, y(i) + tall / 2 + 7, { size: 10, to: "right", color: ink });
      } else if (step >= 9 || i % Math.ceil(9 / step) === 0) write(ctx, short(row.name, 22), left - 8, y(i) + tall / 2, { size: 9, to: "right", color: ink, bold: row.bold });
    });
    for (const at of [0, 0.25, 0.5, 0.75, 1]) write(ctx, `${100 * at} %`, x(at), foot + 9, { size: 10, to: "center", color: ink });
    write(ctx, "share of the layer's weights", (left + right) / 2, surface.height - 7, { to: "center", color: ink });
    key(ctx, ink, { x: right + 18, y: top, height: foot - top, names: data.names, T, picked: data.picked });
  }, {
    at(px, py) {
      const i = Math.floor((py - top) / step), share = (px - left) / wide;
      if (i < 0 || i >= rows.length || share < 0 || share > 1) return null;
      const t = ends[i].findIndex((end) => end > share) - 1;
      return i * (T + 1) + (t < 0 ? T : t);
    },
    step(item, dx, dy) {
      if (item === null) return [...Array(T + 1).keys()].find((t) => shown(0, t));
      const i = Math.min(Math.max(Math.floor(item / (T + 1)) + dy, 0), rows.length - 1);
      let t = item % (T + 1);
      do t += dx; while (dx && t >= 0 && t <= T && !shown(i, t));
      return t < 0 || t > T ? item : i * (T + 1) + (shown(i, t) ? t : T);
    },
    words: (item) => data.words(Math.floor(item / (T + 1)), item % (T + 1)),
    place(item) { const i = Math.floor(item / (T + 1)), [a, b] = span(i, item % (T + 1)); return { x: x((a + b) / 2), y: y(i) + tall }; },
    pick: (item) => { if (item % (T + 1) < T) data.pick(item % (T + 1)); },
    clear: () => data.clear(),
    holds: (item) => item < rows.length * (T + 1) && shown(Math.floor(item / (T + 1)), item % (T + 1)),
  });
  surface.again = () => capacity(surface, data);
}

/**
 * Which earlier task each mask started from: an arc from the donor to the task. data: { donor (-1: none), scores(t), names, picked, title, words(t), pick(t), clear() }
 */
export function tree(surface, data) {
  const T = data.donor.length, left = 24, right = surface.width - 24, top = 48, foot = surface.height - 90;
  const x = (t) => left + ((right - left) * (t + 0.5)) / T, r = Math.min(7, Math.max(2, ((right - left) / T) * 0.4));
  const most = Math.max(1, ...data.donor.map((k, t) => (k < 0 ? 0 : t - k))), high = (t, k) => ((foot - top - r) * (t - k)) / most;
  const crowded = T > CROWD, every = Math.max(1, Math.ceil((14 * T) / (right - left)));
  surface.show((ctx, ink) => {
    write(ctx, data.title, 0, 12, { color: ink, size: 12, bold: true });
    mark(ctx, "o", 8, 30, 4, ink);
    write(ctx, "started from a donor", 17, 30, { size: 10, color: ink });
    ring(ctx, ink, 138, 30, 4);
    write(ctx, "none: a start of its own", 147, 30, { size: 10, color: ink });
    data.donor.forEach((k, t) => {
      if (k < 0) return;
      const bold = t === data.picked, faint = data.picked >= 0 && !bold && k !== data.picked;
      ctx.globalAlpha = faint ? 0.3 : 1;
      ctx.lineWidth = bold ? 3 : crowded ? 1 : 1.8;
      ctx.strokeStyle = ink;
      ctx.beginPath();
      ctx.ellipse((x(k) + x(t)) / 2, foot, (x(t) - x(k)) / 2, high(t, k), 0, Math.PI, 2 * Math.PI);
      ctx.stroke();
      ctx.globalAlpha = 1;
      if (!crowded) { ctx.fillStyle = ink; ctx.beginPath(); [[0, 0], [-4, -9], [4, -9]].forEach(([u, v]) => ctx.lineTo(x(t) + u, foot - r + v)); ctx.fill(); }
      if (T <= 12 && Number.isFinite(data.scores(t))) write(ctx, data.scores(t).toFixed(2), (x(k) + x(t)) / 2, foot - high(t, k) - 8, { size: 10, to: "center", color: ink, bold });
    });
    data.donor.forEach((k, t) => {
      if (k < 0) ring(ctx, ink, x(t), foot, r); else mark(ctx, "o", x(t), foot, r, ink);
      if (t === data.picked) { ctx.strokeStyle = ink; ctx.lineWidth = 2; ctx.beginPath(); ctx.arc(x(t), foot, r + 4, 0, 2 * Math.PI); ctx.stroke(); }
      if (t % every === 0 || t === data.picked) write(ctx, short(data.names[t], 14), x(t) + 3, foot + r + 7, { size: 10, to: "right", turn: -Math.PI / 4, color: ink, bold: t === data.picked });
    });
    write(ctx, "task, in the order learned", (left + right) / 2, surface.height - 6, { to: "center", color: ink });
  }, walk(T, x, () => foot, data, (px, py) => (py > top - 20 ? Math.floor(((px - left) / (right - left)) * T) : -1)));
  surface.again = () => tree(surface, data);
}

/**
 * Bars for scores of candidates. data: { values, names, chosen (-1: none), needed, chance, picked, title, words(k), pick(k), clear() }
 */
export function scores(surface, data) {
  const { values, names, needed, chance } = data, n = values.length, left = 46, right = surface.width - 74, top = 32, foot = surface.height - 90;
  const known = [...values, needed, chance].filter(Number.isFinite);
  const y0 = Math.min(0, ...known), y1 = Math.max(known.length && Math.max(...known) <= 1 && y0 === 0 ? 1 : 0, ...known) || 1;
  const x = (k) => left + ((right - left) * (k + 0.5)) / Math.max(n, 1), y = (v) => foot - ((foot - top) * (v - y0)) / (y1 - y0);
  const wide = Math.min(46, (0.7 * (right - left)) / Math.max(n, 1)), every = Math.max(1, Math.ceil((14 * n) / (right - left)));
  surface.show((ctx, ink) => {
    write(ctx, data.title, 0, 12, { color: ink, size: 12, bold: true });
    grid(ctx, ink, { left, right, top, foot, px: x, py: y, xticks: [], yticks: ticks(y0, y1, 5) });
    write(ctx, "score", 10, (top + foot) / 2, { to: "center", turn: -Math.PI / 2, color: ink });
    if (!n) write(ctx, "no earlier task to start from", (left + right) / 2, (top + foot) / 2, { to: "center", color: ink });
    values.forEach((v, k) => {
      const a = Math.min(y(v), y(0)), height = Math.abs(y(v) - y(0)), box = [x(k) - wide / 2, a, wide, height], chosen = k === data.chosen;
      if (!Number.isFinite(v)) write(ctx, "×", x(k), y(0) - 8, { to: "center", color: ink });
      else if (chosen) { ctx.fillStyle = "#0072B2"; ctx.fillRect(...box); }
      else if (Number.isFinite(needed) && v <= needed) stripe(ctx, ...box);
      else { ctx.fillStyle = "#a9c8de"; ctx.fillRect(...box); }
      ctx.strokeStyle = ink;
      ctx.lineWidth = k === data.picked ? 3 : chosen ? 2 : n > 60 ? 0 : 0.8;
      if (Number.isFinite(v) && ctx.lineWidth && (n <= 60 || chosen || k === data.picked)) ctx.strokeRect(...box);
      if (n <= 12 && Number.isFinite(v)) write(ctx, `${chosen ? "donor " : ""}${number(v, 2)}`, x(k), Math.min(y(v), y(0)) - 7, { size: 10, to: "center", color: ink, bold: chosen });
      if (k % every === 0 || chosen) write(ctx, short(names[k], 14), x(k) + 3, foot + 8, { size: 10, to: "right", turn: -Math.PI / 4, color: ink, bold: chosen });
    });
    level(ctx, ink, "needed", needed, [8, 3], { left, right, y });
    level(ctx, ink, "chance", chance, [2, 3], { left, right, y });
    write(ctx, "earlier task, as a start", (left + right) / 2, surface.height - 6, { to: "center", color: ink });
  }, walk(n, x, (k) => y(Math.max(0, values[k] || 0)), data, (px) => Math.floor(((px - left) / (right - left)) * n)));
  surface.again = () => scores(surface, data);
}

function level(ctx, ink, name, value, dash, { left, right, y }) {
  if (!Number.isFinite(value)) return;
  ctx.lineWidth = 1.5;
  ctx.setLineDash(dash);
  stroke(ctx, ink, [[left, y(value)], [right, y(value)]]);
  ctx.setLineDash([]);
  write(ctx, `${name} ${number(value, 2)}`, right + 4, y(value), { size: 10, color: ink });
}

function ring(ctx, ink, x, y, r) {
  hole(ctx, "o", x, y, r);
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1.2;
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.stroke();
}

/** Items side by side: found by their place along the axis, walked through with arrows. */
function walk(n, x, y, data, find) {
  return {
    at: (px, py) => { const k = find(px, py); return k >= 0 && k < n ? k : null; },
    holds: (item) => item < n,
    step: (item, dx, dy) => (n ? (item === null ? Math.max(data.picked, 0) : Math.min(Math.max(item + (dx || dy), 0), n - 1)) : null),
    words: (item) => data.words(item),
    place: (item) => ({ x: x(item), y: y(item) }),
    pick: (item) => data.pick(item),
    clear: () => data.clear(),
  };
}
