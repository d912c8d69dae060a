/** What happens in a conversation, in a few words. */

import { plural } from "./text.js";

/** @typedef {import("./state.js").State} State */

const STATES = /** @type {Record<string, string>} */ ({
  queued: "◇ queued",
  running: "● running",
  suspended: "‖ waiting for an answer",
  waiting: "‖ waiting for an answer",
  failed: "✗ failed",
  cancelled: "■ stopped",
});

/**
 * The state of a turn when it is not simply done.
 *
 * @param {string} status
 */
export function turnState(status) {
  return Object.hasOwn(STATES, status) ? STATES[status] : "";
}

/**
 * What the agent does right now, for the live region: it changes with phases and never with tokens.
 *
 * @param {State} state
 * @returns {string}
 */
export function phaseInWords(state) {
  const head = state.head;
  const turns = state.order[""] ?? [];
  const last = state.rows[turns[turns.length - 1]];
  if (!head.busy) return turnState(last?.status) || (last?.status ? "✓ done" : "");
  if (head.phase) return `● ${head.phase}`;
  const running = open(state, last?.id ?? "", 0);
  const waiting = running.find((row) => row.state === "waiting");
  if (waiting) return "‖ waiting for an answer";
  const row = running[running.length - 1];
  if (!row) return "● starting";
  if (row.kind === "llm") return row.text ? "● writing" : "● waiting for the first token";
  return `● calling ${row.name || row.label || row.kind}`;
}

/**
 * The rows below a parent that are not finished.
 *
 * @param {State} state
 * @param {string} parent
 * @param {number} depth
 * @returns {any[]}
 */
function open(state, parent, depth) {
  if (depth > 20) return [];
  return (state.order[parent] ?? []).flatMap((id) => {
    const row = state.rows[id];
    if (!row || !["running", "waiting", "retrying"].includes(row.state)) return [];
    return [row, ...open(state, id, depth + 1)];
  });
}

/**
 * What a turn's run did, in a few words: "2 tool calls (1 cached)".
 *
 * @param {import("./state.js").State} state
 * @param {string} id
 */
export function stepsInWords(state, id) {
  const counts = { tools: 0, models: 0, cached: 0, running: 0, failed: 0, any: false };
  const visit = (/** @type {string} */ parent, /** @type {number} */ depth) => {
    for (const child of state.order[parent] ?? []) {
      const row = state.rows[child];
      if (!row) continue;
      counts.any = true;
      if (row.kind === "llm") counts.models += 1;
      if (row.kind === "tool") {
        counts.tools += 1;
        if (row.cached) counts.cached += 1;
        if (row.state === "running" || row.state === "retrying") counts.running += 1;
        if (row.state === "failed") counts.failed += 1;
      }
      if (depth < 50) visit(child, depth + 1);
    }
  };
  visit(id, 0);
  const extra = [
    counts.cached && `${counts.cached} cached`,
    counts.running && `${counts.running} running`,
    counts.failed && `${counts.failed} failed`,
  ];
  const words = extra.filter(Boolean).join(", ");
  const main = counts.tools ? plural(counts.tools, "tool call") : plural(counts.models, "model call");
  return { text: words ? `${main} (${words})` : main, any: counts.any };
}

/**
 * The text that the agent wrote last below a turn.
 *
 * @param {import("./state.js").State} state
 * @param {string} id
 * @returns {string}
 */
export function lastText(state, id) {
  const ids = state.order[id] ?? [];
  for (let at = ids.length - 1; at >= 0; at -= 1) {
    const row = state.rows[ids[at]];
    if (row?.kind === "llm" && row.text) return row.text;
  }
  return "";
}
