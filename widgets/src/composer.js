/** The box in which a message is written, with its attachments; nothing that was typed is lost. */

import { attachmentChip, pastedFiles, readAttachment } from "./attachments.js";
import { clear, h, setText } from "./dom.js";
import { Notice, act, button, focused, sentenceOf, uniqueId } from "./notice.js";
import { Outbox } from "./outbox.js";

/** @typedef {import("./outbox.js").Message} Message */

const TEXT_TYPES = "text/*,.md,.json,.csv,.tsv,.yaml,.yml,.toml,.xml,.py,.js,.ts,.sql,.log,.ipynb";
const IMAGE_TYPES = "image/png,image/jpeg,image/gif,image/webp";

/** The message box, its buttons and what is on its way. */
export class Composer {
  /**
   * @param {any} link
   * @param {{sent?: () => void}} [told] `sent`: a message has left the box
   */
  constructor(link, { sent = () => {} } = {}) {
    this.link = link;
    this.told = sent;
    this.notice = new Notice();
    /** @type {import("./attachments.js").Attachment[]} */
    this.files = [];
    this.reading = 0;
    this.sendWhenRead = false;
    this.outbox = new Outbox({
      send: (message) =>
        link.request("send", {
          text: message.text,
          attachments: message.attachments.map(({ name, type, data }) => ({ name, type, data })),
        }),
      back: (message, join) => this.#back(message, join),
      say: (sentence) => (sentence ? this.notice.fail(sentence) : this.notice.clear()),
    });
    this.#build();
    this.update();
  }

  #build() {
    const id = uniqueId("message");
    this.text = h("textarea", {
      id,
      class: "polos-composer-text",
      rows: 2,
      placeholder: "Message … Shift+Enter for a new line",
      enterkeyhint: "send",
    });
    this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: -1, ariaHidden: "true" });
    this.chips = h("ul", { class: "polos-attachments", ariaLabel: "Attachments", hidden: true });
    this.queued = h("span", { class: "polos-composer-queued", role: "status" });
    this.attach = button("+ Attach", () => this.picker.click(), { label: "Attach files" });
    this.sendButton = button("Send", () => this.send(), { class: "polos-primary" });
    this.stop = button("■ Stop", () => this.#stop(), { label: "Stop the answer", hidden: true });
    this.element = h(
      "div",
      { class: "polos-composer" },
      this.outbox.element,
      h("label", { class: "polos-hidden-text", for: id }, "Message"),
      this.text,
      this.chips,
      h(
        "div",
        { class: "polos-composer-bar" },
        this.attach,
        this.picker,
        this.queued,
        h("span", { class: "polos-space" }),
        this.stop,
        this.sendButton,
      ),
      this.notice.element,
    );
    this.text.addEventListener("keydown", (/** @type {any} */ event) => this.#key(event));
    this.text.addEventListener("input", () => this.#typed());
    this.text.addEventListener("paste", (/** @type {any} */ event) =>
      this.#take(event, pastedFiles(event.clipboardData)),
    );
    this.picker.addEventListener("change", () => {
      this.add([...(this.picker.files ?? [])]);
      this.picker.value = ""; // so that the same file can be chosen again
    });
    this.element.addEventListener("dragover", (/** @type {any} */ event) => this.#over(event));
    this.element.addEventListener("dragleave", () => this.element.classList.remove("polos-drop"));
    this.element.addEventListener("drop", (/** @type {any} */ event) => {
      this.element.classList.remove("polos-drop");
      this.#take(event, [...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** Show what the head of the conversation says now. */
  update() {
    const head = this.link.state.head;
    if (!head.busy && focused(this.element) === this.stop) this.text.focus(); // a hidden button cannot keep the focus
    this.stop.hidden = !head.busy;
    setText(this.sendButton, head.busy ? "Send next" : "Send");
    setText(this.queued, head.queued ? `queued: ${head.queued}` : "");
    const accept = head.takes_images ? `${IMAGE_TYPES},${TEXT_TYPES}` : TEXT_TYPES;
    this.picker.setAttribute("accept", accept);
    this.attach.setAttribute(
      "title",
      head.takes_images ? "Images and text files, at most 5 MB each" : "Text files, at most 5 MB each",
    );
  }

  /** Send what is in the box, once its files are read. */
  send() {
    if (this.reading) {
      this.sendWhenRead = true;
      this.notice.say("It is sent as soon as the attached files are read.");
      return;
    }
    const text = this.text.value;
    if (!text.trim() && !this.files.length) {
      this.notice.say("There is nothing to send yet: write a message or attach a file.");
      return;
    }
    const message = { text, attachments: this.files };
    this.#fill("", []);
    this.notice.clear();
    this.told();
    this.outbox.send(message);
  }

  /**
   * Attach files; those that cannot be taken are named with the reason.
   *
   * @param {File[]} files
   */
  async add(files) {
    if (!files.length) return;
    const images = Boolean(this.link.state.head.takes_images);
    this.reading += 1;
    const results = await Promise.allSettled(files.map((file) => readAttachment(file, { images })));
    this.reading -= 1;
    const refused = [];
    for (const result of results) {
      if (result.status === "fulfilled") this.files.push(result.value);
      else refused.push(sentenceOf(result.reason));
    }
    this.#showFiles();
    if (refused.length) {
      this.sendWhenRead = false;
      this.notice.fail(refused.join(" "));
    } else if (!this.reading && this.sendWhenRead) {
      this.sendWhenRead = false;
      this.send();
    } else this.notice.clear();
  }

  /**
   * A message is in the conversation now, so that it need not be kept here.
   *
   * @param {string} text
   */
  arrived(text) {
    this.outbox.arrived(text);
  }

  /** @param {any} event */
  #key(event) {
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return; // 229: an input method is at work
    if (event.shiftKey && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) this.send();
  }

  #typed() {
    this.sendWhenRead = false;
    this.#grow();
  }

  #grow() {
    const style = this.text.style;
    style.height = "auto";
    style.height = `${Math.min(this.text.scrollHeight + 2, 260)}px`;
  }

  /**
   * @param {any} event
   * @param {File[]} files
   */
  #take(event, files) {
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.add(files);
  }

  /** @param {any} event */
  #over(event) {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.classList.add("polos-drop");
  }

  #stop() {
    act(this.stop, this.notice, "Stopping …", () => this.link.request("stop", {})).then((done) => {
      // @ts-ignore - the kernel may say what it did
      if (done?.data?.sentence) this.notice.say(done.data.sentence);
    });
  }

  /**
   * @param {Message} message
   * @param {boolean} [join] put it after what is in the box
   */
  #back(message, join = false) {
    const own = this.text.value;
    if (!join && (own || this.files.length)) return false;
    this.#fill([own, message.text].filter(Boolean).join("\n\n"), [...this.files, ...message.attachments]);
    return true;
  }

  /**
   * @param {string} text
   * @param {import("./attachments.js").Attachment[]} files
   */
  #fill(text, files) {
    this.text.value = text;
    this.files = files;
    this.#grow();
    this.#showFiles();
  }

  #showFiles() {
    clear(this.chips);
    this.chips.hidden = !this.files.length;
    for (const file of this.files) this.chips.appendChild(attachmentChip(file, () => this.#remove(file)));
  }

  /** @param {import("./attachments.js").Attachment} file */
  #remove(file) {
    this.files = this.files.filter((each) => each !== file);
    this.#showFiles();
    this.attach.focus(); // the pressed button is gone
  }
}
