import { Stage, array, element, extent, grid, look, number, put, short, signed, stroke, ticks, write, ask } from "./view.js";
import { scatter } from "./scatter.js";

const EQUAL = 1e-6; // of the span of values: what counts as the same
const FEW = 30; // orders up to which each is a point of its own
const MARKS = { best: "best", worst: "worst", given: "as given" };

function render({ model, el }) {
  const stage = new Stage(model, el, "order");
  const book = ledger(model);
  for (const [what, text] of Object.entries(MARKS)) stage.press(text, () => arrange(model, book.notable[what])).classList.add(`clt-${what}`);
  stage.choose("Outcome", "outcome", [["learned", "accuracy when learned"], ["final", "accuracy at the end"]]);
  runner(stage, model);
  const headline = before(stage, "p", "clt-value"), list = before(stage, "ol", "clt-chips");
  Object.assign(list.style, { display: "flex", flexWrap: "wrap", gap: "6px", listStyle: "none", padding: 0, margin: "4px 0 8px" });
  list.setAttribute("aria-label", "Tasks in order, first to last. Arrow keys move a task, Enter picks it; or drag.");
  const chips = makeChips(stage, model, book, list);
  const drawn = stage.canvas({ width: 500, height: 300 }, "What each task draws on");
  const all = stage.canvas({ width: 420, height: 300 }, "All orders");
  const against = stage.canvas({ width: 500, height: 320 }, "Predicted against measured");
  for (const [surface, name] of [[drawn, "draws"], [all, "all"], [against, "against"]]) surface.canvas.classList.add(`clt-at-${name}`);
  problem(stage, model);
  stage.watch(["arrays", "content", "rev", "order", "task", "outcome"], () => {
    const order = model.get("order"), value = book.value(order);
    headline.textContent = `Predicted value ${number(value, 4)}: ${book.standing(value)}.`;
    Object.assign(headline.dataset, { value, order: order.join(" ") });
    place(model, list, chips);
    draws(drawn, model, book);
    strip(all, model, book);
    measured(against, model, book);
  });
  return stage.end;
}

const before = (stage, tag, name) => { const made = element(tag, name, stage.root); stage.root.insertBefore(made, stage.body); return made; };
const arrange = (model, order) => { if (order.join() !== model.get("order").join()) put(model, "order", [...order]); };
const chain = (model, order) => order.map((t) => model.get("content").tasks[t]).join(" → ");

// What is predicted: the three rules of predict_orders

/** What earlier tasks offer to the one at a place: how much, and who (-1: all of them). */
const RULES = {
  best: (offers) => { const at = offers.indexOf(Math.max(...offers)); return [offers[at], at]; },
  mean: (offers) => [offers.reduce((sum, x) => sum + x, 0) / offers.length, offers.length === 1 ? 0 : -1],
  last: (offers) => [offers[offers.length - 1], offers.length - 1],
};

/** The numbers that came with the view, and what follows from them. */
function ledger(model) {
  const { shape: [T], values: scores } = array(model, "scores"), values = array(model, "values").values, { rule, complete, notable } = model.get("content");
  const span = values[values.length - 1] - values[0] || 1;
  const drawsOn = (order) => order.slice(1).map((t, i) => {
    const [offer, at] = RULES[rule](order.slice(0, i + 1).map((s) => scores[s * T + t]));
    return { task: t, offer, from: at < 0 ? -1 : order[at] };
  });
  const value = (order) => drawsOn(order).reduce((sum, { offer }) => sum + offer, 0) / (T - 1);
  const below = (x) => { let low = 0, high = values.length; while (low < high) { const mid = (low + high) >> 1; if (values[mid] < x) low = mid + 1; else high = mid; } return low; };
  const most = (t) => { let best = -1; for (let s = 0; s < T; s++) if (s !== t && (best < 0 || scores[s * T + t] > scores[best * T + t])) best = s; return { from: best, offer: scores[best * T + t] }; };
  const standing = (x) => {
    const under = below(x - EQUAL * span), over = values.length - below(x + EQUAL * span), of = `${complete ? "all" : "the"} ${values.length} orders${complete ? "" : " drawn"}`;
    return `better than ${Math.floor((100 * under) / values.length)} % of ${of}, worse than ${Math.floor((100 * over) / values.length)} %`;
  };
  return { T, values, drawsOn, value, most: Array.from({ length: T }, (_, t) => most(t)), standing, notable: { ...notable, given: [...Array(T).keys()] } };
}

