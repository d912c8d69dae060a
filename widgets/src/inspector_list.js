/** The list of stored runs: search, filters, pages, and two runs chosen for a comparison. */

import { append, clear, h, setText } from "./dom.js";
import { Notice, button, enable, sentenceOf, uniqueId } from "./notice.js";
import { duration, money, number, visible } from "./text.js";
import { badge, runSignOf } from "./words.js";

const PAGE = 20;
const TYPING = 300; // milliseconds without a key before the search is sent
const STATUSES = [
  ["", "all"],
  ["running", "running"],
  ["suspended", "waiting"],
  ["completed", "done"],
  ["failed", "failed"],
  ["cancelled", "stopped"],
];
const TIMES = [
  ["", "ever"],
  ["1", "1 day"],
  ["7", "7 days"],
  ["30", "30 days"],
];
const COLUMNS = ["compare", "run", "when", "agent", "status", "cached", "tokens", "cost", "time", "prompt"];

/** The list and what it is filtered by. */
export class RunList {
  /**
   * @param {any} link
   * @param {{open: (run: string) => void, diff: (a: string, b: string) => void}} to
   * @param {any} first the answer of the first request, when it is already here
   */
  constructor(link, to, first = null) {
    this.link = link;
    this.to = to;
    this.offset = 0;
    this.total = 0;
    this.asked = 0;
    /** @type {any} */
    this.typing = undefined;
    /** @type {Set<string>} */
    this.chosen = new Set();
    this.notice = new Notice();
    this.#build();
    if (first) this.#show(first);
    else this.load();
  }

