// What all views share: a stage with controls, canvases that are drawn once per frame, and three kinds of pictures.
// `theme` (colors, dashes, markers, color maps of the plots) stands before this file. Names of tasks and classes come
// from strangers: they reach the page through textContent, setAttribute and fillText alone.

const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";
const PICK = "#D55E00"; // the frame of cells that are meant
const FAINT = 0.22; // of cells that are not meant
const CROWD = 20; // lines past which each is thin
const MARKED = 40; // points of a line up to which each has its marker

// Reading the model

const read = new WeakMap();

/** An array of the model: its shape and its numbers, which are not to be changed; null if there is none of that name. */
export function array(model, name) {
  const held = model.get("arrays")[name];
  if (!held) return null;
  if (!read.has(held)) {
    const { buffer, byteOffset, byteLength } = held.data;
    read.set(held, { shape: held.shape, values: new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)) });
  }
  return read.get(held);
}

/** Sets a trait here and in the kernel. */
export function put(model, name, value) { putAll(model, { [name]: value }); }

/** Sets several traits at once, in one message. */
export function putAll(model, values) {
  const changed = Object.entries(values).filter(([name, value]) => model.get(name) !== value);
  for (const [name, value] of changed) model.set(name, value);
  if (changed.length) model.save_changes();
}

/** Asks the kernel; an exported page has the answers with it. Rejects with the words of an error. */
export function ask(model, question) {
  const about = JSON.stringify(question);
  const known = model.get("answers")[about];
  if (known !== undefined) return Promise.resolve(known);
  return new Promise((resolve, reject) => {
    const hear = (message) => {
      if (message.about !== about) return;
      model.off("msg:custom", hear);
      if (message.error === undefined) resolve(message.answer);
      else reject(new Error(message.error));
    };
    model.on("msg:custom", hear);
    model.send({ ask: question });
  });
}

// Words and numbers

/** A name cut in the middle, the cut visible. */
export const short = (name, length = 18) =>
  name.length <= length ? name : `${name.slice(0, length / 2)}…${name.slice(-((length - 1) >> 1))}`;

/** A number as people read it: × where nothing is known. */
export const number = (x, digits = 3) => (Number.isFinite(x) ? `${x < 0 ? "−" : ""}${Math.abs(x).toFixed(digits)}` : "×");

/** A number with its sign. */
export const signed = (x, digits = 3) => (Number.isFinite(x) ? `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(digits)}` : "×");

const clamp = (i, n) => Math.min(Math.max(i, 0), n - 1);

/** Least and largest of the known values. */
export const extent = (values) => reach([values]);

/** Round numbers from low to high, about `count` of them. */
export function ticks(low, high, count = 5) {
  const raw = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((base) => base * power >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => ({ at: (first + i) * step, text: number((first + i) * step, digits) }));
}

/** Color of a share between 0 and 1 on one of the theme's maps. */
export const shade = (map, share) => theme[map][level(share)];

const level = (share) => Math.round(255 * Math.min(1, Math.max(0, share)));

/** Look of line or point i of n: a color, dash and marker each while they are few, else shaded in their order. */
export function look(i, n) {
  const few = n <= theme.colors.length;
  const color = few ? theme.colors[i] : shade("ordinal", (0.9 * i) / (n - 1));
  return { color: color === "#000000" ? null : color, dash: few ? theme.dashes[i] : theme.dashes[n <= 20 ? i % 4 : 0], marker: few ? theme.markers[i] : "o" };
}

const light = (color) => [1, 3, 5].reduce((sum, at, i) => sum + parseInt(color.slice(at, at + 2), 16) * [0.299, 0.587, 0.114][i], 0);

// The stage

/** The root of a view with its controls and canvases; `stage.end` undoes all that it listens to. */
export class Stage {
  constructor(model, el, kind) {
    this.model = model;
    this.mine = false; // whether the view finds its words by itself
    this.undo = [];
    this.surfaces = [];
    this.dirty = new Set();
    this.frame = 0;
    this.root = element("section", "clt", el);
    this.root.classList.add(`clt-${kind}`);
    this.root.setAttribute("aria-label", model.get("content").title);
    this.bar = element("div", "clt-bar", this.root);
    this.body = element("div", "clt-body", this.root);
    this.said = element("p", "clt-said", this.root);
    this.said.setAttribute("role", "status");
    this.said.setAttribute("aria-live", "polite");
    const more = element("details", "clt-words", this.root);
    this.heading = element("summary", "", more);
    this.heading.textContent = model.get("kernel") ? "In words" : "In words, as it was saved";
    this.words = element("p", "", more);
    this.watch(["alt"], () => { if (!this.mine) this.words.textContent = model.get("alt"); });
    this.root.addEventListener("keydown", keepKeys);
    this.surroundings();
    this.end = () => { cancelAnimationFrame(this.frame); this.undo.forEach((each) => each()); };
  }

