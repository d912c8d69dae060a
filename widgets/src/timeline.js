/** The steps of a run in order, nested as they ran. */

import { append, h, setText } from "./dom.js";
import { StepRow, hasCalls } from "./step_row.js";
import { button } from "./notice.js";
import { number } from "./text.js";

const AT_ONCE = 300; // rows under one parent; more are shown on request
const TICK = 1_000;

/**
 * The row whose text is the answer: the last call of a model below a parent, as long as it asks for no tools.
 *
 * @param {import("./state.js").State} state
 * @param {string} [root]
 * @returns {string} "" when there is none
 */
export function answerRow(state, root = "") {
  const ids = state.order[root] ?? [];
  for (let i = ids.length - 1; i >= 0; i -= 1) {
    const row = state.rows[ids[i]];
    if (row?.kind === "llm") return hasCalls(row) ? "" : ids[i];
    // A tool after it: what the model said before was no answer.
    if (row?.kind === "tool") return "";
  }
  return "";
}

/**
 * The rows below a parent. `update` is to be called with the ids that changed; whoever shows the answer itself (the
 * run view, a chat turn) leaves `answer` true, so that the row does not repeat it.
 */
export class Timeline {
  /**
   * @param {import("./link.js").Link} link
   * @param {{root?: string, answer?: boolean}} [options]
   */
  constructor(link, { root = "", answer = true } = {}) {
    this.link = link;
    this.root = root;
    this.answer = answer;
    /** @type {Map<string, StepRow>} */
    this.rows = new Map();
    /** @type {Map<string, RowList>} */
    this.lists = new Map();
    /** @type {Set<StepRow>} */
    this.running = new Set();
    this.answerId = "";
    this.element = h("div", { class: "polos-timeline" });
    this.top = this.list(root, []);
    append(this.element, [this.top.element]);
    this.update(new Set([`order:${root}`]));
  }

  /**
   * Show what changed.
   *
   * @param {Set<string>} changed ids of rows, "order:<parent>", "head"
   */
  update(changed) {
    const { rows: states } = this.link.state;
    /** @type {Set<string>} */
    const parents = new Set();
    /** @type {Set<string>} */
    const again = new Set();
    const before = this.answerId;
    this.answerId = this.answer ? answerRow(this.link.state, this.root) : "";
    if (before !== this.answerId) [before, this.answerId].forEach((id) => again.add(id));
    for (const id of changed) {
      if (id.startsWith("order:")) parents.add(id.slice(6));
      again.add(id);
      const row = this.rows.get(id);
      if (Boolean(row) !== Boolean(states[id]) || row?.outdated) parents.add(row?.parent ?? states[id]?.parent ?? "");
    }
    for (const parent of parents) {
      this.lists.get(parent)?.reconcile();
      again.add(parent); // its first child has come
    }
    for (const id of again) {
      this.rows.get(id)?.update();
      this.lists.get(id)?.updateFoot();
    }
  }

  /**
   * @param {string} id
   * @returns {boolean} whether the text of this row is shown as the answer
   */
  isAnswer(id) {
    return this.answer && id !== "" && id === this.answerId;
  }

  /**
   * The ids below a parent that are known.
   *
   * @param {string} parent
   * @returns {string[]}
   */
  childrenOf(parent) {
    return this.link.state.order[parent] ?? [];
  }

  /**
   * @param {string} parent
   * @param {string[]} path the rows around it, the parent last
   * @returns {RowList}
   */
  list(parent, path) {
    const list = new RowList(this, parent, path);
    this.lists.set(parent, list);
    return list;
  }

  /**
   * Rows that run show how long, once a second.
   *
   * @param {StepRow} row
   * @param {boolean} on
   */
  setRunning(row, on) {
    if (on) this.running.add(row);
    else this.running.delete(row);
    if (this.running.size > 0 && this.timer === undefined) this.timer = setInterval(() => this.tick(), TICK);
  }

  tick() {
    if (this.running.size === 0) return this.stop();
    if (!this.element.isConnected) return;
    const now = Date.now() / 1000;
    for (const row of this.running) row.tick(now);
  }

  /** The view is gone. */
  dispose() {
    this.running.clear();
    this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/** The rows of one parent. */
export class RowList {
  /**
   * @param {Timeline} timeline
   * @param {string} parent
   * @param {string[]} path
   */
  constructor(timeline, parent, path) {
    this.timeline = timeline;
    this.parent = parent;
    this.path = path;
    const depth = path.length;
    this.limit = AT_ONCE;
    // Browsers drop the role of lists without bullets.
    this.items = h("ol", { class: "polos-rows", role: "list", ariaLabel: depth ? "Steps inside" : "Steps" });
    this.next = button("", () => this.more(), { class: "polos-small", hidden: true });
    this.foot = h("div", { class: "polos-muted polos-rows-foot", hidden: true });
    this.element = h(
      "div",
      { class: depth > 6 ? "polos-list polos-list-deep" : "polos-list" },
      this.items,
      this.next,
      this.foot,
    );
    this.reconcile();
  }

  /** Bring the list to the order that the kernel gave, moving only what stands elsewhere. */
  reconcile() {
    const { timeline } = this;
    const { rows: states } = timeline.link.state;
    const known = timeline.childrenOf(this.parent).filter((id) => states[id] && !this.path.includes(id));
    const wanted = known.slice(0, this.limit);
    const keep = new Set(wanted);
    for (const element of [...this.items.children]) {
      const id = this.idOf(element);
      if (id !== undefined && !keep.has(id)) this.drop(id);
    }
    const rows = wanted.map((id) => this.rowOf(id));
    let place = this.items.firstChild;
    for (const row of rows) {
      if (row.element === place) place = place.nextSibling;
      else this.items.insertBefore(row.element, place);
    }
    const left = known.length - wanted.length;
    this.next.hidden = left <= 0;
    if (left > 0)
      setText(this.next, `show ${number(Math.min(AT_ONCE, left))} more (${number(left)} steps are not shown)`);
    this.updateFoot();
  }

  /** Say how many children the kernel keeps to itself. */
  updateFoot() {
    const hidden = this.timeline.link.state.rows[this.parent]?.hidden;
    this.foot.hidden = !(hidden > 0);
    if (hidden > 0) setText(this.foot, `… ${number(hidden)} more`);
  }

  more() {
    const first = this.items.children.length;
    this.limit += AT_ONCE;
    this.reconcile();
    const id = this.idOf(this.items.children[first]);
    if (this.next.hidden && id !== undefined) this.timeline.rows.get(id)?.focus();
  }

  /**
   * @param {string} id
   * @returns {StepRow}
   */
  rowOf(id) {
    let row = this.timeline.rows.get(id);
    if (row && (row.parent !== this.parent || row.outdated)) {
      this.drop(id);
      row = undefined;
    }
    if (!row) {
      row = new StepRow(this.timeline, id, this.parent, this.path);
      row.element.polosRow = id;
      this.timeline.rows.set(id, row);
    }
    return row;
  }

  /** @param {string} id */
  drop(id) {
    const row = this.timeline.rows.get(id);
    this.timeline.rows.delete(id);
    row?.remove();
  }

  /**
   * @param {any} element
   * @returns {string | undefined}
   */
  idOf(element) {
    return element?.polosRow;
  }

  /** Take the list out of the page. */
  remove() {
    for (const element of [...this.items.children]) {
      const id = this.idOf(element);
      if (id !== undefined) this.drop(id);
    }
    this.timeline.lists.delete(this.parent);
    this.element.remove();
  }
}
