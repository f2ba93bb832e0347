// Words, numbers and colors. `theme` (colors, dashes, markers, color maps of the plots) stands before all files.

/** A name cut in the middle, the cut visible. */
export const short = (name, length = 18) =>
  name.length <= length ? name : `${name.slice(0, length / 2)}…${name.slice(-((length - 1) >> 1))}`;

const below = (x, digits) => Number(x.toFixed(digits)) < 0; // what is written as zero has no sign of its own

/** A number as people read it: × where nothing is known. */
export const number = (x, digits = 3) => (Number.isFinite(x) ? `${below(x, digits) ? "−" : ""}${Math.abs(x).toFixed(digits)}` : "×");

/** A number with its sign. */
export const signed = (x, digits = 3) => (Number.isFinite(x) ? `${below(x, digits) ? "−" : "+"}${Math.abs(x).toFixed(digits)}` : "×");

export const clamp = (i, n) => Math.min(Math.max(i, 0), n - 1);

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

export const level = (share) => Math.round(255 * Math.min(1, Math.max(0, share)));

/** Look of line or point i of n: a color, dash and marker each while they are few, else shaded in their order. */
export function look(i, n) {
  const few = n <= theme.colors.length;
  const color = few ? theme.colors[i] : shade("ordinal", (0.9 * i) / (n - 1));
  return { color: color === "#000000" ? null : color, dash: few ? theme.dashes[i] : theme.dashes[n <= 20 ? i % 4 : 0], marker: few ? theme.markers[i] : "o" };
}

export const light = (color) => [1, 3, 5].reduce((sum, at, i) => sum + parseInt(color.slice(at, at + 2), 16) * [0.299, 0.587, 0.114][i], 0);

/** Least and largest of what is known in several arrays. */
export function reach(arrays) {
  let low = Infinity, high = -Infinity;
  for (const values of arrays) for (const x of values) if (Number.isFinite(x)) { if (x < low) low = x; if (x > high) high = x; }
  return low <= high ? [low, high] : [0, 1];
}

/** Ticks of a logarithmic axis. */
export function decades(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high)), bases = last - first > 2 ? [1] : [1, 2, 5];
  const all = Array.from({ length: last - first + 1 }, (_, i) => bases.map((base) => base * 10 ** (first + i))).flat();
  return all.filter((at) => at >= low * 0.999 && at <= high * 1.001).map((at) => ({ at, text: at < 1e-3 ? Number(at.toPrecision(2)).toExponential() : String(Number(at.toPrecision(2))) }));
}