// Chips to be moved

function makeChips(stage, model, book, list) {
  const { tasks } = model.get("content");
  const chips = tasks.map((name, t) => {
    const item = document.createElement("li"), chip = element("button", "clt-chip", item);
    Object.assign(chip, { type: "button", textContent: short(name, 24), title: name });
    chip.dataset.task = t;
    Object.assign(chip.style, { touchAction: "none", userSelect: "none", cursor: "grab" });
    chip.addEventListener("keydown", (event) => byKeys(event, stage, model, book, t));
    chip.addEventListener("click", (event) => { if (event.detail === 0) pick(model, t); });
    return { item, chip };
  });
  dragging(stage, model, book, list, chips);
  return chips;
}

const pick = (model, t) => put(model, "task", model.get("task") === t ? -1 : t);

/** Brings the chips into the order; the one with the focus keeps it. */
function place(model, list, chips) {
  const order = model.get("order"), focused = list.getRootNode().activeElement, { tasks } = model.get("content");
  if (order.some((t, i) => list.children[i] !== chips[t].item)) {
    list.replaceChildren(...order.map((t) => chips[t].item));
    if (focused && list.contains(focused)) focused.focus();
  }
  order.forEach((t, i) => {
    chips[t].chip.setAttribute("aria-label", `${tasks[t]}, place ${i + 1} of ${order.length}`);
    chips[t].chip.setAttribute("aria-pressed", String(model.get("task") === t));
    chips[t].chip.style.fontWeight = model.get("task") === t ? "700" : "";
    chips[t].chip.style.borderWidth = model.get("task") === t ? "2px" : "1px";
  });
}

/** Puts a task at a place, the others closing up. */
function moved(model, t, to) {
  const rest = model.get("order").filter((other) => other !== t), at = Math.min(Math.max(to, 0), rest.length);
  arrange(model, [...rest.slice(0, at), t, ...rest.slice(at)]);
}

function announce(stage, model, book, t) {
  const order = model.get("order"), value = book.value(order);
  stage.say(`${model.get("content").tasks[t]} is at place ${order.indexOf(t) + 1} of ${order.length}. Predicted value ${number(value, 4)}, ${book.standing(value)}.`);
}

function byKeys(event, stage, model, book, t) {
  const at = model.get("order").indexOf(t), last = book.T - 1;
  const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last }[event.key];
  if (to === undefined && !["Enter", " ", "Escape"].includes(event.key)) return;
  event.stopPropagation(); // a notebook would walk to the next cell
  if (event.key === "Escape") put(model, "task", -1);
  if (to === undefined) return;
  event.preventDefault();
  moved(model, t, to);
  announce(stage, model, book, t);
}

/** A chip follows the pointer: it goes behind all chips whose middle lies before it. */
function dragging(stage, model, book, list, chips) {
  let held = null;
  list.addEventListener("pointerdown", (event) => {
    const chip = event.target.closest(".clt-chip");
    if (!chip || event.button) return;
    held = { t: Number(chip.dataset.task), x: event.clientX, y: event.clientY, moves: false, from: [...model.get("order")] };
    list.setPointerCapture(event.pointerId);
  });
  list.addEventListener("pointermove", (event) => {
    if (!held) return;
    held.moves ||= Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4;
    if (!held.moves) return;
    chips[held.t].chip.setAttribute("aria-grabbed", "true");
    const others = model.get("order").filter((t) => t !== held.t);
    moved(model, held.t, others.filter((t) => isBefore(chips[t].chip.getBoundingClientRect(), event.clientX, event.clientY)).length);
  });
  const drop = (kept) => {
    if (!held) return;
    const { t, moves, from } = held;
    held = null;
    chips[t].chip.setAttribute("aria-grabbed", "false");
    if (!kept) arrange(model, from);
    else if (moves) announce(stage, model, book, t);
    else pick(model, t);
    chips[t].chip.focus();
  };
  list.addEventListener("pointerup", () => drop(true));
  list.addEventListener("pointercancel", () => drop(false));
}

