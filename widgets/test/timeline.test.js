/** The timeline: order, nesting, what a row says closed and open, and that only what changed is touched. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Timeline, answerRow } from "../src/timeline.js";
import { visible } from "../src/text.js";
import { FakeLink, HOSTILE } from "./fake_link.js";
import { buttonOf, harmOf, json, open, stateOf } from "./run_helpers.js";

/** @type {FakeLink} */
let link;
/** @type {Timeline} */
let timeline;

const llm = (id, fields = {}) => ({
  id,
  kind: "llm",
  label: "openai/gpt-4o",
  state: "done",
  text: "",
  calls: [],
  ...fields,
});
const tool = (id, fields = {}) => ({
  id,
  kind: "tool",
  name: "get_weather",
  label: 'get_weather(city="Oslo")',
  state: "done",
  args: json({ city: "Oslo" }),
  result: json(21),
  ...fields,
});

/** @param {any[]} rows @param {any} [answers] @param {any} [options] */
function show(rows, answers = {}, options = {}) {
  link = new FakeLink(stateOf(rows), answers);
  timeline = new Timeline(/** @type {any} */ (link), options);
  link.onChange((changed) => timeline.update(changed));
  document.body.append(timeline.element);
}

/** Let promises run; animation frames stand still with the clock. */
async function settle() {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setTimeout(resolve, 0));
}

const rowsOf = () => [...timeline.element.querySelectorAll(".polos-row")];
const lines = () =>
  [...timeline.element.querySelectorAll(".polos-line")].map((line) => line.textContent.replace(/\s+/g, " ").trim());
const detailsOf = (/** @type {number} */ n) =>
  /** @type {any} */ (timeline.element.querySelectorAll("details.polos-step")[n]);

