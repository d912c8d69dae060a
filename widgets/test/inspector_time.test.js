/** One stored run over time: the bars of its steps, and looking again while it goes on. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { RunDetail } from "../src/inspector_detail.js";
import { barOf, spanOf } from "../src/inspector_gantt.js";
import { RunLink } from "../src/inspector_link.js";
import { RequestError } from "../src/link.js";
import { FakeLink, find, settle } from "./fake_link.js";
import { STEP, storedRun as run } from "./stored_run.js";

/** @type {FakeLink} */
let link;
/** @type {any} */
let view;
/** @type {any} */
let to;

/** @param {any} [answers] @param {any} [first] */
function make(answers = {}, first = run()) {
  link = new FakeLink({}, { run: first, step: STEP, ...answers });
  to = { back: vi.fn(), open: vi.fn(), diff: vi.fn() };
  view = new RunDetail(link, "r12", to, first);
  document.body.replaceChildren(view.element);
  return view.element;
}

/** @param {string} id */
const line = (id) => view.gantt.lines.get(id);

afterEach(() => {
  vi.useRealTimers();
  view?.dispose();
  document.body.replaceChildren();
});

describe("timeline", () => {
  test("a bar begins and ends where its step did", () => {
    make();
    expect([line("b").bar.style.left, line("b").bar.style.width]).toEqual(["20%", "40%"]);
    expect([line("c").bar.style.left, line("c").bar.style.width]).toEqual(["40%", "20%"]);
    expect(line("c").label.style.paddingLeft).toBe("1em");
  });

  test("a cached step is hatched, named, and wide enough to be seen", () => {
    make();
    expect(line("a").bar.classList.contains("polos-hatched")).toBe(true);
    expect(line("a").time.textContent).toBe("cached · 0.0 s");
    expect(line("a").bar.style.width).toBe("1%");
    expect(line("b").bar.classList.contains("polos-hatched")).toBe(false);
  });

  test("the text alternative says what the bar shows", () => {
    make();
    expect(line("b").button.getAttribute("aria-label")).toBe(
      "Step 2 tool get_weather, done, began 2.0 s after the start, took 4.0 s",
    );
    expect(view.gantt.caption.textContent).toContain("10.0 s from end to end");
  });

  test.each([
    [
      "steps of an earlier run stay inside",
      { at: 10, seconds: 5 },
      { start: 1000, length: 10 },
      { left: 0, width: 50 },
    ],
    [
      "one that ended after the end stays inside",
      { at: 1009.99, seconds: 5 },
      { start: 1000, length: 10 },
      { left: 99, width: 1 },
    ],
    [
      "one without times is at the beginning",
      { at: null, seconds: null, state: "done" },
      { start: 1000, length: 10 },
      { left: 0, width: 1 },
    ],
    [
      "one that runs reaches the end",
      { at: 1005, state: "running" },
      { start: 1000, length: 10 },
      { left: 50, width: 50 },
    ],
  ])("%s", (_, row, span, expected) => {
    expect(barOf(row, span)).toMatchObject(expected);
  });

  test("a run without times has a timeline all the same", () => {
    expect(spanOf({}, [{ row: { at: null } }])).toEqual({ start: 0, length: 0.001 });
    expect(spanOf({ began: 0 }, [{ row: { at: 50, seconds: 2 } }, { row: { at: 40, seconds: null } }])).toEqual({
      start: 40,
      length: 12,
    });
  });

  test("many steps come in parts", () => {
    const first = /** @type {any} */ (run());
    const ids = Array.from({ length: 450 }, (_, n) => `s${n}`);
    first.state = {
      rows: Object.fromEntries(ids.map((id, n) => [id, { id, n, kind: "llm", state: "done" }])),
      order: { "": ids },
    };
    make({}, first);
    expect(view.gantt.list.children).toHaveLength(200);
    find(view.element, "Show 200 more of 450 steps").click();
    find(view.element, "Show 50 more of 450 steps").click();
    expect(view.gantt.list.children).toHaveLength(450);
    expect(view.gantt.more.hidden).toBe(true);
  });

  test("rows that name each other as parent end", () => {
    const first = /** @type {any} */ (run());
    first.state.order.c = ["b"];
    make({}, first);
    expect(view.gantt.list.children).toHaveLength(3);
  });
});

describe("a run that goes on", () => {
  test("is looked at every two seconds until it ends, with the keyboard where it was", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    make({}, run({ status: "running" }));
    line("a").button.focus();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(link.all("run")).toHaveLength(1);
    const next = run({ status: "completed" });
    next.state.rows.b.seconds = 6;
    link.answers.run = next;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(line("b").bar.style.width).toBe("60%");
    expect(document.activeElement).toBe(line("a").button);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(link.all("run")).toHaveLength(2);
  });

  test("is not looked at while nobody can see it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    make({}, run({ status: "suspended" }));
    const seen = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    await vi.advanceTimersByTimeAsync(6_000);
    seen.mockReturnValue("visible");
    view.element.remove();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(link.all("run")).toHaveLength(0);
    document.body.appendChild(view.element);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(link.all("run")).toHaveLength(1);
    view.dispose();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(link.all("run")).toHaveLength(1);
  });

  test("keeps being looked at when a look fails, and says that it failed", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    make({ run: new RequestError("No answer yet.") }, run({ status: "running" }));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(view.stale.textContent).toContain("could not be read: No answer yet.");
    link.answers.run = run();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(view.stale.textContent).toBe("");
  });

  test("can be stopped, and says what came of it", async () => {
    make({ stop: { sentence: "r12 was stopped." } }, run({ status: "running" }));
    link.answers.run = run({ status: "cancelled" });
    view.stop.focus();
    find(view.element, "Stop this run").click();
    await settle();
    expect(link.all("stop")).toEqual([{ run: "r12" }]);
    expect(view.notice.status.textContent).toBe("r12 was stopped.");
    expect(view.stop.hidden).toBe(true);
    expect(document.activeElement).toBe(view.heading);
  });

  test("what waits is shown first, as a card", () => {
    const first = /** @type {any} */ (run({ status: "suspended", waiting: 1 }));
    first.state.rows.b = {
      ...first.state.rows.b,
      state: "waiting",
      ask: {
        decision: 1,
        run: "r12",
        step: "tool/1",
        nonce: "n",
        kind: "approval",
        title: "Refund order 881?",
        args: "{}",
        fields: [],
      },
    };
    make({}, first);
    expect(view.selected).toBe("b");
    expect(view.cards.element.textContent).toContain("Refund order 881?");
  });
});

test("the run's link names the run, lets an answer name its own, and says what changed", async () => {
  const inner = new FakeLink({}, {});
  const answered = vi.fn();
  const it = new RunLink(inner, "r12", { answered });
  it.set(run());
  const changed = vi.fn();
  it.onChange(changed);
  it.set(run());
  expect(changed).not.toHaveBeenCalled();
  const next = /** @type {any} */ (run({ cost: 1 }));
  next.state.rows.b.seconds = 9;
  delete next.state.rows.c;
  next.state.order.b = [];
  it.set(next);
  expect([...changed.mock.calls[0][0]].sort()).toEqual(["b", "c", "head", "order:b"]);
  await it.request("answer", { run: "r1", step: "x" });
  await it.request("more", { row: "b", field: "args" });
  expect(inner.asked.map(({ args }) => args.run)).toEqual(["r1", "r12"]);
  expect(answered).toHaveBeenCalledTimes(1);
});
