/** One stored run: the step that is shown, tabs, fork and retry. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { RunDetail } from "../src/inspector_detail.js";
import { RequestError } from "../src/link.js";
import { FakeLink, HOSTILE, deferred, find, harmless, settle } from "./fake_link.js";
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
const step = () => view.steps.get(view.selected);
/** @param {string} name */
const tab = (name) => view.tabs.tabs.find((/** @type {any} */ each) => each.textContent === name);

afterEach(() => {
  vi.useRealTimers();
  view?.dispose();
  document.body.replaceChildren();
});

describe("steps", () => {
  test("what failed is shown first, a bar or the buttons show another", async () => {
    make();
    expect(view.selected).toBe("c");
    expect(view.place.textContent).toBe("step 3/3");
    expect(view.next.getAttribute("aria-disabled")).toBe("true");
    find(view.element, "Previous step").click();
    expect(view.selected).toBe("b");
    expect(line("b").button.getAttribute("aria-current")).toBe("step");
    line("a").button.click();
    expect(view.selected).toBe("a");
    await settle();
    expect(link.all("step").map((args) => args.step)).toEqual(["tool/1/sub", "tool/1", "llm/1"]);
  });

  test("arguments, why, attempts, key, version, traceback and source", async () => {
    make();
    view.select("b");
    await settle();
    const text = step().element.textContent;
    for (const part of [
      "Step 2 tool get_weather",
      '{"city": "Oslo"}',
      "its arguments changed",
      "2 attempts",
      "key 7c21",
      "version a1f3c9",
      "source of get_weather @ a1f3c9",
    ])
      expect(text).toContain(part);
    expect(step().element.querySelectorAll("details")).toHaveLength(2);
  });

  test("a long value is asked for only when it is wanted", async () => {
    make({ more: { t: "json", s: "whole", more: 0 } });
    view.select("b");
    await settle();
    expect(link.all("more")).toEqual([]);
    find(step().element, /show all/).click();
    await settle();
    expect(link.all("more")).toEqual([{ run: "r12", row: "b", field: "args" }]);
    expect(step().element.textContent).toContain("whole");
  });

  test("a step that cannot be read says why and can be asked for again", async () => {
    make({ step: new RequestError("The store is locked.") });
    await settle();
    expect(step().body.querySelector("[role=alert]").textContent).toContain("The store is locked.");
    link.answers.step = STEP;
    find(step().element, "Try again").click();
    await settle();
    expect(step().element.textContent).toContain("its arguments changed");
  });

  test("the answer for a step that was left does not disturb the one that is shown", async () => {
    const slow = deferred();
    make({ step: (/** @type {any} */ args) => (args.step === "tool/1" ? slow.promise : { ...STEP, why: "another" }) });
    view.select("b");
    view.select("a");
    await settle();
    slow.resolve(STEP);
    await settle();
    expect(view.tabs.panel.firstChild).toBe(view.steps.get("a").element);
    expect(view.tabs.panel.textContent).toContain("another");
  });

  test("of two answers for one step the later question's is kept", async () => {
    const slow = deferred();
    const answers = [slow.promise, { ...STEP, why: "new" }];
    make({ step: () => answers.shift() });
    step().load();
    await settle();
    slow.resolve({ ...STEP, why: "old" });
    await settle();
    expect(step().body.textContent).toContain("new");
    expect(step().body.textContent).not.toContain("old");
  });

  test("retry names the new run and leads to it", async () => {
    make({ retry: { sentence: "r15 runs get_weather again.", run: "r15" } });
    view.select("b");
    await settle();
    find(step().element, "↻ Retry this step").click();
    await settle();
    expect(link.all("retry")).toEqual([{ run: "r12", step: "tool/1" }]);
    expect(step().notice.status.textContent).toBe("r15 runs get_weather again. Open r15");
    find(step().element, "Open r15").click();
    expect(to.open).toHaveBeenCalledWith("r15");
  });
});

