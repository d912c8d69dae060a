/** The editor from which a run is forked: every text of a step that may be edited, and a name for the new run. */

import { h } from "./dom.js";
import { Notice, act, button, uniqueId } from "./notice.js";
import { visible } from "./text.js";

/**
 * @typedef {object} Actions
 * @property {(changes: Record<string, string>, name: string) => Promise<any>} fork
 * @property {(run: string) => void} open
 * @property {() => void} close
 */

/** Text areas for the entries of `editable`. */
export class ForkEditor {
  /**
   * @param {Record<string, string>} editable path to text
   * @param {Actions} to
   */
  constructor(editable, { fork, open, close }) {
    this.to = { fork, open };
    this.notice = new Notice();
    /** @type {{path: string, text: string, area: any}[]} */
    this.fields = Object.entries(editable ?? {}).map(([path, text]) => ({
      path,
      text: String(text ?? ""),
      area: null,
    }));
    const parts = this.fields.map((field) => {
      const id = uniqueId("edit");
      field.area = h("textarea", {
        id,
        class: "polos-composer-text",
        rows: Math.min(12, field.text.split("\n").length + 1),
        spellcheck: "false",
        value: field.text,
      });
      // A text area normalises line breaks; what it shows at first is what "unchanged" means.
      field.text = field.area.value;
      return h("div", { class: "polos-field" }, h("label", { for: id }, visible(field.path)), field.area);
    });
    const id = uniqueId("name");
    this.name = h("input", { id, type: "text", class: "polos-input", autocomplete: "off", spellcheck: "false" });
    this.send = button("Fork the run", () => this.#send(), { class: "polos-primary" });
    this.element = h(
      "div",
      { class: "polos-fork", role: "group", ariaLabel: "Edit and fork" },
      h(
        "p",
        { class: "polos-hint" },
        "The new run takes everything before this step from the store and goes on with your text.",
      ),
      parts.length ? parts : h("p", { class: "polos-hint" }, "This step has nothing that can be edited."),
      h("div", { class: "polos-field" }, h("label", { for: id }, "Variable for the new run (optional)"), this.name),
      h("div", { class: "polos-buttons" }, this.send, button("Close the editor", close)),
      this.notice.element,
    );
  }

  /** Move the keyboard to the first text. */
  focus() {
    (this.fields[0]?.area ?? this.name).focus();
  }

  /** Whether something was typed. */
  get dirty() {
    return Boolean(this.name.value) || this.fields.some(({ area, text }) => area.value !== text);
  }

  async #send() {
    const changed = this.fields.filter(({ area, text }) => area.value !== text);
    if (!changed.length) return this.notice.fail("Nothing is changed yet: edit a text, or use “Retry this step”.");
    const changes = Object.fromEntries(changed.map(({ path, area }) => [path, area.value]));
    const done = await act(this.send, this.notice, "Forking …", () => this.to.fork(changes, this.name.value.trim()));
    if (done) showNewRun(this.notice, done.data, this.to.open);
  }
}

/**
 * Say what a fork or a retry did, with a button that opens the run it made.
 *
 * @param {Notice} notice
 * @param {any} data
 * @param {(run: string) => void} open
 */
export function showNewRun(notice, data, open) {
  const next = data?.run ? [button(`Open ${visible(data.run)}`, () => open(data.run))] : [];
  notice.say(data?.sentence || "Done.", ...next);
}
