/**
 * The page's end of the conversation with the kernel: numbered batches in, requests out, and whether anybody answers.
 *
 * A batch that does not follow the last one opens a gap: later batches are kept aside and `hello` asks for what is
 * missing. One Link lives as long as its model; views only render what it knows.
 */

import { applyOps, emptyState } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{get(name: string): any, send(content: any, ...rest: any[]): void, on(name: string, fn: Function): void, off(name: string, fn: Function): void}} Model */

export const NO_ANSWER =
  "The kernel does not answer. If it was restarted, run the cell again; `%polos runs --waiting` lists what waits.";
export const NO_ANSWER_YET = "No answer yet: the kernel is busy or gone.";

const REPEAT = 2_000; // while something is missing
const SILENCE = 10_000; // without a word of a run that goes on
const PATIENCE = 5_000; // for an answer to a hello
const REQUEST = 8_000;
const QUICK_REPEATS = 5; // then every ten seconds
const KEPT_ASIDE = 2_000; // batches; the kernel has them too
const ACTIVE = new Set(["running", "waiting", "suspended"]);

let requests = 0;

/** A request that failed; `timeout` says that nobody answered, which is not the same as a refusal. */
export class RequestError extends Error {
  /**
   * @param {string} sentence
   * @param {boolean} [timeout]
   */
  constructor(sentence, timeout = false) {
    super(sentence);
    this.name = "RequestError";
    this.timeout = timeout;
  }
}

/** What a widget knows of its run, kept in step with the kernel. */
export class Link {
  /** @type {State} */
  state = emptyState();
  /** Whether the kernel answered when it was last asked. */
  alive = true;
  /** Whether the kernel has said anything yet: before that, the state is empty. */
  synced = false;

  #model;
  #have = 0;
  /** @type {Map<number, any[]>} */
  #aside = new Map();
  /** @type {Map<string, {resolve: (data: any) => void, reject: (error: Error) => void, timer: any}>} */
  #open = new Map();
  /** @type {Set<(changed: Set<string>) => void>} */
  #changeListeners = new Set();
  /** @type {Set<(alive: boolean) => void>} */
  #aliveListeners = new Set();
  #heardAt = Date.now();
  #helloAt = 0;
  #unansweredSince = 0;
  #repeats = 0;
  #gap = false;
  #disposed = false;
  /** @type {ReturnType<typeof setInterval> | null} */
  #ticker = null;
  #receive = (/** @type {any} */ content) => this.#onMessage(content);

