/** The symbols and words for the states of runs and steps: never a colour alone. */

import { h } from "./dom.js";
import { duration, visible } from "./text.js";

/** @typedef {{symbol: string, word: string, look: string}} Sign */

/** @type {Record<string, Sign>} */
const SIGNS = {
  cached: { symbol: "◆", word: "cached", look: "cached" },
  running: { symbol: "●", word: "live", look: "live" },
  planned: { symbol: "◇", word: "will run", look: "planned" },
  waiting: { symbol: "‖", word: "waiting", look: "waiting" },
  done: { symbol: "✓", word: "done", look: "done" },
  failed: { symbol: "✗", word: "failed", look: "failed" },
  stopped: { symbol: "■", word: "stopped", look: "stopped" },
  retrying: { symbol: "↻", word: "retrying", look: "retrying" },
};

/** @type {Record<string, Sign>} */
const RUN_SIGNS = {
  running: { symbol: "●", word: "running", look: "live" },
  completed: SIGNS.done,
  failed: SIGNS.failed,
  cancelled: SIGNS.stopped,
  suspended: SIGNS.waiting,
};

/** @type {Sign} */
const STARTING = { symbol: "◇", word: "starting", look: "planned" };

/**
 * The sign of a step's row.
 *
 * @param {Record<string, any>} row
 * @returns {Sign}
 */
export function signOf(row) {
  if (row.state === "done" && row.cached) return SIGNS.cached;
  return Object.hasOwn(SIGNS, row.state) ? SIGNS[row.state] : SIGNS.running;
}

/**
 * The sign of a run.
 *
 * @param {Record<string, any>} head
 * @returns {Sign}
 */
export function runSignOf(head) {
  if (!Object.hasOwn(RUN_SIGNS, head.status ?? "")) return STARTING;
  return head.status === "running" && head.waiting > 0 ? SIGNS.waiting : RUN_SIGNS[head.status];
}

/**
 * A badge that can be given another sign.
 *
 * @returns {{element: HTMLElement, set: (sign: Sign) => void}}
 */
export function badge() {
  const symbol = h("span", { class: "polos-symbol", ariaHidden: "true" });
  const word = h("span", { class: "polos-word" });
  const element = h("span", { class: "polos-badge" }, symbol, " ", word);
  /** @type {Sign | null} */
  let shown = null;
  return {
    element,
    set(sign) {
      if (sign === shown) return;
      shown = sign;
      symbol.textContent = sign.symbol;
      word.textContent = sign.word;
      element.className = `polos-badge polos-is-${sign.look}`;
    },
  };
}

/**
 * The kind of a row as a word: a step of a workflow is a "step" here, since "run" means something else to readers.
 *
 * @param {any} kind
 * @returns {string}
 */
export function kindOf(kind) {
  return typeof kind === "string" && kind !== "" && kind !== "run" ? visible(kind).slice(0, 24) : "step";
}

/**
 * A span of time in whole seconds, for clocks that tick: "7 s", "3 min 5 s".
 *
 * @param {number} seconds
 * @returns {string}
 */
export function span(seconds) {
  return duration(Math.max(0, Math.floor(seconds))).replace(".0 s", " s");
}

/**
 * A text of others on one line, with what a reader cannot see made visible; "" for what is no text.
 *
 * @param {any} text
 * @returns {string}
 */
export function oneLine(text) {
  // What does not fit in a line need not be looked at: it may be a megabyte.
  return typeof text === "string" ? visible(text.slice(0, 2_000)).replace(/\s+/g, " ").trim() : "";
}
