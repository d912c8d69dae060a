/** The head of a run: what runs, how far it is, what it costs, and the button that stops it. */

import { h, setText } from "./dom.js";
import { button, enable, sentenceOf } from "./notice.js";
import { duration, money, number } from "./text.js";
import { badge, oneLine, runSignOf, span } from "./words.js";

const TICK = 200; // so that the wait for the first token is seen to go on; elapsed time changes once a second
const QUIET = 1_000; // between two announcements

export class RunHead {
  /**
   * @param {import("./link.js").Link} link
   */
  constructor(link) {
    this.link = link;
    /** @type {string | undefined} */
    this.phaseWord = undefined;
    this.stopping = false;
    this.badge = badge();
    this.target = h("strong", { class: "polos-run-target" });
    this.model = h("span", { class: "polos-muted polos-run-model" });
    this.phase = h("span", { class: "polos-run-phase" });
    this.stopButton = button("■ Stop", () => this.stop(), { class: "polos-small", label: "Stop this run" });
    this.facts = Object.fromEntries(
      ["step", "time", "tokens", "cost", "counts", "store"].map((name) => [
        name,
        h("span", { class: "polos-run-fact", hidden: true }),
      ]),
    );
    this.budget = h("span", { class: "polos-budget", ariaHidden: "true", hidden: true }, h("span", null));
    this.error = h("div", { class: "polos-error", role: "alert" });
    // Screen readers hear phases, never tokens or seconds.
    this.status = h("div", { class: "polos-hidden-text", role: "status", ariaLive: "polite" });
    const { step, time, tokens, cost, counts, store } = this.facts;
    this.element = h(
      "div",
      { class: "polos-run-head" },
      h(
        "div",
        { class: "polos-run-top" },
        h("div", { class: "polos-run-line" }, this.badge.element, this.target, this.model, this.phase),
        this.stopButton,
      ),
      h("div", { class: "polos-run-facts" }, step, time, counts, tokens, cost, this.budget, store),
      this.error,
      this.status,
    );
    this.update();
  }

  /** Show the head as it is now. */
  update() {
    const { head } = this.link.state;
    const sign = runSignOf(head);
    this.badge.set(sign);
    setText(this.target, oneLine(head.target));
    setText(this.model, oneLine(head.model));
    this.fact("step", stepOf(head));
    this.fact(
      "tokens",
      head.tokens_in || head.tokens_out
        ? `${number(head.tokens_in || 0)} in · ${number(head.tokens_out || 0)} out`
        : "",
    );
    this.fact("cost", costOf(head));
    this.fact("counts", countsOf(head));
    this.fact("store", storeOf(head));
    this.showBudget(head);
    this.showStop(head);
    const phase = this.running ? oneLine(head.phase) || (head.status ? "" : "waiting for the kernel") : "";
    if (phase !== this.phaseWord) {
      // What is first seen of a run that has just begun was so since its beginning.
      this.phaseAt =
        this.phaseWord === undefined && head.began > 0 && !(head.step > 1) ? head.began : Date.now() / 1000;
      this.phaseWord = phase;
    }
    this.announce(this.running ? phase || sign.word : `${oneLine(head.target)} ${sign.word}`.trim());
    this.tick();
    this.watch();
  }

  /** Whether time goes on: nothing is known of the run yet, or it runs. */
  get running() {
    const { status } = this.link.state.head;
    return !status || status === "running" || status === "waiting";
  }

  tick() {
    const { head } = this.link.state;
    const now = Date.now() / 1000;
    const since = this.phaseWord?.startsWith("waiting for the")
      ? ` ${duration(Math.max(0, now - (this.phaseAt ?? now)))}`
      : "";
    setText(this.phase, this.phaseWord ? `${this.phaseWord}${since}` : "");
    if (Number.isFinite(head.seconds) && head.seconds !== null && !this.running)
      this.fact("time", duration(head.seconds));
    else if (this.running && head.began > 0) this.fact("time", span(now - head.began));
    else if (!this.running) this.fact("time", "");
  }

  watch() {
    if (this.running && this.timer === undefined) this.timer = setInterval(() => this.tick(), TICK);
    if (!this.running) this.stopClock();
  }

  stopClock() {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /**
   * @param {string} name
   * @param {string} words
   */
  fact(name, words) {
    const element = this.facts[name];
    element.hidden = words === "";
    setText(element, words);
  }

  /** @param {Record<string, any>} head */
  showBudget(head) {
    const known =
      head.budget > 0 && Number.isFinite(head.cost) && head.cost !== null && costOf(head) !== "price unknown";
    this.budget.hidden = !known;
    if (!known) return;
    const share = Math.min(100, (100 * head.cost) / head.budget);
    this.budget.firstElementChild.style.width = `${share.toFixed(1)}%`;
  }

  /** @param {Record<string, any>} head */
  showStop(head) {
    const open = head.status === "running" || head.status === "waiting" || head.status === "suspended";
    if (!open) this.stopping = false;
    const able = open && head.can_stop !== false && !this.stopping;
    enable(this.stopButton, able);
    setText(this.stopButton, this.stopping ? "stopping …" : "■ Stop");
  }

  async stop() {
    this.stopping = true;
    setText(this.error, "");
    this.showStop(this.link.state.head);
    try {
      await this.link.request("stop", {});
    } catch (error) {
      this.stopping = false;
      setText(this.error, `✗ ${sentenceOf(error)}`);
      this.showStop(this.link.state.head);
    }
  }

  /** @param {string} words */
  announce(words) {
    this.toSay = words;
    if (this.sayTimer !== undefined || words === this.said) return;
    const wait = this.saidAt === undefined ? 0 : this.saidAt + QUIET - Date.now();
    if (wait > 0) this.sayTimer = setTimeout(() => this.say(), wait);
    else this.say();
  }

  say() {
    clearTimeout(this.sayTimer);
    this.sayTimer = undefined;
    this.said = this.toSay;
    this.saidAt = Date.now();
    setText(this.status, this.toSay);
  }

  /** The view is gone. */
  dispose() {
    this.stopClock();
    clearTimeout(this.sayTimer);
  }
}

/** @param {Record<string, any>} head */
function stepOf(head) {
  if (!(head.step > 0)) return "";
  return `step ${number(head.step)}${head.max_steps > 0 ? ` of ${number(head.max_steps)}` : ""}`;
}

/** @param {Record<string, any>} head */
function costOf(head) {
  const used = head.tokens_in > 0 || head.tokens_out > 0;
  if (head.priced === false && used && head.live > 0) return "price unknown";
  if (!Number.isFinite(head.cost) || head.cost === null) return "";
  return head.budget > 0 ? `${money(head.cost)} of ${money(head.budget)}` : money(head.cost);
}

/** @param {Record<string, any>} head */
function countsOf(head) {
  /** @type {[string, number, string][]} */
  const counts = [
    ["◆", head.cached, "cached"],
    ["●", head.live, "live"],
    ["✗", head.failed, "failed"],
    ["‖", head.waiting, "waiting"],
  ];
  return counts
    .filter(([, count]) => count > 0)
    .map(([symbol, count, word]) => `${symbol} ${number(count)} ${word}`)
    .join(" · ");
}

/** @param {Record<string, any>} head */
function storeOf(head) {
  if (head.from_store) return "↺ from the store, nothing was called";
  return head.resumed ? "↺ resumed" : "";
}
