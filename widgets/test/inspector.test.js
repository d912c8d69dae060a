/** The inspector: the list with search and pages, and the comparison of two runs. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { InspectorView } from "../src/inspector.js";
import { NO_ANSWER, RequestError } from "../src/link.js";
import { FakeLink, HOSTILE, deferred, find, harmless, settle } from "./fake_link.js";

/** @type {FakeLink} */
let link;
/** @type {InspectorView} */
let view;

/** @param {string} id @param {any} [fields] */
const run = (id, fields = {}) => ({
  id,
  target: "weather",
  kind: "agent",
  status: "completed",
  input: "Compare",
  when: "today 14:22",
  steps: 4,
  cached: 2,
  tokens: 610,
  cost: 0.0021,
  seconds: 4.2,
  model: "m",
  waiting: false,
  conversation: "",
  forked_from: "",
  ...fields,
});
const RUNS = {
  runs: [
    run("r14"),
    run("r13", { status: "failed", cost: null }),
    run("r12", { status: "suspended", waiting: true, forked_from: "r9" }),
  ],
  total: 45,
  targets: ["weather", "order"],
};
const RUN = {
  head: { id: "r12", target: "weather", status: "completed" },
  state: { rows: {}, order: {} },
  input: null,
  waiting: [],
};
const DIFF = {
  rows: [
    { step: "1", a: "21", b: "21", same: true },
    { step: "2", a: "sunny", b: "", same: false },
  ],
  summary: [{ name: "cost", a: "$0.1", b: "$0.2" }],
};

/** @param {any} [answers] @param {any} [head] */
function make(answers = {}, head = { view: "runs", first: RUNS }) {
  link = new FakeLink({ head }, { runs: RUNS, run: RUN, diff: DIFF, ...answers });
  view = new InspectorView(link);
  document.body.replaceChildren(view.element);
  return view.element;
}

const list = () => /** @type {any} */ (view.list);
const rows = () => [...list().body.children].map((row) => row.dataset.run);

afterEach(() => {
  view?.dispose();
  document.body.replaceChildren();
  vi.useRealTimers();
});

describe("beginning", () => {
  test("the first answer is shown without another request, also when it comes late", () => {
    make({}, {});
    expect(view.element.textContent).toContain("Loading");
    link.apply(["h", { view: "runs", first: RUNS }]);
    expect(rows()).toEqual(["r14", "r13", "r12"]);
    expect(link.asked).toEqual([]);
    expect(document.activeElement).toBe(document.body);
  });

  test("without a first answer the list is asked for", async () => {
    make({}, { view: "runs" });
    await settle();
    expect(link.all("runs")).toEqual([
      { query: "", target: "", status: "", kind: "", since: null, offset: 0, limit: 20 },
    ]);
    expect(rows()).toEqual(["r14", "r13", "r12"]);
  });

  test("a run can be what is shown first", () => {
    make({}, { view: "run", run: "r12", first: RUN });
    expect(view.element.querySelector("h3")?.textContent).toBe("r12 · weather");
    expect(link.asked).toEqual([]);
  });

  test("a kernel that does not answer is named", () => {
    make();
    link.setAlive(false);
    expect(view.silent.textContent).toBe(NO_ANSWER);
  });
});