  #build() {
    const changed = () => this.load(0);
    this.query = h("input", {
      id: uniqueId("query"),
      type: "search",
      class: "polos-input",
      placeholder: "prompt, answer, tool …",
      autocomplete: "off",
    });
    this.query.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(changed, TYPING);
    });
    this.query.addEventListener("keydown", (/** @type {any} */ event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      clearTimeout(this.typing);
      changed();
    });
    this.target = select([["", "all"]], changed);
    this.status = select(STATUSES, changed);
    this.since = select(TIMES, changed);
    this.refresh = button("↻ Refresh", () => this.load(), { label: "Read the list again" });
    this.diff = button("Compare", () => this.#compare());
    this.previous = button("◂", () => this.load(this.offset - PAGE), { label: "Earlier page" });
    this.next = button("▸", () => this.load(this.offset + PAGE), { label: "Next page" });
    this.place = h("span", { class: "polos-hint", role: "status" });
    this.body = h("tbody", { role: "rowgroup" });
    this.table = h(
      "table",
      { class: "polos-runs", role: "table", ariaLabel: "Runs" },
      // Roles are named because the narrow layout shows rows as cards, which would take them away.
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          COLUMNS.map((name) =>
            h(
              "th",
              { role: "columnheader", scope: "col" },
              name === "compare" ? h("span", { class: "polos-hidden-text" }, name) : name,
            ),
          ),
        ),
      ),
      this.body,
    );
    this.empty = h("p", { class: "polos-hint", hidden: true });
    this.heading = h("h3", { class: "polos-inspector-title", tabindex: -1 }, "Runs");
    this.element = h(
      "section",
      { class: "polos-run-list", ariaLabel: "Runs" },
      h("div", { class: "polos-inspector-bar" }, this.heading, this.refresh),
      h(
        "div",
        { class: "polos-filters", role: "search" },
        field("Search", this.query),
        field("Agent", this.target),
        field("Status", this.status),
        field("Since", this.since),
      ),
      this.notice.element,
      h("div", { class: "polos-runs-frame" }, this.table),
      this.empty,
      h(
        "div",
        { class: "polos-inspector-bar" },
        this.previous,
        this.place,
        this.next,
        h("span", { class: "polos-space" }),
        this.diff,
      ),
    );
    this.#choice();
  }

  /**
   * Ask for a page of runs; only the answer to the last question is shown.
   *
   * @param {number} [offset]
   */
  async load(offset = this.offset) {
    const turn = (this.asked += 1);
    const args = {
      query: this.query.value.trim(),
      target: this.target.value,
      status: this.status.value,
      kind: "",
      since: this.since.value ? Number(this.since.value) : null,
      offset: Math.max(0, offset),
      limit: PAGE,
    };
    this.table.setAttribute("aria-busy", "true");
    try {
      const data = await this.link.request("runs", args);
      if (turn !== this.asked) return;
      this.offset = args.offset;
      this.notice.clear();
      this.#show(data ?? {});
    } catch (error) {
      if (turn === this.asked) this.notice.fail(sentenceOf(error));
    } finally {
      if (turn === this.asked) this.table.removeAttribute("aria-busy");
    }
  }

  /** @param {any} data */
  #show({ runs = [], total = runs.length, targets = [] }) {
    this.total = total;
    options(this.target, [["", "all"], ...targets.map((/** @type {string} */ name) => [name, name])]);
    clear(this.body);
    for (const run of runs) this.body.appendChild(this.#row(run));
    this.table.hidden = !runs.length;
    this.empty.hidden = runs.length > 0;
    setText(this.empty, this.#filtered() ? "No run fits the search and the filters." : "No runs are stored yet.");
    setText(
      this.place,
      total ? `${number(this.offset + 1)} to ${number(this.offset + runs.length)} of ${number(total)}` : "",
    );
    enable(this.previous, this.offset > 0);
    enable(this.next, this.offset + runs.length < total);
  }

  #filtered() {
    return Boolean(this.query.value.trim() || this.target.value || this.status.value || this.since.value);
  }

  /** @param {any} run */
  #row(run) {
    const id = visible(run.id);
    const box = h("input", {
      type: "checkbox",
      checked: this.chosen.has(run.id),
      ariaLabel: `Choose ${id} for a comparison`,
    });
    box.addEventListener("change", () => {
      if (box.checked) this.chosen.add(run.id);
      else this.chosen.delete(run.id);
      this.#choice();
    });
    const sign = badge();
    sign.set(runSignOf(run));
    const open = button(id, () => this.to.open(run.id), { class: "polos-quiet polos-run-id", label: `Show run ${id}` });
    const waits = run.waiting
      ? button("Open approval", () => this.to.open(run.id), {
          class: "polos-primary polos-small",
          label: `Open the approval of run ${id}`,
        })
      : null;
    const cells = [
      box,
      [open, run.forked_from ? h("span", { class: "polos-hint" }, visible(` fork of ${run.forked_from}`)) : null],
      visible(run.when),
      [visible(run.target), run.model ? h("span", { class: "polos-hint" }, visible(` ${run.model}`)) : null],
      [sign.element, waits && " ", waits],
      `${run.cached ?? 0}/${run.steps ?? 0}`,
      number(run.tokens ?? 0),
      run.cost === null || run.cost === undefined ? (run.tokens ? "unknown" : "–") : money(run.cost),
      duration(run.seconds),
      [
        h("span", { class: "polos-run-input" }, visible(run.input)),
        run.conversation ? h("span", { class: "polos-hint" }, visible(` conversation ${run.conversation}`)) : null,
      ],
    ];
    return h(
      "tr",
      { role: "row", dataRun: run.id },
      cells.map((content, at) => h("td", { role: "cell", dataColumn: COLUMNS[at] }, content)),
    );
  }

  #choice() {
    const [a, b] = this.chosen;
    const two = this.chosen.size === 2;
    enable(this.diff, two);
    setText(
      this.diff,
      two
        ? `Compare ${a} with ${b}`
        : this.chosen.size > 2
          ? `${this.chosen.size} chosen: choose two to compare`
          : "Choose two runs to compare",
    );
  }

  #compare() {
    const [a, b] = this.chosen;
    this.to.diff(a, b);
  }

  /**
   * Give the keyboard back to the run from which the reader comes.
   *
   * @param {string} run
   */
  focus(run) {
    const row = [...this.body.children].find((each) => /** @type {any} */ (each).dataset.run === run);
    /** @type {any} */ (row?.querySelector(".polos-run-id") ?? this.heading).focus();
  }

  /** Let go of what waits. */
  dispose() {
    clearTimeout(this.typing);
    this.asked += 1;
  }
}

/**
 * @param {string} label
 * @param {any} control
 */
function field(label, control) {
  return h("div", { class: "polos-filter" }, h("label", { for: control.id }, label), control);
}

/**
 * @param {string[][]} entries
 * @param {() => void} changed
 */
function select(entries, changed) {
  const element = h("select", { id: uniqueId("filter"), class: "polos-input", on: { change: changed } });
  options(element, entries);
  return element;
}

/**
 * Give a select these options; what is chosen stays chosen.
 *
 * @param {any} element
 * @param {string[][]} entries
 */
function options(element, entries) {
  const key = JSON.stringify(entries);
  if (element.polosOptions === key) return;
  const chosen = element.value;
  element.polosOptions = key;
  if (chosen && !entries.some(([value]) => value === chosen)) entries = [...entries, [chosen, chosen]];
  clear(element);
  append(
    element,
    entries.map(([value, label]) => h("option", { value }, visible(label))),
  );
  element.value = chosen;
}