const isBefore = (box, x, y) => box.bottom < y || (box.top <= y && (box.left + box.right) / 2 < x);

// Running it

function runner(stage, model) {
  const button = stage.press("Run it", () => ask(model, ["start"]).catch((error) => stage.say(error.message))), why = element("span", "clt-why", stage.bar);
  button.classList.add("clt-start");
  stage.watch(["content", "kernel", "training"], () => {
    const live = model.get("kernel"), trains = model.get("content").trains, under = live ? model.get("training") : [];
    button.disabled = !live || !trains || under.length > 0;
    why.textContent = !live ? "To train an order, open this in a notebook: a page has no kernel." : !trains ? "To train an order, give the view `train`." : under.length ? `training ${chain(model, under)} …` : "";
  });
}

function problem(stage, model) {
  const box = element("pre", "clt-problem", stage.root);
  box.setAttribute("role", "alert");
  stage.watch(["problem"], () => { box.textContent = model.get("problem"); box.hidden = !model.get("problem"); });
}

// What each task draws on

function draws(surface, model, book) {
  const { tasks, rule_words: rule } = model.get("content"), order = model.get("order"), picked = model.get("task"), own = book.drawsOn(order), T = book.T;
  const left = 52, right = surface.width - 10, top = 44, foot = surface.height - 74, wide = (right - left) / T;
  const [low, high] = extent([0, ...own.map(({ offer }) => offer), ...own.map(({ task }) => book.most[task].offer)]), room = 0.06 * (high - low || 1), [y0, y1] = [low < 0 ? low - room : 0, high > 0 ? high + room : 0];
  const px = (i) => left + (i + 0.5) * wide, py = (y) => foot - ((foot - top) * (y - y0)) / (y1 - y0 || 1), mean = book.value(order), named = wide >= 14;
  const from = (i) => (own[i - 1].from < 0 ? `all ${i}` : tasks[own[i - 1].from]);
  surface.show((ctx, ink) => {
    write(ctx, "What each task draws on", left, 12, { color: ink, size: 12, bold: true });
    write(ctx, `bars: ${rule}; ◇ most on offer; dashes: mean = value`, left, 28, { color: ink, size: 10 });
    grid(ctx, ink, { left, right, top, foot, px: (x) => x, py, xticks: [], yticks: ticks(y0, y1, 5) });
    stroke(ctx, ink, [[left, py(0)], [right, py(0)]]);
    own.forEach(({ task, offer }, k) => {
      const x = px(k + 1), half = Math.max(0.3 * wide, 0.5);
      ctx.fillStyle = offer < 0 ? theme.colors[1] : theme.colors[0];
      ctx.globalAlpha = picked < 0 || picked === task ? 0.85 : 0.3;
      ctx.fillRect(x - half, Math.min(py(0), py(offer)), 2 * half, Math.max(Math.abs(py(0) - py(offer)), 1));
      ctx.globalAlpha = 1;
      if (named) diamond(ctx, ink, x, py(book.most[task].offer));
    });
    ctx.setLineDash([5, 4]);
    ctx.lineWidth = 1.5;
    stroke(ctx, ink, [[left, py(mean)], [right, py(mean)]]);
    ctx.setLineDash([]);
    if (named) order.forEach((t, i) => below(ctx, ink, { name: tasks[t], from: i ? `← ${from(i)}` : "first", offer: i ? signed(own[i - 1].offer, 3) : "", x: px(i), wide, foot, bold: t === picked }));
  }, {
    at: (x, y) => { const i = Math.floor((x - left) / wide); return i >= 0 && i < T && y > top - 10 ? i : null; },
    step: (item, dx, dy) => (item === null ? 0 : Math.min(Math.max(item + (dx || dy), 0), T - 1)),
    words: (i) => (i ? `${tasks[order[i]]}, place ${i + 1}\ndraws ${number(own[i - 1].offer, 3)} from ${from(i)}\nmost on offer: ${number(book.most[order[i]].offer, 3)} from ${tasks[book.most[order[i]].from]}` : `${tasks[order[0]]} comes first, and draws on nothing`),
    place: (i) => ({ x: px(i), y: i ? py(own[i - 1].offer) : foot }),
    pick: (i) => put(model, "task", order[i]), clear: () => put(model, "task", -1),
  });
  surface.again = () => draws(surface, model, book);
  surface.canvas.setAttribute("aria-label", `What each task draws on, by the rule: ${rule}. ${T <= 20 ? own.map(({ task, offer }, k) => `${tasks[task]} ${number(offer, 3)} from ${from(k + 1)}`).join("; ") : `${T} tasks`}.`);
}

