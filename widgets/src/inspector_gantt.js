/** The timeline of a run: one bar per step, as wide as the time it took, that selects the step. */

import { clear, h, setProperty, setText } from "./dom.js";
import { rowsInOrder } from "./inspector_link.js";
import { button } from "./notice.js";
import { duration, number } from "./text.js";
import { badge, kindOf, signOf } from "./words.js";

const AT_ONCE = 200; // rows; more on request
const DEEPEST = 6; // levels of indentation; deeper rows stay at this one

/**
 * @typedef {object} Line
 * @property {HTMLElement} element
 * @property {any} button
 * @property {any} sign
 * @property {HTMLElement} label
 * @property {HTMLElement} bar
 * @property {HTMLElement} time
 */

/** Bars of a run's steps. */
export class Gantt {
  /**
   * @param {import("./inspector_link.js").RunLink} run
   * @param {{select: (id: string) => void}} to
   */
  constructor(run, { select }) {
    this.run = run;
    this.to = select;
    this.limit = AT_ONCE;
    this.selected = "";
    /** @type {Map<string, Line>} */
    this.lines = new Map();
    this.list = h("ol", { class: "polos-gantt-rows" });
    this.more = button("", () => {
      this.limit += AT_ONCE;
      this.update();
    });
    this.caption = h("p", { class: "polos-hint polos-gantt-caption" });
    this.element = h(
      "div",
      { class: "polos-gantt", role: "group", ariaLabel: "Timeline of the steps" },
      this.list,
      this.more,
      this.caption,
    );
  }

  /** Draw what the run's state says now; lines that stay keep their element and the keyboard. */
  update() {
    const all = rowsInOrder(this.run.state);
    const rows = all.slice(0, this.limit);
    const span = spanOf(this.run.state.head, all);
    const kept = new Set(rows.map(({ id }) => id));
    for (const [id, line] of this.lines) {
      if (kept.has(id)) continue;
      line.element.remove();
      this.lines.delete(id);
    }
    rows.forEach((each, at) => {
      const line = this.lines.get(each.id) ?? this.#line(each.id);
      if (this.list.children[at] !== line.element) this.list.insertBefore(line.element, this.list.children[at] ?? null);
      this.#draw(line, each, span);
    });
    this.more.hidden = all.length <= this.limit;
    setText(
      this.more,
      `Show ${number(Math.min(AT_ONCE, all.length - this.limit))} more of ${number(all.length)} steps`,
    );
    setText(
      this.caption,
      all.length
        ? `The width of a bar is its time, ${duration(span.length)} from end to end. ` +
            "Hatched and named “cached”: taken from the store."
        : "This run has no steps yet.",
    );
  }

  /**
   * Mark a step as the one that is shown.
   *
   * @param {string} id
   */
  select(id) {
    for (const [each, line] of this.lines) {
      if (each === id) line.button.setAttribute("aria-current", "step");
      else line.button.removeAttribute("aria-current");
    }
    this.selected = id;
  }

  /**
   * @param {string} id
   * @returns {Line}
   */
  #line(id) {
    const sign = badge();
    const label = h("span", { class: "polos-gantt-label" });
    const bar = h("span", { class: "polos-gantt-bar" });
    const track = h("span", { class: "polos-gantt-track", ariaHidden: "true" }, bar);
    const time = h("span", { class: "polos-gantt-time" });
    const press = button("", () => this.to(id), { class: "polos-gantt-row" });
    clear(press);
    press.append(sign.element, label, track, time);
    const line = { element: h("li", null, press), button: press, sign, label, bar, time };
    this.lines.set(id, line);
    if (id === this.selected) press.setAttribute("aria-current", "step");
    return line;
  }

  /**
   * @param {Line} line
   * @param {{row: any, depth: number}} what
   * @param {{start: number, length: number}} span
   */
  #draw(line, { row, depth }, span) {
    const sign = signOf(row);
    const { left, width, after } = barOf(row, span);
    const took = row.seconds === null || row.seconds === undefined ? "" : duration(row.seconds);
    line.sign.set(sign);
    setText(line.label, [row.n, kindOf(row.kind), row.name || row.label].filter(Boolean).join(" "));
    setProperty(line.label, "style", { "padding-left": depth ? `${Math.min(depth, DEEPEST)}em` : "" });
    setProperty(line.bar, "style", { left: `${left}%`, width: `${width}%` });
    line.bar.className = `polos-gantt-bar polos-is-${sign.look}${row.cached ? " polos-hatched" : ""}`;
    setText(line.time, [row.cached ? "cached" : "", took].filter(Boolean).join(" · "));
    const began = row.at ? `began ${duration(after)} after the start` : "";
    const said = [
      `Step ${row.n ?? ""} ${kindOf(row.kind)} ${row.name || row.label || ""}`.replace(/\s+/g, " "),
      sign.word,
      row.cached && sign.word !== "cached" ? "cached" : "",
      began,
      took && `took ${took}`,
    ];
    setProperty(line.button, "ariaLabel", said.filter(Boolean).join(", "));
  }
}

/**
 * From when to when the timeline reaches.
 *
 * @param {any} head
 * @param {{row: any}[]} rows
 */
export function spanOf(head, rows) {
  const starts = rows.map(({ row }) => row.at).filter((at) => Number.isFinite(at) && at > 0);
  const first = starts.reduce((least, at) => Math.min(least, at), Infinity);
  // Steps out of the store may be older than the run that uses them.
  const start = head.began > 0 ? head.began : Number.isFinite(first) ? first : 0;
  let end = start + (Number.isFinite(head.seconds) ? head.seconds : 0);
  for (const { row } of rows) if (row.at > 0) end = Math.max(end, row.at + (row.seconds ?? 0));
  return { start, length: Math.max(end - start, 0.001) };
}

/**
 * Where a bar begins and how wide it is, in per cent; every bar stays inside and can be seen.
 *
 * @param {any} row
 * @param {{start: number, length: number}} span
 */
export function barOf(row, span) {
  const after = row.at ? Math.max(0, row.at - span.start) : 0;
  const left = Math.min(99, (after / span.length) * 100);
  const open = row.state === "running" || row.state === "waiting" || row.state === "retrying";
  const seconds = Number.isFinite(row.seconds) ? Math.max(0, row.seconds) : open ? span.length : 0;
  const width = Math.min(100 - left, Math.max(1, (seconds / span.length) * 100));
  return { left: round(left), width: round(width), after };
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
