// The API's filters as a form, and the use case as chips. What stands in the URL stands here.

import { at, h } from "./dom.js";
import { LEVELS } from "./fit.js";
import * as state from "./state.js";
import { say } from "./words.js";

const USE_CASES = ["", "general", "coding", "reasoning", "chat", "multimodal", "embedding"];
const SORTS = ["score", "tps", "params", "mem", "ctx", "date"];
const fields = [];

function held(name, input, read = () => input.value, write = value => { input.value = value ?? ""; }) {
  fields.push(() => { if (document.activeElement !== input) write(state.get(name)); });
  input.addEventListener(input.type === "text" || input.type === "search" || input.type === "number" ? "input" : "change", () => state.set({ [name]: read() }));
  return input;
}
const labelled = (name, input) => h("label", { class: "field" }, h("span", {}, say(name)), input);
const text = (name, attributes = {}) => labelled(name, held(name, h("input", { type: "text", name, maxlength: 200, autocomplete: "off", spellcheck: "false", ...attributes })));
const number = name => labelled(name, held(name, h("input", { type: "number", name, min: 0, step: "any", inputmode: "decimal" })));
const choice = (name, options, otherwise) => {
  const input = h("select", { name }, options.map(([value, label]) => h("option", { value }, label)));
  return labelled(name, held(name, input, () => (input.value === otherwise ? null : input.value), value => { input.value = value ?? otherwise; }));
};

function useCases() {
  const chips = USE_CASES.map(value => {
    const input = h("input", { type: "radio", name: "use_case", value, onchange: () => state.set({ use_case: value || null }, { push: true }) });
    fields.push(() => { input.checked = (state.get("use_case") ?? "") === value; });
    return h("label", { class: "chip" }, input, h("span", {}, say(`use_${value || "any"}`)));
  });
  at("use-case").append(...chips);
}

export function build() {
  useCases();
  const search = held("search", h("input", { type: "search", name: "search", id: "search", maxlength: 200, placeholder: say("search_hint"), "aria-label": say("search"), "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false" }));
  const copies = h("input", { type: "checkbox" });
  held("distinct", copies, () => (copies.checked ? "false" : null), value => { copies.checked = value === "false"; });
  const form = at("filters");
  form.append(
    search,
    choice("min_fit", [...LEVELS].map(level => [level, say(`least_${level}`)]), "marginal"),
    choice("runtime", ["any", "llamacpp", "mlx", "vllm"].map(value => [value, say(`runtime_${value}`)]), "any"),
    h("div", { class: "phone" }, choice("sort", SORTS.map(value => [value, say(`sort_${value}`)]), "score")),
    h("details", { class: "more" }, h("summary", {}, say("more_filters")), h("div", { class: "grid" },
      text("provider"), text("license", { placeholder: "apache-2.0, mit" }), number("min_tps"), number("max_mem_gb"),
      number("min_params_b"), number("max_params_b"),
      labelled("released_after", held("released_after", h("input", { type: "date", name: "released_after" }))),
      choice("capability", ["", "tool_use", "vision", "audio", "reasoning"].map(value => [value, say(`capability_${value || "any"}`)]), ""),
      choice("kv_quant", ["f16", "q8_0", "q4_0", "q8_0,q4_0", "fp8"].map(value => [value, value]), "f16"), text("quant", { placeholder: "Q4_K_M" }),
      h("label", { class: "check" }, copies, say("copies")))),
  );
  form.addEventListener("submit", event => event.preventDefault());
  show();
}

export function show() {
  for (const field of fields) field();
}
