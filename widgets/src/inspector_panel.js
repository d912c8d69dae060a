/** What the tabs of a run show: a step, its messages, raw values, why steps ran, and what the run cost. */

import { clear, h } from "./dom.js";
import { messagesNode, part } from "./inspector_step.js";
import { button, sentenceOf } from "./notice.js";
import { visible } from "./text.js";
import { valueNode } from "./values.js";

/** Fills the panel of the tabs. */
export class RunPanel {
  /**
   * @param {import("./inspector_link.js").RunLink} run
   * @param {import("./inspector_tabs.js").Tabs} tabs
   * @param {HTMLElement} all the list of all steps, below the one that is shown
   */
  constructor(run, tabs, all) {
    this.run = run;
    this.tabs = tabs;
    this.all = all;
    this.drawn = ""; // what the panel shows, as a text
    this.redraw = () => {};
    /** @type {Map<string, {state: string, node: HTMLElement}>} answers about the whole run, by tab */
    this.whole = new Map();
  }

  /**
   * Show what the chosen tab says about a step or the run.
   *
   * @param {import("./inspector_step.js").StepView | null} step
   * @param {string} selected the id of the step's row
   */
  draw(step, selected) {
    const tab = this.tabs.current;
    this.redraw = () => this.draw(step, selected);
    if (tab === "Why" || tab === "Cost") {
      this.drawn = "";
      return this.#aboutAll(tab);
    }
    // What is read or selected there must not be made again at every look at the run.
    const key = JSON.stringify([tab, selected, step?.version, this.run.input, this.run.state.head.answer]);
    if (tab !== "Steps" && key === this.drawn) return;
    this.drawn = key;
    const none = () => h("p", { class: "polos-hint" }, "This run has no steps yet.");
    if (tab === "Steps") return this.tabs.show(step?.element ?? none(), this.all);
    const title = step && h("h4", { class: "polos-step-title" }, step.title.textContent);
    const content = step
      ? (step.instead() ?? (tab === "Raw" ? rawNode(step) : messagesNode(step.data.messages)))
      : none();
    this.tabs.show(...[title, content, tab === "Raw" ? this.#rawOfRun() : null].filter((node) => node !== null));
  }

  #rawOfRun() {
    const { answer } = this.run.state.head;
    const value = (/** @type {any} */ given, /** @type {string} */ field) =>
      given &&
      valueNode(typeof given === "string" ? { t: "text", s: given, more: 0 } : given, {
        more: () => this.run.request("more", { row: "", field }),
      });
    return h(
      "div",
      null,
      part("input of the run", value(this.run.input, "input")),
      part("answer of the run", value(answer, "answer")),
    );
  }

  /** @param {"Why" | "Cost"} tab */
  async #aboutAll(tab) {
    const state = JSON.stringify(this.run.state);
    const known = this.whole.get(tab);
    if (known?.state === state) return this.tabs.show(known.node);
    const node = h("div", null, h("p", { class: "polos-hint", role: "status" }, "Loading …"));
    this.whole.set(tab, { state, node });
    // What was there stays until the new answer is here.
    this.tabs.show(known?.node ?? node);
    let content;
    try {
      const data = (await this.run.request(tab.toLowerCase(), {})) ?? {};
      content = tab === "Why" ? whyNode(data) : costNode(data);
    } catch (error) {
      const again = button("Try again", () => {
        this.whole.delete(tab);
        this.redraw();
      });
      content = h("p", { class: "polos-notice-alert", role: "alert" }, `✗ ${visible(sentenceOf(error))} `, again);
    }
    clear(node);
    node.appendChild(content);
    if (this.tabs.current === tab && this.whole.get(tab)?.node === node) this.tabs.show(node);
  }
}

/** @param {import("./inspector_step.js").StepView} step */
function rawNode(step) {
  const value = (/** @type {string} */ field) =>
    step.data[field] ? valueNode(step.data[field], { more: () => step.more(field) }) : null;
  const parts = [part("request", value("request")), part("output", value("output"))].filter((node) => node !== null);
  return h("div", null, parts.length ? parts : h("p", { class: "polos-hint" }, "Nothing is kept of this step."));
}

/** @param {any} data */
function whyNode({ lines = [] }) {
  if (!lines.length) return h("p", { class: "polos-hint" }, "Nothing is known about why steps ran.");
  return h(
    "ul",
    { class: "polos-why" },
    lines.map((/** @type {any} */ line) => h("li", null, h("b", null, visible(line.step)), " ", visible(line.text))),
  );
}

/** @param {any} data */
function costNode({ table, note }) {
  return h(
    "div",
    null,
    table ? valueNode(table) : null,
    note ? h("p", { class: "polos-hint" }, visible(note)) : null,
    table || note ? null : h("p", { class: "polos-hint" }, "Nothing is known about what this run cost."),
  );
}