function below(ctx, ink, { name, from, offer, x, wide, foot, bold }) {
  const slant = wide < 48, turn = slant ? -Math.PI / 4 : 0, to = slant ? "right" : "center", room = slant ? 11 : Math.floor(wide / 6);
  write(ctx, short(name, room), slant ? x - 3 : x, foot + 11, { color: ink, size: 11, to, turn, bold });
  write(ctx, short(from, room), slant ? x + 9 : x, foot + (slant ? 13 : 26), { color: ink, size: 10, to, turn });
  if (!slant) write(ctx, offer, x, foot + 41, { color: ink, size: 10, to, bold });
}

function diamond(ctx, ink, x, y) {
  ctx.lineWidth = 1.2;
  stroke(ctx, ink, [[x, y - 5], [x + 5, y], [x, y + 5], [x - 5, y], [x, y - 5]]);
}

// Among all orders

function strip(surface, model, book) {
  const { values } = book, order = model.get("order"), left = 46, right = surface.width - 12, foot = surface.height - 36, top = 96;
  const [x0, x1] = (([a, b]) => { const gap = 0.06 * (b - a) || 0.5; return [a - gap, b + gap]; })(extent([...[values[0], values[values.length - 1]], book.value(order)]));
  const px = (x) => left + ((right - left) * (x - x0)) / (x1 - x0), few = values.length <= FEW, counts = few ? piles(values, px) : bins(values, x0, x1);
  const most = Math.max(...counts, 3), py = (y) => foot - ((foot - top) * y) / (most * 1.05);
  const shown = [["worst", book.notable.worst], ["as given", book.notable.given], ["best", book.notable.best], ["this order", order]].map(([name, own], i) => ({ name, order: own, value: book.value(own), look: own === order ? { color: null, dash: [] } : look(i, 4) }));
  surface.show((ctx, ink) => {
    write(ctx, `${model.get("content").complete ? "All" : "Some"} ${values.length} orders`, left, 12, { color: ink, size: 12, bold: true });
    grid(ctx, ink, { left, right, top, foot, px, py, xticks: ticks(x0, x1, 5), yticks: few ? [] : ticks(0, most, 3) });
    write(ctx, "predicted value of an order", (left + right) / 2, surface.height - 6, { color: ink, to: "center" });
    if (!few) write(ctx, "number of orders", 8, (top + foot) / 2, { color: ink, to: "center", turn: -Math.PI / 2 });
    ctx.fillStyle = ink;
    ctx.globalAlpha = 0.3;
    if (few) counts.forEach((height, k) => { ctx.beginPath(); ctx.arc(px(values[k]), py(height + 0.5), 4, 0, 2 * Math.PI); ctx.fill(); });
    else counts.forEach((count, b) => { const wide = (right - left) / counts.length; ctx.fillRect(left + b * wide, py(count), wide - 1, foot - py(count)); });
    ctx.globalAlpha = 1;
    shown.forEach((each, i) => flag(ctx, ink, each, { x: px(each.value), y: 30 + 17 * i, foot, right: surface.width, above: shown.slice(0, i).map(({ value }) => px(value)), own: i === shown.length - 1 }));
  }, {
    at: (x, y) => { const row = Math.floor((y - 22) / 17); return row >= 0 && row < shown.length ? row : null; },
    step: (item, dx, dy) => (item === null ? 0 : Math.min(Math.max(item + (dx || dy), 0), shown.length - 1)),
    words: (i) => `${shown[i].name}: ${chain(model, shown[i].order)}\npredicted ${number(shown[i].value, 4)}, ${book.standing(shown[i].value)}`,
    place: (i) => ({ x: px(shown[i].value), y: 30 + 17 * i }),
    pick: (i) => arrange(model, shown[i].order),
  });
  surface.again = () => strip(surface, model, book);
  surface.canvas.setAttribute("aria-label", `Predicted values of ${values.length} orders. ${shown.map((each) => `${each.name} ${number(each.value, 4)}`).join(", ")}.`);
}

