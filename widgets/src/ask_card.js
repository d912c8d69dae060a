/** One question of a run: what it wants to do or to know, and the buttons that answer. */

import { CardArguments } from "./card_arguments.js";
import { commandOf, headOf, scopeOf, waitedWords } from "./card_parts.js";
import { append, clear, h, setText } from "./dom.js";
import { Form } from "./form.js";
import { Guard } from "./guard.js";
import { button, enable, sentenceOf, uniqueId } from "./notice.js";
import { visible } from "./text.js";
import { valueNode } from "./values.js";
import { oneLine } from "./words.js";

const PATIENCE = 10_000; // milliseconds until a card that was answered and still waits can be used again

/** @typedef {Record<string, any>} Ask */

export class AskCard {
  /**
   * @param {import("./link.js").Link} link
   * @param {string} id the row that waits
   * @param {{untrusted?: boolean}} [options]
   */
  constructor(link, id, options = {}) {
    this.link = link;
    this.id = id;
    this.busy = false;
    this.look = "";
    /** @type {any} */
    this.nonce = undefined;
    /** @type {any} */
    this.args = null;
    /** @type {any} */
    this.editButton = null;
    /** @type {any} */
    this.scope = null;
    /** @type {any} */
    this.feedback = null;
    /** @type {any} */
    this.yes = null;
    this.titleId = uniqueId("card");
    this.element = h("section", { class: "polos-card", role: "group", ariaLabelledby: this.titleId });
    this.guard = new Guard(this.element, options);
    this.waited = h("span", { class: "polos-card-waited" });
    // One region from the beginning to the end: screen readers hear what is put into it.
    this.alert = h("div", { class: "polos-card-alert", role: "alert" });
    this.said = h("div", { class: "polos-card-said polos-muted", role: "status" });
    /** @type {HTMLElement[]} */
    this.buttons = [];
    this.form = new Form([]);
    this.update();
  }

  /** @returns {Ask} */
  get ask() {
    return this.link.state.rows[this.id]?.ask ?? {};
  }

  /** The decision that this card asks for. @param {Ask} ask @returns {string} */
  static key(ask) {
    return JSON.stringify([ask.decision, ask.run, ask.step]);
  }

  /** Show the question as it is now. What the user typed stays. */
  update() {
    const { nonce, ...shown } = this.ask;
    const look = JSON.stringify(shown);
    if (look !== this.look) {
      this.look = look;
      this.build(this.ask);
      this.guard.changed();
    }
    // The key in which the answer is locked may be new while the question is the same.
    if (nonce !== this.nonce && this.busy) this.setBusy(false);
    this.nonce = nonce;
    this.tick(Date.now() / 1000);
  }

  /**
   * @param {number} now seconds since 1970
   */
  tick(now) {
    setText(this.waited, waitedWords(this.ask, now));
  }

  /** @param {Ask} ask */
  build(ask) {
    const focused = this.focusedName();
    const old = this.form;
    const typed = {
      edit: this.args?.editing ? this.args.edit.value : null,
      feedback: this.feedback?.value,
      scope: this.scope?.value,
    };
    const fields = Array.isArray(ask.fields) ? ask.fields : [];
    this.feedback = null;
    this.approves =
      ask.kind === "approval" ||
      fields.some((/** @type {any} */ field) => field?.key === "approved" && field.type === "boolean");
    this.form = new Form(
      fields.filter(
        (/** @type {any} */ field) => !this.approves || (field?.key !== "approved" && field?.key !== "feedback"),
      ),
    );
    this.form.take(old);
    clear(this.element);
    append(this.element, [
      headOf(ask, this.titleId, this.waited),
      typeof ask.description === "string" && ask.description
        ? h("p", { class: "polos-card-text" }, visible(ask.description))
        : null,
      this.argumentsOf(ask),
      ask.context
        ? h(
            "div",
            { class: "polos-section" },
            h("div", { class: "polos-section-title" }, "context"),
            valueNode(ask.context),
          )
        : null,
      this.form.element,
      this.approves ? this.feedbackOf(fields) : null,
      this.buttonsOf(ask),
      commandOf(ask),
      this.alert,
      this.said,
    ]);
    this.restore(typed);
    if (focused)
      /** @type {HTMLElement | null} */ (this.element.querySelector(`[data-part="${focused}"]`))?.focus({
        preventScroll: true,
      });
  }

  /** @param {{edit: string | null, feedback?: string, scope?: string}} typed */
  restore({ edit, feedback, scope }) {
    if (this.editButton && edit !== null) {
      this.showEditor(true);
      this.args.edit.value = edit;
      this.args.check();
    }
    if (this.feedback && feedback) this.feedback.value = feedback;
    if (this.scope && scope) this.scope.value = scope;
    if (this.busy) this.setBusy(true);
  }

  /** @param {Ask} ask */
  argumentsOf(ask) {
    this.editButton = null;
    this.args = null;
    if (typeof ask.args !== "string") return null;
    if (ask.can_edit) this.editButton = this.control("edit", "Edit", () => this.toggleEditor(), "polos-small");
    this.args = new CardArguments(ask.args, oneLine(ask.tool), this.editButton);
    return this.args.element;
  }

  toggleEditor() {
    const open = !this.args.editing;
    this.showEditor(open);
    if (open) this.args.edit.focus();
    else this.args.discard();
  }

