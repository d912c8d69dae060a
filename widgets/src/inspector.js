/** The inspector: the list of stored runs, one run, or two of them compared, in one place of the page. */

import { append, clear, h, keepKeys } from "./dom.js";
import { RunDetail } from "./inspector_detail.js";
import { DiffView } from "./inspector_diff.js";
import { RunList } from "./inspector_list.js";
import { NO_ANSWER } from "./link.js";

const KEPT = 8; // runs whose details stay as they were left, with what was typed in them

/** The view of a model of kind "inspector". */
export class InspectorView {
  /** @param {any} link */
  constructor(link) {
    this.link = link;
    /** @type {RunList | null} */
    this.list = null;
    /** @type {Map<string, RunDetail>} */
    this.details = new Map();
    /** @type {any} what is shown */
    this.shown = null;
    this.place = h(
      "div",
      { class: "polos-inspector-place" },
      h("p", { class: "polos-hint", role: "status" }, "Loading the runs …"),
    );
    this.silent = h("div", { class: "polos-note", role: "alert" });
    this.element = h("section", { class: "polos-inspector", ariaLabel: "Runs" }, this.silent, this.place);
    keepKeys(this.element);
    this.off = [
      link.onChange((/** @type {Set<string>} */ changed) => changed.has("head") && this.#start()),
      link.onAlive?.(() => this.#alive()),
    ];
    this.#start();
    this.#alive();
  }

  #start() {
    const { view, run, first } = this.link.state.head;
    if (this.shown || !view) return;
    const id = run || first?.head?.id;
    if (view === "run" && id) return this.#show(this.#detail(id, first));
    this.list = this.#newList(first?.runs ? first : null);
    this.#show(this.list);
  }

  /** @param {any} first */
  #newList(first) {
    return new RunList(this.link, { open: (run) => this.open(run), diff: (a, b) => this.compare(a, b) }, first);
  }

  /**
   * @param {string} id
   * @param {any} [first]
   */
  #detail(id, first = null) {
    const known = this.details.get(id);
    if (known) {
      known.load();
      return known;
    }
    const detail = new RunDetail(
      this.link,
      id,
      { back: () => this.runs(id), open: (run) => this.open(run), diff: (a, b) => this.compare(a, b) },
      first,
    );
    this.details.set(id, detail);
    for (const [old, each] of this.details) {
      if (this.details.size <= KEPT) break;
      if (old === id) continue;
      each.dispose();
      this.details.delete(old);
    }
    return detail;
  }

  /**
   * Show a run, because the reader asked for it.
   *
   * @param {string} run
   */
  open(run) {
    const detail = this.#detail(run);
    this.#show(detail);
    detail.heading.focus();
  }

  /**
   * Show the list again, where it was left.
   *
   * @param {string} [from] the run from which the reader comes
   */
  runs(from = "") {
    if (this.list) this.list.load();
    else this.list = this.#newList(null);
    this.#show(this.list);
    this.list.focus(from);
  }

  /**
   * Compare two runs.
   *
   * @param {string} a
   * @param {string} b
   */
  compare(a, b) {
    const before = this.shown;
    const back = () => {
      this.#show(before);
      (before.heading ?? this.element).focus();
    };
    const view = new DiffView(this.link, a, b, { back, open: (run) => this.open(run) });
    this.#show(view);
    view.heading.focus();
  }

  /** @param {any} view */
  #show(view) {
    this.shown = view;
    clear(this.place);
    this.place.appendChild(view.element);
  }

  #alive() {
    clear(this.silent);
    if (this.link.alive === false) append(this.silent, [NO_ANSWER]);
  }

  /** Let go of the link and ask no more. */
  dispose() {
    for (const off of this.off) off?.();
    this.list?.dispose();
    for (const detail of this.details.values()) detail.dispose();
  }
}
