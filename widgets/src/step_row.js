/** One row of the timeline: a line with the step's state, which opens to everything that is known of it. */

import { clear, h, setText } from "./dom.js";
import { MarkdownStream } from "./markdown/index.js";
import { Progress } from "./progress.js";
import { RowBody } from "./row_body.js";
import { clock, duration, number } from "./text.js";
import { badge, kindOf, oneLine, signOf, span } from "./words.js";

const NOTE = 300; // characters of an error that fit in the line
const OPEN_DEPTH = 3; // nested runs above this depth open by themselves while they run

/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {import("./timeline.js").RowList} RowList */

export class StepRow {
  /**
   * @param {Timeline} timeline
   * @param {string} id
   * @param {string} parent
   * @param {string[]} path the rows around it
   */
  constructor(timeline, id, parent, path) {
    this.timeline = timeline;
    this.id = id;
    this.parent = parent;
    this.path = path;
    this.badge = badge();
    this.number = h("span", { class: "polos-row-n" });
    this.kind = h("span", { class: "polos-row-kind" });
    this.name = h("span", { class: "polos-row-name" });
    this.label = h("span", { class: "polos-row-label" });
    this.time = h("span", { class: "polos-row-time" });
    this.note = h("span", { class: "polos-row-note", hidden: true });
    this.body = h("div", { class: "polos-row-body" });
    /** @type {RowBody | null} */
    this.content = null;
    /** @type {RowList | null} */
    this.children = null;
    /** @type {Progress | null} */
    this.progress = null;
    /** @type {MarkdownStream | null} */
    this.said = null;
    this.saidText = "";
    this.isGroup = this.row.kind === "group";
    this.build();
    const nested = this.row.kind === "agent" || this.row.kind === "workflow";
    if (nested && path.length < OPEN_DEPTH && busy(this.row)) this.details.open = true;
    this.update();
  }

  /** The row as the kernel last described it. @returns {Record<string, any>} */
  get row() {
    return this.timeline.link.state.rows[this.id] ?? {};
  }

  /** Whether the row has become one of another build: its kind came after its first words. */
  get outdated() {
    return (this.row.kind === "group") !== this.isGroup;
  }

  build() {
    const parts = [
      this.badge.element,
      this.number,
      this.kind,
      h("span", { class: "polos-row-what" }, this.name, this.label),
      this.time,
      this.note,
    ];
    const summary = h("summary", { class: "polos-line" });
    this.details = h("details", { class: "polos-step" }, summary, this.body);
    this.details.addEventListener("toggle", () => this.updateBody());
    this.element = h("li", { class: "polos-row" });
    if (this.isGroup) {
      // The bar belongs under the line and must not fold away with the items.
      this.progress = new Progress();
      this.itemsWord = summary.appendChild(h("span", { class: "polos-muted" }));
      this.element.append(
        h("div", { class: "polos-line polos-group-line" }, parts),
        this.progress.element,
        this.details,
      );
    } else {
      summary.append(...parts);
      this.element.append(this.details);
    }
  }

  /** Show what the row is now. Only what differs is touched. */
  update() {
    const row = this.row;
    const sign = signOf(row);
    this.badge.set(sign);
    const look = `polos-row polos-row-${sign.look}`;
    if (this.element.className !== look) this.element.className = look;
    setText(this.number, Number.isFinite(row.n) ? String(row.n) : "");
    setText(this.kind, kindOf(row.kind));
    const name = oneLine(row.name);
    const label = oneLine(row.label) || name || oneLine(row.target || row.model);
    // Labels of calls begin with the name.
    const bold = label.startsWith(name) ? name : "";
    setText(this.name, bold);
    setText(this.label, label.slice(bold.length));
    this.tick(Date.now() / 1000);
    this.updateSaid(row);
    if (this.itemsWord) setText(this.itemsWord, itemsWord(row, this.timeline.childrenOf(this.id).length));
    this.updateBody();
  }

  /**
   * Show what changes by time alone.
   *
   * @param {number} now seconds since 1970
   */
  tick(now) {
    const row = this.row;
    setText(this.time, timeOf(row, now));
    const note = noteOf(row, now);
    this.note.hidden = note === "";
    this.note.classList.toggle("polos-error", row.state === "failed");
    setText(this.note, note);
    this.progress?.update(row, now);
    this.timeline.setRunning(this, busy(row));
  }

