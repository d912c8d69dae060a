/** The bar of many items: counts in words, rate and time left, and no colour alone. */

import { expect, test } from "vitest";
import { Progress } from "../src/progress.js";

const row = (fields = {}) => ({
  kind: "group",
  state: "running",
  total: 1000,
  done: 312,
  cached_n: 200,
  live_n: 112,
  failed_n: 2,
  waiting_n: 3,
  ...fields,
});

test("counts are said in words, and to screen readers", () => {
  const progress = new Progress();
  progress.update(row(), 100);
  expect(progress.words.textContent).toBe("312 of 1,000 done · ◆ 200 cached · ● 112 live · ✗ 2 failed · ‖ 3 waiting");
  expect(progress.bar.getAttribute("role")).toBe("progressbar");
  expect(progress.bar.getAttribute("aria-valuenow")).toBe("312");
  expect(progress.bar.getAttribute("aria-valuemax")).toBe("1000");
  expect(progress.bar.getAttribute("aria-valuetext")).toBe(progress.words.textContent);
});

test("the rate counts what was really done, not what came from the store", () => {
  const progress = new Progress();
  progress.update(row({ done: 200, cached_n: 200 }), 100);
  progress.update(row({ done: 300, cached_n: 250 }), 110);
  expect(progress.words.textContent).toContain("5.0 per second");
  expect(progress.words.textContent).toContain("about 2 min 20 s left");
});

test("a rate, time left and cost that the kernel gives are shown as they are", () => {
  const progress = new Progress();
  progress.update(row({ rate: 0.5, eta: 30, cost: 0.031 }), 100);
  expect(progress.words.textContent).toMatch(/30\.0 per minute · about 30 s left · \$0\.0310$/);
});

test("nothing is said about the time left of what is over, or of what has only begun", () => {
  const progress = new Progress();
  progress.update(row(), 100);
  expect(progress.words.textContent).not.toContain("left");
  progress.update(row({ state: "done", done: 1000, rate: 4 }), 200);
  expect(progress.words.textContent).not.toMatch(/left|per second/);
});

test("a total that is not known has no bar of a hundred percent", () => {
  const progress = new Progress();
  progress.update(row({ total: 0 }), 100);
  expect(progress.words.textContent).toContain("312 done");
  expect(progress.bar.hasAttribute("aria-valuenow")).toBe(false);
});

test("the parts of the bar never add up to more than the bar, whatever was sent", () => {
  const progress = new Progress();
  progress.update(row({ done: 5000, cached_n: 9000, failed_n: "x", waiting_n: -3, live_n: NaN }), 100);
  const widths = [...progress.bar.children].map((part) =>
    Number.parseFloat(/** @type {HTMLElement} */ (part).style.width),
  );
  expect(widths.every((width) => width >= 0 && width <= 100)).toBe(true);
  expect(progress.bar.getAttribute("aria-valuenow")).toBe("1000");
});

test("the element stays the same from the first item to the last", () => {
  const progress = new Progress();
  progress.update(row({ done: 0 }), 100);
  const before = [...progress.element.querySelectorAll("*")];
  for (let i = 1; i <= 1000; i += 1) progress.update(row({ done: i }), 100 + i / 10);
  expect([...progress.element.querySelectorAll("*")]).toEqual(before);
});
