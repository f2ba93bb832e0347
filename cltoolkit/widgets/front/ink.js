// Strokes, marks and text on a canvas. Names come from strangers: fillText draws them, and nothing reads them as code.

export const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

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

export function stroke(ctx, color, path) {
  ctx.strokeStyle = color;
  ctx.beginPath();
  path.forEach(([x, y], k) => (k ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
}

export function rule(ctx, ink, x, top, foot) {
  ctx.setLineDash([3, 3]);
  ctx.lineWidth = 1;
  stroke(ctx, ink, [[x, top], [x, foot]]);
  ctx.setLineDash([]);
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

/** A hole of a marker's shape, through which the page is seen, be it light or dark. */
export function hole(ctx, kind, x, y, r) {
  ctx.save();
  ctx.globalAlpha = 1;
  ctx.globalCompositeOperation = "destination-out";
  mark(ctx, kind, x, y, r, "#000");
  ctx.restore();
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

/** Text in lines no wider than there is room. */
export function paragraph(ctx, ink, text, x, y, width) {
  ctx.font = `12px ${FONT}`;
  let line = "";
  for (const word of `${text} `.split(" ")) {
    if (word && ctx.measureText(`${line}${word}`).width <= width) { line += `${word} `; continue; }
    write(ctx, line, x, y, { size: 12, color: ink });
    line = `${word} `;
    y += 17;
  }
}
