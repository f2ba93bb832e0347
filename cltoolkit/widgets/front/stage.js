// The stage of a view: its root, native controls bound to traits, and drawing once per frame.

import { put } from "./model.js";
import { Surface, element } from "./surface.js";

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
    if (!this.frame) this.frame = requestAnimationFrame(() => this.settle());
  }

  /** Draws what is due, now: a click or a key means the state as it is, not the picture before it. */
  settle() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const due = [...this.dirty];
    this.dirty.clear();
    due.forEach((each) => each());
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

function labeled(text, into) {
  const label = element("label", "", into);
  element("span", "", label).textContent = text;
  return label;
}
