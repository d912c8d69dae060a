/**
 * Where a view is shown. Front ends take a view away and show it anew whenever they draw its output again, as when the
 * kernel updates what would be saved. What was typed, the keyboard's place, what is open and how far it is scrolled stay.
 */

const PATIENCE = 5_000; // milliseconds in which a view that was taken away may come back
const FRAMES = 60; // in which the element that it is put into comes into the page

/** @typedef {{element: HTMLElement, dispose(): void}} View */

/** The places of the views of each link. @type {WeakMap<object, Set<Place>>} */
const places = new WeakMap();

export class Place {
  /**
   * @param {HTMLElement} root
   * @param {View} view
   */
  constructor(root, view) {
    this.root = root;
    this.view = view;
    /** @type {any} the element of the view that has the keyboard */
    this.focused = null;
    /** @type {Map<Element, [number, number]>} */
    this.scrolled = new Map();
    this.seen = false; // whether it was in the page since it was shown
    this.shown = 0; // how often it was shown
    root.appendChild(view.element);
    root.addEventListener("focusin", (event) => {
      this.focused = event.target;
    });
    // An element that is taken out of the page loses the keyboard, but nobody has moved it elsewhere.
    root.addEventListener("focusout", () => setTimeout(() => {
      if (root.isConnected && !root.contains(activeElement(root))) this.focused = null;
    }));
    root.addEventListener("scroll", ({ target }) => {
      if (target instanceof Element) this.scrolled.set(target, [target.scrollTop, target.scrollLeft]);
    }, true);
  }

  /**
   * The place of a link's view: one that was taken out of the page a moment ago, else a new one.
   *
   * @param {object} link
   * @param {() => Place} make
   * @returns {Place}
   */
  static of(link, make) {
    const all = places.get(link) ?? new Set();
    places.set(link, all);
    // Front ends may show a view anew before they say that the old one is gone.
    const known = [...all].find((place) => place.seen && !place.root.isConnected);
    if (known) return known;
    const place = make();
    all.add(place);
    return place;
  }

  /**
   * Show the view here.
   *
   * @param {object} link
   * @param {HTMLElement} el
   * @returns {() => void} takes it away; it is disposed of unless it is shown again soon
   */
  show(link, el) {
    clearTimeout(this.timer);
    const turn = (this.shown += 1);
    this.seen = false;
    const { focused } = this;
    const scrolled = [...this.scrolled];
    el.appendChild(this.root);
    let frames = 0;
    const restore = () => {
      if (turn !== this.shown) return;
      if (!this.root.isConnected) {
        if ((frames += 1) < FRAMES) requestAnimationFrame(restore);
        return;
      }
      this.seen = true;
      for (const [element, [top, left]] of scrolled) Object.assign(element, { scrollTop: top, scrollLeft: left });
      const free = !document.activeElement || document.activeElement === document.body;
      if (focused && free && this.root.contains(focused)) focused.focus({ preventScroll: true });
    };
    restore();
    return () => {
      if (turn !== this.shown) return; // it is shown elsewhere by now
      this.seen ||= this.root.isConnected;
      this.root.remove();
      this.timer = setTimeout(() => {
        places.get(link)?.delete(this);
        this.view.dispose();
      }, PATIENCE);
    };
  }
}

/** @param {Node} within */
function activeElement(within) {
  return /** @type {Document | ShadowRoot} */ (within.getRootNode()).activeElement ?? null;
}
