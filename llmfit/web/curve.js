// How memory grows with the context: the API is asked at each doubling of it.

import { get } from "./ask.js";
import { h, svg } from "./dom.js";
import { mark } from "./fit.js";
import * as format from "./format.js";
import * as state from "./state.js";
import { say } from "./words.js";

const LEAST = 4096, HEIGHT = 180, M = { top: 16, right: 16, bottom: 28, left: 40 };

export const path = name => `/api/v1/models/${name.split("/").map(encodeURIComponent).join("/")}`;

function contexts(window) {
  const found = [];
  for (let context = LEAST; context < window; context *= 2) found.push(context);
  return [...found.slice(-9), window];
}

/** The row at each context, at the quantization that was chosen, in turn; ends early where the signal says so. */
async function measure(row, signal) {
  const rows = [];
  for (const context of contexts(row.context_length)) {
    const asked = state.query(state.SCENE, { exact: true, max_context: context, ...(row.best_quant ? { quant: row.best_quant } : {}) });
    const { models } = await get(`${path(row.name)}?${asked}`, signal);
    if (models.length) rows.push({ context, ...models[0] });
  }
  return rows;
}

function draw(rows, pool) {
  const WIDTH = innerWidth < 640 ? 330 : 530; // drawn about as large as it is shown
  const most = Math.max(pool, ...rows.map(row => row.total_memory_gb)) * 1.08;
  const x = index => M.left + (index / Math.max(1, rows.length - 1)) * (WIDTH - M.left - M.right);
  const y = amount => HEIGHT - M.bottom - (amount / most) * (HEIGHT - M.top - M.bottom);
  const end = y(pool);
  const label = say("curve_label", { low: format.gib(rows[0].total_memory_gb), high: format.gib(rows.at(-1).total_memory_gb), context: format.tokens(rows.at(-1).context), pool: format.gib(pool) });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": label },
    svg("line", { class: "grid", x1: M.left, x2: WIDTH - M.right, y1: y(0), y2: y(0) }),
    svg("line", { class: "pool", x1: M.left, x2: WIDTH - M.right, y1: end, y2: end }),
    svg("text", { class: "tick", x: M.left + 6, y: end - 6 }, say("curve_pool", { value: format.size(pool) })),
    svg("text", { class: "tick", x: M.left - 8, y: y(0) + 4, "text-anchor": "end" }, "0"),
    svg("text", { class: "tick", x: M.left - 8, y: y(most / 1.08) + 4, "text-anchor": "end" }, format.gib(most / 1.08)),
    svg("path", { class: "line", d: rows.map((row, index) => `${index ? "L" : "M"}${x(index)} ${y(row.total_memory_gb)}`).join("") }),
    rows.map((row, index) => [
      svg("g", { transform: `translate(${x(index)} ${y(row.total_memory_gb)}) scale(0.8)` }, svg("title", {}, `${format.tokens(row.context)}: ${format.size(row.total_memory_gb)}, ${say(`fit_${row.fit_level}`)}`), mark(row.fit_level)),
      svg("text", { class: "tick", x: x(index), y: HEIGHT - 8, "text-anchor": "middle" }, format.tokens(row.context)),
    ]),
  );
}

/** The curve, which fills itself in. */
export function curve(row, signal) {
  const place = h("div", { class: "waiting" }, say("looking"));
  measure(row, signal).then(rows => place.replaceChildren(rows.length ? draw(rows, row.memory_available_gb) : say("unknown")), error => {
    if (!signal.aborted) place.replaceChildren(error.message || say("unknown"));
  }).finally(() => place.classList.remove("waiting"));
  return place;
}
