/** One step of a stored run: what went in, what came out, why it ran, and the buttons that try it again. */

import { append, clear, h, setText } from "./dom.js";
import { ForkEditor, showNewRun } from "./inspector_fork.js";
import { Notice, act, button, sentenceOf } from "./notice.js";
import { duration, number, plural, visible } from "./text.js";
import { valueNode } from "./values.js";
import { badge, kindOf, signOf } from "./words.js";

const ROW_VALUES = /** @type {[string, string][]} */ ([
  ["input", "input"],
  ["args", "arguments"],
  ["result", "result"],
  ["output", "output"],
]);

/** A step's details; it is kept while its run is looked at, with what is typed in it. */
export class StepView {
  /**
   * @param {import("./inspector_link.js").RunLink} run
   * @param {string} id the id of the step's row
   * @param {{open: (run: string) => void, loaded: () => void}} to
   */
  constructor(run, id, to) {
    this.run = run;
    this.id = id;
    this.to = to;
    /** @type {any} what the kernel said about the step; null until it did */
    this.data = null;
    this.error = "";
    this.version = 0; // grows with every answer
    /** @type {ForkEditor | null} */
    this.editor = null;
    this.seen = "";
    this.asked = 0;
    this.notice = new Notice();
    this.sign = badge();
    this.title = h("h4", { class: "polos-step-title" });
    this.facts = h("p", { class: "polos-hint" });
    this.body = h("div", { class: "polos-step-body" });
    this.fork = button("✎ Edit & fork from here", () => this.#toggleFork(), { ariaExpanded: "false" });
    this.retry = button("↻ Retry this step", () => this.#retry());
    this.place = h("div", null);
    this.element = h(
      "section",
      { class: "polos-shown-step", ariaLabel: "Step" },
      h("div", { class: "polos-step-head" }, this.title, this.sign.element),
      this.facts,
      h("div", { class: "polos-buttons" }, this.retry, this.fork),
      this.notice.element,
      this.place,
      this.body,
    );
  }

  get row() {
    return this.run.state.rows[this.id] ?? {};
  }

  /** Show the row as it is now, and ask for the rest when that is not here or no longer true. */
  update() {
    const row = this.row;
    // A waiting row's ask has a new nonce every time; the step is the same.
    const key = JSON.stringify({ ...row, ask: null });
    if (key === this.seen) return;
    this.seen = key;
    this.#head();
    this.#body();
    this.load();
  }

  /** Ask the kernel for what is too large for the list of steps. */
  async load() {
    const turn = (this.asked += 1);
    try {
      const data = await this.run.request("step", { step: this.row.step ?? this.id });
      if (turn !== this.asked) return;
      this.data = data ?? {};
      this.error = "";
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = sentenceOf(error);
    }
    this.version += 1;
    this.#head();
    this.#body();
    this.to.loaded();
  }

  /** A sentence while the step's details are not here, with a button to ask again; null when they are. */
  instead() {
    if (this.error) {
      const again = button("Try again", () => {
        this.error = "";
        this.version += 1;
        this.#body();
        this.to.loaded();
        this.load();
      });
      return h("p", { class: "polos-notice-alert", role: "alert" }, `✗ ${visible(this.error)} `, again);
    }
    return this.data ? null : h("p", { class: "polos-hint" }, "Loading the step …");
  }

  #head() {
    const row = this.row;
    /** @type {any} */
    const data = this.data ?? {};
    setText(this.title, ["Step", row.n, kindOf(row.kind), row.name || row.label].filter(Boolean).join(" "));
    this.sign.set(signOf(row));
    const attempts = data.attempts ?? row.attempts;
    const tokens = (row.tokens_in ?? 0) + (row.tokens_out ?? 0);
    const facts = [
      row.model,
      attempts > 1 && plural(attempts, "attempt"),
      duration(row.seconds),
      tokens ? plural(tokens, "token") : "",
      data.key && `key ${data.key}`,
      row.version && `version ${row.version}`,
      row.cached && "cached",
    ];
    setText(this.facts, facts.filter(Boolean).join(" · "));
    const able = Object.keys(data.editable ?? {}).length > 0;
    this.fork.hidden = !able && !this.editor;
  }

  #body() {
    const row = this.row;
    /** @type {any} */
    const data = this.data ?? {};
    clear(this.body);
    append(this.body, [
      this.instead(),
      part("why it ran or not", data.why || row.why ? h("p", null, visible(data.why || row.why)) : null),
      part(
        "error",
        row.error || data.error
          ? h("pre", { class: "polos-pre polos-wrap polos-error" }, `✗ ${visible(row.error || data.error)}`)
          : null,
      ),
      ROW_VALUES.map(([field, name]) => part(name, row[field] ? this.#value(row[field], field) : null)),
      part("text", row.text ? this.#value({ t: "text", s: row.text, more: 0 }, "text") : null),
      part("tool calls", row.calls?.length ? callsNode(row.calls) : null),
      folded("reasoning", row.reasoning),
      folded("traceback", data.traceback),
      folded(`source of ${row.name || "the tool"}${row.version ? ` @ ${row.version}` : ""}`, data.source),
    ]);
  }

  /**
   * @param {any} value
   * @param {string} field
   */
  #value(value, field) {
    return valueNode(typeof value === "string" ? { t: "text", s: value, more: 0 } : value, {
      more: () => this.more(field),
    });
  }

  /**
   * A value of this step without limit.
   *
   * @param {string} field
   */
  more(field) {
    return this.run.request("more", { row: this.id, field });
  }

  async #retry() {
    const done = await act(this.retry, this.notice, "Retrying this step …", () =>
      this.run.request("retry", { step: this.row.step ?? this.id }),
    );
    if (done) showNewRun(this.notice, done.data, this.to.open);
  }

  #toggleFork() {
    const open = !this.place.firstChild;
    this.fork.setAttribute("aria-expanded", String(open));
    if (!open) {
      clear(this.place);
      if (!this.editor?.dirty) this.editor = null;
      this.fork.focus();
      return;
    }
    // One that was closed with changed texts is opened again with them.
    this.editor ??= new ForkEditor(this.data?.editable ?? {}, {
      fork: (changes, name) => this.run.request("fork", { step: this.row.step ?? this.id, changes, name }),
      open: this.to.open,
      close: () => this.#toggleFork(),
    });
    this.place.appendChild(this.editor.element);
    this.editor.focus();
  }
}

