/** The cards of all rows that wait for a person, in the order of the rows; what was decided stays as one line. */

import { AskCard } from "./ask_card.js";
import { h } from "./dom.js";
import { LOOK } from "./guard.js";
import { Rules } from "./rules.js";
import { oneLine } from "./words.js";

const DEEPEST = 64;

/** @typedef {{id: string, key: string, card: AskCard | null, element: HTMLElement}} Entry */

/**
 * The cards below a parent. `update` is to be called with the ids that changed. The rules "always approve" of the run
 * are listed under them.
 */
export class Cards {
  /**
   * @param {import("./link.js").Link} link
   * @param {{root?: string, untrusted?: boolean, rules?: boolean}} [options] `untrusted` is for tests; `rules` false
   *   leaves out the list of rules
   */
  constructor(link, { root = "", untrusted = false, rules = true } = {}) {
    this.link = link;
    this.root = root;
    this.untrusted = untrusted;
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
    this.rules = rules ? new Rules(link) : null;
    this.list = h("div", { class: "polos-cards-list" });
    this.element = h("div", { class: "polos-cards" }, this.list, this.rules?.element);
    this.update(new Set(Object.keys(link.state.rows)));
  }

  /**
   * Show what changed.
   *
   * @param {Set<string>} changed
   */
  update(changed) {
    if (changed.has("head")) this.rules?.update();
    let sort = false;
    for (const id of changed) {
      if (id.startsWith("order:")) sort ||= this.entries.size > 1;
      else if (this.updateRow(id)) sort = true;
    }
    if (sort) this.sort();
    this.watch();
  }

  /**
   * @param {string} id
   * @returns {boolean} whether a card has come
   */
  updateRow(id) {
    const row = this.link.state.rows[id];
    const entry = this.entries.get(id);
    const ask = row?.ask && typeof row.ask === "object" ? row.ask : null;
    if (entry?.card && (!ask || AskCard.key(ask) !== entry.key)) this.settle(entry, row);
    if (!row && entry) {
      entry.element.remove();
      this.entries.delete(id);
    }
    if (!ask || !this.place(id)) return false;
    if (entry?.card && this.entries.get(id) === entry && entry.key === AskCard.key(ask)) {
      entry.card.update();
      return false;
    }
    this.add(id, ask);
    return true;
  }

  /**
   * @param {string} id
   * @param {Record<string, any>} ask
   */
  add(id, ask) {
    // A row that asks again: the line of its last answer makes room.
    this.entries.get(id)?.element.remove();
    const card = new AskCard(this.link, id, { untrusted: this.untrusted });
    this.entries.set(id, { id, key: AskCard.key(ask), card, element: card.element });
    this.list.append(card.element);
    card.guard.look();
  }

  /**
   * The row waits no more: the card becomes one line, at the same place.
   *
   * @param {Entry} entry
   * @param {Record<string, any> | undefined} row
   */
  settle(entry, row) {
    const card = /** @type {AskCard} */ (entry.card);
    const focused = card.hasFocus;
    const line = h("div", { class: "polos-card-line", tabindex: "-1" }, lineOf(row ?? {}));
    entry.element.replaceWith(line);
    card.remove();
    entry.card = null;
    entry.element = line;
    if (focused) line.focus({ preventScroll: true });
  }

  /** Put the elements into the order of the rows, moving only those that stand elsewhere. */
  sort() {
    const places = [...this.entries.values()].map((entry) => ({ entry, place: this.place(entry.id) ?? [] }));
    places.sort((a, b) => compare(a.place, b.place));
    let next = this.list.firstChild;
    for (const { entry } of places) {
      if (entry.element === next) next = next.nextSibling;
      else this.list.insertBefore(entry.element, next);
    }
  }

  /**
   * Where a row stands, as places from the top; null when it is not below the root.
   *
   * @param {string} id
   * @returns {number[] | null}
   */
  place(id) {
    const { rows, order } = this.link.state;
    /** @type {number[]} */
    const places = [];
    for (let depth = 0; depth < DEEPEST; depth += 1) {
      const parent = rows[id]?.parent ?? "";
      const at = (order[parent] ?? []).indexOf(id);
      places.unshift(at < 0 ? Number.MAX_SAFE_INTEGER : at);
      if (parent === this.root) return places;
      if (parent === "" || parent === id) return null;
      id = parent;
    }
    return null;
  }

  /** While cards are open, how long they wait is shown, and whether they move is seen. */
  watch() {
    const open = [...this.entries.values()].some((entry) => entry.card);
    if (open && this.timer === undefined) this.timer = setInterval(() => this.tick(), LOOK);
    else if (!open) this.stop();
  }

  tick() {
    if (!this.element.isConnected) return;
    const now = Date.now() / 1000;
    for (const { card } of this.entries.values()) {
      card?.guard.look();
      card?.tick(now);
    }
  }

  /** The view is gone. */
  dispose() {
    for (const { card } of this.entries.values()) card?.remove();
    this.entries.clear();
    this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/**
 * What became of a question, in one line.
 *
 * @param {Record<string, any>} row
 * @returns {string}
 */
function lineOf(row) {
  const words = oneLine(row.decided);
  if (words) return `${/^(rejected|stopped)/.test(words) ? "✗" : "✓"} ${words}`;
  const title = oneLine(row.label);
  if (row.state === "stopped") return `■ stopped before it was answered${title ? `: ${title}` : ""}`;
  if (row.state === "failed") return `✗ it failed before it was answered${title ? `: ${title}` : ""}`;
  return `✓ answered${title ? `: ${title}` : ""}`;
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function compare(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
