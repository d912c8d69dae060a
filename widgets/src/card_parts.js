/** The parts of a card that only say something: its head, its command line, the choice of how far an approval goes. */

import { h } from "./dom.js";
import { uniqueId } from "./notice.js";
import { clock, visible } from "./text.js";
import { copyButton } from "./values.js";
import { oneLine, span } from "./words.js";

/** @typedef {import("./ask_card.js").Ask} Ask */

/** @type {Record<string, string>} */
const WORDS = { approval: "approval needed", suspend: "an answer is needed", doubt: "in doubt: did it happen?" };

/**
 * What is asked, where, and for how long.
 *
 * @param {Ask} ask
 * @param {string} titleId
 * @param {HTMLElement} waited
 */
export function headOf(ask, titleId, waited) {
  const word = Object.hasOwn(WORDS, ask.kind ?? "") ? WORDS[ask.kind] : WORDS.suspend;
  const where = [ask.run ? `run ${oneLine(ask.run)}` : "", ask.step ? `step ${oneLine(ask.step)}` : ""]
    .filter(Boolean)
    .join(" · ");
  return h(
    "div",
    { class: "polos-card-head" },
    h(
      "span",
      { class: "polos-badge polos-is-waiting" },
      h("span", { class: "polos-symbol", ariaHidden: "true" }, "‖"),
      " ",
      word,
    ),
    h(
      "strong",
      { class: "polos-card-title", id: titleId },
      oneLine(ask.title) || oneLine(ask.tool) || "A question of the run",
    ),
    h("div", { class: "polos-card-where" }, where, where ? " · " : null, waited),
  );
}

/**
 * How long a card has waited, and until when it does.
 *
 * @param {Ask} ask
 * @param {number} now seconds since 1970
 */
export function waitedWords({ asked_at: asked, until }, now) {
  const words = asked > 0 ? [`waiting ${span(now - asked)}`] : [];
  if (!(until > 0)) words.push("never expires");
  else
    words.push(
      until > now ? `until ${clock(until, now)} (${span(Math.ceil(until - now))} left)` : "the time to answer is over",
    );
  return words.join(" · ");
}

/**
 * How far an approval goes: this call, or others in this run too.
 *
 * @param {Ask} ask
 */
export function scopeOf(ask) {
  return h(
    "select",
    { id: uniqueId("scope"), class: "polos-input polos-card-scope", dataPart: "scope" },
    h("option", { value: "" }, "this call only"),
    h("option", { value: "tool" }, oneLine(ask.always_label) || "every call of this tool in this run"),
    h("option", { value: "same" }, oneLine(ask.same_label) || "calls with exactly these arguments"),
  );
}

/**
 * The same by the command line, for those who prefer it or have no working page.
 *
 * @param {Ask} ask
 */
export function commandOf(ask) {
  const command = typeof ask.command === "string" ? visible(ask.command) : "";
  if (!command) return null;
  return h(
    "div",
    { class: "polos-card-command polos-muted" },
    "or run ",
    h("code", null, command),
    " ",
    copyButton(() => command, "Copy the command"),
  );
}
