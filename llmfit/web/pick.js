// The answer first: the best row, why in a sentence, and the command that runs it.

import { box, run } from "./command.js";
import { at, h } from "./dom.js";
import { label } from "./fit.js";
import * as format from "./format.js";
import { bar, figure, offloaded } from "./memory.js";
import { say } from "./words.js";

const reads = row => row.category === "Embedding" && row.prefill_tps !== null;

/** Why this one: where it lies, how fast it is, what it beats. */
export function reason(row, total) {
  const spare = format.size(Math.max(0, row.memory_available_gb - row.memory_required_gb));
  const where = say(`where_${row.run_mode}`, { spare, ram: format.size(offloaded(row)), n: row.per_device_gb.length });
  const fast = reads(row) ? say("reads", { speed: format.speed(row.prefill_tps) }) : say("writes", {
    speed: format.speed(row.estimated_tps), low: format.speed(row.estimated_tps_range[0]), high: format.speed(row.estimated_tps_range[1]),
  });
  return say("reason", { where, fast, total: format.count(total), n: total });
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, say(name)), h("dd", {}, ...value));

/** The figures of a row that matter most. */
export const facts = row => h("dl", { class: "facts" },
  fact("fit", label(row.fit_level)),
  fact("quality", h("b", {}, format.score(row.score_components.quality)), h("span", { class: "muted" }, " / 100")),
  reads(row) ? fact("prefill", h("b", {}, format.speed(row.prefill_tps)), h("span", { class: "muted" }, ` ${say("tps_unit")}`))
    : fact("speed", h("b", {}, format.speed(row.estimated_tps)), h("span", { class: "muted" }, ` ${say("tps_unit")}`)),
  fact("context", h("b", {}, format.tokens(row.usable_context)), h("span", { class: "muted" }, ` ${say("tokens_unit")}`)),
  h("div", { class: "long" }, h("dt", {}, say("memory")), h("dd", {}, bar(row), h("span", { class: "figure" }, figure(row), h("span", { class: "muted" }, " GiB")))),
);

const short = name => name.split("/").at(-1);
/** A model's name as a way into its details. */
export const opener = (row, open, text = short(row.name)) => h("button", { type: "button", class: "link", onclick: () => open(row.name) }, text);

/** No answer, and why. */
export function nothing(title, why) {
  at("pick").setAttribute("aria-busy", "false");
  at("pick-body").replaceChildren(h("h2", { id: "pick-title" }, title), h("p", { class: "why" }, why));
}

export function show({ models, total_models: total, filters }, open) {
  const [best, ...others] = models;
  at("pick").setAttribute("aria-busy", "false");
  if (!best) return nothing(say("nothing_runs"), say("nothing_runs_why"));
  const command = run(best);
  at("pick-body").replaceChildren(
    h("h2", { id: "pick-title" }, opener(best, open)),
    h("p", { class: "muted by" }, [best.provider, best.parameter_count, best.best_quant, best.runtime_label].filter(Boolean).join(" · ")),
    h("p", { class: "why" }, reason(best, total)),
    facts(best),
    command ? box(command, say("command")) : h("p", { class: "muted" }, say("no_command")),
    others.length ? h("p", { class: "others" }, h("span", { class: "muted" }, `${say("also")} `), others.flatMap((row, index) => [index ? ", " : "", opener(row, open)])) : "",
  );
}
