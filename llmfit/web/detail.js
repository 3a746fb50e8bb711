// All about one row: why it stands where it stands, its memory, its context, what else was tried.

import { get } from "./ask.js";
import { box, run } from "./command.js";
import { curve, path } from "./curve.js";
import { at, h, wide } from "./dom.js";
import { label } from "./fit.js";
import * as format from "./format.js";
import * as memory from "./memory.js";
import { facts } from "./pick.js";
import * as state from "./state.js";
import { say } from "./words.js";

let shown = null, leaving = new AbortController();

const part = (title, ...children) => h("section", {}, h("h3", {}, say(title)), ...children);
const pairs = entries => h("dl", { class: "pairs" }, entries.filter(([, value]) => value !== null && value !== "").map(([name, value]) => h("div", {}, h("dt", {}, say(name)), h("dd", {}, value))));
const plainly = value => (value === null || value === undefined ? say("unknown") : value);

const COMPONENTS = ["quality", "speed", "fit", "context"];
const weight = (derivation, name) => derivation?.score.components.find(one => one.name === name)?.weight;
const components = (row, derivation) => h("table", { class: "scores" }, h("tbody", {}, COMPONENTS.map(name => h("tr", {},
  h("th", { scope: "row" }, say(name)), h("td", { "aria-hidden": "true" }, h("span", { class: "bar" }, wide(h("span", { class: "part" }), row.score_components[name]))), h("td", { class: "number" }, format.score(row.score_components[name])),
  derivation && h("td", { class: "number muted" }, `× ${format.percent(weight(derivation, name))}`)))));

function speed(row) {
  const { method, gpu_bandwidth_gbps: gpu, ddr_bandwidth_gbps: ram, efficiency, assumed_context: context } = row.estimate_basis;
  return pairs([
    ["speed", `${format.speed(row.estimated_tps)} ${say("tps_unit")} (${row.estimated_tps_range.map(format.speed).join("–")})`],
    ["aggregate", row.aggregate_tps ? `${format.speed(row.aggregate_tps)} ${say("tps_unit")}` : null],
    ["measured", row.measured_tps ? `${format.speed(row.measured_tps)} ${say("tps_unit")}` : null],
    ["prefill", row.prefill_tps === null ? say("unknown") : `${format.speed(row.prefill_tps)} ${say("tps_unit")}`],
    ["first_token", row.ttft_ms === null ? say("unknown") : format.seconds(row.ttft_ms)],
    ["confidence", row.estimate_confidence_label],
    ["basis", [say(`method_${method}`), gpu && say("gpu_reads", { value: format.count(gpu) }), ram && say("ram_reads", { value: format.count(ram) }),
      efficiency && say("efficiency", { value: format.count(efficiency * 100) }), say("at_context", { value: format.tokens(context) })].filter(Boolean).join(", ")],
  ]);
}

/** The nearest values of single parameters at which the fit level is another one. */
function changes(derivation) {
  const found = derivation?.would_change ?? [];
  const value = ({ parameter, value: to }) => {
    if (parameter.endsWith("_bandwidth_gbps")) return say(`change_${parameter}`, { value: format.count(to) });
    return say("change", { what: say(parameter), value: parameter === "max_context" ? format.tokens(to) : typeof to === "number" ? format.size(to) : to });
  };
  return found.length > 0 && part("would_change", h("ul", { class: "changes" }, found.map(flip => h("li", {}, h("span", {}, value(flip)), label(flip.fit_level)))));
}

