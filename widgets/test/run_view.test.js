/** The run view: what its head says, how it stops, what is announced, and one answer without repetition. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NO_ANSWER } from "../src/link.js";
import { RunView } from "../src/run_view.js";
import { FakeLink, HOSTILE, deferred } from "./fake_link.js";
import { askOf, buttonOf, harmOf, json, open, stateOf } from "./run_helpers.js";

/** @type {FakeLink} */
let link;
/** @type {RunView} */
let view;

const HEAD = {
  id: "r12",
  target: "weather_agent",
  kind: "agent",
  model: "openai/gpt-4o",
  status: "running",
  began: 1000,
  seconds: null,
  step: 1,
  max_steps: 8,
  phase: "waiting for the first token",
  can_stop: true,
  live: 1,
};
const llm = (id, fields = {}) => ({
  id,
  kind: "llm",
  label: "openai/gpt-4o",
  state: "running",
  text: "",
  calls: [],
  ...fields,
});

/** @param {any} head @param {any[]} [rows] @param {any} [answers] */
function show(head, rows = [], answers = {}) {
  link = new FakeLink(stateOf(rows, head), answers);
  view = new RunView(/** @type {any} */ (link), { untrusted: true });
  document.body.append(view.element);
}

/** Apply and let the frame come. @param {...any} ops */
async function apply(...ops) {
  link.apply(...ops);
  await vi.advanceTimersByTimeAsync(50);
}

const facts = () => [...view.element.querySelectorAll(".polos-run-fact:not([hidden])")].map((each) => each.textContent);
const status = () => view.element.querySelector(".polos-run-head [role=status]")?.textContent;
const answer = () => /** @type {any} */ (view.element.querySelector(".polos-answer"));

