/** Turns of a conversation: what was said, the steps, the answer, and branches. */

import { afterEach, describe, expect, test } from "vitest";
import { ChatView } from "../src/chat_view.js";
import { RequestError } from "../src/link.js";
import { FakeLink, find, settle } from "./fake_link.js";
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

/** @param {string} selector */
const all = (selector) => [...view.element.querySelectorAll(selector)];
/** @param {string} id */
const turn = (id) => /** @type {any} */ (view.turns.get(id));

afterEach(() => {
  view?.dispose();
  document.body.replaceChildren();
});

describe("turns", () => {
  test("the user's text is shown as typed, the answer as Markdown", () => {
    make(done());
    expect(turn("t1").text.textContent).toBe("What *should* I pack?");
    expect(turn("t1").text.querySelector("em")).toBeNull();
    expect(turn("t1").answer.querySelector("strong").textContent).toBe("jacket");
    expect(turn("t1").chips.textContent).toContain("map.png");
    expect(turn("t1").meta.textContent).toBe("2.0 s · 9 tokens · $0.0010");
  });

  test("the answer grows with the tokens of the last model call, in the same element", async () => {
    make(running());
    link.apply(["t", "a", "text", "New York is "]);
    await settle();
    const element = turn("t1").answer.firstChild;
    link.apply(["t", "a", "text", "**warm**"]);
    await settle();
    expect(turn("t1").answer.textContent.trim()).toBe("New York is warm");
    expect(turn("t1").answer.firstChild).toBe(element);
  });

  test("a second model call takes the place of what the first one said", async () => {
    make(running());
    link.apply(["t", "a", "text", "Let me look."]);
    link.apply(
      ["r", "a", { state: "done" }],
      ["r", "b", { parent: "t1", kind: "llm", state: "running", text: "" }],
      ["o", "t1", ["a", "b"]],
    );
    await settle();
    expect(turn("t1").answer.textContent.trim()).toBe("Let me look.");
    link.apply(["t", "b", "text", "It rains."]);
    await settle();
    expect(turn("t1").answer.textContent.trim()).toBe("It rains.");
  });

  test("what was written stays when a turn fails or is stopped, with a word and a sign", async () => {
    make(running());
    link.apply(["t", "a", "text", "Half of it"]);
    link.apply(["r", "t1", { status: "failed", error: "The provider closed the connection." }], ["h", { busy: false }]);
    await settle();
    expect(turn("t1").answer.textContent.trim()).toBe("Half of it");
    expect(turn("t1").error.textContent).toBe("✗ The provider closed the connection.");
    expect(turn("t1").meta.textContent).toContain("✗ failed");
  });

  test("an answer that is no text is shown as a value; a long one is fetched", async () => {
    const state = done();
    state.rows.t2.answer = { t: "json", s: '{"a": 1}', more: 0 };
    state.rows.t1.answer = { t: "text", s: "begin", more: 5 };
    make(state, { more: { t: "text", s: "begin and end", more: 0 } });
    expect(turn("t2").answer.querySelector("pre").textContent).toBe('{"a": 1}');
    find(turn("t1").element, /Show all/).click();
    await settle();
    expect(link.all("more")).toEqual([{ row: "t1", field: "answer" }]);
    expect(turn("t1").answer.textContent.trim()).toBe("begin and end");
    link.apply(["r", "t1", { cost: 1 }]);
    await settle();
    expect(turn("t1").answer.textContent.trim()).toBe("begin and end");
  });

  test("tool steps are a chip that opens to the timeline", async () => {
    make(running());
    link.apply(
      ["r", "t", { parent: "t1", n: 2, kind: "tool", name: "get_weather", state: "done", cached: true }],
      ["r", "u", { parent: "t1", n: 3, kind: "tool", name: "get_time", state: "failed" }],
      ["o", "t1", ["a", "t", "u"]],
    );
    await settle();
    const chip = turn("t1").summary;
    expect(chip.textContent).toBe("2 tool calls (1 cached, 1 failed)");
    expect(all(".polos-timeline")).toHaveLength(0);
    turn("t1").steps.open = true;
    await settle();
    expect(turn("t1").steps.querySelector(".polos-timeline").textContent).toContain("get_weather");
  });

  test("what waits is a card in its turn", async () => {
    make(running());
    link.apply(
      [
        "r",
        "w",
        {
          parent: "t1",
          n: 2,
          kind: "approval",
          name: "refund",
          state: "waiting",
          ask: {
            decision: 1,
            run: "r1",
            step: "2",
            nonce: "n",
            kind: "approval",
            title: "Refund order 881?",
            description: "",
            tool: "refund",
            args: "{}",
            fields: [],
          },
        },
      ],
      ["o", "t1", ["a", "w"]],
    );
    await settle();
    expect(turn("t1").cards.element.textContent).toContain("Refund order 881?");
  });

  test("a conversation without turns says what to do", () => {
    make({ head: { agent: "weather" } });
    expect(view.empty.hidden).toBe(false);
    expect(view.empty.textContent).toContain("Write to weather below");
  });
});

