/** The view of one run: head, steps, cards of what waits, answer. */

import { Cards } from "./card.js";
import { append, frame, h, setText } from "./dom.js";
import { NO_ANSWER } from "./link.js";
import { RunAnswer, isAgent } from "./run_answer.js";
import { RunHead } from "./run_head.js";
import { visible } from "./text.js";
import { Timeline } from "./timeline.js";

export class RunView {
  /**
   * @param {import("./link.js").Link} link
   * @param {{untrusted?: boolean}} [options] for tests, see Cards
   */
  constructor(link, options = {}) {
    this.link = link;
    this.head = new RunHead(link);
    this.timeline = new Timeline(link);
    this.cards = new Cards(link, options);
    this.answer = new RunAnswer(link);
    this.failure = h("div", { class: "polos-run-failure polos-error", hidden: true });
    this.silence = h("div", { class: "polos-run-silence", role: "status" });
    this.element = h("section", { class: "polos-run", ariaLabel: "Run" });
    append(this.element, [
      this.head.element,
      this.silence,
      this.timeline.element,
      this.cards.element,
      this.answer.element,
      this.failure,
    ]);
    this.answerId = "";
    /** @type {Set<string>} */
    this.changed = new Set();
    this.draw = frame(() => this.update());
    this.offChange = link.onChange((changed) => {
      for (const id of changed) this.changed.add(id);
      this.draw();
    });
    this.offAlive = link.onAlive(() => this.showSilence());
    this.changed.add("head");
    this.update();
    this.showSilence();
  }

  /** Show what changed since the last frame. */
  update() {
    const changed = this.changed;
    this.changed = new Set();
    const { head } = this.link.state;
    this.timeline.answer = isAgent(head);
    this.timeline.update(changed);
    this.cards.update(changed);
    const answerId = this.timeline.answerId;
    if (changed.has("head") || changed.has(answerId) || answerId !== this.answerId) this.answer.update(answerId);
    this.answerId = answerId;
    if (changed.has("head")) {
      this.head.update();
      this.showFailure();
    }
  }

  showFailure() {
    const { head } = this.link.state;
    const over = head.status === "failed" || head.status === "cancelled";
    const error = over && typeof head.error === "string" ? visible(head.error) : "";
    this.failure.hidden = error === "";
    setText(this.failure, error ? `${head.status === "failed" ? "✗" : "■"} ${error}` : "");
  }

  showSilence() {
    setText(this.silence, this.link.alive ? "" : NO_ANSWER);
  }

  /** Stop listening; the element may be thrown away. */
  dispose() {
    this.offChange();
    this.offAlive();
    this.draw.cancel();
    this.head.dispose();
    this.timeline.dispose();
    this.cards.dispose();
    this.answer.dispose();
  }
}