describe("list", () => {
  test("a row says in words and signs what its run is", () => {
    make();
    const cells = [...list().body.children].map((row) => [...row.children].map((cell) => cell.textContent));
    expect(cells[0]).toEqual([
      "",
      "r14",
      "today 14:22",
      "weather m",
      "✓ done",
      "2/4",
      "610",
      "$0.0021",
      "4.2 s",
      "Compare",
    ]);
    expect(cells[1][4]).toBe("✗ failed");
    expect(cells[1][7]).toBe("unknown");
    expect(cells[2][1]).toBe("r12 fork of r9");
    expect(cells[2][4]).toBe("‖ waiting Open approval");
    expect([...list().body.children[0].children].map((cell) => cell.dataset.column)[9]).toBe("prompt");
  });

  test("typing searches once, after a pause, from the first page", async () => {
    make();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    list().offset = 20;
    for (const text of ["r", "re", "refund"]) {
      list().query.value = text;
      list().query.dispatchEvent(new Event("input", { bubbles: true }));
      vi.advanceTimersByTime(200);
    }
    expect(link.all("runs")).toHaveLength(0);
    vi.advanceTimersByTime(150);
    expect(link.all("runs")).toEqual([expect.objectContaining({ query: "refund", offset: 0 })]);
  });

  test("Enter searches at once", () => {
    make();
    list().query.value = "now";
    list().query.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    expect(link.all("runs")).toEqual([expect.objectContaining({ query: "now" })]);
  });

  test("every filter has a label and is sent; what is chosen stays chosen", async () => {
    make();
    for (const control of [list().query, list().target, list().status, list().since]) {
      expect(view.element.querySelector(`label[for="${control.id}"]`)).not.toBeNull();
    }
    list().target.value = "order";
    list().status.value = "suspended";
    list().since.value = "7";
    list().since.dispatchEvent(new Event("change"));
    link.answers.runs = { runs: [], total: 0, targets: ["another"] };
    list().status.dispatchEvent(new Event("change"));
    await settle();
    expect(link.all("runs")[0]).toMatchObject({ target: "order", status: "suspended", since: 7 });
    expect(list().target.value).toBe("order");
    expect(list().empty.textContent).toBe("No run fits the search and the filters.");
    expect(list().table.hidden).toBe(true);
  });

  test("pages", async () => {
    make();
    expect(list().place.textContent).toBe("1 to 3 of 45");
    expect(list().previous.getAttribute("aria-disabled")).toBe("true");
    find(view.element, "Next page").click();
    await settle();
    expect(link.all("runs")[0]).toMatchObject({ offset: 20 });
    expect(list().place.textContent).toBe("21 to 23 of 45");
    find(view.element, "Earlier page").click();
    await settle();
    expect(link.all("runs")[1]).toMatchObject({ offset: 0 });
  });

  test("only the answer to the last question is shown", async () => {
    const slow = deferred();
    make({
      runs: (/** @type {any} */ args) =>
        args.query === "slow" ? slow.promise : { runs: [run("r1")], total: 1, targets: [] },
    });
    list().query.value = "slow";
    list().load(0);
    list().query.value = "fast";
    list().load(0);
    await settle();
    slow.resolve({ runs: [run("r99")], total: 1 });
    await settle();
    expect(rows()).toEqual(["r1"]);
  });

  test("a failure is a sentence; the list and what was typed stay", async () => {
    make({ runs: new RequestError("The store is locked by another process.") });
    list().query.value = "typed";
    find(view.element, /Read the list again/).click();
    await settle();
    expect(list().notice.alert.textContent).toBe("✗ The store is locked by another process.");
    expect(rows()).toEqual(["r14", "r13", "r12"]);
    expect(list().query.value).toBe("typed");
  });

  test("a run is opened by its id or its approval, and the way back keeps the keyboard's place", async () => {
    make();
    find(view.element, "Open the approval of run r12").click();
    await settle();
    expect(link.all("run")).toEqual([{ run: "r12" }]);
    expect(document.activeElement).toBe(view.shown.heading);
    find(view.element, "Back to the list of runs").click();
    await settle();
    expect(view.element.contains(list().element)).toBe(true);
    view.open("r14");
    await settle();
    find(view.element, "Back to the list of runs").click();
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Show run r14");
  });
});

describe("comparison", () => {
  /** @param {string} id */
  const choose = (id) => list().body.querySelector(`[data-run="${id}"] input`).click();

  test("exactly two runs can be compared", async () => {
    make();
    expect(list().diff.getAttribute("aria-disabled")).toBe("true");
    choose("r14");
    list().diff.click();
    expect(link.all("diff")).toEqual([]);
    choose("r12");
    find(view.element, "Compare r14 with r12").click();
    await settle();
    expect(link.all("diff")).toEqual([{ a: "r14", b: "r12" }]);
    expect(view.element.textContent).toContain("1 step of 2 differs.");
    expect(view.element.textContent).toContain("≠ differs");
    expect(view.element.textContent).toContain("= same");
    find(view.element, "◂ Back").click();
    choose("r13");
    expect(list().diff.textContent).toBe("3 chosen: choose two to compare");
  });

  test("what is the same can be left out", async () => {
    make();
    view.compare("r1", "r2");
    await settle();
    const steps = () => view.element.querySelectorAll("[aria-label=Steps] tbody tr").length;
    expect(steps()).toBe(2);
    view.shown.only.click();
    expect(steps()).toBe(1);
  });

  test("a comparison that fails says why and can be tried again", async () => {
    make({ diff: new RequestError("There is no run r99.") });
    view.compare("r1", "r99");
    await settle();
    expect(view.element.querySelector("[role=alert].polos-notice-alert")?.textContent).toContain(
      "There is no run r99.",
    );
    link.answers.diff = DIFF;
    find(view.element, "Try again").click();
    await settle();
    expect(view.element.textContent).toContain("differs");
  });
});

test("hostile strings in every field are text", async () => {
  for (const bad of HOSTILE) {
    const fields = Object.fromEntries(Object.keys(run("")).map((key) => [key, bad]));
    const answer = { runs: [fields], total: bad, targets: [bad, bad] };
    make(
      {
        runs: answer,
        diff: {
          rows: [{ step: bad, a: bad, b: { t: "text", s: bad }, same: false }],
          summary: [{ name: bad, a: bad, b: bad }],
        },
      },
      { view: "runs", first: answer },
    );
    expect(harmless(view.element)).toBe(true);
    view.compare(bad, bad);
    await settle();
    expect(harmless(view.element)).toBe(true);
    view.dispose();
  }
});
