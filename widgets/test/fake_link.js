/** A link without a kernel: the test holds the state and answers the requests. */

import { applyOps, emptyState } from "../src/state.js";

/** Strings that would do harm if they became markup, an address or an id. */
export const HOSTILE = [
  '<img src=x onerror="globalThis.harmed=1">',
  "</textarea></details><script>globalThis.harmed=1</script>",
  '"><svg onload=globalThis.harmed=1>',
  "javascript:globalThis.harmed=1",
  "[a](javascript:globalThis.harmed=1) ![b](https://e.org/p.png)",
  "__proto__",
  "\u202egnp.exe \u001b[31mred\u001b[0m \u0000",
];

/** Answers requests from `answers`: a value, an Error, or a function of the arguments. */
export class FakeLink {
  /** @param {any} [state] @param {Record<string, any>} [answers] */
  constructor(state = {}, answers = {}) {
    this.state = emptyState();
    this.answers = answers;
    this.alive = true;
    this.synced = true;
    /** @type {{do: string, args: any}[]} */
    this.asked = [];
    this.changeListeners = new Set();
    this.aliveListeners = new Set();
    applyOps(this.state, [["reset", state]]);
  }

  /** @param {string} verb @param {any} [args] */
  async request(verb, args = {}) {
    this.asked.push({ do: verb, args });
    let answer = this.answers[verb];
    if (typeof answer === "function") answer = await answer(args);
    if (answer instanceof Error) throw answer;
    return answer === undefined ? {} : structuredClone(answer);
  }

  /** The arguments of all requests with a verb. @param {string} verb */
  all(verb) {
    return this.asked.filter((each) => each.do === verb).map((each) => each.args);
  }

  /** @param {(changed: Set<string>) => void} fn */
  onChange(fn) {
    this.changeListeners.add(fn);
    return () => this.changeListeners.delete(fn);
  }

  /** @param {(alive: boolean) => void} fn */
  onAlive(fn) {
    this.aliveListeners.add(fn);
    return () => this.aliveListeners.delete(fn);
  }

  /** What a batch of the kernel does. @param {...any} ops */
  apply(...ops) {
    const changed = applyOps(this.state, ops);
    for (const listener of this.changeListeners) listener(changed);
  }

  /** @param {boolean} alive */
  setAlive(alive) {
    this.alive = alive;
    for (const listener of this.aliveListeners) listener(alive);
  }
}

/** A promise and the functions that settle it. */
export function deferred() {
  /** @type {any} */
  const it = {};
  it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }));
  return it;
}

/** The button with this text or label. @param {any} root @param {string | RegExp} name */
export function find(root, name) {
  const fits = (/** @type {string | null} */ text) =>
    text !== null && (typeof name === "string" ? text === name : name.test(text));
  const all = [...root.querySelectorAll("button, summary")];
  const found =
    all.find((each) => fits(each.getAttribute("aria-label") ?? each.textContent)) ??
    all.find((each) => fits(each.textContent));
  if (!found) throw new Error(`There is no button ${name} among: ${all.map((each) => each.textContent).join(" | ")}`);
  return found;
}

/** Let promises and animation frames run. */
export async function settle() {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setTimeout(resolve, 0));
  await new Promise((resolve) => requestAnimationFrame(() => resolve(null)));
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Nothing harmful came into being below an element. @param {any} root */
export function harmless(root) {
  const bad = root.querySelectorAll(
    "script, svg, iframe, object, embed, style, link, form, [onerror], [onload], [onclick]," +
      "img:not([src^='data:image/'])",
  );
  const links = [...root.querySelectorAll("[href]")].filter(
    (each) => !/^(https?:|mailto:)/.test(each.getAttribute("href") ?? ""),
  );
  return bad.length === 0 && links.length === 0 && !("harmed" in globalThis);
}
