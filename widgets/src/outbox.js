/** Messages on their way to the kernel: none is lost when it refuses one or does not answer. */

import { clear, h, setText } from "./dom.js";
import { button, sentenceOf } from "./notice.js";
import { visible } from "./text.js";

/** @typedef {import("./attachments.js").Attachment} Attachment */
/** @typedef {{text: string, attachments: Attachment[]}} Message */
/**
 * @typedef {object} Entry
 * @property {Message} message
 * @property {HTMLElement} element
 * @property {HTMLElement} words
 * @property {HTMLElement} buttons
 * @property {boolean} failed
 */

/**
 * @typedef {object} Editor
 * @property {(message: Message) => Promise<any>} send
 * @property {(message: Message, join?: boolean) => boolean} back
 * @property {(sentence: string) => void} say
 */

const SHOWN_AFTER = 300; // milliseconds; most answers are here before, and nothing needs to move

/** The list of messages that were sent and not yet taken. */
export class Outbox {
  /**
   * `back` puts a message into the editor (false: that is in use, unless `join`); `say` shows how the last one fared.
   *
   * @param {Editor} to
   */
  constructor(to) {
    this.to = to;
    /** @type {Set<Entry>} */
    this.entries = new Set();
    this.element = h("ul", { class: "polos-outbox", ariaLabel: "Messages not yet taken", hidden: true });
  }

  /**
   * Send a message; when it is not taken it goes back to the editor or stays in the list.
   *
   * @param {Message} message
   */
  async send(message) {
    const entry = this.#entry(message);
    const timer = setTimeout(() => this.#show(entry), SHOWN_AFTER);
    try {
      await this.to.send(message);
      this.#drop(entry);
      this.to.say("");
    } catch (error) {
      this.#failed(entry, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A message with this text is in the conversation now: an answer that came too late no longer matters.
   *
   * @param {string} text
   */
  arrived(text) {
    const entry = [...this.entries].find(
      (each) => each.failed && each.message.text.trim() === String(text ?? "").trim(),
    );
    if (entry) this.#drop(entry);
  }

  /** @param {Message} message */
  #entry(message) {
    const words = h("span", { class: "polos-outbox-words", role: "status" }, "Sending …");
    const buttons = h("span", { class: "polos-buttons" });
    const files = message.attachments.length ? ` (+ ${message.attachments.map((file) => file.name).join(", ")})` : "";
    const element = h(
      "li",
      { class: "polos-outbox-entry" },
      h("span", { class: "polos-outbox-text" }, visible(message.text + files)),
      words,
      buttons,
    );
    const entry = { message, element, words, buttons, failed: false };
    this.entries.add(entry);
    return entry;
  }

  /**
   * A refused message goes back to the editor; one without an answer may still be taken, and stays here until then.
   *
   * @param {Entry} entry
   * @param {any} error
   */
  #failed(entry, error) {
    if (!this.entries.has(entry)) return;
    const sentence = sentenceOf(error);
    if (!error?.timeout && this.to.back(entry.message)) {
      this.#drop(entry);
      this.to.say(sentence);
      return;
    }
    entry.failed = true;
    setText(entry.words, `✗ ${sentence}`);
    clear(entry.buttons);
    entry.buttons.append(
      button("Send again", () => this.#again(entry)),
      button("Put back", () => this.to.back(entry.message, true) && this.#drop(entry), {
        label: "Put it back into the message box",
      }),
      button("Discard", () => this.#drop(entry)),
    );
    this.#show(entry);
  }

  /** @param {Entry} entry */
  #again(entry) {
    this.#drop(entry);
    this.send(entry.message);
  }

  /** @param {Entry} entry */
  #show(entry) {
    if (!this.entries.has(entry)) return;
    this.element.appendChild(entry.element);
    this.element.hidden = false;
  }

  /** @param {Entry} entry */
  #drop(entry) {
    this.entries.delete(entry);
    entry.element.remove();
    this.element.hidden = !this.element.firstChild;
  }
}
