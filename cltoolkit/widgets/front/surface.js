// A canvas that can be pointed at, and walked through with the keys.

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
    this.stage.settle();
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
    this.stage.settle();
    if (!this.items) return;
    if (event.key === "Escape") { this.focus(null); this.items.clear?.(); return; }
    if (step) this.focus(this.items.step(this.item, ...step));
    else if (this.item !== null) this.items.pick?.(this.item);
    if (this.item !== null) this.stage.say(this.items.words(this.item));
  }
}

/** A new element with a class, at the end of another. */
export function element(tag, name, into) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  into.append(made);
  return made;
}