beforeEach(() => vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"], now: 1_000_000 }));
afterEach(() => {
  timeline.dispose();
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("rows stand in the order the kernel gives, whatever came first", () => {
  show([]);
  link.apply(["r", "b", tool("b", { n: 2 })], ["r", "a", tool("a", { n: 1 })]);
  expect(rowsOf()).toHaveLength(0);
  link.apply(["o", "", ["a", "b"]]);
  expect(lines().map((line) => line.slice(0, 7))).toEqual(["✓ done1", "✓ done2"]);
  const [a, b] = rowsOf();
  link.apply(["o", "", ["b", "a"]]);
  expect(rowsOf()).toEqual([b, a]);
  link.apply(["x", "a"], ["o", "", ["b"]]);
  expect(rowsOf()).toEqual([b]);
});

test("a row that is named in the order before it is known comes when it is known", () => {
  show([]);
  link.apply(["o", "", ["a"]]);
  expect(rowsOf()).toHaveLength(0);
  link.apply(["r", "a", tool("a")]);
  expect(rowsOf()).toHaveLength(1);
});

test.each([
  [{ state: "running" }, "● live"],
  [{ state: "done", cached: true }, "◆ cached"],
  [{ state: "done" }, "✓ done"],
  [{ state: "waiting" }, "‖ waiting"],
  [{ state: "failed" }, "✗ failed"],
  [{ state: "stopped" }, "■ stopped"],
  [{ state: "retrying" }, "↻ retrying"],
  [{ state: "planned" }, "◇ will run"],
])("the state %o is said by a symbol and a word", (fields, words) => {
  show([tool("a", fields)]);
  expect(timeline.element.querySelector(".polos-badge")?.textContent).toBe(words);
});

test("a line says number, kind, what was done and how long it took", () => {
  show([tool("a", { n: 3, seconds: 0.8 })]);
  expect(lines()).toEqual(['✓ done3toolget_weather(city="Oslo")0.8 s']);
});

test("a running row counts its seconds by itself, and stops when it is done", () => {
  show([tool("a", { state: "running", at: 1000, seconds: null })]);
  const time = /** @type {any} */ (timeline.element.querySelector(".polos-row-time"));
  expect(time.textContent).toBe("0.0 s …");
  vi.advanceTimersByTime(3000);
  expect(time.textContent).toBe("3.0 s …");
  link.apply(["r", "a", { state: "done", seconds: 3.4 }]);
  vi.advanceTimersByTime(3000);
  expect(time.textContent).toBe("3.4 s");
  expect(vi.getTimerCount()).toBe(0);
});

test("retries, errors, decisions and deadlines are said under the line", () => {
  show([
    tool("a", { state: "retrying", attempts: 2, retry_in: 4, error: "503" }),
    tool("b", { state: "failed", error: `first line\nsecond ${"x".repeat(5000)}` }),
    tool("c", { decided: "approved by ada at 14:03" }),
    tool("d", { state: "waiting", until: 1060 }),
  ]);
  const notes = [...timeline.element.querySelectorAll(".polos-row-note")].map((note) => note.textContent);
  expect(notes[0]).toBe("attempt 2 failed, again in 4.0 s · 503");
  expect(notes[1]).toMatch(/^first line second x+ …$/);
  expect(notes[1]?.length).toBeLessThan(320);
  expect(notes[2]).toBe("approved by ada at 14:03");
  expect(notes[3]).toMatch(/^until \d\d:\d\d, in 1 min$/);
});

test("an opened row shows why, arguments, result and error; the rest of a value is asked for by row and field", async () => {
  const more = vi.fn(() => ({ t: "text", s: "all of it" }));
  show([tool("a", { why: "arguments changed", result: { t: "text", s: "beginning", more: 9 }, error: "late error" })], {
    more,
  });
  expect(timeline.element.querySelector("pre")).toBeNull();
  open(detailsOf(0));
  const text = detailsOf(0).textContent;
  for (const part of ["why arguments changed", '"city": "Oslo"', "beginning", "late error"])
    expect(text).toContain(part);
  buttonOf(detailsOf(0), "show all (9 more characters)").click();
  await settle();
  expect(link.all("more")).toEqual([{ row: "a", field: "result" }]);
  expect(detailsOf(0).textContent).toContain("all of it");
});

test("a value that was shown in full stays so when the kernel sends the same again", async () => {
  const result = { t: "text", s: "beginning", more: 9 };
  show([tool("a", { result })], { more: { t: "text", s: "all of it" } });
  open(detailsOf(0));
  buttonOf(detailsOf(0), "show all (9 more characters)").click();
  await settle();
  link.apply(["reset", stateOf([tool("a", { result: { ...result } })])]);
  expect(detailsOf(0).textContent).toContain("all of it");
  link.apply(["r", "a", { result: { t: "text", s: "other" } }]);
  expect(detailsOf(0).textContent).toContain("other");
});

test("an opened row follows what comes, and leaves alone what stays", () => {
  show([tool("a", { state: "running", result: null })]);
  open(detailsOf(0));
  const args = detailsOf(0).querySelector("pre");
  link.apply(["r", "a", { state: "done", result: json("rain") }]);
  expect(detailsOf(0).textContent).toContain('"rain"');
  expect(detailsOf(0).querySelector("pre")).toBe(args);
});

test("reasoning is folded and grows only while it is open", () => {
  show([llm("a", { state: "running", reasoning: "First " }), tool("b")]);
  open(detailsOf(0));
  const fold = detailsOf(0).querySelector(".polos-fold");
  expect(fold.open).toBe(false);
  expect(fold.textContent).not.toContain("First");
  fold.open = true;
  fold.dispatchEvent(new Event("toggle"));
  link.apply(["t", "a", "reasoning", "compare."]);
  expect(fold.querySelector(".polos-plain").textContent).toBe("First compare.");
  expect(fold.querySelector("summary").textContent).toBe("reasoning (14 characters)");
});

test("what a model says before it calls tools stands in its row; the answer does not", () => {
  show([
    llm("a", { text: "I look **both** up.", calls: [{ name: "get_weather", arguments: "{}" }] }),
    tool("b"),
    llm("c", { state: "running", text: "It is 21" }),
  ]);
  expect(rowsOf()[0].querySelector(".polos-said strong")?.textContent).toBe("both");
  expect(rowsOf()[2].textContent).not.toContain("It is 21");
  open(detailsOf(2));
  expect(rowsOf()[2].textContent).not.toContain("It is 21");
  expect(rowsOf()[2].textContent).toContain("Its text is the answer below.");
  link.apply(["r", "c", { state: "done", calls: [{ name: "get_weather", arguments: "{}" }] }]);
  expect(rowsOf()[2].querySelector(".polos-said")?.textContent).toContain("It is 21");
  expect(rowsOf()[2].textContent).not.toContain("the answer below");
});

test("the answer is the text of the last model call below the parent, unless it calls tools", () => {
  show([]);
  const state = (/** @type {any[]} */ rows) => new FakeLink(stateOf(rows)).state;
  expect(answerRow(state([llm("a")]))).toBe("a");
  expect(answerRow(state([llm("a", { calls: [{}] }), tool("b")]))).toBe("");
  expect(answerRow(state([llm("a"), tool("b")]))).toBe("");
  expect(answerRow(state([tool("b"), llm("c", { parent: "b" })]))).toBe("");
  expect(answerRow(state([]))).toBe("");
});

test("where nobody else shows the answer, its row does", () => {
  show([llm("a", { text: "It is 21." })], {}, { answer: false });
  open(detailsOf(0));
  expect(rowsOf()[0].textContent).toContain("It is 21.");
});

test("nested runs are shown in their row, open while they run", () => {
  show([
    { id: "a", kind: "agent", label: "researcher", state: "running" },
    tool("b", { parent: "a" }),
    { id: "c", kind: "workflow", label: "w", state: "done" },
    tool("d", { parent: "c" }),
  ]);
  expect(detailsOf(0).open).toBe(true);
  expect(detailsOf(0).querySelectorAll(".polos-row")).toHaveLength(1);
  link.apply(["r", "a", { state: "done" }], ["r", "e", tool("e", { parent: "a" })], ["o", "a", ["b", "e"]]);
  expect(detailsOf(0).open).toBe(true);
  expect(detailsOf(0).querySelectorAll(".polos-row")).toHaveLength(2);
  expect(rowsOf().at(-1)?.querySelectorAll(".polos-row")).toHaveLength(0);
});

test("a first child that comes later appears in a row that is open already", () => {
  show([{ id: "a", kind: "agent", label: "researcher", state: "running" }]);
  link.apply(["r", "b", tool("b", { parent: "a" })], ["o", "a", ["b"]]);
  expect(detailsOf(0).querySelectorAll(".polos-row")).toHaveLength(1);
});

test("a group has one bar outside of what folds, and says how many items are not listed", () => {
  show([
    { id: "g", kind: "group", label: "1,000 items", state: "running", total: 1000, done: 10, hidden: 980 },
    tool("b", { parent: "g" }),
  ]);
  const bar = /** @type {any} */ (timeline.element.querySelector("[role=progressbar]"));
  expect(bar.closest("details")).toBeNull();
  expect(timeline.element.querySelector("summary")?.textContent).toBe("items (1, 980 more not listed)");
  open(detailsOf(0));
  expect(timeline.element.textContent).toContain("… 980 more");
  link.apply(["r", "g", { done: 1000, hidden: 979, state: "done" }]);
  expect(timeline.element.textContent).toContain("… 979 more");
  expect(bar.getAttribute("aria-valuenow")).toBe("1000");
});

test("a row whose kind comes late becomes a group", () => {
  show([{ id: "g", state: "running" }]);
  link.apply(["r", "g", { kind: "group", total: 4, done: 1 }]);
  expect(timeline.element.querySelectorAll("[role=progressbar]")).toHaveLength(1);
  expect(rowsOf()).toHaveLength(1);
});

test("of 2,000 rows 300 are made; more come on request, and the keyboard stays where it was", () => {
  show(Array.from({ length: 650 }, (_, i) => tool(`t${i}`, { n: i + 1 })));
  expect(rowsOf()).toHaveLength(300);
  buttonOf(timeline.element, "show 300 more (350 steps are not shown)").click();
  expect(rowsOf()).toHaveLength(600);
  buttonOf(timeline.element, "show 50 more (50 steps are not shown)").click();
  expect(rowsOf()).toHaveLength(650);
  expect(document.activeElement).toBe(rowsOf()[600].querySelector("summary"));
});

test("an update touches only the rows that changed", () => {
  show(Array.from({ length: 200 }, (_, i) => tool(`t${i}`, { n: i + 1 })));
  const touched = vi.fn();
  for (const row of timeline.rows.values()) vi.spyOn(row, "update").mockImplementation(touched);
  link.apply(["r", "t7", { state: "failed" }]);
  expect(touched).toHaveBeenCalledTimes(1);
});

test("2,000 rows and 5,000 pieces of text take little time", () => {
  show([]);
  const began = performance.now();
  const ids = [];
  for (let i = 0; i < 2000; i += 1) {
    ids.push(`t${i}`);
    if (i % 20 === 19) link.apply(...ids.slice(-20).map((id) => ["r", id, tool(id)]), ["o", "", [...ids]]);
  }
  for (let i = 0; i < 250; i += 1) link.apply(...Array.from({ length: 20 }, () => ["t", "t5", "reasoning", "word "]));
  expect(rowsOf()).toHaveLength(300);
  // Four seconds is what the kernel would need to send it; jsdom is many times slower than a browser.
  expect(performance.now() - began).toBeLessThan(10_000);
});

test("after a reset the same rows are kept", () => {
  show([tool("a"), tool("b")]);
  open(detailsOf(0));
  const before = rowsOf();
  link.apply(["reset", stateOf([tool("a"), tool("b"), tool("c")])]);
  expect(rowsOf().slice(0, 2)).toEqual(before);
  expect(detailsOf(0).open).toBe(true);
  link.apply(["reset", stateOf([])]);
  expect(rowsOf()).toHaveLength(0);
});

test("rows that name each other as parents do not hang the page", () => {
  link = new FakeLink({
    rows: { a: { kind: "agent", state: "running", parent: "a" } },
    order: { "": ["a"], a: ["a"] },
  });
  timeline = new Timeline(/** @type {any} */ (link));
  link.onChange((changed) => timeline.update(changed));
  link.apply(["r", "a", { label: "x" }]);
  expect(rowsOf().length).toBeLessThan(5);
});

test("hostile strings in every field of rows of every kind are text", async () => {
  for (const text of HOSTILE) {
    document.body.replaceChildren();
    const fields = {
      n: text,
      name: text,
      label: text,
      why: text,
      error: text,
      text,
      reasoning: text,
      model: text,
      target: text,
      decided: text,
      calls: [{ name: text, arguments: text }, text],
      args: { t: "text", s: text },
      input: text,
      result: { t: "json", s: text, more: 4 },
      output: { t: "table", head: [text], rows: [[text]] },
      attempts: text,
      retry_in: text,
      seconds: text,
      at: text,
      until: text,
      total: text,
      done: text,
      hidden: text,
      cost: text,
      rate: text,
      tokens_in: text,
    };
    const kinds = ["llm", "tool", "agent", "workflow", "group", "approval", text];
    show([
      ...kinds.map((kind, i) => ({ ...fields, id: `${text}${i}`, kind, state: "failed" })),
      { ...fields, id: "s", kind: "llm", state: text, cached: text },
    ]);
    for (const details of timeline.element.querySelectorAll("details")) open(details);
    for (const fold of timeline.element.querySelectorAll(".polos-fold")) open(fold);
    await settle();
    expect(timeline.element.textContent).toContain(visible(text.slice(0, 5)));
    expect(harmOf(timeline.element, HOSTILE)).toEqual([]);
  }
});