  /**
   * @param {Model} model
   * @param {{queued?: any[]}} [options] messages that came before this was made
   */
  constructor(model, { queued = [] } = {}) {
    this.#model = model;
    model.on("msg:custom", this.#receive);
    for (const content of queued) this.#onMessage(content);
    // Asked in any case: nobody can know what came before anybody listened.
    if (!this.#gap) this.#hello();
    this.#watch();
  }

  /** The number of the last batch that is in the state. */
  get have() {
    return this.#have;
  }

  /**
   * Ask the kernel for something.
   *
   * @param {string} verb
   * @param {Record<string, any>} [args]
   * @param {{timeout?: number}} [options] milliseconds
   * @returns {Promise<any>} the answer's data; rejects with a RequestError whose message is one sentence
   */
  request(verb, args = {}, { timeout = REQUEST } = {}) {
    const id = `${Date.now().toString(36)}-${(requests += 1)}-${Math.random().toString(36).slice(2, 8)}`;
    return new Promise((resolve, reject) => {
      if (this.#disposed) {
        reject(new RequestError(NO_ANSWER, true));
        return;
      }
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new RequestError(NO_ANSWER_YET, true));
      }, timeout);
      this.#open.set(id, { resolve, reject, timer });
      if (!this.#send({ ...args, t: "req", id, do: verb })) {
        clearTimeout(timer);
        this.#open.delete(id);
        reject(new RequestError(NO_ANSWER, true));
      }
    });
  }

  /**
   * Call `fn` with the ids that changed ("head", "order:<parent>", row ids) after every message that changed something.
   *
   * @param {(changed: Set<string>) => void} fn
   * @returns {() => void} ends it
   */
  onChange(fn) {
    this.#changeListeners.add(fn);
    return () => this.#changeListeners.delete(fn);
  }

  /**
   * Call `fn` whenever the kernel stops or begins to answer.
   *
   * @param {(alive: boolean) => void} fn
   * @returns {() => void} ends it
   */
  onAlive(fn) {
    this.#aliveListeners.add(fn);
    return () => this.#aliveListeners.delete(fn);
  }

  /** Stop listening and asking; open requests end with the sentence that nobody answers. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#model.off("msg:custom", this.#receive);
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#ticker = null;
    for (const { reject, timer } of this.#open.values()) {
      clearTimeout(timer);
      reject(new RequestError(NO_ANSWER, true));
    }
    this.#open.clear();
    this.#changeListeners.clear();
    this.#aliveListeners.clear();
  }

  /** @param {any} content */
  #onMessage(content) {
    if (this.#disposed || typeof content !== "object" || content === null) return;
    if (content.t === "ops") this.#onBatch(content);
    else if (content.t === "snap") this.#onSnapshot(content);
    else if (content.t === "res") this.#onAnswer(content);
    else return;
    this.#heard();
  }

  /** @param {any} content */
  #onBatch({ s, ops }) {
    if (!Number.isInteger(s)) return;
    if (s <= this.#have) {
      if (s === this.#have) this.#settle(); // "you have everything"
      return;
    }
    if (this.#aside.size < KEPT_ASIDE) this.#aside.set(s, Array.isArray(ops) ? ops : []);
    this.#drain(new Set());
    this.#checkGap(s);
  }

  /** @param {any} content */
  #onSnapshot({ s, state }) {
    if (!Number.isInteger(s) || s < this.#have || (s === this.#have && this.synced)) {
      if (s === this.#have) this.#settle();
      return;
    }
    this.#have = s;
    this.#drain(applyOps(this.state, [["reset", state]]));
    this.#checkGap(s);
  }

  /**
   * Apply the batches that follow without a hole, and tell the listeners once.
   *
   * @param {Set<string>} changed
   */
  #drain(changed) {
    for (let ops = this.#aside.get(this.#have + 1); ops; ops = this.#aside.get(this.#have + 1)) {
      this.#have += 1;
      for (const id of applyOps(this.state, ops)) changed.add(id);
    }
    for (const n of this.#aside.keys()) if (n <= this.#have) this.#aside.delete(n);
    if (changed.size) call(this.#changeListeners, changed);
  }

  /** @param {number} s */
  #checkGap(s) {
    if (this.#aside.size || s > this.#have) {
      this.synced = this.synced || this.#have > 0;
      if (this.#gap) return;
      this.#gap = true;
      this.#repeats = 0;
      this.#hello();
    } else {
      this.#settle();
    }
  }

  #settle() {
    this.synced = true;
    if (this.#aside.size === 0) this.#gap = false;
    this.#repeats = 0;
  }

  /** @param {any} content */
  #onAnswer({ id, ok, data, error }) {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    clearTimeout(open.timer);
    if (ok) open.resolve(data);
    else open.reject(new RequestError(String(error || "The kernel refused without saying why.")));
  }

  #hello() {
    this.#helloAt = Date.now();
    this.#unansweredSince ||= this.#helloAt;
    this.#send({ t: "hello", s: this.#have });
  }

  /**
   * @param {any} content
   * @returns {boolean} whether it could be handed over
   */
  #send(content) {
    try {
      this.#model.send(content);
      return true;
    } catch (error) {
      console.warn("polos_nb: a message could not be sent.", error);
      return false;
    }
  }

  #heard() {
    this.#heardAt = Date.now();
    this.#unansweredSince = 0;
    this.#setAlive(true);
    this.#watch();
  }

  /** @param {boolean} alive */
  #setAlive(alive) {
    if (alive === this.alive) return;
    this.alive = alive;
    call(this.#aliveListeners, alive);
  }

  get #missing() {
    return this.#gap || !this.synced;
  }

  get #active() {
    const { head } = this.state;
    return ACTIVE.has(head.status) || Boolean(head.busy);
  }

  /** One timer a second, only while there is something to wait for. */
  #watch() {
    const wanted = !this.#disposed && (this.#missing || this.#active || !this.alive);
    if (wanted && this.#ticker === null) this.#ticker = setInterval(() => this.#tick(), 1_000);
    if (!wanted && this.#ticker !== null) {
      clearInterval(this.#ticker);
      this.#ticker = null;
    }
  }

  #tick() {
    const now = Date.now();
    const since = now - this.#helloAt;
    const unanswered = this.#unansweredSince ? now - this.#unansweredSince : 0;
    if (unanswered >= PATIENCE && now - this.#heardAt >= SILENCE + PATIENCE) this.#setAlive(false);
    if (this.#missing) {
      if (since < (this.#repeats < QUICK_REPEATS ? REPEAT : SILENCE)) return;
      this.#repeats += 1;
      this.#hello();
    } else if (now - this.#heardAt >= SILENCE && since >= SILENCE) {
      this.#hello();
    }
    this.#watch();
  }
}

/**
 * Call every listener; what one of them throws does not keep the others from hearing.
 *
 * @template T
 * @param {Set<(value: T) => void>} listeners
 * @param {T} value
 */
function call(listeners, value) {
  for (const listener of [...listeners]) {
    try {
      listener(value);
    } catch (error) {
      console.error("polos_nb: a view failed.", error);
    }
  }
}
