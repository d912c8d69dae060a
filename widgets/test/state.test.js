/** Operations change a state in place and say what changed. */

import { describe, expect, test } from "vitest";
import { applyOps, emptyState } from "../src/state.js";

/** @param {any[]} ops */
function after(...ops) {
  const state = emptyState();
  const changed = applyOps(state, ops);
  return { state, changed: [...changed] };
}

/** Without prototypes: as JSON. @param {any} value */
const plain = (value) => JSON.parse(JSON.stringify(value));

test("head fields are merged", () => {
  const { state, changed } = after(["h", { a: 1, b: 1 }], ["h", { b: 2 }]);
  expect(plain(state.head)).toEqual({ a: 1, b: 2 });
  expect(changed).toEqual(["head"]);
});

test("rows are made, merged, appended to and deleted with their order", () => {
  const { state, changed } = after(
    ["r", "1", { text: "a", n: 1 }], ["t", "1", "text", "b"], ["r", "1", { n: 2 }], ["t", "2", "text", "new"],
    ["o", "", ["1", "2"]], ["o", "1", ["3"]], ["r", "3", {}], ["x", "3"], ["x", "1"],
  );
  expect(plain(state.rows)).toEqual({ 2: { id: "2", text: "new" } });
  expect(plain(state.order)).toEqual({ "": ["1", "2"] });
  expect(new Set(changed)).toEqual(new Set(["1", "2", "3", "order:", "order:1"]));
});

test("a reset replaces everything and names what was and what is", () => {
  const { state, changed } = after(
    ["r", "old", { x: 1 }], ["o", "", ["old"]], ["h", { gone: 1 }],
    ["reset", { head: { a: 1 }, rows: { new: { y: 1 } }, order: { p: ["new"] } }],
  );
  expect(plain(state)).toEqual({ head: { a: 1 }, rows: { new: { id: "new", y: 1 } }, order: { p: ["new"] } });
  expect(new Set(changed)).toEqual(new Set(["head", "old", "new", "order:", "order:p"]));
});

describe("what is not understood is passed over", () => {
  test.each([
    [["z", 1]], [["r"]], [["r", 5, {}]], [["r", ""]], [["t", "1", "text"]], [["t", "1", 5, "a"]], [["o", "", "1"]], ["text"],
    [null], [["h", null]], [["h", [1]]],
  ])("%j", (op) => {
    const { state } = after(op);
    expect(plain(state)).toEqual({ head: {}, rows: {}, order: {} });
  });

  test("not even a list of operations", () => {
    expect(applyOps(emptyState(), /** @type {any} */ ("x")).size).toBe(0);
  });
});

test("names of JavaScript's own are ids like others", () => {
  const { state } = after(
    ["r", "__proto__", { polluted: 1 }], ["t", "constructor", "toString", "x"], ["h", JSON.parse('{"__proto__": {"polluted": 1}}')],
    ["o", "__proto__", ["a"]],
  );
  expect(/** @type {any} */ ({}).polluted).toBeUndefined();
  expect(state.rows.__proto__.polluted).toBe(1);
  expect(state.rows.constructor.toString).toBe("x");
  expect(state.order.__proto__).toEqual(["a"]);
});
