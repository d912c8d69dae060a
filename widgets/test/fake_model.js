/** A model as anywidget hands it over, with a kernel behind it that can be made to fail. */

/** Keeps what is sent, and hands over what `say` is given. */
export class FakeModel {
  /** @type {any[]} */
  sent = [];
  /** @type {((content: any) => void) | null} */
  onSend = null;
  broken = false;
  /** @type {Set<Function>} */
  #listeners = new Set();

  /** @param {Record<string, any>} [traits] @param {any} [manager] */
  constructor(traits = {}, manager = null) {
    this.traits = traits;
    this.widget_manager = manager;
  }

  /** @param {string} name */
  get(name) {
    return this.traits[name];
  }

  /** @param {string} name @param {Function} fn */
  on(name, fn) {
    if (name === "msg:custom") this.#listeners.add(fn);
  }

  /** @param {string} name @param {Function} fn */
  off(name, fn) {
    if (name === "msg:custom") this.#listeners.delete(fn);
  }

  /** @param {any} content */
  send(content) {
    if (this.broken) throw new Error("the comm is closed");
    this.sent.push(JSON.parse(JSON.stringify(content)));
    this.onSend?.(content);
  }

  /** @param {any} content */
  say(content) {
    for (const listener of [...this.#listeners]) listener(JSON.parse(JSON.stringify(content)), []);
  }

  get listeners() {
    return this.#listeners.size;
  }
}
