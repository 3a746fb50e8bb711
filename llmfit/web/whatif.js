// What if: the machine or the GPU by name, and sliders for count, memory, context and sessions.

import { get } from "./ask.js";
import { at, h } from "./dom.js";
import { count, size, tokens } from "./format.js";
import * as state from "./state.js";
import { say } from "./words.js";

const K = 1024;
const SLIDERS = [
  { name: "gpu_count", steps: [0, 1, 2, 3, 4, 6, 8, 16], show: count, real: ({ system }) => system.gpu_count, clears: ["vram_gb"] },
  { name: "vram_gb", steps: [0, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 144, 192, 256, 384, 512, 640, 768, 1024, 1536], show: size, real: ({ system }) => system.gpu_vram_gb ?? 0 },
  { name: "ram_gb", steps: [4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048], show: size, real: ({ system }) => system.total_ram_gb },
  { name: "max_context", steps: [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map(n => n * K), show: tokens, real: ({ models }) => Math.max(8 * K, ...models.map(row => row.effective_context_length)) },
  { name: "concurrency", steps: [1, 2, 4, 8, 16, 32, 64, 128, 256], show: count, real: ({ filters }) => filters.concurrency },
];
const CHOSEN = ["basis", ...SLIDERS.map(slider => slider.name), ...state.WHAT_IF];

const nearest = (steps, value) =>
  steps.reduce((best, step, index) => (Math.abs(step - value) < Math.abs(steps[best] - value) ? index : best), 0);

function slider(control) {
  const { name, steps, show, clears = [] } = control;
  const shown = h("output", { for: `if-${name}` });
  const input = h("input", { type: "range", id: `if-${name}`, min: 0, max: steps.length - 1, step: 1, oninput: () => {
    const value = steps[input.value];
    tell(value);
    state.set({ [name]: value, ...Object.fromEntries(clears.map(other => [other, null])) });
  } });
  function tell(value) {
    shown.textContent = show(value);
    input.setAttribute("aria-valuetext", show(value));
  }
  const element = h("div", { class: "control" }, h("label", { for: input.id }, say(name)), input, shown);
  function sync(answer) {
    const value = state.given(name) ? Number(state.get(name)) : control.real(answer);
    if (!Number.isFinite(value)) return;
    if (document.activeElement !== input || nearest(steps, value) !== Number(input.value)) input.value = nearest(steps, value);
    tell(value);
    element.classList.toggle("changed", state.given(name));
    if (name === "gpu_count") input.disabled = !answer.system.has_gpu && !["profile", "gpu", "vram_gb", "gpu_count"].some(state.given);
  }
  return { element, sync };
}

/** A text with completion from a list of names that is fetched when it is first needed. */
function named({ name, clears, real, options }) {
  const list = h("datalist", { id: `names-${name}` });
  const known = new Set();
  const take = () => {
    const value = input.value.trim();
    if (value !== (state.get(name) ?? "")) state.set({ ...Object.fromEntries(clears.map(other => [other, null])), [name]: value });
  };
  const input = h("input", { id: `if-${name}`, list: list.id, autocomplete: "off", spellcheck: "false", maxlength: 200, onchange: take, onfocus: fill,
    oninput: () => { if (known.has(input.value) || input.value === "") take(); } });
  async function fill() {
    if (known.size) return;
    const answer = await get("/api/v1/hardware").catch(() => null);
    if (!answer) return;
    const found = options(answer);
    for (const [value] of found) known.add(value);
    list.replaceChildren(...found.map(([value, text]) => h("option", { value }, text)));
  }
  const element = h("div", { class: "control named" }, h("label", { for: input.id }, say(name)), input, list);
  return { element, sync(answer) {
    if (document.activeElement !== input) input.value = state.get(name) ?? "";
    input.placeholder = real(answer);
    element.classList.toggle("changed", state.given(name));
  } };
}

const NAMED = [
  { name: "profile", clears: state.WHAT_IF, real: ({ node }) => node.name, options: ({ machines }) => machines.map(one => [one.name, one.title]) },
  { name: "gpu", clears: ["gpu_count", "vram_gb"], real: ({ system }) => (system.has_gpu ? system.gpu_name : say("no_gpu")),
    options: ({ accelerators }) => accelerators.map(one => [one.name, one.unified_memory ? "" : one.memory_gb.map(size).join(", ")]) },
];

function everything() {
  const input = h("input", { type: "checkbox", onchange: () => state.set({ basis: input.checked ? "total" : null }) });
  return { element: h("label", { class: "check" }, input, say("basis_total")), sync() { input.checked = state.get("basis") === "total"; } };
}

const controls = [];

export function build() {
  controls.push(...NAMED.map(named), ...SLIDERS.map(slider), everything());
  at("whatif").append(...controls.map(control => control.element));
  at("reset").addEventListener("click", () => state.set(Object.fromEntries(CHOSEN.map(name => [name, null])), { push: true }));
}

export function show(answer) {
  for (const control of controls) control.sync(answer);
  at("reset").hidden = !CHOSEN.some(state.given);
}