beforeEach(() => vi.useFakeTimers({ now: 1_001_200 }));
afterEach(() => {
  view.dispose();
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("a run that has only begun says what it waits for, and for how long", () => {
  show(HEAD);
  expect(view.element.querySelector(".polos-run-line")?.textContent).toBe(
    "● runningweather_agentopenai/gpt-4owaiting for the first token 1.2 s",
  );
  vi.advanceTimersByTime(1000);
  expect(view.element.querySelector(".polos-run-phase")?.textContent).toBe("waiting for the first token 2.2 s");
});

test("before the kernel has said anything the view is not empty", () => {
  show({});
  expect(view.element.querySelector(".polos-run-line")?.textContent).toContain("◇ starting");
  expect(view.element.querySelector(".polos-run-phase")?.textContent).toMatch(/^waiting for the kernel 0\.0 s$/);
});

test("the head says step, time, tokens, cost of the budget, and what was cached", async () => {
  show({
    ...HEAD,
    step: 3,
    phase: "writing",
    tokens_in: 812,
    tokens_out: 96,
    cost: 0.0031,
    priced: true,
    budget: 0.05,
    cached: 2,
    live: 1,
    failed: 1,
    waiting: 1,
  });
  expect(facts()).toEqual([
    "step 3 of 8",
    "1 s",
    "◆ 2 cached · ● 1 live · ✗ 1 failed · ‖ 1 waiting",
    "812 in · 96 out",
    "$0.0031 of $0.0500",
  ]);
  await apply([
    "h",
    { status: "completed", seconds: 6.31, max_steps: null, resumed: true, priced: false, waiting: 0, failed: 0 },
  ]);
  expect(facts()).toEqual([
    "step 3",
    "6.3 s",
    "◆ 2 cached · ● 1 live",
    "812 in · 96 out",
    "price unknown",
    "↺ resumed",
  ]);
  await apply(["h", { from_store: true, live: 0 }]);
  expect(facts().slice(-2)).toEqual(["$0.0031 of $0.0500", "↺ from the store, nothing was called"]);
});

test("the elapsed time goes on once a second without the kernel, and ends with the run", async () => {
  show({ ...HEAD, phase: "writing" });
  vi.advanceTimersByTime(3000);
  expect(facts()).toContain("4 s");
  expect(link.asked).toEqual([]);
  await apply(["h", { status: "completed", seconds: 4.5 }]);
  vi.advanceTimersByTime(5000);
  expect(facts()).toContain("4.5 s");
  await vi.advanceTimersByTimeAsync(2000);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  ["completed", "✓ done"],
  ["failed", "✗ failed"],
  ["cancelled", "■ stopped"],
  ["suspended", "‖ waiting"],
])("the status %s is said as %s", (value, words) => {
  show({ ...HEAD, status: value, error: "It broke." });
  expect(view.element.querySelector(".polos-run-head .polos-badge")?.textContent).toBe(words);
});

test("Stop asks the kernel once and says that it stops, until it has stopped", async () => {
  const wait = deferred();
  show(HEAD, [], { stop: () => wait.promise });
  const stop = buttonOf(view.element, "■ Stop");
  stop.focus();
  stop.click();
  stop.click();
  expect(stop.textContent).toBe("stopping …");
  await apply(["h", { phase: "writing" }]);
  wait.resolve({});
  await apply();
  expect(stop.textContent).toBe("stopping …");
  expect(link.all("stop")).toHaveLength(1);
  await apply(["h", { status: "cancelled", error: "stopped by ada" }]);
  expect(stop.textContent).toBe("■ Stop");
  expect(stop.getAttribute("aria-disabled")).toBe("true");
  expect(document.activeElement).toBe(stop);
  expect(view.element.querySelector(".polos-run-failure")?.textContent).toBe("■ stopped by ada");
});

test("when stopping fails the reason is said and Stop can be pressed again", async () => {
  show(HEAD, [], { stop: new Error("No answer yet: the kernel is busy or gone.") });
  buttonOf(view.element, "■ Stop").click();
  await apply();
  expect(view.element.querySelector(".polos-run-head [role=alert]")?.textContent).toContain("No answer yet");
  expect(buttonOf(view.element, "■ Stop").hasAttribute("aria-disabled")).toBe(false);
});

test("screen readers hear phases, at most one a second, and neither tokens nor seconds", async () => {
  show(HEAD, [llm("a")]);
  expect(status()).toBe("waiting for the first token");
  const heard = /** @type {any[]} */ ([]);
  new MutationObserver(() => heard.push(status())).observe(
    /** @type {any} */ (view.element.querySelector(".polos-run-head [role=status]")),
    { childList: true, characterData: true, subtree: true },
  );
  await apply(["h", { phase: "writing" }]);
  await apply(["h", { phase: "calling a" }]);
  await apply(["h", { phase: "writing", tokens_out: 5 }]);
  await vi.advanceTimersByTimeAsync(1000);
  for (let i = 0; i < 20; i += 1) await apply(["t", "a", "text", "word "], ["h", { tokens_out: i }]);
  await apply(["h", { status: "completed", phase: "" }]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(heard).toEqual(["writing", "weather_agent done"]);
});

test("the text of the last model call streams under the steps and becomes the answer, once", async () => {
  show(HEAD, [llm("a")]);
  expect(answer().hidden).toBe(true);
  await apply(["t", "a", "text", "It is **21"]);
  await apply(["t", "a", "text", "** degrees."]);
  expect(answer().querySelector("strong").textContent).toBe("21");
  const paragraph = answer().querySelector(".polos-markdown");
  await apply(
    ["r", "a", { state: "done" }],
    ["h", { status: "completed", answer: { t: "text", s: "It is **21** degrees.", more: 0 } }],
  );
  expect(answer().querySelector(".polos-markdown")).toBe(paragraph);
  expect(answer().textContent).toBe("It is 21 degrees.");
  open(view.element.querySelector("details.polos-step"));
  expect(view.element.textContent?.match(/degrees/g)).toHaveLength(1);
});

test("a text that turns out to precede tool calls moves into its row", async () => {
  show(HEAD, [llm("a")]);
  await apply(["t", "a", "text", "I look it up."]);
  expect(answer().textContent).toBe("I look it up.");
  await apply(["r", "a", { state: "done", calls: [{ name: "get_weather", arguments: "{}" }] }]);
  expect(answer().hidden).toBe(true);
  expect(view.element.querySelector(".polos-row .polos-said")?.textContent).toBe("I look it up.");
});

test("a structured answer is a table or JSON, and an answer of a workflow is no Markdown", async () => {
  show({ ...HEAD, status: "completed", answer: { t: "table", head: ["name"], rows: [["Ada"]] } });
  expect(answer().querySelector("td").textContent).toBe("Ada");
  await apply(["h", { answer: json({ a: 1 }) }]);
  expect(answer().querySelector("pre").textContent).toContain('"a": 1');
  await apply(["h", { kind: "workflow", answer: { t: "text", s: "*plain*" } }]);
  expect(answer().querySelector("pre").textContent).toBe("*plain*");
});

test("the rest of a long answer is asked for, and shown as Markdown too", async () => {
  show({ ...HEAD, status: "completed", answer: { t: "text", s: "It is", more: 9 } }, [], {
    more: { t: "text", s: "It is **21**.", more: 0 },
  });
  buttonOf(answer(), "show all (9 more characters)").click();
  await apply();
  expect(link.all("more")).toEqual([{ row: "", field: "answer" }]);
  expect(answer().querySelector("strong").textContent).toBe("21");
  expect(answer().querySelector("button")).toBeNull();
  await apply(["h", { phase: "" }]);
  expect(answer().textContent).toBe("It is 21.");
});

test("what was written before a failure stays, and the error is said under it", async () => {
  show(HEAD, [llm("a", { text: "It is" })]);
  await apply(
    ["r", "a", { state: "failed", error: "cut" }],
    ["h", { status: "failed", error: "The connection was lost." }],
  );
  expect(answer().textContent).toBe("It is");
  expect(view.element.querySelector(".polos-run-failure")?.textContent).toBe("✗ The connection was lost.");
});

test("cards of what waits stand between the steps and the answer", async () => {
  show(HEAD, [{ id: "a", kind: "approval", state: "waiting", ask: askOf() }]);
  expect([...view.element.children].map((each) => each.className.split(" ")[0])).toEqual([
    "polos-run-head",
    "polos-run-silence",
    "polos-timeline",
    "polos-cards",
    "polos-answer",
    "polos-run-failure",
  ]);
  expect(view.element.querySelectorAll(".polos-card")).toHaveLength(1);
  await apply(["r", "a", { ask: null, state: "done", decided: "approved by ada at 14:03" }]);
  expect(view.element.querySelector(".polos-card-line")?.textContent).toBe("✓ approved by ada at 14:03");
});

test("that the kernel does not answer is said, and taken back with the first word", () => {
  show(HEAD);
  link.setAlive(false);
  expect(view.element.querySelector(".polos-run-silence")?.textContent).toBe(NO_ANSWER);
  link.setAlive(true);
  expect(view.element.querySelector(".polos-run-silence")?.textContent).toBe("");
});

test("nothing has the focus by itself", () => {
  show(HEAD, [llm("a"), { id: "b", kind: "approval", state: "waiting", ask: askOf() }]);
  expect(document.activeElement).toBe(document.body);
  expect(view.element.querySelector("[autofocus], [accesskey]")).toBeNull();
});

test("many changes in one frame are drawn once", async () => {
  show(HEAD, [llm("a")]);
  const draw = vi.spyOn(view.timeline, "update");
  for (let i = 0; i < 500; i += 1) link.apply(["t", "a", "text", "word "]);
  await vi.advanceTimersByTimeAsync(300);
  expect(draw.mock.calls.length).toBeLessThan(3);
  expect(answer().textContent.length).toBeGreaterThan(2000);
});

test("a view that is gone hears nothing and leaves no clock", async () => {
  show(HEAD, [llm("a", { at: 1000 }), { id: "b", kind: "approval", state: "waiting", ask: askOf() }]);
  view.dispose();
  expect(link.changeListeners.size + link.aliveListeners.size).toBe(0);
  await vi.advanceTimersByTimeAsync(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("hostile strings in every field of the head and the answer are text", async () => {
  for (const text of HOSTILE) {
    for (const status of ["running", "failed", text]) {
      document.body.replaceChildren();
      const fields = Object.fromEntries(
        [
          "id",
          "target",
          "kind",
          "model",
          "error",
          "input",
          "began",
          "seconds",
          "step",
          "max_steps",
          "cached",
          "live",
          "failed",
          "waiting",
          "tokens_in",
          "tokens_out",
          "cost",
          "priced",
          "budget",
          "phase",
          "resumed",
          "from_store",
          "conversation",
          "mode",
          "can_stop",
        ].map((key) => [key, text]),
      );
      show({ ...fields, status, answer: { t: "text", s: text, more: 3 }, always: [{ id: text, tool: text, text }] }, [
        llm("a", { text }),
      ]);
      await apply(["t", "a", "text", text], ["h", { answer: null }]);
      await apply(["h", { answer: { t: "text", s: `${text} more`, more: 0 } }]);
      const links = [...view.element.querySelectorAll("[href]")].map((each) => each.getAttribute("href"));
      expect(links.every((href) => /^https:/.test(href ?? ""))).toBe(true);
      expect(harmOf(view.element, HOSTILE)).toEqual([]);
      view.dispose();
    }
  }
});
