/** Forms: every type of field, what counts as filled in, and what is wrong in words; edited arguments as JSON. */

import { afterEach, expect, test } from "vitest";
import { plainJson, readArguments } from "../src/edit_arguments.js";
import { Form } from "../src/form.js";
import { HOSTILE } from "./fake_link.js";
import { fieldOf, harmOf, type } from "./run_helpers.js";

afterEach(() => document.body.replaceChildren());

/** @param {...any} fields */
function show(...fields) {
  const form = new Form(fields);
  document.body.append(form.element);
  return form;
}

test.each([
  ["text", "INPUT", "text"],
  ["textarea", "TEXTAREA", "textarea"],
  ["number", "INPUT", "text"],
  ["email", "INPUT", "email"],
  ["url", "INPUT", "url"],
  ["of a later version", "INPUT", "text"],
])("a field of type %s is a labelled %s", (kind, tag, inputType) => {
  const form = show({ key: "a", type: kind, label: "Name", description: "As in the passport", required: true });
  const control = fieldOf(form.element, "Name");
  expect([control.tagName, control.type]).toEqual([tag, inputType]);
  const about = control
    .getAttribute("aria-describedby")
    .split(" ")
    .map((/** @type {string} */ id) => form.element.querySelector(`#${id}`)?.textContent);
  expect(about[0]).toBe("As in the passport");
  expect(control.getAttribute("aria-required")).toBe("true");
});

test("what is left empty is not sent, so that the form's own defaults hold", () => {
  const form = show(
    { key: "a", type: "text" },
    { key: "b", type: "number" },
    { key: "c", type: "select", options: ["x"] },
    { key: "d", type: "boolean" },
  );
  expect(form.values()).toEqual({});
});

test("defaults are filled in, and can be emptied", () => {
  const form = show(
    { key: "a", type: "text", label: "A", default: "x" },
    { key: "n", type: "number", default: 0 },
    { key: "t", type: "textarea", default: { b: 1 } },
  );
  expect(form.values()).toEqual({ a: "x", n: 0, t: '{"b":1}' });
  type(fieldOf(form.element, "A"), "");
  expect(form.values().a).toBe("");
});

test("a yes-or-no with a default is a box, one without has a third state", () => {
  const form = show(
    { key: "a", type: "boolean", label: "A", default: true },
    { key: "b", type: "boolean", label: "B" },
  );
  expect(form.values()).toEqual({ a: true });
  fieldOf(form.element, "A").checked = false;
  fieldOf(form.element, "B").value = "1";
  expect(form.values()).toEqual({ a: false, b: false });
});

test("numbers stay exact: what a page cannot hold is sent as it was written", () => {
  const form = show({ key: "n", type: "number", label: "N" });
  for (const [written, sent] of /** @type {[string, any][]} */ ([
    ["3", 3],
    [" -0.5 ", -0.5],
    ["12345678901234567890", "12345678901234567890"],
    ["1.50", "1.50"],
  ])) {
    type(fieldOf(form.element, "N"), written);
    expect(form.values()).toEqual({ n: sent });
    expect(form.check()).toBe("");
  }
  type(fieldOf(form.element, "N"), "three");
  expect(form.check()).toBe('N: "three" is not a number.');
});

test("a choice is sent as the value it stands for, whatever kind that is", () => {
  const form = show({
    key: "a",
    type: "select",
    label: "A",
    default: 2,
    options: [{ label: "one", value: { id: 1 } }, { label: "two", value: 2 }, { label: "none", value: null }, "plain"],
  });
  const select = fieldOf(form.element, "A");
  expect(form.values()).toEqual({ a: 2 });
  for (const [place, value] of /** @type {[string, any][]} */ ([
    ["0", { id: 1 }],
    ["2", null],
    ["3", "plain"],
  ])) {
    select.value = place;
    expect(form.values()).toEqual({ a: value });
  }
});

test("everything that is wrong is said at its field, and the first one gets the focus", () => {
  const form = show(
    { key: "a", type: "text", label: "A" },
    { key: "b", type: "text", label: "B", required: true },
    { key: "m", type: "email", label: "M" },
  );
  type(fieldOf(form.element, "M"), "nobody");
  expect(form.check()).toBe("B: this is required. M: this is not an e-mail address (name@example.com).");
  expect(document.activeElement).toBe(fieldOf(form.element, "B"));
  expect(fieldOf(form.element, "B").getAttribute("aria-invalid")).toBe("true");
  type(fieldOf(form.element, "B"), "x");
  type(fieldOf(form.element, "M"), "");
  expect(form.check()).toBe("");
  expect(fieldOf(form.element, "B").hasAttribute("aria-invalid")).toBe(false);
});