describe("edit and fork", () => {
  /** @param {any} answers */
  async function open(answers = {}) {
    make(answers);
    view.select("b");
    await settle();
    find(step().element, "✎ Edit & fork from here").click();
    return step().editor;
  }

  test("only what was changed is sent, with the name", async () => {
    const editor = await open({ fork: { sentence: "r16 was forked.", run: "r16" } });
    expect(editor.fields.map((/** @type {any} */ each) => [each.path, each.area.value])).toEqual(
      Object.entries(STEP.editable),
    );
    for (const { area } of editor.fields) expect(view.element.querySelector(`label[for="${area.id}"]`)).not.toBeNull();
    editor.fields[0].area.value = "Bergen";
    editor.name.value = " other ";
    find(editor.element, "Fork the run").click();
    await settle();
    expect(link.all("fork")).toEqual([
      { run: "r12", step: "tool/1", changes: { "arguments.city": "Bergen" }, name: "other" },
    ]);
    find(editor.element, "Open r16").click();
    expect(to.open).toHaveBeenCalledWith("r16");
  });

  test("a fork without a change is not sent", async () => {
    const editor = await open();
    find(editor.element, "Fork the run").click();
    expect(link.all("fork")).toEqual([]);
    expect(editor.notice.alert.textContent).toContain("Nothing is changed yet");
  });

  test("a refused fork keeps what was typed and says why", async () => {
    const editor = await open({ fork: new RequestError("other is the name of a function.") });
    editor.fields[0].area.value = "precious";
    find(editor.element, "Fork the run").click();
    await settle();
    expect(editor.notice.alert.textContent).toBe("✗ other is the name of a function.");
    expect(editor.fields[0].area.value).toBe("precious");
  });

  test("what was typed is there again after other steps, a look at the run, and closing", async () => {
    const editor = await open();
    editor.fields[0].area.value = "half written";
    view.select("a");
    const next = run({ status: "running" });
    next.state.rows.b.seconds = 5;
    link.answers.run = next;
    await view.load();
    view.select("b");
    await settle();
    expect(view.element.contains(editor.fields[0].area)).toBe(true);
    find(editor.element, "Close the editor").click();
    expect(document.activeElement).toBe(step().fork);
    find(step().element, "✎ Edit & fork from here").click();
    expect(step().editor.fields[0].area.value).toBe("half written");
  });
});

describe("tabs", () => {
  test("arrows, Home and End move between them, and only one is in the tab order", () => {
    make();
    /** @param {string} key */
    const press = (key) =>
      document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    tab("Steps").focus();
    for (const [key, name] of [
      ["ArrowRight", "Messages"],
      ["ArrowLeft", "Steps"],
      ["ArrowLeft", "Cost"],
      ["Home", "Steps"],
      ["End", "Cost"],
      ["ArrowRight", "Steps"],
    ]) {
      press(key);
      expect(document.activeElement).toBe(tab(name));
      expect(view.tabs.tabs.filter((/** @type {any} */ each) => each.tabIndex === 0)).toEqual([tab(name)]);
      expect(tab(name).getAttribute("aria-selected")).toBe("true");
      expect(view.tabs.panel.getAttribute("aria-labelledby")).toBe(tab(name).id);
    }
  });

  test("Messages shows roles and texts as they were sent", async () => {
    make();
    await settle();
    tab("Messages").click();
    expect([...view.tabs.panel.querySelectorAll("h5")].map((each) => each.textContent)).toEqual(["system", "user"]);
    expect(view.tabs.panel.textContent).toContain("Be *brief*.");
    expect(view.tabs.panel.textContent).toContain('{"x": 1}');
  });

  test("Raw shows request and output, and asks for the rest by name", async () => {
    make({ more: { t: "text", s: "all", more: 0 } });
    await settle();
    tab("Raw").click();
    expect(view.tabs.panel.textContent).toContain('{"model": "m"}');
    expect(view.tabs.panel.textContent).toContain("Weather in Oslo?");
    find(view.tabs.panel, /show all/).click();
    await settle();
    expect(link.all("more")).toEqual([{ run: "r12", row: "c", field: "request" }]);
  });

  test("Why and Cost are asked for when they are opened, and again only when the run changed", async () => {
    make({
      why: { lines: [{ step: "1", text: "from the store" }] },
      cost: { table: { t: "table", head: ["model"], rows: [["gpt"]], more: 0 }, note: "estimated" },
    });
    tab("Why").click();
    await settle();
    expect(view.tabs.panel.textContent).toContain("1 from the store");
    tab("Cost").click();
    await settle();
    expect(view.tabs.panel.textContent).toContain("estimated");
    tab("Why").click();
    await settle();
    expect(link.all("why")).toEqual([{ run: "r12" }]);
    link.answers.run = run({ cost: 0.9 });
    await view.load();
    await settle();
    expect(link.all("why")).toHaveLength(2);
  });

  test("what cannot be asked for says why", async () => {
    make({ cost: new RequestError("Prices are unknown.") });
    tab("Cost").click();
    await settle();
    expect(view.tabs.panel.querySelector("[role=alert]").textContent).toContain("Prices are unknown.");
  });

  test("all steps are a timeline of rows, made when it is opened", async () => {
    make();
    expect(view.element.querySelector(".polos-timeline")).toBeNull();
    view.all.open = true;
    await settle();
    expect(view.all.querySelector(".polos-timeline").textContent).toContain("get_weather");
  });
});