describe("edit, retry, branches", () => {
  test("edit opens the text in an editor and sends it as a branch", async () => {
    make(done());
    find(turn("t1").element, "✎ Edit & branch").click();
    const editor = turn("t1").editor;
    expect(editor.value).toBe("What *should* I pack?");
    expect(document.activeElement).toBe(editor);
    editor.value = "What for Bergen?";
    find(turn("t1").element, "Send as a new branch").click();
    await settle();
    expect(link.all("edit")).toEqual([{ turn: "t1", text: "What for Bergen?" }]);
    expect(turn("t1").editing).toBe(false);
  });

  test("an edit that is refused keeps the editor and what was typed, and says why", async () => {
    make(done(), { edit: new RequestError("The agent is busy.") });
    find(turn("t1").element, "✎ Edit & branch").click();
    turn("t1").editor.value = "precious";
    find(turn("t1").element, "Send as a new branch").click();
    await settle();
    expect(turn("t1").editor.value).toBe("precious");
    expect(turn("t1").notice.alert.textContent).toBe("✗ The agent is busy.");
    turn("t1").editor.value = " ";
    find(turn("t1").element, "Send as a new branch").click();
    expect(turn("t1").notice.alert.textContent).toContain("empty");
    expect(link.all("edit")).toHaveLength(1);
    find(turn("t1").element, "Cancel").click();
    expect(turn("t1").text.hidden).toBe(false);
  });

  test("an edit that is open survives a look at another branch", async () => {
    make(done());
    find(turn("t2").element, "✎ Edit & branch").click();
    turn("t2").editor.value = "half written";
    link.apply(["o", "", ["t1"]]);
    await settle();
    expect(all(".polos-turn")).toHaveLength(1);
    link.apply(["o", "", ["t1", "t2"]]);
    await settle();
    expect(view.element.contains(turn("t2").editor)).toBe(true);
    expect(turn("t2").editor.value).toBe("half written");
  });

  test("retry asks for another answer", async () => {
    make(done(), { retry: { sentence: "The turn runs again." } });
    find(turn("t2").element, /^Retry/).click();
    await settle();
    expect(link.all("retry")).toEqual([{ turn: "t2" }]);
    expect(turn("t2").notice.status.textContent).toBe("The turn runs again.");
  });

  test("the switcher is there only for turns with branches, and the keyboard stays on it", async () => {
    make(done());
    expect(turn("t1").branches.hidden).toBe(true);
    expect(turn("t2").place.textContent).toBe("2 of 3");
    const next = find(turn("t2").element, "Next branch");
    next.focus();
    next.click();
    expect(link.all("branch")).toEqual([{ turn: "t2", branch: 3 }]);
    link.apply(
      ["r", "t3", { kind: "turn", text: "Shoes?", status: "completed", branch: 3, branches: 3 }],
      ["o", "", ["t1", "t3"]],
      ["x", "t2"],
    );
    await settle();
    expect(turn("t2")).toBeUndefined();
    expect(document.activeElement).toBe(turn("t3").next);
    expect(turn("t3").next.getAttribute("aria-disabled")).toBe("true");
    turn("t3").next.click();
    await settle();
    expect(link.all("branch")).toHaveLength(1);
  });

  test("turns keep their elements when others come before and after them", async () => {
    make(done());
    const first = turn("t1").element;
    link.apply(["r", "t0", { kind: "turn", text: "0" }], ["o", "", ["t0", "t1", "t2"]]);
    await settle();
    expect(all(".polos-turn")).toEqual([turn("t0").element, first, turn("t2").element]);
  });
});
