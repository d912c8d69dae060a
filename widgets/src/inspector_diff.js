/** Two runs next to each other: their numbers, and step by step what is the same and what differs. */

import { append, clear, h } from "./dom.js";
import { button, sentenceOf, uniqueId } from "./notice.js";
import { plural, visible } from "./text.js";
import { valueNode } from "./values.js";

/** The comparison of two runs. */
export class DiffView {
  /**
   * @param {any} link
   * @param {string} a
   * @param {string} b
   * @param {{back: () => void, open: (run: string) => void}} to
   */
  constructor(link, a, b, to) {
    this.link = link;
    this.runs = { a, b };
    /** @type {any} */
    this.data = null;
    const id = uniqueId("only");
    this.heading = h("h3", { class: "polos-inspector-title", tabindex: -1 }, visible(`${a} compared with ${b}`));
    this.only = h("input", { id, type: "checkbox", on: { change: () => this.#draw() } });
    this.body = h("div", { class: "polos-diff-body" });
    this.element = h(
      "section",
      { class: "polos-diff", ariaLabel: "Comparison of two runs" },
      h(
        "div",
        { class: "polos-inspector-bar" },
        button("◂ Back", to.back),
        this.heading,
        button(`Open ${visible(a)}`, () => to.open(a)),
        button(`Open ${visible(b)}`, () => to.open(b)),
      ),
      h("p", { class: "polos-check" }, this.only, h("label", { for: id }, "Only what differs")),
      this.body,
    );
    this.load();
  }

  /** Ask the kernel for the comparison. */
  async load() {
    clear(this.body);
    append(this.body, [h("p", { class: "polos-hint", role: "status" }, "Comparing …")]);
    try {
      this.data = (await this.link.request("diff", this.runs)) ?? {};
      this.#draw();
    } catch (error) {
      clear(this.body);
      append(this.body, [
        h(
          "p",
          { class: "polos-notice-alert", role: "alert" },
          `✗ ${visible(sentenceOf(error))} `,
          button("Try again", () => this.load()),
        ),
      ]);
    }
  }

  #draw() {
    if (!this.data) return;
    const { rows = [], summary = [] } = this.data;
    const differing = rows.filter((/** @type {any} */ row) => !row.same);
    const shown = this.only.checked ? differing : rows;
    clear(this.body);
    append(this.body, [
      h(
        "p",
        { role: "status" },
        rows.length
          ? `${plural(differing.length, "step")} of ${rows.length} ${differing.length === 1 ? "differs" : "differ"}.`
          : "There are no steps to compare.",
      ),
      summary.length
        ? this.#table(
            "Summary",
            ["", this.runs.a, this.runs.b],
            summary.map((/** @type {any} */ each) => [each.name, each.a, each.b]),
          )
        : null,
      shown.length
        ? this.#table(
            "Steps",
            ["step", this.runs.a, this.runs.b, ""],
            shown.map((/** @type {any} */ each) => [each.step, each.a, each.b, each.same ? "= same" : "≠ differs"]),
          )
        : null,
    ]);
  }

  /**
   * @param {string} label
   * @param {string[]} heads
   * @param {any[][]} rows
   */
  #table(label, heads, rows) {
    return h(
      "div",
      { class: "polos-table-frame", tabindex: 0, role: "region", ariaLabel: label },
      h(
        "table",
        { class: "polos-table polos-diff-table" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            heads.map((head) => h("th", { scope: "col" }, visible(head))),
          ),
        ),
        h(
          "tbody",
          null,
          rows.map(([name, ...cells]) =>
            h(
              "tr",
              { class: cells[2] === "≠ differs" ? "polos-differs" : null },
              h("th", { scope: "row" }, visible(name)),
              cells.map((each) => h("td", null, cellOf(each))),
            ),
          ),
        ),
      ),
    );
  }
}

/** @param {any} value a text, or a value of the kernel's */
function cellOf(value) {
  if (value && typeof value === "object") return valueNode(value);
  return value === null || value === undefined || value === ""
    ? h("span", { class: "polos-hint" }, "nothing")
    : visible(String(value));
}
