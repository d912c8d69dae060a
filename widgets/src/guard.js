/** Keeps a click from reaching a button that was not there when the user aimed. */

export const CALM = 400; // milliseconds in which a card must not have appeared, changed or moved
export const LOOK = 100;

/** Watches where one element is. */
export class Guard {
  /**
   * @param {HTMLElement} element
   * @param {{untrusted?: boolean}} [options] `untrusted` also takes clicks that a script made: for tests
   */
  constructor(element, { untrusted = false } = {}) {
    this.element = element;
    this.untrusted = untrusted;
    this.changedAt = performance.now();
    this.movedAt = this.changedAt;
    this.place = "";
    this.lookedAt = this.changedAt;
  }

  /** What the card asks is another thing now. */
  changed() {
    this.changedAt = performance.now();
  }

  /** Note where the element is; to be called about every 100 ms. */
  look() {
    const box = this.element.getBoundingClientRect();
    const place = `${Math.round(box.left)} ${Math.round(box.top)} ${Math.round(box.width)} ${Math.round(box.height)}`;
    const now = performance.now();
    // Nobody has looked for a while (a hidden tab): what happened meanwhile is not known.
    if (place !== this.place || now - this.lookedAt > 10 * LOOK) this.movedAt = now;
    this.place = place;
    this.lookedAt = now;
  }

  /**
   * Whether a click can be meant for what stands here now.
   *
   * @param {MouseEvent} event
   * @returns {"yes" | "too early" | "no"}
   */
  allows(event) {
    if (!event.isTrusted && !this.untrusted) return "no";
    const now = performance.now();
    // Enter and Space go to the button that has the focus, wherever it has moved to.
    const byKeyboard = event.detail === 0 && event.isTrusted;
    if (!byKeyboard) this.look();
    const since = byKeyboard ? this.changedAt : Math.max(this.changedAt, this.movedAt);
    return now - since < CALM ? "too early" : "yes";
  }
}
