/** A conversation on the page: its head, phases, scrolling, other conversations and the export. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { ChatView } from "../src/chat_view.js";
import { phaseInWords, stepsInWords } from "../src/chat_words.js";
import { NO_ANSWER, RequestError } from "../src/link.js";
import { FakeLink, HOSTILE, deferred, find, harmless, settle } from "./fake_link.js";
import { done, running } from "./stored_chat.js";

/** @type {FakeLink} */
let link;
/** @type {ChatView} */
let view;

/** @param {any} state @param {any} [answers] */
function make(state, answers = {}) {
  link = new FakeLink(state, answers);
  view = new ChatView(link);
  document.body.replaceChildren(view.element);
  return view.element;
}

/** @param {string} id */
const turn = (id) => /** @type {any} */ (view.turns.get(id));

afterEach(() => {
  view?.dispose();
  document.body.replaceChildren();
});

describe("head", () => {
  test("agent, title, model, tokens and cost", async () => {
    make(running());
    expect(view.header.title.textContent).toBe("weather · Trip to Oslo");
    expect(view.header.facts.textContent).toBe("openai/gpt-4o · s3 · 12 tokens in · 3 out · $0.0120");
    link.apply(["h", { priced: false }]);
    await settle();
    expect(view.header.facts.textContent).toContain("price unknown");
  });

  test("earlier conversations are listed when asked for, and one can be opened", async () => {
    make(done(), {
      conversations: [
        { id: "s3", title: "Trip to Oslo", turns: 2, at: 1 },
        { id: "s1", title: "", turns: 1, at: 1 },
      ],
      open: {},
    });
    const list = find(view.element, "Conversations ▾");
    expect(link.asked).toEqual([]);
    list.click();
    expect(list.getAttribute("aria-expanded")).toBe("true");
    await settle();
    expect(find(view.element, "Trip to Oslo").getAttribute("aria-current")).toBe("true");
    find(view.element, "s1").click();
    await settle();
    expect(link.all("open")).toEqual([{ conversation: "s1" }]);
    expect(list.getAttribute("aria-expanded")).toBe("false");
  });

  test("a list that cannot be fetched says why, and Escape closes the panel", async () => {
    make(done(), { conversations: new RequestError("The store is locked.") });
    const list = find(view.element, "Conversations ▾");
    list.click();
    await settle();
    expect(view.header.panel.querySelector("[role=alert]")?.textContent).toBe("✗ The store is locked.");
    const close = find(view.header.panel, "Close");
    close.focus();
    close.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(view.header.panel.hidden).toBe(true);
    expect(document.activeElement).toBe(list);
  });

  test("the export is shown in a box; a late answer does not replace another panel", async () => {
    const slow = deferred();
    make(done(), {
      conversations: () => slow.promise,
      export: (/** @type {any} */ args) => ({ text: `as ${args.as} </textarea>` }),
    });
    find(view.element, "Conversations ▾").click();
    find(view.element, "Export as Markdown").click();
    await settle();
    slow.resolve([]);
    await settle();
    const box = /** @type {any} */ (view.header.panel.querySelector("textarea"));
    expect(box.value).toBe("as markdown </textarea>");
    expect(box.readOnly).toBe(true);
    expect(view.header.panel.querySelector(`label[for="${box.id}"]`)).not.toBeNull();
    find(view.element, "Export as cells").click();
    await settle();
    expect(link.all("export").map((args) => args.as)).toEqual(["markdown", "cells"]);
  });

  test("a new conversation that is refused says why", async () => {
    make(done(), { new: new RequestError("Stop the answer first.") });
    find(view.element, "New conversation").click();
    await settle();
    expect(view.header.notice.alert.textContent).toBe("✗ Stop the answer first.");
  });
});