  /** @param {boolean} open */
  showEditor(open) {
    this.args.show(open);
    setText(this.editButton, open ? "Discard the edit" : "Edit");
    if (this.yes) setText(this.yes, open ? "Approve edited" : "Approve");
    // The button means another thing now.
    this.guard.changed();
  }

  /** @param {any[]} fields */
  feedbackOf(fields) {
    const field = fields.find((one) => one?.key === "feedback") ?? {};
    const id = uniqueId("feedback");
    this.feedback = h("textarea", { id, class: "polos-input", rows: 2, dataPart: "feedback" });
    const about = oneLine(field.description) || "What the model should know";
    return h(
      "div",
      { class: "polos-field" },
      h(
        "label",
        { for: id, class: "polos-field-label" },
        oneLine(field.label) || "Feedback",
        h("span", { class: "polos-muted" }, ` · ${about}`),
      ),
      this.feedback,
    );
  }

  /** @param {Ask} ask */
  buttonsOf(ask) {
    this.buttons = this.editButton ? [this.editButton] : [];
    this.scope = null;
    this.yes = null;
    const bar = h("div", { class: "polos-card-bar" });
    if (this.approves) {
      if (ask.can_always) {
        this.scope = scopeOf(ask);
        append(bar, [
          h("span", { class: "polos-card-scope-part" }, h("label", { for: this.scope.id }, "Approve "), this.scope),
        ]);
      }
      this.yes = this.control("yes", "Approve", () => this.approve(), "polos-primary");
      append(bar, [
        this.yes,
        this.control("no", "Reject", () =>
          this.answer({ ...this.form.values(), ...this.feedbackGiven(), approved: false }),
        ),
      ]);
    } else {
      append(bar, [this.control("answer", "Answer", () => this.answerForm(), "polos-primary")]);
    }
    append(bar, [
      h("span", { class: "polos-space" }),
      h(
        "span",
        { class: "polos-card-others" },
        ask.inline
          ? this.control("later", "Answer later", () => this.send("later", {}, "The cell ends; the run waits."))
          : null,
        this.control("stop", "Stop run", () => this.send("stop", { run: ask.run }, "Stopping …"), "polos-danger"),
      ),
    ]);
    return bar;
  }

  /**
   * A button of this card: it takes only clicks that a person can have meant.
   *
   * @param {string} part
   * @param {string} word
   * @param {() => void} press
   * @param {string} [look]
   * @returns {any}
   */
  control(part, word, press, look = "") {
    const element = button(
      word,
      (event) => {
        const allowed = this.guard.allows(event);
        if (allowed === "too early")
          setText(this.said, "This card has just appeared or moved: press again if you mean it.");
        if (allowed !== "yes") return;
        setText(this.said, "");
        press();
      },
      { class: look, dataPart: part },
    );
    this.buttons.push(element);
    return element;
  }

  /** @returns {Record<string, any>} */
  feedbackGiven() {
    const said = this.feedback?.value.trim() ?? "";
    return said ? { feedback: said } : {};
  }

  approve() {
    /** @type {Record<string, any>} */
    const values = { ...this.form.values(), ...this.feedbackGiven(), approved: true };
    if (this.args?.editing) {
      const { value, error } = this.args.read();
      if (error) {
        this.fail(`The edited arguments are not right. ${error}`);
        this.args.edit.focus();
        return;
      }
      if (value) values.arguments = value;
    }
    if (!this.formIsRight()) return;
    this.answer(values, this.scope?.value || null);
  }

  answerForm() {
    if (this.formIsRight()) this.answer(this.form.values());
  }

  formIsRight() {
    const wrong = this.form.check();
    if (wrong) this.fail(wrong);
    return !wrong;
  }

  /**
   * @param {Record<string, any>} values
   * @param {string | null} [always]
   */
  answer(values, always = null) {
    const { run, step, nonce } = this.ask;
    return this.send("answer", { run, step, nonce, values, always }, "Sending the answer …");
  }

  /**
   * @param {string} verb
   * @param {Record<string, any>} args
   * @param {string} doing
   */
  async send(verb, args, doing) {
    this.setBusy(true);
    setText(this.alert, "");
    setText(this.said, doing);
    try {
      const data = await this.link.request(verb, args);
      setText(this.said, oneLine(data?.sentence) || doing);
      if (verb === "later") this.setBusy(false); // the question stays
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.setBusy(false), PATIENCE);
    } catch (error) {
      this.setBusy(false);
      setText(this.said, "");
      this.fail(sentenceOf(error));
    }
  }

  /** @param {string} sentence */
  fail(sentence) {
    setText(this.alert, `✗ ${sentence}`);
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    this.busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
    for (const element of this.buttons) enable(element, !busy);
  }

  /** Whether the keyboard is in this card. */
  get hasFocus() {
    const root = /** @type {any} */ (this.element.getRootNode());
    return this.element.contains(root.activeElement ?? null);
  }

  focusedName() {
    return this.hasFocus ? /** @type {any} */ (this.element.getRootNode()).activeElement?.dataset?.part : undefined;
  }

  /** Take the card out of the page. */
  remove() {
    clearTimeout(this.timer);
    this.element.remove();
  }
}
