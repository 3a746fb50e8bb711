// Two to four rows side by side.

import { get } from "./ask.js";
import { run, box } from "./command.js";
import { at, h } from "./dom.js";
import { label } from "./fit.js";
import * as format from "./format.js";
import { bar, figure } from "./memory.js";
import * as state from "./state.js";
import { say } from "./words.js";

const MOST = 4;
// What is compared: its figure, and whether more or less of it is better.
const LINES = [
  ["fit", row => label(row.fit_level)],
  ["score", row => format.score(row.score), row => row.score],
  ["quality", row => format.score(row.score_components.quality), row => row.score_components.quality],
  ["speed", row => `${format.speed(row.estimated_tps)} ${say("tps_unit")}`, row => row.estimated_tps],
  ["first_token", row => (row.ttft_ms === null ? say("unknown") : format.seconds(row.ttft_ms)), row => -(row.ttft_ms ?? Infinity)],
  ["memory", row => [bar(row), h("span", { class: "under" }, figure(row))], row => -row.total_memory_gb],
  ["context", row => format.tokens(row.usable_context), row => row.usable_context],
  ["size", row => row.parameter_count],
  ["quant", row => row.best_quant ?? say("unknown")],
  ["runtime", row => `${row.runtime_label} (${row.run_mode_label})`],
  ["disk", row => format.size(row.disk_size_gb), row => -row.disk_size_gb],
  ["license", row => row.license ?? say("unknown")],
  ["released", row => format.date(row.release_date), row => (row.release_date ? Date.parse(row.release_date) : -Infinity)],
];

export function toggle(name, chosen) {
  const names = state.compared().filter(one => one !== name);
  if (chosen) names.push(name);
  state.set({ compare: names.slice(-MOST).join(",") });
}

/** The tray at the foot of the window, and the boxes of the table. */
export function show() {
  const names = state.compared(), tray = at("tray");
  tray.hidden = names.length === 0;
  for (const box of at("rows").querySelectorAll("input[type=checkbox]")) box.checked = names.includes(box.closest("tr").dataset.name);
  tray.replaceChildren(
    h("span", {}, names.map(name => h("span", { class: "chosen" }, name.split("/").at(-1), h("button", { type: "button", class: "quiet icon", "aria-label": say("drop_model", { name }), onclick: () => toggle(name, false) }, "✕")))),
    h("span", { class: "act" },
      names.length > 1 ? h("button", { type: "button", class: "main", onclick: open }, say("compare_n", { n: names.length })) : h("span", { class: "muted" }, say("compare_more")),
      h("button", { type: "button", class: "quiet", onclick: () => state.set({ compare: null }) }, say("clear"))),
  );
}

function table(rows, filters) {
  const line = ([name, cell, worth]) => {
    const best = worth && Math.max(...rows.map(worth)), alone = worth && new Set(rows.map(worth)).size > 1;
    return h("tr", {}, h("th", { scope: "row" }, say(name)), rows.map(row => {
      const wins = alone && worth(row) === best;
      return h("td", { class: wins ? "wins" : "" }, cell(row), wins && h("span", { class: "sr" }, ` (${say("best")})`));
    }));
  };
  return h("table", { class: "compared" },
    h("thead", {}, h("tr", {}, h("td"), rows.map(row => h("th", { scope: "col" }, row.name.split("/").at(-1), h("span", { class: "under" }, row.provider))))),
    h("tbody", {}, LINES.map(line), h("tr", {}, h("th", { scope: "row" }, say("command")), rows.map(row => {
      const command = run(row);
      return h("td", {}, command ? box(command, `${say("command")}: ${row.name}`) : say("unknown"));
    }))));
}

async function open() {
  const dialog = at("compare"), names = state.compared();
  const content = h("div", { class: "scroll" }, h("p", { class: "waiting" }, say("looking")));
  dialog.replaceChildren(h("button", { type: "button", class: "quiet icon close", "aria-label": say("close"), onclick: () => dialog.close() }, "✕"),
    h("div", { class: "content" }, h("h2", { id: "compare-title" }, say("compare_n", { n: names.length })), content));
  dialog.showModal();
  try {
    const { models, filters } = await get(`/api/v1/compare?${state.query([...state.SCENE, "use_case"], { models: names.join(",") })}`);
    content.replaceChildren(models.length ? table(models, filters) : say("not_here"));
  } catch (error) {
    content.replaceChildren(h("p", {}, error.message || say("gone_short")));
  }
}

export function build() {
  at("compare").addEventListener("click", event => { if (event.target === at("compare")) at("compare").close(); });
}
