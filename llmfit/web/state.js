// What the page shows, in its URL: the API's own parameters, and `model` and `compare`, which are the page's.

const OWN = ["model", "compare"];
/** What the page asks for where its URL says nothing. */
const DEFAULTS = { distinct: "true", limit: "100" };
export const WHAT_IF = ["gpu", "gpu_count", "vram_gb", "gpu_bandwidth_gbps", "ram_gb", "cpu_cores", "ram_bandwidth_gbps",
  "unified_memory", "backend", "profile"];
/** Parameters that change the machine or the estimate, not which rows are listed. */
export const SCENE = [...WHAT_IF, "basis", "max_context", "concurrency", "kv_quant", "quant", "runtime", "force_runtime"];

let now = new URLSearchParams(location.search), writing = 0;
const listeners = [];

export const get = name => now.get(name) ?? DEFAULTS[name] ?? null;
export const given = name => now.has(name);
export const names = () => [...now.keys()].filter(name => !OWN.includes(name));
export const compared = () => (now.get("compare") ?? "").split(",").filter(Boolean).slice(0, 4);
export const changed = listener => listeners.push(listener);

/** Set parameters (null or "" removes one). A step in the history only for `push`: a slider makes none. */
export function set(values, { push = false } = {}) {
  const next = new URLSearchParams(now);
  if (!("offset" in values) && Object.keys(values).some(name => !OWN.includes(name))) next.delete("offset");
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "" || String(value) === DEFAULTS[name]) next.delete(name);
    else next.set(name, value);
  }
  const before = now;
  now = next;
  clearTimeout(writing);
  if (push) write("pushState");
  else writing = setTimeout(write, 200, "replaceState"); // browsers refuse hundreds of changes in a row
  tell(before);
}

function write(how) {
  const text = now.toString();
  history[how](null, "", text ? `?${text}` : location.pathname);
}

addEventListener("popstate", () => {
  clearTimeout(writing);
  const before = now;
  now = new URLSearchParams(location.search);
  tell(before);
});

function tell(before) {
  const names = new Set([...before.keys(), ...now.keys()].filter(name => before.get(name) !== now.get(name)));
  if (names.size) listeners.forEach(listener => listener(names));
}

/** The API's query string for this state; of a part of it where `only` names parameters. */
export function query(only = null, more = {}) {
  const asked = new URLSearchParams();
  for (const [name, value] of now) if (!OWN.includes(name) && (!only || only.includes(name))) asked.set(name, value);
  if (!only) for (const [name, value] of Object.entries(DEFAULTS)) if (!asked.has(name)) asked.set(name, value);
  for (const [name, value] of Object.entries(more)) asked.set(name, value);
  return asked.toString();
}
