/** Sentences about what an action did, shown and announced at the place where the user acted. */

import { append, clear, h, setText } from "./dom.js";

let last = 0;

/**
 * An id that no other element of the page has, for labels and `aria-controls`.
 *
 * @param {string} name
 */
export function uniqueId(name) {
  last += 1;
  return `polos-${name}-${Date.now().toString(36)}-${last}`;
}

/**
 * A real button with a text; `label` is what a screen reader says when the text alone is too short.
 *
 * @param {string} text
 * @param {(event: any) => void} press
 * @param {Record<string, any>} [props]
 * @returns {any}
 */
export function button(text, press, props = {}) {
  const { label, class: name = "", ...others } = props;
  const element = h(
    "button",
    { type: "button", class: `polos-button ${name}`.trim(), ariaLabel: label, ...others },
    text,
  );
  element.addEventListener("click", (/** @type {any} */ event) => {
    // aria-disabled keeps the keyboard's place, where `disabled` would lose it.
    if (element.getAttribute("aria-disabled") !== "true" && element.getAttribute("aria-busy") !== "true") press(event);
  });
  return element;
}

/**
 * Say whether a button can be pressed, without taking the focus away from it.
 *
 * @param {HTMLElement} element
 * @param {boolean} able
 */
export function enable(element, able) {
  if (able) element.removeAttribute("aria-disabled");
  else element.setAttribute("aria-disabled", "true");
}

/**
 * The element that has the keyboard, also where a front end puts widgets into a shadow tree.
 *
 * @param {Node} within an element of the same tree
 * @returns {Element | null}
 */
export function focused(within) {
  return /** @type {Document | ShadowRoot} */ (within.getRootNode()).activeElement ?? null;
}

/** Two live regions: what went well is said politely, what failed at once. */
export class Notice {
  constructor() {
    this.status = h("div", { class: "polos-notice-status", role: "status", ariaLive: "polite" });
    this.alert = h("div", { class: "polos-notice-alert", role: "alert" });
    this.element = h("div", { class: "polos-notice" }, this.status, this.alert);
  }

  /**
   * Show a sentence, with buttons that lead on from it.
   *
   * @param {unknown} sentence
   * @param {...HTMLElement} next
   */
  say(sentence, ...next) {
    clear(this.alert);
    setText(this.status, sentence);
    append(
      this.status,
      next.flatMap((element) => [" ", element]),
    );
  }

  /**
   * Show why something did not work.
   *
   * @param {unknown} error
   * @param {...HTMLElement} next
   */
  fail(error, ...next) {
    clear(this.status);
    setText(this.alert, `✗ ${sentenceOf(error)}`);
    append(
      this.alert,
      next.flatMap((element) => [" ", element]),
    );
  }

  /** Show nothing. */
  clear() {
    clear(this.status);
    clear(this.alert);
  }
}

/**
 * The sentence of whatever was thrown.
 *
 * @param {any} error
 * @returns {string}
 */
export function sentenceOf(error) {
  return (error instanceof Error ? error.message : String(error ?? "")) || "That did not work, and nothing says why.";
}

/**
 * Do what a button stands for: it is busy meanwhile, and a failure is shown in the notice.
 *
 * @template T
 * @param {HTMLElement} control
 * @param {Notice} notice
 * @param {string} doing said at once, such as "Stopping …"
 * @param {() => Promise<T>} work
 * @returns {Promise<{data: T} | null>} null when it failed
 */
export async function act(control, notice, doing, work) {
  if (control.getAttribute("aria-busy") === "true") return null;
  control.setAttribute("aria-busy", "true");
  notice.say(doing);
  try {
    const data = await work();
    notice.clear();
    return { data };
  } catch (error) {
    notice.fail(error);
    return null;
  } finally {
    control.removeAttribute("aria-busy");
  }
}
