/** Tabs as screen readers and keyboards know them: one of them is in the tab order, arrows move between them. */

import { clear, h } from "./dom.js";
import { uniqueId } from "./notice.js";

/** A list of tabs above one panel. */
export class Tabs {
  /**
   * @param {string} label
   * @param {string[]} names
   * @param {(name: string) => void} chosen
   */
  constructor(label, names, chosen) {
    this.chosen = chosen;
    this.names = names;
    this.current = names[0];
    const panelId = uniqueId("panel");
    /** @type {any[]} */
    this.tabs = names.map((name) =>
      h(
        "button",
        {
          type: "button",
          class: "polos-tab",
          role: "tab",
          id: uniqueId("tab"),
          ariaControls: panelId,
          on: { click: () => this.choose(name) },
        },
        name,
      ),
    );
    this.list = h(
      "div",
      {
        class: "polos-tabs",
        role: "tablist",
        ariaLabel: label,
        on: { keydown: (/** @type {any} */ event) => this.#key(event) },
      },
      this.tabs,
    );
    this.panel = h("div", { id: panelId, class: "polos-tab-panel", role: "tabpanel", tabindex: 0 });
    this.#mark();
  }

  /**
   * Choose a tab.
   *
   * @param {string} name
   */
  choose(name) {
    this.current = name;
    this.#mark();
    this.chosen(name);
  }

  /**
   * Put content into the panel.
   *
   * @param {...(Node | string)} content
   */
  show(...content) {
    // What is there already stays as it is, with its focus and what is typed in it.
    if (
      content.length === this.panel.childNodes.length &&
      content.every((node, at) => node === this.panel.childNodes[at])
    )
      return;
    clear(this.panel);
    this.panel.append(...content);
  }

  #mark() {
    this.names.forEach((name, at) => {
      const on = name === this.current;
      this.tabs[at].setAttribute("aria-selected", String(on));
      this.tabs[at].setAttribute("tabindex", on ? "0" : "-1");
      if (on) this.panel.setAttribute("aria-labelledby", this.tabs[at].id);
    });
  }

  /** @param {any} event */
  #key(event) {
    const at = this.names.indexOf(this.current);
    const moves = /** @type {Record<string, number>} */ ({
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      Home: 0,
      End: this.names.length - 1,
    });
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (moves[event.key] + this.names.length) % this.names.length;
    this.choose(this.names[next]);
    this.tabs[next].focus();
  }
}
