// The command that runs a row, in one place: from its runtime, repository, quantization and the question's filters.

import { h } from "./dom.js";
import { say } from "./words.js";

/** The command, or null where no repository of ready weights is known. */
export function run(row, filters) {
  const repo = row.download?.repo;
  if (!repo) return null;
  const context = row.effective_context_length, sessions = filters.concurrency ?? 1;
  if (row.runtime === "vllm") {
    const gpus = row.run_mode === "tensor_parallel" ? ` --tensor-parallel-size ${row.per_device_gb.filter(Boolean).length}` : "";
    return `vllm serve ${repo} --max-model-len ${context}${gpus}${sessions > 1 ? ` --max-num-seqs ${sessions}` : ""}`;
  }
  if (row.runtime === "mlx") return `mlx_lm.server --model ${repo}`;
  const cache = filters.kv_quant && filters.kv_quant !== "f16" ? ` -ctk ${filters.kv_quant} -ctv ${filters.kv_quant}` : "";
  return [
    `llama-server -hf ${repo}:${row.best_quant} -c ${context * sessions}`,
    sessions > 1 ? ` -np ${sessions}` : "", row.run_mode === "cpu_only" ? " -ngl 0" : "", cache, row.category === "Embedding" ? " --embedding" : "",
  ].join("");
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
