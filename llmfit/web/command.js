// The command that starts a row, as the row itself says, written for a shell; and a box to copy it from.

import { h } from "./dom.js";
import { say } from "./words.js";

const word = text => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;

/** The command, or null where nothing starts the row. */
export function run({ run: words, run_env: env }) {
  return words && [...Object.entries(env).map(([name, value]) => `${name}=${word(value)}`), ...words.map(word)].join(" ");
}

/** A command to copy. */
export function box(text, label) {
  const said = h("span", {}, say("copy"));
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = say("copied");
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = say("press_copy");
    }
    setTimeout(() => { said.textContent = say("copy"); }, 2000);
  }
  const code = h("code", {}, text);
  return h("div", { class: "command" }, h("pre", { tabindex: 0, "aria-label": label }, code), h("button", { type: "button", class: "quiet", onclick: copy }, said));
}