function bins(values, x0, x1) {
  const counts = new Array(Math.min(50, Math.max(10, Math.floor(2 * values.length ** (1 / 3))))).fill(0);
  for (const x of values) counts[Math.min(counts.length - 1, Math.floor((counts.length * (x - x0)) / (x1 - x0)))] += 1;
  return counts;
}

/** Heights that put values nearly alike on top of each other. */
function piles(values, px) {
  const heights = [];
  values.forEach((x, k) => { let h = 0; while (heights.some((other, j) => other === h && Math.abs(px(values[j]) - px(x)) < 9)) h += 1; heights[k] = h; });
  return heights;
}

function flag(ctx, ink, { name, value, look: { color, dash } }, { x, y, foot, right, above, own }) {
  ctx.lineWidth = own ? 2.5 : 1.5;
  ctx.setLineDash(dash);
  stroke(ctx, color ?? ink, [[x, y], [x, foot]]);
  ctx.setLineDash([]);
  const text = `${name} ${number(value, 3)}`, wide = 8 + 6 * text.length, crossed = (from) => above.filter((other) => other > from && other < from + wide).length;
  const worse = crossed(x - wide) + (x - wide < 0 ? 9 : 0) - crossed(x + 1) - (x + wide > right ? 9 : 0), turned = worse < 0 || (!worse && x > right / 2);
  write(ctx, text, turned ? x - 5 : x + 5, y, { color: ink, size: 10, bold: own, to: turned ? "right" : "left" });
}

// Predicted against measured

function measured(surface, model, book) {
  const { measured: known, correlations } = model.get("content"), outcome = model.get("outcome"), orders = known[outcome] ?? [], rows = array(model, outcome)?.values ?? new Float32Array();
  const column = (c) => Float32Array.from(orders, (_, k) => rows[4 * k + c]), [x, y, low, high] = [0, 1, 2, 3].map(column), order = model.get("order");
  const own = orders.findIndex((each) => each.join() === order.join()), rho = correlations[outcome] ?? {};
  const best = orders.length ? y.indexOf(Math.max(...y)) : -1;
  const rings = [[own, "this order", { color: null, dash: [] }], [best, "best measured", look(1, 4)]].filter(([k]) => k >= 0).map(([k, name, itsLook]) => ({ k, name, look: itsLook }));
  const said = (r) => (Number.isFinite(r ?? NaN) ? signed(r, 2) : "unknown");
  scatter(surface, {
    x, y, low, high, rings, at: orders.length ? book.value(order) : undefined, look: () => ({ color: theme.colors[0], marker: "o" }), empty: "No order has been trained yet.",
    title: `Predicted against measured, ${orders.length} order${orders.length === 1 ? "" : "s"}`, across: "predicted value (dashes: this order)", up: outcome === "learned" ? "accuracy when learned" : "accuracy at the end",
    notes: orders.length > 2 ? [`Spearman's ρ ${said(rho.spearman)}, weighted τ ${said(rho.weighted_kendall)}`] : [],
    words: (k) => `${chain(model, orders[k])}\npredicted ${number(x[k], 4)}, measured ${number(y[k], 3)}${Number.isFinite(low[k]) ? ` (${number(low[k], 3)} to ${number(high[k], 3)} over seeds)` : ""}`,
    pick: (k) => { if (orders[k].length === book.T) arrange(model, orders[k]); },
  });
  surface.canvas.setAttribute("aria-label", `Predicted against measured: ${orders.length} order${orders.length === 1 ? "" : "s"}${orders.length > 2 ? `, Spearman's ρ ${said(rho.spearman)}` : ""}${own >= 0 ? `; this order measured ${number(y[own], 3)}` : ""}.`);
}

export default { render };