/**
 * Tool calls as a model asked for them.
 *
 * @param {{name: string, arguments: any}[]} calls
 */
export function callsNode(calls) {
  const text = (/** @type {any} */ args) => (typeof args === "string" ? args : JSON.stringify(args ?? {}, null, 2));
  return h(
    "ul",
    { class: "polos-calls" },
    calls.map((call) =>
      h(
        "li",
        null,
        h("code", null, visible(call?.name)),
        h("pre", { class: "polos-pre polos-wrap" }, visible(text(call?.arguments))),
      ),
    ),
  );
}

/**
 * The messages as they were sent to the model.
 *
 * @param {{role: string, text: string, calls?: any[]}[] | null | undefined} messages
 */
export function messagesNode(messages) {
  if (!messages?.length)
    return h("p", { class: "polos-hint" }, "This step sent no messages to a model: choose an llm step.");
  const items = messages.map((message) =>
    h(
      "li",
      { class: "polos-message" },
      h("h5", { class: "polos-message-role" }, visible(message.role)),
      message.text ? h("pre", { class: "polos-pre polos-wrap" }, visible(message.text)) : null,
      message.calls?.length ? callsNode(message.calls) : null,
    ),
  );
  return h(
    "div",
    null,
    h(
      "p",
      { class: "polos-hint" },
      `${plural(messages.length, "message")}, ${number(sizeOf(messages))} characters, as sent to the model`,
    ),
    h("ol", { class: "polos-messages" }, items),
  );
}

/** @param {any[]} messages */
function sizeOf(messages) {
  return messages.reduce((sum, message) => sum + String(message.text ?? "").length, 0);
}

/**
 * @param {string} name
 * @param {HTMLElement | null} content
 */
export function part(name, content) {
  return content && h("div", { class: "polos-part" }, h("h5", { class: "polos-part-name" }, name), content);
}

/**
 * @param {string} name
 * @param {string | null | undefined} text
 */
function folded(name, text) {
  return text
    ? h(
        "details",
        { class: "polos-part" },
        h("summary", null, visible(name)),
        h("pre", { class: "polos-pre polos-wrap" }, visible(text)),
      )
    : null;
}
