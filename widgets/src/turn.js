/** One turn of a conversation: what the user said, what the agent did for it, and its answer. */

import { attachmentChip } from "./attachments.js";
import { Cards } from "./card.js";
import { clear, h, setText } from "./dom.js";
import { MarkdownStream } from "./markdown/index.js";
import { Notice, act, button, enable, uniqueId } from "./notice.js";
import { lastText, stepsInWords, turnState } from "./chat_words.js";
import { duration, money, number, plural } from "./text.js";
import { Timeline } from "./timeline.js";
import { valueNode } from "./values.js";

const LIVE = new Set(["running", "queued", "waiting", "suspended"]);

/** A turn of the chat; it stays the same element while its rows change. */
export class TurnView {
  /**
   * @param {any} link
   * @param {string} id the id of the turn's row
   */
  constructor(link, id) {
    this.link = link;
    this.id = id;
    this.notice = new Notice();
    /** @type {any} */
    this.timeline = null;
    /** @type {any} */
    this.stream = null;
    this.streamed = "";
    this.shown = "";
    /** @type {any} */
    this.editor = null;
    this.attachments = "";
    this.cards = new Cards(link, { root: id, rules: false });
    this.#build();
    this.update(null);
  }

  /** Whether something is being written in this turn that must not be lost. */
  get editing() {
    return this.editor !== null;
  }

