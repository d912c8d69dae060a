/** One stored run: its timeline, its steps, what waits in it, and what can be done with it. */

import { Cards } from "./card.js";
import { append, clear, h, setText } from "./dom.js";
import { Gantt } from "./inspector_gantt.js";
import { RunLink, rowsInOrder } from "./inspector_link.js";
import { RunPanel } from "./inspector_panel.js";
import { StepView } from "./inspector_step.js";
import { Tabs } from "./inspector_tabs.js";
import { Notice, act, button, enable, focused, sentenceOf, uniqueId } from "./notice.js";
import { clock, duration, money, number, visible } from "./text.js";
import { Timeline } from "./timeline.js";
import { badge, runSignOf } from "./words.js";

const AGAIN = 2_000; // milliseconds between two looks at a run that goes on
const GOES_ON = new Set(["running", "waiting", "suspended"]);

/** A run's details. They ask again by themselves only while they are in the page and the page can be seen. */
export class RunDetail {
  /**
   * @param {any} link
   * @param {string} id
   * @param {{back: () => void, open: (run: string) => void, diff: (a: string, b: string) => void}} to
   * @param {any} [first] the answer of the first request, when it is already here
   */
  constructor(link, id, to, first = null) {
    this.id = id;
    this.to = to;
    this.run = new RunLink(link, id, { answered: () => this.load() });
    this.notice = new Notice();
    this.sign = badge();
    this.selected = "";
    this.disposed = false;
    /** @type {any} */
    this.timer = undefined;
    /** @type {Map<string, StepView>} */
    this.steps = new Map();
    /** @type {Timeline | null} */
    this.timeline = null;
    this.cards = new Cards(/** @type {any} */ (this.run), { root: "" });
    this.gantt = new Gantt(this.run, { select: (step) => this.select(step) });
    this.tabs = new Tabs("What to show", ["Steps", "Messages", "Raw", "Why", "Cost"], () => this.#panel());
    this.all = h("details", { class: "polos-part" }, h("summary", null, "All steps with arguments and results"));
    this.all.addEventListener("toggle", () => this.#showAll());
    this.panel = new RunPanel(this.run, this.tabs, this.all);
    this.#build();
    if (first) this.#take(first);
    else this.load();
  }

  #build() {
    this.heading = h("h3", { class: "polos-inspector-title", tabindex: -1 }, visible(this.id));
    this.facts = h("p", { class: "polos-hint polos-detail-facts" });
    this.error = h("pre", { class: "polos-pre polos-wrap polos-error", hidden: true });
    this.stale = h("p", { class: "polos-notice-alert", role: "alert" });
    this.stop = button("■ Stop", () => this.#stop(), { label: "Stop this run", hidden: true });
    const id = uniqueId("other");
    this.other = h("input", {
      id,
      type: "text",
      class: "polos-input polos-short",
      placeholder: "r12",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.other.addEventListener("keydown", (/** @type {any} */ event) => {
      if (event.key === "Enter" && !event.isComposing) this.#compare();
    });
    this.previous = button("◂", () => this.#move(-1), { label: "Previous step" });
    this.next = button("▸", () => this.#move(1), { label: "Next step" });
    this.place = h("span", { class: "polos-hint", role: "status" });
    this.element = h(
      "section",
      { class: "polos-run-detail", ariaLabel: visible(`Run ${this.id}`) },
      h(
        "div",
        { class: "polos-inspector-bar" },
        button("◂ Runs", this.to.back, { label: "Back to the list of runs" }),
        this.heading,
        this.sign.element,
        h("span", { class: "polos-space" }),
        this.stop,
        h(
          "span",
          { class: "polos-compare" },
          h("label", { for: id }, "Compare with"),
          this.other,
          button("Compare", () => this.#compare()),
        ),
      ),
      this.facts,
      this.error,
      this.stale,
      this.notice.element,
      this.cards.element,
      this.gantt.element,
      h(
        "div",
        { class: "polos-inspector-bar" },
        this.tabs.list,
        h("span", { class: "polos-space" }),
        h(
          "span",
          { class: "polos-step-moves", role: "group", ariaLabel: "Step" },
          this.previous,
          this.place,
          this.next,
        ),
      ),
      this.tabs.panel,
    );
  }

  /** Read the run again, and go on doing so while it goes on. */
  async load() {
    clearTimeout(this.timer);
    try {
      const data = await this.run.link.request("run", { run: this.id });
      clear(this.stale);
      if (!this.disposed) this.#take(data);
    } catch (error) {
      clear(this.stale);
      append(this.stale, [
        `✗ This run could not be read: ${visible(sentenceOf(error))} `,
        button("Try again", () => this.load()),
      ]);
      this.#again();
    }
  }

  #again() {
    clearTimeout(this.timer);
    const { head } = this.run.state;
    if (this.disposed || !(GOES_ON.has(head.status) || head.waiting > 0)) return;
    this.timer = setTimeout(() => {
      if (document.visibilityState === "visible" && this.element.isConnected) this.load();
      else this.#again();
    }, AGAIN);
  }

  /** @param {any} data */
  #take(data) {
    const changed = this.run.set(data);
    this.#again();
    if (!changed.size && this.selected) return;
    this.#head();
    this.gantt.update();
    this.cards.update(changed);
    this.timeline?.update(changed);
    if (!this.run.state.rows[this.selected]) this.selected = this.#firstStep();
    this.select(this.selected);
  }

  /** What a reader most likely came for: what waits, else what failed, else the first step. */
  #firstStep() {
    const rows = rowsInOrder(this.run.state);
    const of = (/** @type {string} */ state) => rows.find(({ row }) => row.state === state)?.id;
    return of("waiting") ?? of("failed") ?? rows[0]?.id ?? "";
  }

  #head() {
    const { head } = this.run.state;
    setText(this.heading, [head.id || this.id, head.target].filter(Boolean).join(" · "));
    this.sign.set(runSignOf(head));
    const tokens =
      head.tokens_in || head.tokens_out
        ? `${number(head.tokens_in ?? 0)} tokens in, ${number(head.tokens_out ?? 0)} out`
        : "";
    const counts = [
      head.cached && `${head.cached} cached`,
      head.live && `${head.live} live`,
      head.failed && `${head.failed} failed`,
      head.waiting && `${head.waiting} waiting`,
    ];
    const cost = head.priced === false ? "price unknown" : money(head.cost);
    const facts = [
      head.kind,
      head.model,
      head.began ? clock(head.began) : "",
      duration(head.seconds),
      counts.filter(Boolean).join(", "),
      tokens,
      cost,
      head.conversation && `conversation ${head.conversation}`,
    ];
    setText(this.facts, facts.filter(Boolean).join(" · "));
    this.error.hidden = !head.error;
    setText(this.error, head.error ? `✗ ${head.error}` : "");
    const able = GOES_ON.has(head.status) || head.can_stop === true;
    if (!able && focused(this.element) === this.stop) this.heading.focus();
    this.stop.hidden = !able;
  }

  /**
   * Show a step.
   *
   * @param {string} id
   */
  select(id) {
    const rows = rowsInOrder(this.run.state);
    const at = rows.findIndex((each) => each.id === id);
    this.selected = id;
    this.gantt.select(id);
    setText(this.place, rows.length ? `step ${at + 1}/${rows.length}` : "no steps");
    enable(this.previous, at > 0);
    enable(this.next, at >= 0 && at < rows.length - 1);
    this.#step()?.update();
    this.#panel();
  }

  /** @param {number} by */
  #move(by) {
    const rows = rowsInOrder(this.run.state);
    const next = rows[rows.findIndex((each) => each.id === this.selected) + by];
    if (next) this.select(next.id);
  }

  #step() {
    const id = this.selected;
    if (!this.run.state.rows[id]) return null;
    let step = this.steps.get(id);
    if (!step) {
      step = new StepView(this.run, id, { open: this.to.open, loaded: () => id === this.selected && this.#panel() });
      this.steps.set(id, step);
    }
    return step;
  }

  #panel() {
    this.panel.draw(this.#step(), this.selected);
  }

  #showAll() {
    if (!this.all.open || this.timeline) return;
    this.timeline = new Timeline(/** @type {any} */ (this.run), { root: "", answer: false });
    this.all.appendChild(this.timeline.element);
  }

  async #stop() {
    const done = await act(this.stop, this.notice, "Stopping …", () => this.run.request("stop", {}));
    if (done) this.notice.say(done.data?.sentence || "The run is asked to stop.");
  }

  #compare() {
    const other = this.other.value.trim();
    if (!other) return this.notice.fail("Write the id of the run to compare with, such as r12.");
    this.to.diff(this.id, other);
  }

  /** Ask no more. */
  dispose() {
    this.disposed = true;
    clearTimeout(this.timer);
    this.timeline?.dispose();
    /** @type {any} */ (this.cards).dispose?.();
  }
}
