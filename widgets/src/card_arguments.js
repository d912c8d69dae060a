/** The arguments of a call that waits for approval: as they are, and as JSON to be edited. */

import { append, h, setText } from "./dom.js";
import { plainJson, readArguments } from "./edit_arguments.js";
import { button, uniqueId } from "./notice.js";
import { number, visible } from "./text.js";
import { copyButton } from "./values.js";

const LONG = 2_048; // characters that are shown at once
const HIGHEST = 16; // lines of the editor

export class CardArguments {
  /**
   * @param {string} json
   * @param {string} tool
   * @param {HTMLElement | null} editButton where there is none, nothing can be edited
   */
  constructor(json, tool, editButton) {
    this.editing = false;
    // What cannot be seen must not be approved unseen.
    this.original = plainJson(json);
    this.view = h("div", null);
    this.showOriginal();
    const title = tool ? h("span", null, "arguments of ", h("code", null, tool)) : "arguments";
    this.element = h(
      "div",
      { class: "polos-section" },
      h("div", { class: "polos-section-title" }, title, " ", editButton),
      this.view,
    );
    const id = uniqueId("edit");
    this.problem = h("div", { class: "polos-error", id: `${id}-problem`, role: "status" });
    this.edit = h("textarea", {
      id,
      class: "polos-input polos-card-edit",
      rows: Math.min(HIGHEST, this.original.split("\n").length + 1),
      spellcheck: "false",
      value: this.original,
      dataPart: "editor",
      ariaDescribedby: `${id}-problem`,
    });
    this.edit.addEventListener("input", () => this.check());
    this.editor = h(
      "div",
      { hidden: true },
      h("label", { for: id, class: "polos-field-label" }, "Arguments as JSON"),
      this.edit,
      this.problem,
    );
    if (editButton) append(this.element, [this.editor]);
  }

  showOriginal() {
    const all = this.original;
    const pre = h("pre", { class: "polos-pre polos-card-args" }, visible(all.slice(0, LONG)));
    const rest = button(
      `show all (${number(all.length - LONG)} more characters)`,
      () => {
        setText(pre, all);
        rest.remove();
      },
      { class: "polos-small" },
    );
    append(this.view, [
      h(
        "div",
        { class: "polos-copyable" },
        pre,
        copyButton(() => all, "Copy the arguments"),
      ),
      all.length > LONG ? rest : null,
    ]);
  }

  /** @param {boolean} open */
  show(open) {
    this.editing = open;
    this.editor.hidden = !open;
    this.view.hidden = open;
    setText(this.problem, "");
  }

  /** Forget the edit. */
  discard() {
    this.edit.value = this.original;
    this.edit.removeAttribute("aria-invalid");
  }

  /**
   * What was edited: null when it says the same as before.
   *
   * @returns {{value: Record<string, any> | null, error: string}}
   */
  read() {
    const { value, error } = readArguments(this.edit.value);
    if (error) this.check();
    const same = !error && JSON.stringify(value) === JSON.stringify(readArguments(this.original).value);
    return { value: same ? null : value, error };
  }

  /** Say where the JSON is wrong, while it is typed. */
  check() {
    const { error } = readArguments(this.edit.value);
    setText(this.problem, error ? `✗ ${error}` : "");
    if (error) this.edit.setAttribute("aria-invalid", "true");
    else this.edit.removeAttribute("aria-invalid");
  }
}