  /** Keeps pictures as wide as there is room, as sharp as the screen, and in the colors of the page. */
  surroundings() {
    const fit = () => this.surfaces.forEach((surface) => surface.fit());
    const room = new ResizeObserver(fit);
    room.observe(this.root);
    // A theme may load its colors long after it is chosen. The style sheet lets them take a moment, whose end, or
    // whose being cut short by the colors after them, is heard.
    const recolor = (event) => { if (event.target === this.root && event.propertyName === "color") fit(); };
    for (const over of ["transitionend", "transitioncancel"]) this.root.addEventListener(over, recolor);
    window.addEventListener("resize", fit);
    let sharpness; // a query for the sharpness there is: it ends when that does
    const sharpen = () => {
      fit();
      sharpness = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
      sharpness.addEventListener("change", sharpen, { once: true });
    };
    sharpen();
    this.undo.push(() => {
      room.disconnect();
      for (const over of ["transitionend", "transitioncancel"]) this.root.removeEventListener(over, recolor);
      window.removeEventListener("resize", fit);
      sharpness.removeEventListener("change", sharpen);
    });
  }

  /** Calls `draw` now, and once per frame in which any of the traits has changed. */
  watch(names, draw) {
    const hear = () => this.again(draw);
    for (const name of names) {
      this.model.on(`change:${name}`, hear);
      this.undo.push(() => this.model.off(`change:${name}`, hear));
    }
    draw();
    return hear;
  }

  again(draw) {
    this.dirty.add(draw);
    if (!this.frame) this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const due = [...this.dirty];
      this.dirty.clear();
      due.forEach((each) => each());
    });
  }

  /** What a person should hear, and see, of the last thing done. */
  say(text) { this.said.textContent = text; }

  /** The picture in words, of a view that finds them by itself, without a kernel too. */
  tell(text) {
    this.mine = true;
    this.heading.textContent = "In words";
    this.words.textContent = text;
  }

  /** A list to choose from; options are [value, text]. Gives the element. */
  choose(label, trait, options, into = this.bar) {
    const select = element("select", `clt-${trait}`, labeled(label, into));
    this.options(select, trait, options);
    select.addEventListener("change", () => put(this.model, trait, select.values[select.selectedIndex]));
    this.watch([trait], () => { select.selectedIndex = select.values.indexOf(this.model.get(trait)); });
    return select;
  }

  /** Other options for a list. */
  options(select, trait, options) {
    select.values = options.map(([value]) => value);
    select.replaceChildren(...options.map(([, text]) => Object.assign(document.createElement("option"), { textContent: text })));
    select.selectedIndex = select.values.indexOf(this.model.get(trait));
  }

  /** A slider of a number; `text` says what its value means. */
  slide(label, trait, { min, max, step = 1, text = String }, into = this.bar) {
    const holder = labeled(label, into);
    const range = Object.assign(element("input", `clt-${trait}`, holder), { type: "range", min, max, step });
    const shown = element("output", "", holder);
    range.addEventListener("input", () => put(this.model, trait, Number(range.value)));
    this.watch([trait], () => {
      range.value = this.model.get(trait);
      shown.textContent = text(this.model.get(trait));
      range.setAttribute("aria-valuetext", shown.textContent);
    });
    return range;
  }

  /** A box to tick. */
  tick(label, trait, into = this.bar) {
    const box = Object.assign(element("input", `clt-${trait}`, labeled(label, into)), { type: "checkbox" });
    box.addEventListener("change", () => put(this.model, trait, box.checked));
    this.watch([trait], () => { box.checked = this.model.get(trait); });
    return box;
  }

  /** A button. */
  press(label, act, into = this.bar) {
    const button = Object.assign(element("button", "", into), { type: "button", textContent: label });
    button.addEventListener("click", act);
    return button;
  }

  canvas(size, label) { return new Surface(this, size, label); }
}

