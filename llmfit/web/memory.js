// Where the memory goes: weights, cache and buffers against what is there.

import { h, wide } from "./dom.js";
import { gib } from "./format.js";
import { say } from "./words.js";

/** The parts of a row's memory, GiB. */
export const parts = row => {
  const { weights, kv_cache, compute_buffer, overhead } = row.memory_breakdown_gb;
  return { weights, cache: kv_cache, buffers: compute_buffer + overhead };
};
/** What lies in system RAM beside the GPU, GiB. */
export const offloaded = row => (row.moe_offloaded_gb ?? 0) + (row.ram_offloaded_gb ?? 0);

export function sentence(row) {
  const { weights, cache, buffers } = parts(row);
  return say("memory_sentence", {
    weights: gib(weights), cache: gib(cache), buffers: gib(buffers), available: gib(row.memory_available_gb),
  });
}

/** A bar as long as the pool, or as the model where that is more; a line then marks the end of the pool. */
export function bar(row) {
  const whole = Math.max(row.memory_available_gb, row.total_memory_gb) || 1;
  const segments = Object.entries(parts(row)).map(([name, amount]) =>
    wide(h("span", { class: `part ${name}` }), (100 * amount) / whole));
  const over = row.total_memory_gb > row.memory_available_gb;
  const end = over && wide(h("span", { class: "end" }), (100 * row.memory_available_gb) / whole);
  return h("span", { class: over ? "bar over" : "bar", role: "img", "aria-label": sentence(row), title: sentence(row) }, segments, end);
}

/** The figure beside the bar: 21.0 / 24.0, and what lies in RAM. */
export const figure = row => [
  h("b", {}, gib(row.memory_required_gb)), h("span", { class: "muted" }, ` / ${gib(row.memory_available_gb)}`),
  offloaded(row) ? h("span", { class: "muted" }, ` ${say("plus_ram", { value: gib(offloaded(row)) })}`) : null,
];

export const legend = row => h("ul", { class: "legend" }, Object.entries(parts(row)).map(([name, amount]) =>
  h("li", {}, h("span", { class: `swatch ${name}` }), `${say(`part_${name}`)} ${say("gib", { value: gib(amount) })}`)));