describe("phases", () => {
  test("the live region names phases and does not change with tokens", async () => {
    make(running());
    expect(view.phase.textContent).toBe("● waiting for the first token");
    link.apply(["t", "a", "text", "It "]);
    await settle();
    expect(view.phase.textContent).toBe("● writing");
    const node = view.phase.firstChild;
    link.apply(["t", "a", "text", "rains"]);
    await settle();
    expect(view.phase.firstChild).toBe(node);
    link.apply(
      ["r", "a", { state: "done" }],
      ["r", "t", { parent: "t1", kind: "tool", name: "get_weather", state: "running" }],
      ["o", "t1", ["a", "t"]],
    );
    expect(phaseInWords(link.state)).toBe("● calling get_weather");
    link.apply(["r", "t", { state: "waiting" }]);
    expect(phaseInWords(link.state)).toBe("‖ waiting for an answer");
    link.apply(["h", { phase: "trying again in 2 s" }]);
    expect(phaseInWords(link.state)).toBe("● trying again in 2 s");
    link.apply(["h", { busy: false }], ["r", "t1", { status: "completed" }]);
    expect(phaseInWords(link.state)).toBe("✓ done");
  });

  test("what a turn did is said in a few words", () => {
    const rows = { a: { kind: "llm" }, t: { kind: "tool", state: "running" }, u: { kind: "tool", cached: true } };
    const state = /** @type {any} */ ({ head: {}, rows, order: { t1: ["a", "t"], t: ["u"] } });
    expect(stepsInWords(state, "t1")).toEqual({ text: "2 tool calls (1 cached, 1 running)", any: true });
    expect(stepsInWords(state, "t")).toEqual({ text: "1 tool call (1 cached)", any: true });
    expect(stepsInWords(state, "nothing")).toEqual({ text: "0 model calls", any: false });
  });

  test("a kernel that does not answer is named, and the note goes when it does", () => {
    make(running());
    link.setAlive(false);
    expect(view.silent.textContent).toBe(NO_ANSWER);
    link.setAlive(true);
    expect(view.silent.textContent).toBe("");
  });
});

describe("scrolling", () => {
  /** @param {number} top */
  function scrolledTo(top) {
    Object.defineProperties(view.log, {
      scrollHeight: { value: 1000, configurable: true },
      clientHeight: { value: 300, configurable: true },
    });
    view.log.scrollTop = top;
    view.log.dispatchEvent(new Event("scroll"));
  }

  test("the end is followed only by who is at the end", async () => {
    make(running());
    scrolledTo(700);
    link.apply(["t", "a", "text", "more"]);
    await settle();
    expect(view.log.scrollTop).toBe(1000);
    scrolledTo(100);
    link.apply(["t", "a", "text", "more"]);
    await settle();
    expect(view.log.scrollTop).toBe(100);
    expect(view.newest.hidden).toBe(false);
    find(view.element, "Go to the newest message").click();
    expect(view.log.scrollTop).toBe(1000);
    expect(view.newest.hidden).toBe(true);
  });

  test("who sends a message wants to see it", async () => {
    make(done());
    scrolledTo(100);
    view.composer.text.value = "hello";
    view.composer.send();
    await settle();
    expect(view.log.scrollTop).toBe(1000);
  });
});

test("a new turn takes a message without an answer off the list of those that are kept", async () => {
  make(done(), { send: new RequestError("No answer yet", true) });
  view.composer.text.value = "hello";
  view.composer.send();
  await settle();
  expect(view.composer.outbox.element.hidden).toBe(false);
  link.apply(["r", "t9", { kind: "turn", text: "hello", status: "running" }], ["o", "", ["t1", "t2", "t9"]]);
  await settle();
  expect(view.composer.outbox.element.hidden).toBe(true);
});

test("keys in the widget do not reach the notebook", () => {
  make(done());
  const heard = vi.fn();
  document.body.addEventListener("keydown", heard);
  view.composer.text.dispatchEvent(new KeyboardEvent("keydown", { key: "d", bubbles: true }));
  document.body.removeEventListener("keydown", heard);
  expect(heard).not.toHaveBeenCalled();
  expect(view.element.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
});

test("hostile strings in every field are text", async () => {
  for (const bad of HOSTILE) {
    const state = /** @type {any} */ (running());
    Object.assign(state.head, { agent: bad, model: bad, title: bad, conversation: bad, phase: bad, status: bad });
    Object.assign(state.rows.t1, {
      text: bad,
      role: bad,
      error: bad,
      status: bad,
      attachments: [{ name: bad, type: bad, size: bad }],
      branch: bad,
      branches: 3,
    });
    Object.assign(state.rows.a, {
      text: bad,
      reasoning: bad,
      name: bad,
      label: bad,
      model: bad,
      calls: [{ name: bad, arguments: bad }],
    });
    state.rows.tool = {
      id: "tool",
      parent: "t1",
      kind: bad,
      name: bad,
      label: bad,
      state: bad,
      why: bad,
      error: bad,
      args: { t: "text", s: bad, more: 1 },
      result: { t: "table", head: [bad], rows: [[bad]], more: 0 },
    };
    state.order.t1 = ["a", "tool"];
    make(state, {
      conversations: [{ id: bad, title: bad, turns: bad, at: bad }],
      export: { text: bad },
      retry: new RequestError(bad),
    });
    turn("t1").steps.open = true;
    find(view.element, "Conversations ▾").click();
    find(turn("t1").element, /^Retry/).click();
    find(turn("t1").element, "✎ Edit & branch").click();
    await settle();
    expect(turn("t1").editor.value).toBe(bad);
    expect(harmless(view.element)).toBe(true);
    find(view.element, "Export as cells").click();
    await settle();
    expect(harmless(view.element)).toBe(true);
    view.dispose();
  }
});
