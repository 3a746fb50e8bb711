// The ranked rows as a table: sorted by its heads, walked with the arrow keys.

import { at, h } from "./dom.js";
import { label, icon } from "./fit.js";
import * as format from "./format.js";
import { bar, figure } from "./memory.js";
import * as state from "./state.js";
import { say } from "./words.js";

const UPWARDS = ["mem", "use_case"]; // sorts whose useful direction is upwards
const range = row => row.estimated_tps_range.map(format.speed).join("–");
const under = (...children) => h("span", { class: "under" }, ...children);

const COLUMNS = [
  { name: "rank", class: "number rank", cell: (row, index) => format.count(index) },
  { name: "model", head: true, class: "name" },
  { name: "fit", class: "fitted", cell: row => [label(row.fit_level), under(row.run_mode_label)] },
  { name: "score", sort: "score", class: "number", cell: row => h("b", {}, format.score(row.score)) },
  { name: "quality", class: "number side", cell: row => format.score(row.score_components.quality) },
  { name: "tps", sort: "tps", class: "number", cell: row => (row.estimated_tps ? [format.speed(row.estimated_tps), under(range(row))] : "–") },
  { name: "memory", sort: "mem", class: "memory side", cell: row => [bar(row), under(figure(row))] },
  { name: "size", sort: "params", class: "number side", cell: row => row.parameter_count },
  { name: "quant", class: "side", cell: row => [row.best_quant ?? "–", under(row.runtime_label)] },
  { name: "context", sort: "ctx", class: "number side", cell: row => format.tokens(row.usable_context || row.context_length) },
  { name: "released", sort: "date", class: "number side", cell: row => format.monthOf(row.release_date) },
];

function head({ name, sort, class: kind }) {
  if (!sort) return h("th", { scope: "col", class: kind }, say(`col_${name}`));
  const button = h("button", { type: "button", class: "sort", "data-sort": sort, onclick: () => {
    const usual = UPWARDS.includes(sort) ? "asc" : "desc", now = state.get("order") ?? usual;
    const turned = (state.get("sort") ?? "score") === sort;
    state.set({ sort: sort === "score" ? null : sort, order: turned ? other(now, usual) : null });
  } }, say(`col_${name}`));
  return h("th", { scope: "col", class: kind, "data-sort": sort }, button);
}
const other = (now, usual) => (now === "asc" ? "desc" : "asc") === usual ? null : now === "asc" ? "desc" : "asc";

export function build({ open, hover }) {
  at("table").tHead.append(h("tr", {}, h("th", { scope: "col", class: "pickbox" }, h("span", { class: "sr" }, say("compare"))), COLUMNS.map(head)));
  const body = at("rows");
  const named = event => event.target.closest("tr")?.dataset.name ?? null;
  body.addEventListener("click", event => {
    if (!event.target.closest("input, label") && !String(getSelection())) { const name = named(event); if (name) open(name); }
  });
  body.addEventListener("pointerover", event => hover(named(event)));
  body.addEventListener("pointerleave", () => hover(null));
  body.addEventListener("focusin", event => hover(named(event)));
  body.addEventListener("keydown", event => {
    const rows = [...body.rows], here = rows.indexOf(event.target.closest("tr"));
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    focus(rows[Math.max(0, Math.min(rows.length - 1, to))]);
  });
}

/** One row's name takes Tab; the arrows move which. */
function focus(row) {
  for (const button of at("rows").querySelectorAll(".opener[tabindex='0']")) button.tabIndex = -1;
  const button = row?.querySelector(".opener");
  if (!button) return;
  button.tabIndex = 0;
  button.focus();
  row.scrollIntoView({ block: "nearest" });
}
export const enter = () => focus(at("rows").rows[0]);

function line(row, index, chosen, toggle) {
  const [maker, ...rest] = row.name.split("/");
  const box = h("input", { type: "checkbox", "aria-label": say("compare_model", { name: row.name }), onchange: () => toggle(row.name, box.checked) });
  box.checked = chosen.includes(row.name);
  const name = h("th", { scope: "row", class: "name" },
    h("button", { type: "button", class: "opener", tabindex: index ? -1 : 0 }, rest.join("/") || maker),
    under(maker, row.installed && h("span", { class: "tag" }, say("installed"))),
    h("span", { class: "under phone" }, icon(row.fit_level), h("span", { class: "sr" }, say(`fit_${row.fit_level}`)), ` ${row.best_quant ?? ""} · ${say("gib", { value: format.gib(row.total_memory_gb) })}`));
  const offset = Number(state.get("offset") ?? 0);
  return h("tr", { "data-name": row.name }, h("td", { class: "pickbox" }, box), COLUMNS.map(({ head, class: kind, cell }) =>
    head ? name : h("td", { class: kind }, cell(row, offset + index + 1))));
}

export function show({ models }, toggle) {
  const body = at("rows"), active = document.activeElement, inside = body.contains(active);
  const kept = inside && { name: active.closest("tr")?.dataset.name, selector: active.matches("input") ? "input" : ".opener" };
  body.replaceChildren(...models.map((row, index) => line(row, index, state.compared(), toggle)));
  if (kept) {
    const row = [...body.rows].find(one => one.dataset.name === kept.name) ?? body.rows[0];
    row?.querySelector(kept.selector).focus({ preventScroll: true });
  }
  const sort = state.get("sort") ?? "score", order = state.get("order") ?? (UPWARDS.includes(sort) ? "asc" : "desc");
  for (const th of at("table").tHead.querySelectorAll("th[data-sort]")) {
    if (th.dataset.sort === sort) th.setAttribute("aria-sort", order === "asc" ? "ascending" : "descending");
    else th.removeAttribute("aria-sort");
  }
}

export function light(name) {
  for (const row of at("rows").rows) row.classList.toggle("lit", row.dataset.name === name);
}
export const reveal = name => [...at("rows").rows].find(row => row.dataset.name === name)?.scrollIntoView({ block: "center", behavior: "smooth" });
