/** The page has what the kernel said, whatever was lost on the way; and it says so when nobody answers. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Link, NO_ANSWER, NO_ANSWER_YET } from "../src/link.js";
import { applyOps, emptyState } from "../src/state.js";
import { FakeModel } from "./fake_model.js";
import { numbers } from "./random.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** @param {number} s @param {string} text */
const batch = (s, text) => ({ t: "ops", s, ops: [["t", "1", "text", text]] });

/** @param {any} value */
const plain = (value) => JSON.parse(JSON.stringify(value));

/** @param {FakeModel} model */
const hellos = (model) => model.sent.filter((content) => content.t === "hello").map((content) => content.s);

describe("batches", () => {
  test("what was queued comes first, and hello says up to where", () => {
    const model = new FakeModel();
    const link = new Link(model, { queued: [batch(1, "a"), batch(2, "b")] });
    model.say(batch(3, "c"));
    expect(link.state.rows["1"].text).toBe("abc");
    expect(hellos(model)).toEqual([2]);
    link.dispose();
  });

  test("listeners hear what changed, once a message", () => {
    const model = new FakeModel();
    const link = new Link(model);
    const heard = vi.fn();
    const off = link.onChange(heard);
    model.say({ t: "ops", s: 1, ops: [["h", { status: "completed" }], ["r", "1", {}]] });
    expect(heard.mock.calls).toEqual([[new Set(["head", "1"])]]);
    model.say(batch(1, "again"));
    off();
    model.say(batch(2, "x"));
    expect(heard).toHaveBeenCalledOnce();
    link.dispose();
  });

  test("a listener that fails keeps nobody else from hearing", () => {
    const silent = vi.spyOn(console, "error").mockImplementation(() => {});
    const model = new FakeModel();
    const link = new Link(model);
    const heard = vi.fn();
    link.onChange(() => {
      throw new Error("a view's mistake");
    });
    link.onChange(heard);
    model.say(batch(1, "a"));
    expect(heard).toHaveBeenCalledOnce();
    expect(silent).toHaveBeenCalledOnce();
    link.dispose();
  });

  test("after a gap later batches are kept aside, hello is said and repeated", () => {
    const model = new FakeModel();
    const link = new Link(model);
    model.say(batch(1, "a"));
    model.say(batch(3, "c"));
    model.say(batch(4, "d"));
    expect(link.state.rows["1"].text).toBe("a");
    expect(hellos(model)).toEqual([0, 1]);
    vi.advanceTimersByTime(2_100);
    expect(hellos(model)).toEqual([0, 1, 1]);
    model.say(batch(2, "b"));
    expect(link.state.rows["1"].text).toBe("abcd");
    vi.advanceTimersByTime(60_000);
    expect(hellos(model)).toEqual([0, 1, 1]);
    link.dispose();
  });

  test("a snapshot replaces the state; an old one does not", () => {
    const model = new FakeModel();
    const link = new Link(model);
    model.say({ t: "snap", s: 5, state: { head: { id: "r1" }, rows: { 1: { text: "abc" } }, order: { "": ["1"] } } });
    model.say(batch(6, "d"));
    model.say({ t: "snap", s: 4, state: { head: {}, rows: {}, order: {} } });
    expect(plain(link.state)).toEqual({ head: { id: "r1" }, rows: { 1: { id: "1", text: "abcd" } }, order: { "": ["1"] } });
    link.dispose();
  });

  test("strange messages are passed over", () => {
    const model = new FakeModel();
    const link = new Link(model);
    for (const content of [null, 5, "x", {}, { t: "ops" }, { t: "ops", s: "1" }, { t: "snap", s: 1.5 }, { t: "res" }, { t: "zzz" }]) {
      model.say(content);
    }
    expect(link.have).toBe(0);
    link.dispose();
  });
});

/** What polos_nb.notebook.feed.Feed does, over a wire that loses, doubles and delays. */
class Kernel {
  /** @type {any[]} */
  batches = [];
  state = emptyState();

  /** @param {FakeModel} model @param {() => number} random @param {number} loss */
  constructor(model, random, loss) {
    this.model = model;
    this.random = random;
    this.loss = loss;
    model.onSend = (content) => {
      if (content.t === "hello" && random() >= this.loss) for (const answer of this.hello(content.s)) this.say(answer);
    };
  }

  /** @param {any[]} ops */
  put(ops) {
    applyOps(this.state, plain(ops));
    this.batches.push({ t: "ops", s: this.batches.length + 1, ops });
    this.say(this.batches[this.batches.length - 1]);
  }

  /** @param {number} have */
  hello(have) {
    const last = this.batches.length;
    if (have === last && have) return [{ t: "ops", s: have, ops: [] }];
    if (have > 0 && last - have <= 5) return this.batches.slice(have);
    return [{ t: "snap", s: last, state: this.state }];
  }

  /** @param {any} content */
  say(content) {
    const text = JSON.stringify(content);
    const times = this.random() < this.loss ? 0 : this.random() < 0.2 ? 2 : 1;
    for (let n = 0; n < times; n += 1) {
      const wait = this.random() < 0.3 ? Math.floor(this.random() * 400) : 0;
      setTimeout(() => this.model.say(JSON.parse(text)), wait);
    }
  }
}