  get #row() {
    return this.link.state.rows[this.id] ?? {};
  }

  #build() {
    this.text = h("div", { class: "polos-turn-text" });
    this.chips = h("ul", { class: "polos-attachments", ariaLabel: "Attachments", hidden: true });
    this.editPlace = h("div", null);
    this.edit = button("✎ Edit & branch", () => this.openEditor(), { class: "polos-quiet" });
    this.retry = button("↻ Retry", () => this.#act(this.retry, "Retrying …", "retry", {}), {
      class: "polos-quiet",
      label: "Retry: ask for another answer",
    });
    this.previous = button("◂", () => this.#branch(-1), { class: "polos-quiet", label: "Previous branch" });
    this.next = button("▸", () => this.#branch(1), { class: "polos-quiet", label: "Next branch" });
    this.place = h("span", { class: "polos-branch-place" });
    this.branches = h(
      "span",
      { class: "polos-branches", role: "group", ariaLabel: "Branches", hidden: true },
      this.place,
      this.previous,
      this.next,
    );
    this.summary = h("summary", { class: "polos-steps-summary" });
    this.steps = h(
      "details",
      { class: "polos-steps", hidden: true, on: { toggle: () => this.#openSteps() } },
      this.summary,
    );
    this.answer = h("div", { class: "polos-turn-answer" });
    this.more = h("div", { class: "polos-turn-more" });
    this.error = h("div", { class: "polos-turn-error", hidden: true });
    this.meta = h("span", { class: "polos-turn-meta" });
    this.element = h(
      "article",
      { class: "polos-turn" },
      h(
        "div",
        { class: "polos-turn-user" },
        h("h4", { class: "polos-turn-who" }, "You"),
        this.text,
        this.editPlace,
        this.chips,
      ),
      h(
        "div",
        { class: "polos-turn-agent" },
        (this.who = h("h4", { class: "polos-turn-who" })),
        this.steps,
        this.answer,
        this.more,
        this.cards.element,
        this.error,
        h("div", { class: "polos-turn-bar" }, this.meta, this.branches, this.edit, this.retry),
        this.notice.element,
      ),
    );
  }

  /**
   * Show what changed; `null` stands for everything.
   *
   * @param {Set<string> | null} changed
   */
  update(changed) {
    const rows = this.link.state.rows;
    // A token changes only the text of an LLM row: nothing needs to be counted then.
    const counted = !changed || [...changed].some((id) => rows[id]?.kind !== "llm" || rows[id]?.state !== "running");
    if (counted) {
      this.#user();
      this.#summary();
      this.#bar();
    }
    this.#answer();
    if (changed) {
      this.timeline?.update(changed);
      this.cards.update(changed);
    }
  }

  #user() {
    const row = this.#row;
    setText(this.text, row.text);
    setText(this.who, this.link.state.head.agent || "Agent");
    const files = row.attachments ?? [];
    if (JSON.stringify(files) === this.attachments) return;
    this.attachments = JSON.stringify(files);
    clear(this.chips);
    this.chips.hidden = !files.length;
    for (const file of files) this.chips.appendChild(attachmentChip(file));
  }

  #summary() {
    const { text, any } = stepsInWords(this.link.state, this.id);
    this.steps.hidden = !any;
    setText(this.summary, text);
  }

  #openSteps() {
    if (!this.steps.open || this.timeline) return;
    this.timeline = new Timeline(this.link, { root: this.id });
    this.steps.appendChild(this.timeline.element);
  }

  #answer() {
    const row = this.#row;
    const answer = row.answer;
    const live = LIVE.has(row.status);
    if (answer && answer.t !== "text") return this.#value(answer);
    const text = answer ? answer.s : lastText(this.link.state, this.id);
    const key = `${live}${text}`;
    if (this.stream && this.shown === key) return;
    this.shown = key;
    // A stream only grows: another text gets another one.
    if (!this.stream || !text.startsWith(this.streamed)) this.#newStream();
    this.streamed = text;
    this.stream.set(text);
    if (!live) {
      this.stream.finish();
      this.answer.style.minHeight = "";
    }
    clear(this.more);
    if (answer?.more) this.more.appendChild(this.#moreButton(answer.more));
  }

  #newStream() {
    // What follows is shorter at first; the page below it must not jump while the agent writes.
    this.answer.style.minHeight = LIVE.has(this.#row.status) ? `${this.answer.offsetHeight}px` : "";
    this.stream = new MarkdownStream();
    clear(this.answer);
    this.answer.appendChild(this.stream.element);
  }

  /** @param {any} value */
  #value(value) {
    const key = JSON.stringify(value);
    if (this.shown === key) return;
    this.shown = key;
    this.stream = null;
    this.streamed = "";
    clear(this.answer);
    this.answer.appendChild(
      valueNode(value, { more: () => this.link.request("more", { row: this.id, field: "answer" }) }),
    );
  }

  /** @param {number} count */
  #moreButton(count) {
    const show = button(`Show all (${number(count)} characters more)`, async () => {
      const done = await act(show, this.notice, "Asking for the whole answer …", () =>
        this.link.request("more", { row: this.id, field: "answer" }),
      );
      if (!done) return;
      this.#newStream();
      this.streamed = done.data.s ?? "";
      this.stream.set(this.streamed);
      this.stream.finish();
      clear(this.more);
    });
    return show;
  }

  #bar() {
    const row = this.#row;
    const tokens = (row.tokens_in ?? 0) + (row.tokens_out ?? 0);
    const parts = [
      turnState(row.status),
      row.seconds && !LIVE.has(row.status) ? duration(row.seconds) : "",
      tokens ? plural(tokens, "token") : "",
      money(row.cost),
    ];
    setText(this.meta, parts.filter(Boolean).join(" · "));
    this.error.hidden = !row.error;
    setText(this.error, row.error ? `✗ ${row.error}` : "");
    const many = (row.branches ?? 1) > 1;
    this.branches.hidden = !many;
    setText(this.place, many ? `${row.branch} of ${row.branches}` : "");
    enable(this.previous, row.branch > 1);
    enable(this.next, row.branch < row.branches);
  }

  /** @param {number} by */
  #branch(by) {
    const control = by < 0 ? this.previous : this.next;
    this.#act(control, "Switching …", "branch", { branch: (this.#row.branch ?? 1) + by });
  }

  /**
   * @param {HTMLElement} control
   * @param {string} doing
   * @param {string} verb
   * @param {Record<string, any>} args
   */
  async #act(control, doing, verb, args) {
    const done = await act(control, this.notice, doing, () => this.link.request(verb, { turn: this.id, ...args }));
    if (done?.data?.sentence) this.notice.say(done.data.sentence);
    return done;
  }

  /** Turn the user's text into an editor. */
  openEditor() {
    if (this.editor) return this.editor.focus();
    const id = uniqueId("edit");
    this.editor = h("textarea", { id, class: "polos-composer-text", rows: 3, value: this.#row.text ?? "" });
    const send = button("Send as a new branch", () => this.#sendEdit(send), { class: "polos-primary" });
    const cancel = button("Cancel", () => this.#closeEditor());
    this.text.hidden = true;
    clear(this.editPlace);
    this.editPlace.append(
      h("label", { for: id, class: "polos-hint" }, "Your message, edited; the old one is kept as a branch"),
      this.editor,
      h("div", { class: "polos-buttons" }, send, cancel),
    );
    this.editor.focus();
  }

  /** @param {HTMLElement} send */
  async #sendEdit(send) {
    const text = this.editor.value;
    if (!text.trim()) return this.notice.fail("The message is empty: write something, or press Cancel.");
    if (await this.#act(send, "Sending …", "edit", { text })) this.#closeEditor();
  }

  #closeEditor() {
    this.editor = null;
    clear(this.editPlace);
    this.text.hidden = false;
    if (this.element.isConnected) this.edit.focus();
  }

  /** Let go of everything. */
  dispose() {
    this.timeline?.dispose?.();
    this.cards.dispose?.();
  }
}
