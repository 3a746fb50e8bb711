// The machine in a line: what the answer is for.

import { at, h } from "./dom.js";
import { size } from "./format.js";
import * as state from "./state.js";
import { say } from "./words.js";

function gpus(system) {
  if (!system.has_gpu) return say("no_gpu");
  return system.gpus.map(gpu => `${gpu.count > 1 ? `${gpu.count} × ` : ""}${gpu.name}`).join(" + ");
}

/** How much of a memory is free, where that is not all of it. */
const free = (available, total) => (available < 0.995 * total ? ` (${say("free", { value: size(available) })})` : "");

export function show({ node, system }) {
  const imagined = state.WHAT_IF.some(state.given);
  const facts = [
    h("b", {}, gpus(system)),
    system.has_gpu && !system.unified_memory && `${size(system.gpu_vram_gb)} VRAM${free(system.gpu_available_gb, system.gpu_vram_gb)}`,
    `${size(system.total_ram_gb)} RAM${free(system.available_ram_gb, system.total_ram_gb)}`,
    say("cpu", { name: system.cpu_name, n: system.cpu_cores }),
  ].filter(Boolean);
  const told = system.warnings.length
    ? [h("span", { class: "dot" }), h("details", { class: "told" }, h("summary", {}, say("warnings", { n: system.warnings.length })), h("ul", {}, system.warnings.map(text => h("li", {}, text))))]
    : [];
  at("machine").replaceChildren(
    h("span", { class: imagined ? "tag imagined" : "tag" }, imagined ? say("imagined") : node.name),
    ...facts.flatMap((fact, index) => [index ? h("span", { class: "dot" }) : " ", h("span", {}, fact)]), ...told,
  );
}
