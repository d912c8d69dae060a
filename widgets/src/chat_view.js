/** The chat: a conversation with an agent, its branches, and the box in which the next message is written. */

import { ChatHeader } from "./chat_header.js";
import { phaseInWords } from "./chat_words.js";
import { Composer } from "./composer.js";
import { append, clear, frame, h, keepKeys, setText } from "./dom.js";
import { NO_ANSWER } from "./link.js";
import { button, focused } from "./notice.js";
import { Rules } from "./rules.js";
import { TurnView } from "./turn.js";

const NEAR = 32; // pixels from the end of the log within which a reader is "at the end"

/** The view of a model of kind "chat". */
export class ChatView {
  /** @param {any} link */
  constructor(link) {
    this.link = link;
    /** @type {Map<string, TurnView>} */
    this.turns = new Map();
    /** @type {string[]} */
    this.ids = [];
    this.following = true;
    /** @type {Set<string> | null} */
    this.pending = null;
    this.header = new ChatHeader(link);
    this.composer = new Composer(link, { sent: () => this.#follow() });
    this.empty = h("p", { class: "polos-chat-empty" });
    this.list = h("div", { class: "polos-chat-turns" }, this.empty);
    this.log = h("div", { class: "polos-chat-log", role: "region", ariaLabel: "Conversation", tabindex: 0 }, this.list);
    this.newest = button("↓ Newest", () => this.#toEnd(), {
      class: "polos-chat-newest",
      label: "Go to the newest message",
      hidden: true,
    });
    this.rules = new Rules(link);
    this.phase = h("div", { class: "polos-chat-phase", role: "status", ariaLive: "polite" });
    this.silent = h("div", { class: "polos-note", role: "alert" });
    this.element = h(
      "section",
      { class: "polos-chat", ariaLabel: "Chat" },
      this.header.element,
      h("div", { class: "polos-chat-middle" }, this.log, this.newest),
      h("div", { class: "polos-chat-foot" }, this.phase, this.rules.element, this.silent),
      this.composer.element,
    );
    keepKeys(this.element);
    this.#watchScroll();
    this.paint = frame(() => this.#paint());
    this.off = [
      link.onChange((/** @type {Set<string>} */ changed) => this.#changed(changed)),
      link.onAlive?.(() => this.#alive()),
    ];
    this.#paint();
    this.#alive();
  }

  #watchScroll() {
    this.log.addEventListener("scroll", () => {
      this.following = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR;
      this.newest.hidden = this.following;
    });
    // Who opens something at the end wants to read it, not to be moved to its end.
    this.log.addEventListener("click", (/** @type {any} */ event) => {
      if (event.target.closest?.("summary")) this.following = false;
    });
    // Text streams, cards and pictures grow after the frame in which they were made.
    if (typeof ResizeObserver === "undefined") return;
    this.resized = new ResizeObserver(() => this.following && this.#toEnd());
    this.resized.observe(this.list);
  }

  #toEnd() {
    this.following = true;
    this.newest.hidden = true;
    this.log.scrollTop = this.log.scrollHeight;
  }

  #follow() {
    this.following = true;
    this.paint();
  }

  /** @param {Set<string>} changed */
  #changed(changed) {
    if (this.pending) for (const id of changed) this.pending.add(id);
    else this.pending = new Set(changed);
    this.paint();
  }

  #paint() {
    const changed = this.pending;
    this.pending = null;
    if (!changed || changed.has("head")) {
      this.header.update();
      this.composer.update();
      this.rules.update();
      this.element.setAttribute("aria-label", `Chat with ${this.link.state.head.agent || "an agent"}`);
      setText(this.empty, `Nothing is said yet. Write to ${this.link.state.head.agent || "the agent"} below.`);
    }
    if (!changed || changed.has("order:")) this.#arrange();
    if (changed) this.#update(changed);
    setText(this.phase, phaseInWords(this.link.state));
    if (this.following) this.#toEnd();
  }

  /** Show the turns of the branch that is chosen now; a turn in which someone writes is kept for the way back. */
  #arrange() {
    const ids = (this.link.state.order[""] ?? []).filter((/** @type {string} */ id) => this.link.state.rows[id]);
    const focus = this.#focused();
    const known = new Set(this.ids);
    for (const id of ids) {
      if (this.turns.has(id)) continue;
      this.turns.set(id, new TurnView(this.link, id));
      if (!known.has(id)) this.composer.arrived(this.link.state.rows[id].text);
    }
    for (const [id, turn] of this.turns) {
      if (ids.includes(id)) continue;
      turn.element.remove();
      if (turn.editing) continue;
      turn.dispose();
      this.turns.delete(id);
    }
    this.empty.hidden = ids.length > 0;
    let before = this.empty;
    for (const id of ids) {
      const { element } = /** @type {TurnView} */ (this.turns.get(id));
      if (before.nextSibling !== element) this.list.insertBefore(element, before.nextSibling);
      before = element;
    }
    this.ids = ids;
    if (focus && !focus.element.isConnected) this.#refocus(focus);
  }

  /** The control that has the keyboard, as a turn's place and the name of the control. */
  #focused() {
    const element = focused(this.list);
    if (!element || !this.list.contains(element)) return null;
    const place = this.ids.findIndex((id) => this.turns.get(id)?.element.contains(element));
    const turn = this.turns.get(this.ids[place]);
    const name =
      turn &&
      [/** @type {const} */ ("previous"), /** @type {const} */ ("next"), /** @type {const} */ ("retry")].find(
        (each) => turn[each] === element,
      );
    return { element, place, name: name ?? "edit" };
  }

  /**
   * A turn was exchanged for that of another branch: the keyboard stays on the same control.
   *
   * @param {{place: number, name: string}} focus
   */
  #refocus({ place, name }) {
    const turn = this.turns.get(this.ids[Math.min(place, this.ids.length - 1)]);
    // @ts-ignore - one of the turn's buttons
    (turn ? turn[name] : this.composer.text).focus();
  }

  /** @param {Set<string>} changed */
  #update(changed) {
    const touched = new Set();
    let all = changed.has("head");
    for (const key of changed) {
      const id = key.startsWith("order:") ? key.slice(6) : key;
      if (id === "" || id === "head") continue;
      const top = this.#top(id);
      if (top) touched.add(top);
      else all = true; // a row that is gone may have been anywhere
    }
    for (const [id, turn] of this.turns) if (all || touched.has(id)) turn.update(changed);
  }

  /** @param {string} id */
  #top(id) {
    let row = this.link.state.rows[id];
    for (let depth = 0; row && row.parent && depth < 60; depth += 1) row = this.link.state.rows[row.parent];
    return row?.id;
  }

  #alive() {
    clear(this.silent);
    if (this.link.alive === false) append(this.silent, [NO_ANSWER]);
  }

  /** Let go of the link; the model and its state stay. */
  dispose() {
    for (const off of this.off) off?.();
    this.paint.cancel();
    this.resized?.disconnect();
    for (const turn of this.turns.values()) turn.dispose();
  }
}
