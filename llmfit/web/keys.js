// Keys that work everywhere: / goes to the search, the down arrow from there into the table.

import { at } from "./dom.js";
import { enter } from "./table.js";

export function build() {
  addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches?.("input:not([type=checkbox], [type=radio], [type=range]), select, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      at("search").focus();
      at("search").select();
    } else if (event.key === "ArrowDown" && (event.target === at("search") || event.target === document.body)) {
      event.preventDefault();
      enter();
    } else if (event.key === "Escape" && event.target === at("search")) at("search").blur();
  });
}