  /**
   * What a model says before it calls tools stays where it was said.
   *
   * @param {Record<string, any>} row
   */
  updateSaid(row) {
    const text = row.kind === "llm" && hasCalls(row) && typeof row.text === "string" ? row.text : "";
    if (!text.trim()) {
      this.saidFrame?.remove();
      this.said = null;
      return;
    }
    if (!this.said) {
      this.said = new MarkdownStream();
      this.saidFrame = this.element.appendChild(h("div", { class: "polos-said" }, this.said.element));
    }
    if (text !== this.saidText) this.said.set(text);
    if (!busy(row)) this.said.finish();
    this.saidText = text;
  }

  /** The folded part is made when it is first opened, and kept up to date only while it is open. */
  updateBody() {
    if (!this.details.open) return;
    if (!this.content) {
      this.content = new RowBody(this.timeline, this.id);
      this.body.append(this.content.element);
    }
    this.content.update();
    this.updateChildren();
  }

  updateChildren() {
    if (!this.children && this.timeline.childrenOf(this.id).length > 0) {
      this.children = this.timeline.list(this.id, [...this.path, this.id]);
      this.body.append(this.children.element);
    }
    this.children?.reconcile();
  }

  /** Take this row and those below it out of the page. */
  remove() {
    this.timeline.setRunning(this, false);
    this.children?.remove();
    this.element.remove();
    clear(this.body);
  }

  /** Give the row the focus. */
  focus() {
    /** @type {HTMLElement | null} */ (this.details.querySelector("summary"))?.focus();
  }
}

/**
 * Whether a row will change by itself.
 *
 * @param {Record<string, any>} row
 */
export function busy(row) {
  return row.state === "running" || row.state === "retrying" || row.state === "waiting";
}

/**
 * Whether a model asked for tools in this answer.
 *
 * @param {Record<string, any>} row
 */
export function hasCalls(row) {
  return Array.isArray(row.calls) && row.calls.length > 0;
}

/**
 * @param {Record<string, any>} row
 * @param {number} now
 * @returns {string}
 */
function timeOf(row, now) {
  if (Number.isFinite(row.seconds) && row.seconds !== null) return row.cached ? "" : duration(row.seconds);
  if (!busy(row) || !Number.isFinite(row.at) || !row.at) return "";
  const past = Math.max(0, now - row.at);
  return `${past < 10 ? duration(past) : span(past)} …`;
}

/**
 * The second line: why it failed, when it is tried again, what was decided, until when it waits.
 *
 * @param {Record<string, any>} row
 * @param {number} now
 * @returns {string}
 */
function noteOf(row, now) {
  const notes = [];
  if (row.decided) notes.push(oneLine(row.decided));
  if (row.state === "retrying") {
    const attempt = Number.isFinite(row.attempts) ? `attempt ${number(row.attempts)} failed` : "the attempt failed";
    notes.push(
      Number.isFinite(row.retry_in) && row.retry_in !== null
        ? `${attempt}, again in ${duration(row.retry_in)}`
        : attempt,
    );
  } else if (row.attempts > 1) {
    notes.push(row.state === "running" ? `attempt ${number(row.attempts)}` : `after ${number(row.attempts)} attempts`);
  }
  if (row.error) notes.push(short(oneLine(row.error)));
  if (row.state === "waiting" && row.until) {
    const left = row.until - now;
    notes.push(
      left > 0 ? `until ${clock(row.until, now)}, in ${span(Math.ceil(left))}` : `until ${clock(row.until, now)}`,
    );
  }
  return notes.join(" · ");
}

/**
 * @param {Record<string, any>} row
 * @param {number} listed
 * @returns {string}
 */
function itemsWord(row, listed) {
  const hidden = row.hidden > 0 ? `, ${number(row.hidden)} more not listed` : "";
  return listed ? `items (${number(listed)}${hidden})` : "details";
}

/** @param {string} text */
function short(text) {
  return text.length > NOTE ? `${text.slice(0, NOTE)} …` : text;
}
