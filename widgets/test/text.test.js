/** Texts are made visible as Python does it; numbers, times and prices are in words. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { clock, duration, money, number, plural, safeHref, visible } from "../src/text.js";

const cases = JSON.parse(readFileSync(new URL("visible_cases.json", `file://${__filename}`), "utf8"));

describe("visible", () => {
  test.each(cases)("%j becomes %j", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  test("takes anything", () => {
    expect([visible(null), visible(undefined), visible(5)]).toEqual(["", "", "5"]);
  });

  test("cutting behind a line feed changes nothing, which streams rely on", () => {
    for (const [text] of cases) {
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
        expect(visible(text.slice(0, at + 1)) + visible(text.slice(at + 1))).toBe(visible(text));
      }
    }
  });
});

describe("safeHref", () => {
  test.each([
    ["https://e.org/a?b=1#c", "https://e.org/a?b=1#c"], ["HTTP://E.org", "http://e.org/"], [" https://e.org ", "https://e.org/"],
    ["mailto:a@b.org", "mailto:a@b.org"], ["https://аpple.com/", "https://xn--pple-43d.com/"],
  ])("%s is fine", (url, href) => {
    expect(safeHref(url)).toBe(href);
  });

  test.each([
    "javascript:alert(1)", "java\nscript:alert(1)", "\u0001javascript:x", "data:text/html,x", "vbscript:x", "//e.org", "/a", "#a", "", null,
    "https://", "https://e.org/a b", "https://e.org/\u202egnp.exe", "blob:https://e.org/x", "file:///etc/passwd", "ftp://e.org", "https:e.org",
  ])("%j is not", (url) => {
    expect(safeHref(url)).toBeNull();
  });
});

test.each([
  [null, ""], [Number.NaN, ""], [0, "0.0 s"], [0.44, "0.4 s"], [12.34, "12.3 s"], [59.96, "1 min"], [65, "1 min 5 s"], [3600, "1 h"],
  [7_860, "2 h 11 min"], [90_000, "1 d 1 h"], [-1, "0.0 s"],
])("duration of %j is %j", (seconds, words) => {
  expect(duration(seconds)).toBe(words);
});

test.each([
  [null, ""], [0, "$0"], [0.00001, "<$0.0001"], [0.0012, "$0.0012"], [0.123, "$0.12"], [3.4, "$3.40"], [-2, "−$2.00"],
])("money of %j is %j", (dollars, words) => {
  expect(money(dollars)).toBe(words);
});

test("counts have separators and the right form", () => {
  expect([number(12_345), number(null), plural(1, "step"), plural(1_200, "retry", "retries")]).toEqual([
    "12,345", "", "1 step", "1,200 retries",
  ]);
});

test("the clock gives the day when it is another one", () => {
  const now = new Date(2026, 0, 2, 15, 0).getTime() / 1000;
  expect(clock(new Date(2026, 0, 2, 14, 3).getTime() / 1000, now)).toBe("14:03");
  expect(clock(new Date(2026, 0, 1, 9, 5).getTime() / 1000, now)).toBe("2026-01-01 09:05");
  expect(clock(null)).toBe("");
});
