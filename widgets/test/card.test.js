/** Approval cards: what they show, what is sent, in which order they stand. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Cards } from "../src/card.js";
import { FakeLink, HOSTILE } from "./fake_link.js";
import { askOf, buttonOf, fieldOf, harmOf, stateOf, type } from "./run_helpers.js";

/** @type {FakeLink} */
let link;
/** @type {Cards} */
let cards;

/** Let promises run. */
const settle = () => vi.advanceTimersByTimeAsync(1);

/**
 * @param {any[]} rows
 * @param {{answers?: any, options?: any, head?: any, calm?: boolean}} [more] `calm`: so long ago that clicks count
 */
function show(rows, { answers = {}, options = {}, head = {}, calm = true } = {}) {
  link = new FakeLink(stateOf(rows, head), answers);
  cards = new Cards(/** @type {any} */ (link), { untrusted: true, ...options });
  link.onChange((changed) => cards.update(changed));
  document.body.append(cards.element);
  if (calm) vi.advanceTimersByTime(500);
}

const row = (id = "a", ask = {}, fields = {}) => ({
  id,
  kind: "approval",
  label: "refund(…)",
  state: "waiting",
  ask: askOf(ask),
  ...fields,
});
const all = () => [...cards.element.querySelectorAll(".polos-card")];
const answered = () => link.all("answer");
const FORM = [
  {
    key: "region",
    type: "select",
    label: "Region",
    required: true,
    options: [
      { label: "North", value: { id: 1 } },
      { label: "South", value: 2 },
    ],
  },
  { key: "note", type: "text", label: "Note" },
];

beforeEach(() => vi.useFakeTimers({ now: 1_031_000 }));
afterEach(() => {
  cards.dispose();
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("a card says what is asked, by which run and step, with which arguments, and for how long", () => {
  show([row("a", { until: 1631, description: "Money goes back.", context: { t: "text", s: "the order", more: 0 } })]);
  const text = all()[0].textContent;
  for (const part of [
    "‖ approval needed",
    "Approve tool: refund",
    "run r12 · step 1.refund[call_1]",
    "waiting 31 s",
    "(10 min left)",
    "Money goes back.",
    '"amount": 129.9',
    "the order",
    "%polos approve r12 1.refund[call_1] --yes",
  ]) {
    expect(text).toContain(part);
  }
  vi.advanceTimersByTime(5000);
  expect(all()[0].textContent).toContain("waiting 36 s");
});

test("approving sends the run, the step, the nonce and nothing more", async () => {
  show([row()]);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()).toEqual([
    { run: "r12", step: "1.refund[call_1]", nonce: "n1", values: { approved: true }, always: null },
  ]);
});

test("rejecting sends the feedback, and never a rule", async () => {
  show([row()]);
  type(fieldOf(cards.element, "Feedback"), "  too much ");
  fieldOf(cards.element, "Approve").value = "tool";
  buttonOf(cards.element, "Reject").click();
  await settle();
  expect(answered()[0]).toMatchObject({ values: { approved: false, feedback: "too much" }, always: null });
});

test.each([
  ["every call of refund in this run", "tool"],
  ["calls with exactly these arguments", "same"],
  ["this call only", null],
])("the choice %s sends always %s", async (label, always) => {
  show([row()]);
  const select = fieldOf(cards.element, "Approve");
  select.value = [...select.options].find((option) => option.textContent === label).value;
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()[0].always).toBe(always);
});

test("what cannot be done for this question is not offered", () => {
  show([row("a", { can_always: false, can_edit: false, inline: false, command: "" })]);
  expect(cards.element.querySelector("select")).toBeNull();
  expect([...cards.element.querySelectorAll("button")].map((each) => each.textContent)).toEqual([
    "copy",
    "Approve",
    "Reject",
    "Stop run",
  ]);
});

