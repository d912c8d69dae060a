/** The rules "always approve" that hold in a run, each with a button that takes it back. */

import { append, clear, h, setText } from "./dom.js";
import { button, enable, sentenceOf } from "./notice.js";
import { visible } from "./text.js";

export class Rules {
  /**
   * @param {import("./link.js").Link} link
   */
  constructor(link) {
    this.link = link;
    this.list = h("ul", { class: "polos-rules-list", role: "list" });
    this.alert = h("div", { class: "polos-error", role: "alert" });
    this.element = h(
      "div",
      { class: "polos-rules", hidden: true },
      h("div", { class: "polos-section-title" }, "approved without asking, in this run"),
      this.list,
      this.alert,
    );
    this.shown = "";
    this.update();
  }

  /** Show the rules that hold now. */
  update() {
    const given = this.link.state.head.always;
    const rules = (Array.isArray(given) ? given : []).filter((rule) => rule && typeof rule === "object");
    const look = JSON.stringify(rules);
    if (look === this.shown) return;
    this.shown = look;
    clear(this.list);
    append(
      this.list,
      rules.map((rule) => this.item(rule)),
    );
    this.element.hidden = rules.length === 0;
  }

  /** @param {Record<string, any>} rule */
  item(rule) {
    const words = visible(typeof rule.text === "string" ? rule.text : rule.tool);
    const revoke = button(
      "Revoke",
      async () => {
        enable(revoke, false);
        setText(this.alert, "");
        try {
          await this.link.request("revoke", { rule: rule.id });
        } catch (error) {
          setText(this.alert, `✗ ${sentenceOf(error)}`);
          enable(revoke, true);
        }
      },
      { class: "polos-small" },
    );
    return h("li", null, h("span", null, `✓ ${words} `), revoke);
  }
}
