/** The answer of a run: Markdown while it streams and when it is there, a table or JSON for structured ones. */

import { append, clear, h } from "./dom.js";
import { MarkdownStream } from "./markdown/index.js";
import { moreNode, same, takeFocus, valueNode } from "./values.js";

export class RunAnswer {
  /**
   * @param {import("./link.js").Link} link
   */
  constructor(link) {
    this.link = link;
    this.element = h("div", { class: "polos-answer", hidden: true });
    /** @type {MarkdownStream | null} */
    this.stream = null;
    /** @type {any} */
    this.value = null;
  }

  /**
   * Show the answer, or what the model has written of it.
   *
   * @param {string} rowId the row whose text is the answer, "" when there is none
   */
  update(rowId) {
    const { head, rows } = this.link.state;
    const value = head.answer && typeof head.answer === "object" ? head.answer : null;
    const streaming = !value && (head.status === "running" || !head.status);
    this.element.classList.toggle("polos-answer-live", streaming);
    if (value && (value.t !== "text" || !isAgent(head))) this.showValue(value);
    else if (value) this.showText(value.s ?? "", true, value);
    else this.showText(rows[rowId]?.text ?? "", !streaming, null);
  }

  /** @param {any} value */
  showValue(value) {
    if (same(value, this.value)) return;
    this.value = value;
    this.stream = null;
    clear(this.element);
    append(this.element, [valueNode(value, { more: () => this.more() })]);
    this.element.hidden = false;
  }

  /**
   * @param {any} given
   * @param {boolean} finished
   * @param {any} value the answer that the text is from, null while it is being written
   */
  showText(given, finished, value) {
    const text = typeof given === "string" ? given : "";
    if (value && same(value, this.value)) return;
    this.value = value;
    if (!text) {
      clear(this.element);
      this.stream = null;
      this.element.hidden = true;
      return;
    }
    if (!this.stream) {
      clear(this.element);
      this.stream = new MarkdownStream();
      append(this.element, [this.stream.element]);
      this.element.hidden = false;
    }
    this.stream.set(text);
    if (finished) this.stream.finish();
    this.showRest(value);
  }

  /** @param {any} value */
  showRest(value) {
    this.rest?.remove();
    this.rest = undefined;
    if (!(value?.more > 0)) return;
    this.rest = moreNode(
      value,
      value.more,
      () => this.more(),
      (whole, focused) => {
        this.stream?.set(typeof whole?.s === "string" ? whole.s : "");
        this.stream?.finish();
        this.rest?.remove();
        if (focused) takeFocus(this.element);
      },
    );
    append(this.element, [this.rest]);
  }

  more() {
    return this.link.request("more", { row: "", field: "answer" });
  }

  /** The view is gone. */
  dispose() {
    this.stream?.dispose();
  }
}

/**
 * Whether the answer is a model's text, which is Markdown.
 *
 * @param {Record<string, any>} head
 */
export function isAgent(head) {
  return head.kind !== "workflow" && head.kind !== "tool";
}