test("edited arguments are sent as an object", async () => {
  show([row()]);
  buttonOf(cards.element, "Edit").click();
  vi.advanceTimersByTime(500);
  expect(document.activeElement).toBe(fieldOf(cards.element, "Arguments"));
  type(fieldOf(cards.element, "Arguments"), '{"order": "881", "amount": 119.9}');
  buttonOf(cards.element, "Approve edited").click();
  await settle();
  expect(answered()[0].values).toEqual({ approved: true, arguments: { order: "881", amount: 119.9 } });
});

test("arguments that were opened and not changed are not sent as edited", async () => {
  show([row()]);
  buttonOf(cards.element, "Edit").click();
  vi.advanceTimersByTime(500);
  type(fieldOf(cards.element, "Arguments"), '{"order":"881","amount":129.90}');
  buttonOf(cards.element, "Approve edited").click();
  await settle();
  expect(answered()[0].values).toEqual({ approved: true });
});

test("arguments that are no JSON are not sent; where the mistake is is said in words", async () => {
  show([row()]);
  buttonOf(cards.element, "Edit").click();
  vi.advanceTimersByTime(500);
  type(fieldOf(cards.element, "Arguments"), '{\n  "order": "881"\n  "amount": 1\n}');
  expect(cards.element.textContent).toContain("✗ Line 3, column 3: a comma or } is missing here.");
  buttonOf(cards.element, "Approve edited").click();
  await settle();
  expect(answered()).toEqual([]);
  expect(cards.element.querySelector("[role=alert]")?.textContent).toContain("Line 3, column 3");
});

test("a discarded edit is forgotten", async () => {
  show([row()]);
  buttonOf(cards.element, "Edit").click();
  vi.advanceTimersByTime(500);
  type(fieldOf(cards.element, "Arguments"), '{"order": "1"}');
  buttonOf(cards.element, "Discard the edit").click();
  vi.advanceTimersByTime(500);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()[0].values).toEqual({ approved: true });
});

test("characters that nobody sees are written out in the arguments, and stay the same when they are edited", async () => {
  show([row("a", { args: JSON.stringify({ to: "a\u202eb\u200bc\ufeff" }) })]);
  expect(cards.element.querySelector("pre")?.textContent).toBe('{"to":"a\\u202eb\\u200bc\\ufeff"}');
  buttonOf(cards.element, "Edit").click();
  vi.advanceTimersByTime(500);
  const edit = fieldOf(cards.element, "Arguments");
  type(edit, edit.value.replace("}", ', "x": 1}'));
  buttonOf(cards.element, "Approve edited").click();
  await settle();
  expect(answered()[0].values.arguments).toEqual({ to: "a\u202eb\u200bc\ufeff", x: 1 });
});

test("long arguments are shown from their beginning, and in full on request", () => {
  show([row("a", { args: JSON.stringify({ text: "x".repeat(5000) }) })]);
  expect(cards.element.querySelector("pre")?.textContent).toHaveLength(2048);
  buttonOf(cards.element, "show all (2,963 more characters)").click();
  expect(cards.element.querySelector("pre")?.textContent).toHaveLength(5011);
});

test("a form without approval is answered with its values", async () => {
  show([row("a", { kind: "suspend", args: null, fields: FORM, can_always: false })]);
  expect(() => buttonOf(cards.element, "Approve")).toThrow();
  buttonOf(cards.element, "Answer").click();
  await settle();
  expect(answered()).toEqual([]);
  expect(cards.element.querySelector("[role=alert]")?.textContent).toContain("Region: this is required.");
  fieldOf(cards.element, "Region").value = "0";
  buttonOf(cards.element, "Answer").click();
  await settle();
  expect(answered()[0]).toMatchObject({ values: { region: { id: 1 } }, always: null });
});

test("a step in doubt asks with its own fields", async () => {
  const fields = [
    {
      key: "action",
      type: "select",
      required: true,
      label: "What happened?",
      options: [
        { label: "again", value: "again" },
        { label: "done", value: "done" },
      ],
    },
    { key: "result", type: "textarea", label: "Its result" },
  ];
  show([row("a", { kind: "doubt", args: null, fields, can_always: false, can_edit: false })]);
  fieldOf(cards.element, "What happened?").value = "1";
  type(fieldOf(cards.element, "Its result"), '{"id": 3}');
  buttonOf(cards.element, "Answer").click();
  await settle();
  expect(answered()[0].values).toEqual({ action: "done", result: '{"id": 3}' });
});