test("a run that cannot be read says why and can be asked for again", async () => {
  link = new FakeLink({}, { run: new RequestError("There is no run r12."), step: STEP });
  view = new RunDetail(link, "r12", { back() {}, open() {}, diff() {} });
  document.body.replaceChildren(view.element);
  await settle();
  expect(view.stale.textContent).toContain("There is no run r12.");
  link.answers.run = run();
  find(view.element, "Try again").click();
  await settle();
  expect(view.heading.textContent).toBe("r12 · weather");
});

test("another run to compare with is named in a field with a label", () => {
  make();
  expect(view.element.querySelector(`label[for="${view.other.id}"]`).textContent).toBe("Compare with");
  find(view.element, "Compare").click();
  expect(view.notice.alert.textContent).toContain("Write the id");
  view.other.value = " r9 ";
  view.other.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  expect(to.diff).toHaveBeenCalledWith("r12", "r9");
});

test("hostile strings in every field are text", async () => {
  for (const bad of HOSTILE) {
    const value = {
      t: "many",
      items: [
        { t: "text", s: bad, more: 1 },
        { t: "json", s: bad, more: 0 },
        { t: "image", type: bad, data: bad, alt: bad },
      ],
    };
    const first = /** @type {any} */ (run());
    first.head = Object.fromEntries(Object.keys(first.head).map((key) => [key, bad]));
    first.state.rows.b = {
      id: "b",
      parent: "",
      n: bad,
      step: bad,
      kind: bad,
      name: bad,
      label: bad,
      state: bad,
      at: bad,
      seconds: bad,
      error: bad,
      why: bad,
      version: bad,
      text: bad,
      reasoning: bad,
      model: bad,
      calls: [{ name: bad, arguments: bad }],
      args: value,
      result: value,
      output: value,
      attempts: bad,
      cached: bad,
    };
    const data = {
      messages: [{ role: bad, text: bad, calls: [{ name: bad, arguments: bad }] }],
      request: value,
      output: value,
      error: bad,
      traceback: bad,
      source: bad,
      why: bad,
      attempts: bad,
      key: bad,
      editable: { [bad]: bad },
    };
    make(
      {
        step: data,
        why: { lines: [{ step: bad, text: bad }] },
        cost: { table: { t: "table", head: [bad], rows: [[bad]], more: 0 }, note: bad },
        retry: { sentence: bad, run: bad },
        stop: new RequestError(bad),
      },
      first,
    );
    view.select("b");
    view.all.open = true;
    await settle();
    if (!step().fork.hidden) step().fork.click();
    step().retry.click();
    for (const name of ["Messages", "Raw", "Why", "Cost", "Steps"]) {
      tab(name).click();
      await settle();
      expect(harmless(view.element)).toBe(true);
    }
    view.dispose();
  }
});