test("any subset of messages lost, doubled or out of order: the page ends up with the kernel's state", () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = numbers(seed);
    const model = new FakeModel();
    const kernel = new Kernel(model, random, random() * 0.8);
    const link = new Link(model);
    kernel.put([["h", { status: "running" }]]);
    for (let n = 0; n < 60; n += 1) {
      const id = String(1 + Math.floor(random() * 3));
      const ops = [["t", id, "text", `${n} `], ["r", id, { n }], ["o", "", ["1", id]], ["x", id], ["h", { step: n }]];
      kernel.put(ops.filter((op) => random() < (op[0] === "x" ? 0.05 : 0.5)));
      vi.advanceTimersByTime(Math.floor(random() * 300));
    }
    kernel.loss = 0;
    vi.advanceTimersByTime(40_000);
    expect(plain(link.state), `seed ${seed}`).toEqual(plain(kernel.state));
    expect(link.have).toBe(61);
    link.dispose();
  }
});

describe("liveness", () => {
  test("a run that goes on in silence is asked for; without an answer a note appears, and a word takes it away", () => {
    const model = new FakeModel();
    const link = new Link(model);
    const said = vi.fn();
    link.onAlive(said);
    model.say({ t: "ops", s: 1, ops: [["h", { status: "running" }]] });
    vi.advanceTimersByTime(9_000);
    expect(hellos(model)).toEqual([0]);
    vi.advanceTimersByTime(2_000);
    expect(hellos(model)).toEqual([0, 1]);
    expect(link.alive).toBe(true);
    vi.advanceTimersByTime(5_000);
    expect(link.alive).toBe(false);
    vi.advanceTimersByTime(20_000);
    expect(hellos(model).length).toBeGreaterThanOrEqual(3);
    expect(hellos(model).length).toBeLessThanOrEqual(5);
    model.say({ t: "ops", s: 1, ops: [] });
    expect(link.alive).toBe(true);
    expect(said.mock.calls).toEqual([[false], [true]]);
    link.dispose();
  });

  test("a kernel that never says a word is asked again and again, then noted as silent", () => {
    const model = new FakeModel();
    const link = new Link(model);
    vi.advanceTimersByTime(16_000);
    expect(link.alive).toBe(false);
    expect(link.synced).toBe(false);
    expect(hellos(model).length).toBeGreaterThanOrEqual(5);
    const before = hellos(model).length;
    vi.advanceTimersByTime(60_000);
    expect(hellos(model).length - before).toBeLessThanOrEqual(7);
    link.dispose();
  });

  test("a run that is over is left in peace, without timers", () => {
    const model = new FakeModel();
    const link = new Link(model);
    model.say({ t: "ops", s: 1, ops: [["h", { status: "completed" }]] });
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(100_000);
    expect(hellos(model)).toEqual([0]);
    expect(link.alive).toBe(true);
    link.dispose();
  });

  test("a page that was asleep does not call the kernel gone before it asked", () => {
    const model = new FakeModel();
    const link = new Link(model);
    model.say({ t: "ops", s: 1, ops: [["h", { status: "running" }]] });
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersByTime(1_000);
    expect(link.alive).toBe(true);
    expect(hellos(model)).toEqual([0, 1]);
    link.dispose();
  });
});

describe("requests", () => {
  test("carry the verb and arguments, and get their own answers", async () => {
    const model = new FakeModel();
    const link = new Link(model);
    const [one, two] = [link.request("more", { row: "1", id: "no" }), link.request("stop")];
    const [first, second] = model.sent.filter((content) => content.t === "req");
    expect(first).toEqual({ t: "req", id: first.id, do: "more", row: "1" });
    expect(first.id).not.toBe(second.id);
    model.say({ t: "res", id: second.id, ok: false, error: "It has ended." });
    model.say({ t: "res", id: first.id, ok: true, data: { t: "text", s: "x" } });
    await expect(one).resolves.toEqual({ t: "text", s: "x" });
    await expect(two).rejects.toMatchObject({ message: "It has ended.", timeout: false });
    link.dispose();
  });

  test("without an answer end after eight seconds with a sentence; a late answer does nothing", async () => {
    const model = new FakeModel();
    const link = new Link(model);
    const asked = link.request("stop");
    const failed = expect(asked).rejects.toMatchObject({ message: NO_ANSWER_YET, timeout: true });
    vi.advanceTimersByTime(8_001);
    await failed;
    model.say({ t: "res", id: model.sent.at(-1).id, ok: true, data: {} });
    link.dispose();
  });

  test("that cannot be sent end at once", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const model = new FakeModel();
    const link = new Link(model);
    model.broken = true;
    await expect(link.request("stop")).rejects.toThrow(NO_ANSWER);
    link.dispose();
  });

  test("end when the link does, which leaves no timer and no listener", async () => {
    const model = new FakeModel();
    const link = new Link(model);
    const asked = expect(link.request("stop")).rejects.toThrow(NO_ANSWER);
    link.dispose();
    await asked;
    await expect(link.request("stop")).rejects.toThrow(NO_ANSWER);
    expect(model.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