test("the run can be stopped, and the answer be left for later", async () => {
  show([row()]);
  buttonOf(cards.element, "Answer later").click();
  await settle();
  expect(link.all("later")).toHaveLength(1);
  // The run waits on, so the card can still be answered.
  buttonOf(cards.element, "Stop run").click();
  await settle();
  expect(link.all("stop")).toEqual([{ run: "r12" }]);
});

test("cards stand in the order of the rows, nested ones where their parents are", () => {
  show([
    row("c", { decision: 3, title: "C" }, { parent: "p" }),
    { id: "p", kind: "agent" },
    row("z", { decision: 1, title: "Z" }),
  ]);
  link.apply(["r", "a", row("a", { decision: 2, title: "A" })], ["o", "", ["a", "p", "z"]]);
  expect(all().map((card) => card.querySelector("strong")?.textContent)).toEqual(["A", "C", "Z"]);
});

test("only rows below the root have cards here", () => {
  show(
    [
      { id: "t1", kind: "turn" },
      { id: "t2", kind: "turn" },
      row("a", { title: "A" }, { parent: "t1" }),
      row("b", { decision: 2, title: "B" }, { parent: "t2" }),
    ],
    { options: { root: "t2" } },
  );
  expect(all().map((card) => card.querySelector("strong")?.textContent)).toEqual(["B"]);
});

test("rules that hold are listed, each with a button that takes it back", async () => {
  const rule = { id: 4, tool: "refund", text: "Every call of refund is approved." };
  show([], {
    head: { always: [rule] },
    answers: { revoke: (/** @type {any} */ args) => (args.rule === 4 ? new Error("It was revoked already.") : {}) },
  });
  buttonOf(cards.element, "Revoke").click();
  await settle();
  expect(link.all("revoke")).toEqual([{ rule: 4 }]);
  expect(cards.element.querySelector(".polos-rules [role=alert]")?.textContent).toBe("✗ It was revoked already.");
  expect(buttonOf(cards.element, "Revoke").hasAttribute("aria-disabled")).toBe(false);
  link.apply(["h", { always: [] }]);
  expect(/** @type {any} */ (cards.element.querySelector(".polos-rules")).hidden).toBe(true);
});

test("the clock stops when nothing waits", () => {
  show([row()]);
  link.apply(["r", "a", { ask: null, state: "done" }]);
  expect(vi.getTimerCount()).toBe(0);
});

test("hostile strings in every field of an ask are text", () => {
  for (const text of HOSTILE) {
    document.body.replaceChildren();
    const fields = ["boolean", "text", "textarea", "number", "select", "email", "url", text].map((kind, i) => ({
      key: `${text}${i}`,
      type: kind,
      label: text,
      description: text,
      default: text,
      required: true,
      options: [{ label: text, value: text }, text],
    }));
    const ask = {
      decision: text,
      run: text,
      step: text,
      nonce: text,
      kind: text,
      title: text,
      description: text,
      tool: text,
      args: text,
      context: { t: "text", s: text },
      fields: [...askOf().fields, ...fields],
      command: text,
      always_label: text,
      same_label: text,
      asked_at: text,
      until: text,
    };
    show(
      [
        row(`${text}1`, ask),
        row("b", { ...ask, decision: 2, kind: "suspend", args: JSON.stringify({ [text]: text }) }),
      ],
      { head: { always: [{ id: text, tool: text, text }] } },
    );
    buttonOf(cards.element, "Edit").click();
    link.apply(["r", "b", { ask: null, decided: text }]);
    expect(all()).toHaveLength(1);
    expect(harmOf(cards.element, HOSTILE)).toEqual([]);
    cards.dispose();
  }
});
