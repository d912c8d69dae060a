/** Approval cards: when a click counts, and that nothing a person typed, or where they were, is lost. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Cards } from "../src/card.js";
import { FakeLink, deferred } from "./fake_link.js";
import { askOf, buttonOf, fieldOf, stateOf, type } from "./run_helpers.js";

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

beforeEach(() => vi.useFakeTimers({ now: 1_031_000 }));
afterEach(() => {
  cards.dispose();
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("a click just after the card has appeared does not count, and the card says why", async () => {
  show([row()], { calm: false });
  vi.advanceTimersByTime(399);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()).toEqual([]);
  expect(cards.element.textContent).toContain("press again if you mean it");
  vi.advanceTimersByTime(10);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()).toHaveLength(1);
});

test("a click just after the card has moved does not count", async () => {
  show([row()]);
  let top = 100;
  vi.spyOn(all()[0], "getBoundingClientRect").mockImplementation(() => new DOMRect(0, top, 300, 200));
  vi.advanceTimersByTime(600);
  top = 160;
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()).toEqual([]);
  vi.advanceTimersByTime(500);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()).toHaveLength(1);
});

test("a click just after the question has changed does not count", async () => {
  show([row()]);
  link.apply(["r", "a", { ask: askOf({ args: '{"order": "882"}' }) }]);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()).toEqual([]);
});

test("a click that a script made does nothing", async () => {
  show([row()], { options: { untrusted: false } });
  for (const name of ["Approve", "Reject", "Answer later", "Stop run", "Edit"]) buttonOf(cards.element, name).click();
  await settle();
  expect(link.asked).toEqual([]);
  expect(cards.element.textContent).not.toContain("Discard");
});

test("while a request is under way the buttons cannot be pressed, and keep the focus", async () => {
  const wait = deferred();
  show([row()], { answers: { answer: () => wait.promise } });
  const approve = buttonOf(cards.element, "Approve");
  approve.focus();
  approve.click();
  buttonOf(cards.element, "Reject").click();
  await settle();
  expect(answered()).toHaveLength(1);
  expect(approve.getAttribute("aria-disabled")).toBe("true");
  expect(document.activeElement).toBe(approve);
  wait.resolve({ sentence: "r12: approved" });
  await settle();
  expect(cards.element.textContent).toContain("r12: approved");
  expect(approve.getAttribute("aria-disabled")).toBe("true");
});

test("a refusal is said in the card, and nothing that was typed is lost", async () => {
  show([row()], { answers: { answer: new Error("The form was answered with another nonce.") } });
  type(fieldOf(cards.element, "Feedback"), "because");
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(cards.element.querySelector("[role=alert]")?.textContent).toBe("✗ The form was answered with another nonce.");
  expect(fieldOf(cards.element, "Feedback").value).toBe("because");
  expect(buttonOf(cards.element, "Approve").hasAttribute("aria-disabled")).toBe(false);
});

test("a card that was answered and still waits after ten seconds can be used again", async () => {
  show([row()]);
  buttonOf(cards.element, "Approve").click();
  await settle();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(buttonOf(cards.element, "Approve").hasAttribute("aria-disabled")).toBe(false);
});

test("what was typed stays when the row is updated, also when the question itself changes", () => {
  show([row("a", { fields: [...askOf().fields, { key: "note", type: "text", label: "Note" }] })]);
  buttonOf(cards.element, "Edit").click();
  type(fieldOf(cards.element, "Arguments"), '{"half": ');
  type(fieldOf(cards.element, "Feedback"), "because");
  type(fieldOf(cards.element, "Note"), "mine");
  fieldOf(cards.element, "Approve").value = "same";
  const feedback = fieldOf(cards.element, "Feedback");
  feedback.focus();
  link.apply(["r", "a", { seconds: 3, label: "other" }]);
  expect(fieldOf(cards.element, "Feedback")).toBe(feedback);
  link.apply([
    "r",
    "a",
    {
      ask: askOf({
        title: "New title",
        nonce: "n2",
        fields: [{ key: "note", type: "text", label: "Note", description: "new" }, ...askOf().fields],
      }),
    },
  ]);
  expect(cards.element.textContent).toContain("New title");
  expect(fieldOf(cards.element, "Arguments").value).toBe('{"half": ');
  expect(fieldOf(cards.element, "Feedback").value).toBe("because");
  expect(fieldOf(cards.element, "Note").value).toBe("mine");
  expect(fieldOf(cards.element, "Approve").value).toBe("same");
  expect(document.activeElement).toBe(fieldOf(cards.element, "Feedback"));
});

test("the newest nonce is sent", async () => {
  show([row()]);
  link.apply(["r", "a", { ask: askOf({ nonce: "n2" }) }]);
  buttonOf(cards.element, "Approve").click();
  await settle();
  expect(answered()[0].nonce).toBe("n2");
});

test("a decided row becomes one line, which gets the focus if it was in the card", () => {
  show([row("a"), row("b", { decision: 8, step: "2.x" })]);
  buttonOf(all()[0], "Approve").focus();
  link.apply([
    "r",
    "a",
    { ask: null, state: "done", decided: "approved by ada at 14:03 (edited: amount 129.9 → 119.9)" },
  ]);
  const line = /** @type {any} */ (cards.element.querySelector(".polos-card-line"));
  expect(line.textContent).toBe("✓ approved by ada at 14:03 (edited: amount 129.9 → 119.9)");
  expect(document.activeElement).toBe(line);
  expect(line.tabIndex).toBe(-1);
  expect(line.nextSibling).toBe(all()[0]);
  link.apply(["r", "b", { ask: null, state: "done", decided: "rejected by slack:U1 at 14:04" }]);
  expect(document.activeElement).toBe(line);
  expect(cards.element.textContent).toContain("✗ rejected by slack:U1 at 14:04");
});

test.each([
  [{ state: "stopped" }, "■ stopped before it was answered: refund(…)"],
  [{ state: "failed" }, "✗ it failed before it was answered: refund(…)"],
  [{ state: "done" }, "✓ answered: refund(…)"],
])("a row that ends as %o without a decision says so", (fields, line) => {
  show([row()]);
  link.apply(["r", "a", { ask: null, ...fields }]);
  expect(cards.element.querySelector(".polos-card-line")?.textContent).toBe(line);
});

test("a row that asks something else gets a new card", () => {
  show([row()]);
  type(fieldOf(cards.element, "Feedback"), "because");
  link.apply(["r", "a", { ask: askOf({ decision: 9, title: "Second" }) }]);
  expect(all()).toHaveLength(1);
  expect(fieldOf(cards.element, "Feedback").value).toBe("");
});

test("nothing has the focus by itself, no key presses a button, and Approve is not the first stop of the keyboard", () => {
  show([row()]);
  expect(document.activeElement).toBe(document.body);
  for (const key of ["a", "y", "Enter", " "])
    cards.element.querySelector("textarea")?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  expect(link.asked).toEqual([]);
  const stops = [...cards.element.querySelectorAll("button, textarea, select, input")].filter(
    (each) => !each.closest("[hidden]"),
  );
  expect(stops[0].textContent).toBe("Edit");
  expect(cards.element.querySelector("[autofocus], [accesskey], form, [type=submit]")).toBeNull();
});
