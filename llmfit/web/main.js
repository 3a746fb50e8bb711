// The page: one question at a time, drawn in every part when it is answered.

import { get, newest } from "./ask.js";
import * as compare from "./compare.js";
import * as detail from "./detail.js";
import { at, h } from "./dom.js";
import * as filters from "./filters.js";
import * as format from "./format.js";
import * as keys from "./keys.js";
import * as machine from "./machine.js";
import * as pick from "./pick.js";
import * as picture from "./picture.js";
import * as state from "./state.js";
import * as table from "./table.js";
import * as whatif from "./whatif.js";
import { say } from "./words.js";

const AGAIN = 10000; // ms between looks whether the machine or its free memory changed
// The keys of a row that the list needs: the rest is fetched with the details.
const FIELDS = "name,provider,parameter_count,context_length,release_date,category,usable_context,effective_context_length,"
  + "fit_level,run_mode,run_mode_label,score,score_components,estimated_tps,estimated_tps_range,prefill_tps,runtime,runtime_label,"
  + "best_quant,download,memory_required_gb,memory_available_gb,moe_offloaded_gb,ram_offloaded_gb,total_memory_gb,"
  + "memory_breakdown_gb,per_device_gb,installed,run,run_env";
const OTHERS = 3; // rows that the answer at the top needs
let generation = null, asked = null;

const open = name => state.set({ model: name }, { push: true });
const hover = (name, picked = false) => { table.light(name); picture.light(name, picked); };

/** Whether the first rows of the list are the best of the scene too. */
const plain = () => state.names().every(name => state.SCENE.includes(name) || name === "use_case");

async function work() {
  document.querySelector("main").setAttribute("aria-busy", "true");
  const list = get(`/api/v1/models?${state.query()}&fields=${FIELDS}`);
  const scene = state.query([...state.SCENE, "use_case"], { limit: OTHERS, fields: FIELDS });
  const [answer, best] = await Promise.all([list, plain() ? list : get(`/api/v1/models/top?${scene}`)]);
  return { answer, best: { ...best, models: best.models.slice(0, OTHERS) } };
}

function done({ answer, best }) {
  document.querySelector("main").setAttribute("aria-busy", "false");
  const same = generation === answer.generation && asked === state.query();
  [generation, asked] = [answer.generation, state.query()];
  at("refused").hidden = true;
  document.body.classList.remove("stale");
  if (same) return;
  machine.show(answer);
  whatif.show(answer);
  pick.show(best, open);
  picture.show(answer, best.models[0]?.name);
  table.show(answer, compare.toggle);
  pages(answer);
  at("none").hidden = answer.models.length > 0;
  at("none").textContent = say("none");
  at("catalog").textContent = say("catalog", { version: answer.catalog.version, time: format.time(answer.system.observed_at) });
  tell(say("told", { n: answer.total_models, total: format.count(answer.total_models), best: best.models[0]?.name ?? say("nothing_runs") }));
  document.body.dataset.ready = asked;
}

/** Say it to screen readers, once the last change has settled. */
let telling = 0;
function tell(text) {
  clearTimeout(telling);
  telling = setTimeout(() => { at("said").textContent = text; }, 600);
}

function pages({ total_models: total, returned_models: count }) {
  const offset = Number(state.get("offset") ?? 0), step = Number(state.get("limit"));
  const [from, to] = [Math.min(offset + 1, total), offset + count];
  at("count").textContent = count ? say("count", { from: format.count(from), to: format.count(to), total: format.count(total) }) : "";
  const turn = (word, target, able) => h("button", { type: "button", disabled: !able, onclick: () => {
    state.set({ offset: target || null }, { push: true });
    at("models-title").scrollIntoView();
  } }, say(word));
  at("pages").replaceChildren(turn("previous", Math.max(0, offset - step), offset > 0), h("span", { class: "muted" }, at("count").textContent),
    turn("next", offset + step, to < total));
}

function refused(text) {
  at("refused").textContent = text;
  at("refused").hidden = false;
  at("reset").hidden = false;
  asked = null;
  if (generation === null) pick.nothing(say("not_understood"), text);
  document.querySelector("main").setAttribute("aria-busy", "false");
}

const ask = newest({
  work, done, refused,
  lost(pause) {
    at("gone").hidden = false;
    document.body.classList.add("stale");
    at("gone").replaceChildren(say("gone", { s: format.count(Math.round(pause / 1000)) }), " ", h("button", { type: "button", class: "link", onclick: () => ask.now() }, say("try_now")));
  },
  found() {
    at("gone").hidden = true;
    document.body.classList.remove("stale");
    tell(say("back"));
  },
});

filters.build();
whatif.build();
picture.build({ open, hover });
table.build({ open, hover });
detail.build();
compare.build();
keys.build();
state.changed(changes => {
  filters.show();
  compare.show();
  detail.follow(changes);
  if ([...changes].some(name => name !== "model" && name !== "compare")) ask();
});
ask();
compare.show();
detail.follow();
setInterval(() => { if (!document.hidden && !ask.busy()) ask(); }, AGAIN);
