/** The progress of many items at once: one bar, and the counts, rate, time left and cost in words. */

import { h, setText } from "./dom.js";
import { money, number } from "./text.js";
import { span } from "./words.js";

const WINDOW = 15; // seconds that the rate looks back
const STEADY = 2; // seconds before a rate is said

/** @typedef {{total: number, done: number, cached: number, live: number, failed: number, waiting: number}} Counts */

/**
 * The counts of a group row, as whole numbers that fit together whatever was sent.
 *
 * @param {Record<string, any>} row
 * @returns {Counts}
 */
export function countsOf(row) {
  const done = whole(row.done);
  return {
    total: Math.max(whole(row.total), 0),
    done,
    cached: Math.min(whole(row.cached_n), done),
    live: whole(row.live_n),
    failed: whole(row.failed_n),
    waiting: whole(row.waiting_n),
  };
}

/** One bar. It is updated in place; the same element serves from the first item to the last. */
export class Progress {
  constructor() {
    /** @type {{at: number, live: number}[]} */
    this.samples = [];
    this.parts = {
      cached: h("span", { class: "polos-bar-cached" }),
      live: h("span", { class: "polos-bar-live" }),
      failed: h("span", { class: "polos-bar-failed" }),
      waiting: h("span", { class: "polos-bar-waiting" }),
    };
    this.bar = h(
      "div",
      { class: "polos-bar", role: "progressbar", ariaValuemin: 0, ariaLabel: "Items done" },
      Object.values(this.parts),
    );
    this.words = h("div", { class: "polos-bar-words" });
    this.element = h("div", { class: "polos-progress" }, this.bar, this.words);
  }

  /**
   * Show a group row as it is now.
   *
   * @param {Record<string, any>} row
   * @param {number} now seconds since 1970
   */
  update(row, now) {
    const counts = countsOf(row);
    const over = row.state !== "running" && row.state !== "waiting" && row.state !== "retrying";
    this.measure(counts, now);
    this.draw(counts);
    const words = wordsOf(row, counts, over, over ? null : this.rate(now));
    setText(this.words, words);
    this.bar.setAttribute("aria-valuetext", words);
  }

  /** @param {Counts} counts */
  draw(counts) {
    const { total, done, cached, failed, waiting } = counts;
    this.element.classList.toggle("polos-bar-open", total === 0);
    if (total > 0) {
      this.bar.setAttribute("aria-valuemax", String(total));
      this.bar.setAttribute("aria-valuenow", String(Math.min(done, total)));
    } else {
      this.bar.removeAttribute("aria-valuemax");
      this.bar.removeAttribute("aria-valuenow");
    }
    const wide = (/** @type {HTMLElement} */ part, /** @type {number} */ count) => {
      const width = total > 0 ? `${Math.min(100, (100 * count) / total).toFixed(2)}%` : "0%";
      if (part.style.width !== width) part.style.width = width;
    };
    wide(this.parts.cached, cached);
    wide(this.parts.live, Math.max(0, done - cached - failed));
    wide(this.parts.failed, Math.min(failed, done));
    wide(this.parts.waiting, waiting);
  }

  /**
   * @param {Counts} counts
   * @param {number} now
   */
  measure(counts, now) {
    // Items from the store come in no time and say nothing about how fast the others are.
    const live = counts.done - counts.cached;
    const last = this.samples.at(-1);
    if (!last || now - last.at >= 0.5) this.samples.push({ at: now, live });
    while (this.samples.length > 2 && now - this.samples[1].at > WINDOW) this.samples.shift();
    this.current = live;
  }

  /**
   * @param {number} now
   * @returns {number | null} items a second, null while it cannot be said
   */
  rate(now) {
    const first = this.samples[0];
    if (!first || now - first.at < STEADY) return null;
    return Math.max(0, (this.current ?? 0) - first.live) / (now - first.at);
  }
}

/**
 * @param {Record<string, any>} row
 * @param {Counts} counts
 * @param {boolean} over
 * @param {number | null} rate
 * @returns {string}
 */
function wordsOf(row, counts, over, rate) {
  const { total, done, cached, live, failed, waiting } = counts;
  const words = [total > 0 ? `${number(done)} of ${number(total)} done` : `${number(done)} done`];
  if (cached) words.push(`◆ ${number(cached)} cached`);
  if (live) words.push(`● ${number(live)} live`);
  if (failed) words.push(`✗ ${number(failed)} failed`);
  if (waiting) words.push(`‖ ${number(waiting)} waiting`);
  const speed = Number.isFinite(row.rate) && !over ? row.rate : rate;
  if (speed) {
    words.push(speed >= 1 ? `${speed.toFixed(1)} per second` : `${(speed * 60).toFixed(1)} per minute`);
    const left = Number.isFinite(row.eta) ? row.eta : total > done ? (total - done) / speed : 0;
    if (left > 0) words.push(`about ${span(Math.ceil(left))} left`);
  }
  if (Number.isFinite(row.cost) && row.cost !== null) words.push(money(row.cost));
  return words.join(" · ");
}

/**
 * @param {any} value
 * @returns {number}
 */
function whole(value) {
  return Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}
