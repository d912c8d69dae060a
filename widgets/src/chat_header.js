/** The head of a chat: who talks, what it costs, other conversations, and the conversation as cells or Markdown. */

import { clear, h, setText } from "./dom.js";
import { Notice, act, button, focused, sentenceOf, uniqueId } from "./notice.js";
import { clock, money, number, plural, visible } from "./text.js";
import { copyButton } from "./values.js";

/** The head and the panel that opens below it. */
export class ChatHeader {
  /** @param {any} link */
  constructor(link) {
    this.link = link;
    this.notice = new Notice();
    /** @type {any} the button whose panel is open */
    this.opened = null;
    const id = uniqueId("panel");
    this.title = h("h3", { class: "polos-chat-title" });
    this.facts = h("div", { class: "polos-chat-facts" });
    this.panel = h("div", { id, class: "polos-chat-panel", role: "region", hidden: true });
    this.fresh = button("New", () => this.#do(this.fresh, "Starting a conversation …", "new", {}), {
      label: "New conversation",
    });
    const opener = { ariaExpanded: "false", ariaControls: id };
    this.list = button(
      "Conversations ▾",
      () => this.#toggle(this.list, "Conversations", () => this.#conversations()),
      opener,
    );
    this.cells = button(
      "Export as cells",
      () => this.#toggle(this.cells, "The conversation as cells", () => this.#export("cells")),
      opener,
    );
    this.markdown = button(
      "Export as Markdown",
      () => this.#toggle(this.markdown, "The conversation as Markdown", () => this.#export("markdown")),
      opener,
    );
    this.element = h(
      "header",
      { class: "polos-chat-head" },
      h("div", { class: "polos-chat-names" }, this.title, this.facts),
      h(
        "div",
        { class: "polos-buttons", role: "group", ariaLabel: "Conversation" },
        this.fresh,
        this.list,
        this.cells,
        this.markdown,
      ),
      this.panel,
      this.notice.element,
    );
    this.panel.addEventListener("keydown", (/** @type {any} */ event) => {
      if (event.key === "Escape") this.#close();
    });
  }

  /** Show what the head says now. */
  update() {
    const head = this.link.state.head;
    const name = head.title || head.conversation || "new conversation";
    setText(this.title, `${head.agent || "agent"} · ${name}`);
    const tokens =
      head.tokens_in || head.tokens_out
        ? `${number(head.tokens_in ?? 0)} tokens in · ${number(head.tokens_out ?? 0)} out`
        : "";
    const cost = head.priced === false ? "price unknown" : money(head.cost);
    setText(this.facts, [head.model, head.title && head.conversation, tokens, cost].filter(Boolean).join(" · "));
  }

  /**
   * @param {any} opener
   * @param {string} label
   * @param {() => Promise<any[]>} content
   */
  async #toggle(opener, label, content) {
    const same = this.opened === opener;
    this.#close();
    if (same) return;
    this.opened = opener;
    opener.setAttribute("aria-expanded", "true");
    this.panel.hidden = false;
    this.panel.setAttribute("aria-label", label);
    this.panel.append(h("p", { class: "polos-hint", role: "status" }, "Loading …"));
    let parts;
    try {
      parts = await content();
    } catch (error) {
      parts = [h("p", { class: "polos-notice-alert", role: "alert" }, `✗ ${visible(sentenceOf(error))}`)];
    }
    if (this.opened !== opener) return; // closed, or another one opened, meanwhile
    clear(this.panel);
    this.panel.append(
      ...parts,
      h(
        "div",
        { class: "polos-buttons" },
        button("Close", () => this.#close()),
      ),
    );
  }

  #close() {
    const opener = this.opened;
    if (!opener) return;
    this.opened = null;
    opener.setAttribute("aria-expanded", "false");
    if (this.panel.contains(focused(this.panel))) opener.focus();
    clear(this.panel);
    this.panel.hidden = true;
  }

  async #conversations() {
    const list = (await this.link.request("conversations", {})) ?? [];
    if (!list.length) return [h("p", { class: "polos-hint" }, "There is no other conversation yet.")];
    const items = list.map((/** @type {any} */ each) => {
      const current = each.id === this.link.state.head.conversation;
      const words = [each.id, plural(each.turns ?? 0, "turn"), clock(each.at), current && "open now"]
        .filter(Boolean)
        .join(" · ");
      const open = button(
        visible(each.title || each.id),
        () => this.#do(open, "Opening …", "open", { conversation: each.id }),
        {
          class: "polos-quiet polos-chat-conversation",
          ariaCurrent: current ? "true" : null,
        },
      );
      return h("li", null, open, h("span", { class: "polos-hint" }, visible(words)));
    });
    return [h("ul", { class: "polos-chat-conversations" }, items)];
  }

  /** @param {"cells" | "markdown"} as */
  async #export(as) {
    const { text } = await this.link.request("export", { as });
    const id = uniqueId("export");
    const shown = visible(text);
    const box = h("textarea", {
      id,
      class: "polos-export",
      readOnly: true,
      rows: 10,
      spellcheck: "false",
      value: shown,
    });
    const copy = copyButton(() => shown, "Copy the whole text");
    const label = as === "cells" ? "Paste this into cells of a notebook" : "The conversation as Markdown";
    return [h("label", { for: id, class: "polos-hint" }, label), box, h("div", { class: "polos-buttons" }, copy)];
  }

  /**
   * @param {HTMLElement} control
   * @param {string} doing
   * @param {string} verb
   * @param {Record<string, any>} args
   */
  async #do(control, doing, verb, args) {
    const done = await act(control, this.notice, doing, () => this.link.request(verb, args));
    if (!done) return;
    this.#close();
    if (done.data?.sentence) this.notice.say(done.data.sentence);
  }
}
