/** One stored run as views of a live run want it: a state that changes, and requests that name the run. */

import { applyOps, emptyState } from "./state.js";

/** Looks like a Link to the timeline and the approval cards; its state is what was fetched last. */
export class RunLink {
  /**
   * @param {any} link the inspector's own link
   * @param {string} run
   * @param {{answered?: (verb: string) => void}} [told] `answered`: a request that changes the run went through
   */
  constructor(link, run, { answered = () => {} } = {}) {
    this.link = link;
    this.run = run;
    this.answered = answered;
    this.state = emptyState();
    /** @type {any} */
    this.input = null;
    /** @type {Set<(changed: Set<string>) => void>} */
    this.listeners = new Set();
  }

  /** Whether the kernel answers. */
  get alive() {
    return this.link.alive;
  }

  /** Whether there is something to show. */
  get synced() {
    return Boolean(this.state.head.id);
  }

  /**
   * Ask the kernel about this run.
   *
   * @param {string} verb
   * @param {Record<string, any>} [args]
   * @param {any} [options]
   */
  async request(verb, args = {}, options = undefined) {
    const data = await this.link.request(verb, { run: this.run, ...args }, options);
    if (["answer", "stop", "retry", "revoke"].includes(verb)) this.answered(verb);
    return data;
  }

  /**
   * @param {(changed: Set<string>) => void} fn
   * @returns {() => void} ends it
   */
  onChange(fn) {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }

  /**
   * @param {(alive: boolean) => void} fn
   * @returns {() => void} ends it
   */
  onAlive(fn) {
    return this.link.onAlive?.(fn) ?? (() => {});
  }

  /** Read the run again. */
  async fetch() {
    return this.set(await this.link.request("run", { run: this.run }));
  }

  /**
   * Take an answer of the request `run`, and say what is new in it.
   *
   * @param {any} data
   * @returns {Set<string>}
   */
  set(data) {
    const fresh = emptyState();
    applyOps(fresh, [["reset", { head: data?.head, ...data?.state }]]);
    this.input = data?.input ?? null;
    const changed = new Set();
    if (differ(fresh.head, this.state.head)) changed.add("head");
    for (const id of keys(fresh.rows, this.state.rows))
      if (differ(fresh.rows[id], this.state.rows[id])) changed.add(id);
    for (const id of keys(fresh.order, this.state.order))
      if (differ(fresh.order[id], this.state.order[id])) changed.add(`order:${id}`);
    Object.assign(this.state, fresh);
    if (changed.size) for (const listener of this.listeners) listener(changed);
    return changed;
  }
}

/**
 * The rows of a run in the order in which they are read, each with its depth.
 *
 * @param {import("./state.js").State} state
 * @returns {{id: string, row: any, depth: number}[]}
 */
export function rowsInOrder(state) {
  /** @type {{id: string, row: any, depth: number}[]} */
  const found = [];
  const seen = new Set();
  const visit = (/** @type {string} */ parent, /** @type {number} */ depth) => {
    for (const id of state.order[parent] ?? []) {
      if (!state.rows[id] || seen.has(id)) continue;
      seen.add(id);
      found.push({ id, row: state.rows[id], depth });
      visit(id, depth + 1);
    }
  };
  visit("", 0);
  return found;
}

/**
 * @param {any} one
 * @param {any} other
 */
function differ(one, other) {
  return JSON.stringify(one) !== JSON.stringify(other);
}

/**
 * @param {Record<string, any>} one
 * @param {Record<string, any>} other
 */
function keys(one, other) {
  return new Set([...Object.keys(one), ...Object.keys(other)]);
}
