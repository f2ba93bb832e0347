// What all views share: a stage with controls, canvases that are drawn once per frame, and three kinds of pictures.
// Names of tasks and classes come from strangers: they reach the page through textContent, setAttribute and fillText alone.

export * from "./model.js";
export * from "./words.js";
export * from "./ink.js";
export * from "./surface.js";
export * from "./stage.js";
export * from "./matrix.js";
export * from "./lines.js";
export * from "./points.js";