/** Keys pressed in a control are meant for it: a notebook would take them for commands, and an X would cut the cell. */
function keepKeys(event) {
  const control = event.target.closest("select, input, button, summary, textarea");
  if (control && event.key !== "Tab" && !(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
}

/** A new element with a class, at the end of another. */
export function element(tag, name, into) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  into.append(made);
  return made;
}

function labeled(text, into) {
  const label = element("label", "", into);
  element("span", "", label).textContent = text;
  return label;
}

// A canvas that can be pointed at and walked through

/** A picture. `show` draws it; items in it can be hovered, walked through with arrows, and picked with Enter or a click. */
export class Surface {
  constructor(stage, { width, height }, label) {
    this.stage = stage;
    this.box = element("figure", "clt-figure", stage.body);
    this.canvas = element("canvas", "", this.box);
    this.tip = element("div", "clt-tip", this.box);
    this.tip.hidden = true;
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.items = null; // { at(x, y), step(item, dx, dy), words(item), place(item), pick(item), clear() }
    this.item = null;
    this.frames = 0;
    this.again = () => {}; // draws the last picture anew, for another size
    this.wanted = { width, height };
    this.size(width, height);
    stage.surfaces.push(this);
    const hear = { pointermove: (e) => this.over(e), pointerleave: () => this.focus(null), click: (e) => this.press(e), keydown: (e) => this.key(e) };
    for (const [name, act] of Object.entries(hear)) this.canvas.addEventListener(name, act);
  }

  size(width, height) {
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this, { width, height, ratio });
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
  }

  /** Another size to have where there is room for it. */
  want(width, height) {
    if (this.wanted.width === width && this.wanted.height === height) return;
    this.wanted = { width, height };
    this.fit();
  }

  /** Takes the room there is, the sharpness of the screen and the page's own color of text, where they have changed. */
  fit() {
    const room = this.stage.root.clientWidth || Infinity; // none while it is hidden
    const width = Math.min(this.wanted.width, Math.max(room, 160)), height = this.wanted.height;
    const other = width !== this.width || height !== this.height || this.ratio !== (window.devicePixelRatio || 1);
    if (other) this.size(width, height);
    if (other || (this.frames && this.ink !== getComputedStyle(this.canvas).color)) this.again();
  }

  /** Draws: `paint(ctx, ink)` on a clean canvas, in the page's own color of text. */
  show(paint, items = null) {
    const ctx = this.canvas.getContext("2d");
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    ctx.clearRect(0, 0, this.width, this.height);
    ctx.lineJoin = "round";
    this.ink = getComputedStyle(this.canvas).color;
    paint(ctx, this.ink);
    this.again = () => this.show(paint, items);
    this.items = items;
    if (this.item !== null && items?.holds) this.focus(items.holds(this.item) ? this.item : null);
    this.canvas.dataset.frame = ++this.frames;
    this.canvas.dataset.rev = this.stage.model.get("rev");
  }

  where(event) {
    const edge = this.canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  }

  over(event) { if (this.items) this.focus(this.items.at(...this.where(event))); }

  press(event) {
    const item = this.items?.at(...this.where(event)) ?? null;
    if (item !== null) this.items.pick?.(item);
    else this.items?.clear?.();
  }

  /** Names the item under the pointer or the keys, beside it and to a screen reader. */
  focus(item) {
    this.item = item;
    this.tip.hidden = item === null;
    if (item === null) return;
    const { x, y } = this.items.place(item);
    this.tip.textContent = this.items.words(item);
    const left = x > this.width / 2, above = y > this.height / 2;
    Object.assign(this.tip.style, {
      left: left ? "" : `${x + 12}px`, right: left ? `${this.width - x + 12}px` : "",
      top: above ? "" : `${Math.max(0, y - 12)}px`, bottom: above ? `${Math.max(0, this.height - y - 12)}px` : "",
    });
  }

  key(event) {
    const far = event.shiftKey ? 10 : 1; // ten at a time with Shift
    const step = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
    if (!this.items || !(step || ["Enter", " ", "Escape"].includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would walk to the next cell
    if (event.key === "Escape") { this.focus(null); this.items.clear?.(); return; }
    if (step) this.focus(this.items.step(this.item, ...step));
    else if (this.item !== null) this.items.pick?.(this.item);
    if (this.item !== null) this.stage.say(this.items.words(this.item));
  }
}

/** Writes text; `to` is where it stands from its point: "left", "center" or "right". */
export function write(ctx, text, x, y, { size = 11, color, to = "left", bold = false, turn = 0, base = "middle" } = {}) {
  ctx.font = `${bold ? "600 " : ""}${size}px ${FONT}`;
  ctx.textAlign = to;
  ctx.textBaseline = base;
  if (color) ctx.fillStyle = color;
  if (!turn) { ctx.fillText(text, x, y); return; }
  ctx.save();
  ctx.translate(x, y);
  ctx.rotate(turn);
  ctx.fillText(text, 0, 0);
  ctx.restore();
}

// Matrices

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
    const [pi, pj] = data.crossed ?? data.picked ?? [-1, -1];
    for (const [color, width] of [["#fff", 4.5], ["#000", 2.2]]) { // seen on light cells and on dark ones
      ctx.strokeStyle = color;
      ctx.lineWidth = width;
      if (data.crossed) { if (pi >= 0) frame(ctx, pi, 0, 1, n); if (pj >= 0) frame(ctx, 0, pj, m, 1); }
      else if (pi >= 0 || pj >= 0) frame(ctx, Math.max(pi, 0), Math.max(pj, 0), pi < 0 ? m : 1, pj < 0 ? n : 1);
    }
    names(ctx, ink, data.columns, data.rows, { left, top, wide, side, foot, m, n, pj, pi });
    write(ctx, data.across ?? "", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    scale(ctx, ink, { x: right + 14, y: top, height: foot - top, low, high, map, flip: data.flip });
  }, {
    at: (x, y) => { const [i, j] = cell(x, y); return inside(i, j) ? i * n + j : null; },
    holds: (item) => item < m * n,
    step: (item, dx, dy) => item === null ? 0 : clamp(Math.floor(item / n) + dy, m) * n + clamp((item % n) + dx, n),
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

function names(ctx, ink, columns, rows, { left, top, wide, side, foot, m, n, pj, pi }) {
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
  for (const { at, text } of ticks(low, high, 6)) write(ctx, text, x + 14, y + height * (1 - (at - low) / (high - low || 1)), { size: 10, color: ink });
}

// Lines

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

/** Least and largest of what is known in several arrays. */
function reach(arrays) {
  let low = Infinity, high = -Infinity;
  for (const values of arrays) for (const x of values) if (Number.isFinite(x)) { if (x < low) low = x; if (x > high) high = x; }
  return low <= high ? [low, high] : [0, 1];
}

/** Ticks of a logarithmic axis. */
function decades(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high)), bases = last - first > 2 ? [1] : [1, 2, 5];
  const all = Array.from({ length: last - first + 1 }, (_, i) => bases.map((base) => base * 10 ** (first + i))).flat();
  return all.filter((at) => at >= low * 0.999 && at <= high * 1.001).map((at) => ({ at, text: at < 1e-3 ? Number(at.toPrecision(2)).toExponential() : String(Number(at.toPrecision(2))) }));
}

/** Text in lines no wider than there is room. */
function paragraph(ctx, ink, text, x, y, width) {
  ctx.font = `12px ${FONT}`;
  let line = "";
  for (const word of `${text} `.split(" ")) {
    if (word && ctx.measureText(`${line}${word}`).width <= width) { line += `${word} `; continue; }
    write(ctx, line, x, y, { size: 12, color: ink });
    line = `${word} `;
    y += 17;
  }
}

export function grid(ctx, ink, { left, right, top, foot, px, py, xticks, yticks }) {
  ctx.lineWidth = 1;
  for (const { at, text } of yticks) {
    ctx.globalAlpha = 0.15;
    stroke(ctx, ink, [[left, py(at)], [right, py(at)]]);
    ctx.globalAlpha = 1;
    write(ctx, text, left - 5, py(at), { size: 10, color: ink, to: "right" });
  }
  for (const { at, text } of xticks) write(ctx, text, px(at), foot + 10, { size: 10, color: ink, to: "center" });
  stroke(ctx, ink, [[left, top], [left, foot], [right, foot]]);
}

export function stroke(ctx, color, path) {
  ctx.strokeStyle = color;
  ctx.beginPath();
  path.forEach(([x, y], k) => (k ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
}

function rule(ctx, ink, x, top, foot) {
  ctx.setLineDash([3, 3]);
  ctx.lineWidth = 1;
  stroke(ctx, ink, [[x, top], [x, foot]]);
  ctx.setLineDash([]);
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

/** A marker of the plots: o s D ^ v P X, and * for what is no task. */
export function mark(ctx, kind, x, y, r, color) {
  ctx.fillStyle = color;
  ctx.beginPath();
  if (kind === "s") ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (kind === "D") [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]].forEach(([u, v]) => ctx.lineTo(x + u * r, y + v * r));
  else if (kind === "^") [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]].forEach(([u, v]) => ctx.lineTo(x + u * r, y + v * r));
  else if (kind === "v") [[0, 1.2], [1.1, -0.9], [-1.1, -0.9]].forEach(([u, v]) => ctx.lineTo(x + u * r, y + v * r));
  else if (kind === "P") { ctx.rect(x - r / 2, y - 1.2 * r, r, 2.4 * r); ctx.rect(x - 1.2 * r, y - r / 2, 2.4 * r, r); }
  else if (kind === "X") [[-0.6, -1.2], [0, -0.6], [0.6, -1.2], [1.2, -0.6], [0.6, 0], [1.2, 0.6], [0.6, 1.2], [0, 0.6], [-0.6, 1.2], [-1.2, 0.6], [-0.6, 0], [-1.2, -0.6]]
    .forEach(([u, v]) => ctx.lineTo(x + u * r, y + v * r));
  else if (kind === "*") for (let k = 0; k < 10; k++) ctx.lineTo(x + (k % 2 ? 0.7 : 1.8) * r * Math.sin((k * Math.PI) / 5), y - (k % 2 ? 0.7 : 1.8) * r * Math.cos((k * Math.PI) / 5));
  else ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.fill();
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

// Points

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
