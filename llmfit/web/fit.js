// A fit level as a mark of its own shape and colour, so that neither is needed alone.

import { h, svg } from "./dom.js";
import { say } from "./words.js";

export const LEVELS = ["perfect", "good", "marginal", "too_tight"];
const SHAPES = {
  perfect: "M-5 0a5 5 0 1 1 10 0a5 5 0 1 1-10 0z",
  good: "M0-6L6 0L0 6L-6 0z",
  marginal: "M0-5.5L5.8 4.5H-5.8z",
  too_tight: "M-4.6-4.6h9.2v9.2h-9.2z",
};

/** The mark, centred on (0, 0), about 11 units wide. */
export const mark = (level, attributes = {}) => svg("path", { d: SHAPES[level], class: `fit-${level}`, ...attributes });
export const icon = level => svg("svg", { viewBox: "-6 -6 12 12", width: 12, height: 12, class: "mark", "aria-hidden": "true" }, mark(level));
export const label = level => h("span", { class: `fit fit-text-${level}` }, icon(level), say(`fit_${level}`));