/** Every quantization in every place that was considered, and what became of it. */
function tried(row, derivation) {
  const ways = derivation?.considered ?? [];
  if (!ways.length) return null;
  const line = way => h("tr", { class: way.outcome === "chosen" ? "wins" : "" },
    h("th", { scope: "row" }, way.quant), h("td", {}, say(`mode_${way.run_mode}`), way.runtime !== row.runtime && `, ${say(`runtime_${way.runtime}`)}`), h("td", {}, label(way.fit_level)),
    h("td", { class: "number" }, way.estimated_tps ? format.speed(way.estimated_tps) : "–"),
    h("td", { class: "number" }, way.total_memory_gb ? format.gib(way.total_memory_gb) : "–"), h("td", {}, say(`outcome_${way.outcome}`)));
  return h("section", {}, h("details", {}, h("summary", {}, h("h3", {}, say("tried", { n: ways.length }))), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("tried", { n: ways.length }) },
    h("table", { class: "tried" }, h("thead", {}, h("tr", {}, ["quant", "where", "fit", "col_tps", "col_memory", "outcome"].map((name, index) => h("th", { scope: "col", class: index === 3 || index === 4 ? "number" : "" }, say(name))))),
      h("tbody", {}, ways.map(line))))));
}

function fill(row, filters, derivation) {
  const command = run(row);
  return [
    h("h2", { id: "detail-title" }, row.name),
    h("p", { class: "muted by" }, [row.parameter_count, row.license ?? say("no_license"), format.date(row.release_date), ...row.capabilities.map(one => say(`capability_${one}`))].join(" · ")),
    facts(row), memory.legend(row),
    row.notes.length ? h("ul", { class: "notes" }, row.notes.map(text => h("li", {}, text))) : null,
    command && part("command", box(command, say("command"))),
    part("curve", h("p", { class: "muted" }, say("curve_hint", { quant: row.best_quant ?? "" })), curve(row, leaving.signal)),
    changes(derivation), tried(row, derivation),
    part("why_score", h("p", { class: "muted" }, say("score_is", { value: format.score(row.score) })), components(row, derivation)),
    part("speed_title", speed(row), row.verify_command && h("p", { class: "muted" }, say("verify")), row.verify_command && box(row.verify_command, say("verify"))),
    part("facts", pairs([
      ["runtime", `${row.runtime_label} (${row.run_mode_label})`], ["quant", plainly(row.best_quant)], ["disk", format.size(row.disk_size_gb)],
      ["window", `${format.count(row.context_length)} ${say("tokens_unit")}`], ["base_model", row.base_model],
      ["ollama_name", row.ollama_name], ["origin", say(`origin_${row.origin}`)],
      ["source", h("a", { href: `https://huggingface.co/${row.name}`, rel: "noreferrer", target: "_blank" }, `huggingface.co/${row.name}`)],
    ])),
  ];
}

async function open(name) {
  leaving.abort();
  leaving = new AbortController();
  shown = name;
  const dialog = at("detail"), { signal } = leaving;
  const close = h("button", { type: "button", class: "quiet icon close", "aria-label": say("close"), onclick: () => dialog.close() }, "✕");
  const content = h("div", { class: "content" }, h("h2", { id: "detail-title" }, name), h("p", { class: "waiting" }, say("looking")));
  dialog.replaceChildren(close, content);
  if (!dialog.open) dialog.showModal();
  try {
    const { models, filters, explanation } = await get(`${path(name)}?${state.query([...state.SCENE, "use_case"], { exact: true, explain: true })}`, signal);
    if (signal.aborted) return;
    const [row] = models;
    content.replaceChildren(...(row ? fill(row, filters, explanation?.rows[0]).filter(Boolean) : [h("h2", { id: "detail-title" }, name), h("p", {}, say("not_here"))]));
  } catch (error) {
    if (!signal.aborted) content.replaceChildren(h("h2", { id: "detail-title" }, name), h("p", {}, error.message || say("gone_short")));
  }
}

/** Open, change or close, as the URL says. */
export function follow(changes = null) {
  const name = state.get("model");
  const scene = changes && [...changes].some(change => state.SCENE.includes(change) || change === "use_case");
  if (!name) { if (at("detail").open) at("detail").close(); } else if (name !== shown || scene) open(name);
}

export function build() {
  const dialog = at("detail");
  dialog.addEventListener("close", () => {
    leaving.abort();
    shown = null;
    if (state.get("model")) state.set({ model: null }, { push: true });
  });
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
}