test("another form takes over what was typed, but not what was only a default, or a choice from another list", () => {
  const old = show(
    { key: "a", type: "text", label: "A", default: "x" },
    { key: "b", type: "text", label: "B", default: "x" },
    { key: "c", type: "select", label: "C", options: ["p", "q"] },
    { key: "d", type: "boolean", label: "D", default: false },
  );
  type(fieldOf(old.element, "A"), "typed");
  fieldOf(old.element, "C").value = "1";
  fieldOf(old.element, "D").checked = true;
  const next = new Form([
    { key: "a", type: "text", default: "y" },
    { key: "b", type: "text", default: "y" },
    { key: "c", type: "select", options: ["r", "s"] },
    { key: "d", type: "boolean", default: false },
  ]);
  next.take(old);
  expect(next.values()).toEqual({ a: "typed", b: "y", d: true });
});

test("fields that are no fields are passed over, and no key is dangerous", () => {
  const form = show(
    null,
    3,
    { label: "no key" },
    { key: "__proto__", type: "text", default: "x" },
    { key: "a", type: "text" },
    { key: "a", type: "number" },
  );
  expect(Object.keys(form.values())).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(form.values())).toBe(Object.prototype);
  expect(form.entries.size).toBe(2);
});

test("hostile strings in every part of a field are text", () => {
  for (const text of HOSTILE) {
    const form = show(
      ...["text", "textarea", "number", "select", "boolean", "email", "url", text].map((kind, i) => ({
        key: text + i,
        type: kind,
        label: text,
        description: text,
        default: text,
        required: true,
        options: [{ label: text, value: text }, text, { value: text }],
      })),
    );
    form.check();
    expect(harmOf(form.element, HOSTILE)).toEqual([]);
  }
});

test.each([
  ['{"a": 1, "b": [true, null, "x\\n", -1.5e3, {}]}', ""],
  ["", "Line 1, column 1: there is nothing here; the arguments are an object, such as {}."],
  ['{\n  "a": 1,\n}', "Line 3, column 1: the comma before this } is one too many."],
  ['{"a" 1}', 'Line 1, column 6: a colon is missing after "a".'],
  ['{"a": 1 "b": 2}', "Line 1, column 9: a comma or } is missing here."],
  ["{a: 1}", 'Line 1, column 2: a name in double quotes (") is expected here.'],
  ["{\"a\": 'x'}", 'Line 1, column 7: texts are written in double quotes (").'],
  ['{"a": True}', "Line 1, column 7: JSON writes true, false and null."],
  ['{"a": 01}', "Line 1, column 7: this is not a number as JSON writes it."],
  ['{"a": "x\ny"}', "Line 1, column 7: this text has no closing quote on its line; a line break is written \\n."],
  ['{"a": "x}', "Line 1, column 7: this text has no closing quote."],
  [
    '{"a": "\\x"}',
    "Line 1, column 7: this text has a backslash or a control character that JSON does not allow; a backslash is written \\\\.",
  ],
  ['{"a": 1, "a": 2}', 'Line 1, column 10: the name "a" is there twice.'],
  ['{"a": [1,]}', "Line 1, column 10: the comma before this ] is one too many."],
  ['{"a": ', "Line 1, column 7: the text ends where a value is expected."],
  ['{"a": 1} {}', "Line 1, column 10: the arguments end before this; nothing may follow the last }."],
  ["[1]", "Line 1, column 1: the arguments must be one object: { … }."],
  [
    '{"a": 12345678901234567890}',
    "Line 1, column 7: the number 12345678901234567890 is too large to be sent exactly from a browser; reject with feedback, or approve without editing.",
  ],
  ["[".repeat(100_000), "Line 1, column 502: this is nested too deeply."],
])("the JSON %s gives the sentence %s", (text, sentence) => {
  expect(readArguments(text).error).toBe(sentence);
  if (!sentence) expect(readArguments(text).value).toEqual(JSON.parse(text));
});

test("whatever is accepted is JSON, and whatever is JSON is accepted", () => {
  const parts = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"a"',
    '"\\u00e9"',
    "1",
    "-0",
    "1e5",
    "true",
    "null",
    " ",
    "\n",
    "x",
    '"',
  ];
  let seed = 7;
  const next = () => (seed = (seed * 48271) % 2147483647);
  for (let i = 0; i < 20_000; i += 1) {
    const text = `{"k":${Array.from({ length: next() % 6 }, () => parts[next() % parts.length]).join("")}}`;
    let valid = true;
    try {
      JSON.parse(text);
    } catch {
      valid = false;
    }
    const { error } = readArguments(text);
    if (!/twice|too large/.test(error)) expect([text, error === ""]).toEqual([text, valid]);
  }
});

test("a megabyte of text in the arguments is read", () => {
  const value = { text: "x".repeat(1_000_000) };
  expect(readArguments(JSON.stringify(value)).value).toEqual(value);
});

test("JSON in which everything can be seen means the same", () => {
  const json = JSON.stringify({ "a\u200b": "\u202e\u2066\u00ad\ufeff\u{e0041}\u00e9 語 😀" });
  expect(plainJson(json)).toBe('{"a\\u200b":"\\u202e\\u2066\\u00ad\\ufeff\\udb40\\udc41\u00e9 語 😀"}');
  expect(JSON.parse(plainJson(json))).toEqual(JSON.parse(json));
});
