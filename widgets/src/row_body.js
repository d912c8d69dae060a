/** What a row shows when it is opened: why, arguments, reasoning, text, calls, result, error. */

import { append, clear, h, setText } from "./dom.js";
import { MarkdownStream } from "./markdown/index.js";
import { duration, number, plural, visible } from "./text.js";
import { same, valueNode } from "./values.js";

/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {Record<string, any>} Row */
/** @typedef {{slot: HTMLElement, read: (row: Row) => any, show: (slot: HTMLElement, row: Row) => void, shown: any}} Section */

const NOTHING = Symbol("not shown yet");
const CALLS = 100; // calls of one answer that are listed

export class RowBody {
  /**
   * @param {Timeline} timeline
   * @param {string} id
   */
  constructor(timeline, id) {
    this.timeline = timeline;
    this.id = id;
    this.element = h("div", { class: "polos-row-content" });
    /** @type {Section[]} */
    this.sections = [];
    this.section(factsOf, (slot, row) => showFacts(slot, factsOf(row)));
    this.value("input", "input");
    this.value("args", "arguments");
    this.section(
      (row) => text(row.reasoning),
      (slot, row) => this.showReasoning(slot, row),
    );
    this.section(
      (row) => this.textOf(row),
      (slot, row) => this.showText(slot, row),
    );
    this.section((row) => row.calls, showCalls);
    this.value("result", "result");
    this.value("output", "output");
    this.section((row) => text(row.error), showError);
  }

  /** Show the row as it is; sections whose data are the same are not touched. */
  update() {
    const row = this.timeline.link.state.rows[this.id] ?? {};
    let any = false;
    for (const section of this.sections) {
      const now = section.read(row);
      if (!same(now, section.shown)) {
        section.shown = now;
        section.show(section.slot, row);
        section.slot.hidden = section.slot.childNodes.length === 0;
      }
      any ||= !section.slot.hidden;
    }
    if (!any && !this.empty) {
      this.empty = h("p", { class: "polos-muted" }, "Nothing more is known of this step.");
      this.element.append(this.empty);
    }
    if (this.empty) this.empty.hidden = any || this.timeline.childrenOf(this.id).length > 0;
  }

  /**
   * @param {(row: Row) => any} read what the section depends on
   * @param {(slot: HTMLElement, row: Row) => void} show
   */
  section(read, show) {
    const slot = h("div", { class: "polos-section", hidden: true });
    this.element.append(slot);
    this.sections.push({ slot, read, show, shown: NOTHING });
  }

  /**
   * @param {string} field
   * @param {string} title
   */
  value(field, title) {
    this.section(
      (row) => row[field],
      (slot, row) => {
        clear(slot);
        const value = typeof row[field] === "string" ? { t: "text", s: row[field] } : row[field];
        if (value === null || value === undefined || value.s === "") return;
        const more = () => this.timeline.link.request("more", { row: this.id, field });
        append(slot, [heading(title), valueNode(value, { more })]);
      },
    );
  }

  /**
   * @param {HTMLElement} slot
   * @param {Row} row
   */
  showReasoning(slot, row) {
    const said = text(row.reasoning);
    if (!said) return clear(slot);
    if (!this.reasoning) {
      this.reasoning = { size: h("span", { class: "polos-muted" }), body: h("div", { class: "polos-plain" }) };
      this.reasoningFold = h(
        "details",
        { class: "polos-fold" },
        h("summary", null, "reasoning ", this.reasoning.size),
        this.reasoning.body,
      );
      this.reasoningFold.addEventListener("toggle", () => this.fillReasoning());
      append(slot, [this.reasoningFold]);
    }
    setText(this.reasoning.size, `(${plural(said.length, "character")})`);
    this.fillReasoning();
  }

  fillReasoning() {
    const row = this.timeline.link.state.rows[this.id] ?? {};
    if (this.reasoning && this.reasoningFold.open) setText(this.reasoning.body, text(row.reasoning));
  }

  /**
   * The text that this row shows itself: not what stands under the line already, and not the answer of the run.
   *
   * @param {Row} row
   * @returns {string}
   */
  textOf(row) {
    const said = Array.isArray(row.calls) && row.calls.length > 0 ? "" : text(row.text);
    return said && this.timeline.isAnswer(this.id) ? "\u0000answer" : said;
  }

  /**
   * @param {HTMLElement} slot
   * @param {Row} row
   */
  showText(slot, row) {
    const said = this.textOf(row);
    if (said === "\u0000answer" || said === "" || !this.stream) {
      clear(slot);
      this.stream = null;
    }
    if (said === "\u0000answer") append(slot, [h("p", { class: "polos-muted" }, "Its text is the answer below.")]);
    else if (said) {
      if (!this.stream) {
        this.stream = new MarkdownStream();
        append(slot, [heading("text"), this.stream.element]);
      }
      this.stream.set(said);
      if (row.state !== "running") this.stream.finish();
    }
  }
}

/** @param {string} title */
function heading(title) {
  return h("div", { class: "polos-section-title" }, title);
}

/** @param {any} value */
function text(value) {
  return typeof value === "string" ? value : "";
}

/**
 * Short facts, one a line; as one text, so that a change is easily seen.
 *
 * @param {Row} row
 * @returns {string}
 */
function factsOf(row) {
  const facts = [];
  if (row.why) facts.push(`why: ${row.why}`);
  if (row.target) facts.push(`runs: ${row.target}`);
  if (row.model) facts.push(`model: ${row.model}`);
  if (row.tokens_in || row.tokens_out)
    facts.push(`tokens: ${number(row.tokens_in || 0)} in · ${number(row.tokens_out || 0)} out`);
  if (row.cached && Number.isFinite(row.seconds)) facts.push(`first time: took ${duration(row.seconds)}`);
  return facts.map((fact) => fact.replaceAll("\n", " ")).join("\n");
}

/**
 * @param {HTMLElement} slot
 * @param {string} facts
 */
function showFacts(slot, facts) {
  clear(slot);
  for (const line of facts.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0)
      append(slot, [
        h(
          "div",
          { class: "polos-fact" },
          h("span", { class: "polos-muted" }, line.slice(0, at)),
          " ",
          visible(line.slice(at + 2)),
        ),
      ]);
  }
}

/**
 * @param {HTMLElement} slot
 * @param {Row} row
 */
function showCalls(slot, row) {
  clear(slot);
  const calls = Array.isArray(row.calls) ? row.calls : [];
  if (!calls.length) return;
  const items = calls
    .slice(0, CALLS)
    .map((call) =>
      h(
        "li",
        null,
        h("code", null, visible(text(call?.name))),
        " ",
        h("code", { class: "polos-call-args" }, visible(text(call?.arguments))),
      ),
    );
  append(slot, [
    heading(plural(calls.length, "tool call")),
    h("ul", { class: "polos-calls", role: "list" }, items),
    calls.length > CALLS ? h("p", { class: "polos-muted" }, `… ${number(calls.length - CALLS)} more`) : null,
  ]);
}

/**
 * @param {HTMLElement} slot
 * @param {Row} row
 */
function showError(slot, row) {
  clear(slot);
  if (text(row.error))
    append(slot, [heading("error"), h("pre", { class: "polos-pre polos-wrap polos-error" }, visible(row.error))]);
}
