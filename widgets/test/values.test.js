/** Values: what is shown of them, in full on request, and never as anything but text or an image. */

import { afterEach, expect, test, vi } from "vitest";
import { copyButton, valueNode } from "../src/values.js";
import { HOSTILE, settle } from "./fake_link.js";
import { buttonOf, harmOf, json } from "./run_helpers.js";

const PNG = "iVBORw0KGgoAAAANSUhEUg==";

afterEach(() => document.body.replaceChildren());

test("text and JSON are shown as they are, with a button that copies them", async () => {
  const written = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText: written } });
  const element = valueNode(json({ city: "London", sky: "rain" }));
  expect(element.querySelector("pre")?.textContent).toBe('{\n  "city": "London",\n  "sky": "rain"\n}');
  buttonOf(element, "copy").click();
  await settle();
  expect(written).toHaveBeenCalledWith('{\n  "city": "London",\n  "sky": "rain"\n}');
  expect(buttonOf(element, "copied")).toBeTruthy();
  vi.unstubAllGlobals();
});

test("where nothing can be copied the button says so", async () => {
  const element = copyButton(() => "a");
  element.click();
  await settle();
  expect(element.textContent).toBe("select and copy it");
});

test("what was left out is fetched on request and takes the place of the beginning", async () => {
  const element = valueNode(
    { t: "text", s: "beginning", more: 12345 },
    { more: async () => ({ t: "text", s: "beginning and end", more: 0 }) },
  );
  document.body.append(element);
  const press = buttonOf(element, "show all (12,345 more characters)");
  press.focus();
  press.click();
  await settle();
  expect(element.querySelector("pre")?.textContent).toBe("beginning and end");
  expect(element.querySelectorAll("button.polos-small")).toHaveLength(0);
  expect(document.activeElement).toBe(element);
});

test("when the rest cannot be fetched the reason is said and the button can be pressed again", async () => {
  let times = 0;
  const more = async () => {
    times += 1;
    throw new Error("No answer yet: the kernel is busy or gone.");
  };
  const element = valueNode({ t: "text", s: "a", more: 5 }, { more });
  buttonOf(element, "show all (5 more characters)").click();
  await settle();
  expect(element.querySelector("[role=alert]")?.textContent).toContain("No answer yet");
  buttonOf(element, "show all (5 more characters)").click();
  await settle();
  expect(times).toBe(2);
});

test("a table has its heads as column heads, scrolls in itself, and shows many rows in steps", () => {
  const rows = Array.from({ length: 450 }, (_, i) => [String(i), "x"]);
  const element = valueNode({ t: "table", head: ["n", "what"], rows, more: 0 });
  expect([...element.querySelectorAll("th[scope=col]")].map((cell) => cell.textContent)).toEqual(["n", "what"]);
  expect(element.querySelector(".polos-table-frame")?.getAttribute("tabindex")).toBe("0");
  expect(element.querySelectorAll("tbody tr")).toHaveLength(200);
  buttonOf(element, "show 200 more of 450 rows").click();
  buttonOf(element, "show 50 more of 450 rows").click();
  expect(element.querySelectorAll("tbody tr")).toHaveLength(450);
});

test("an image of a known type is an image with its alternative text", () => {
  const element = valueNode({ t: "image", type: "image/png", data: PNG, alt: "a plot" });
  const image = element.querySelector("img");
  expect(image?.getAttribute("src")).toBe(`data:image/png;base64,${PNG}`);
  expect(image?.alt).toBe("a plot");
  image?.dispatchEvent(new Event("error"));
  expect(element.textContent).toBe("[a plot: the image is damaged]");
});

test.each([
  ["image/svg+xml", PNG],
  ["text/html", PNG],
  ["image/png", "https://example.com/x.png"],
  ["image/png", 'AAAA" onerror="alert(1)'],
  ["image/png", ""],
  ["image/png;base64,AAAA#", "AAAA"],
])("an image of type %s with data %s is not loaded", (type, data) => {
  const element = valueNode({ t: "image", type, data, alt: "a plot" });
  expect(element.querySelector("img")).toBeNull();
  expect(element.textContent).toContain("a plot");
});

test("many values stand one under another, and values inside values end somewhere", () => {
  let deep = { t: "text", s: "bottom" };
  for (let i = 0; i < 10_000; i += 1) deep = /** @type {any} */ ({ t: "many", items: [deep] });
  const element = valueNode({ t: "many", items: [{ t: "text", s: "first" }, json([1]), deep] });
  expect([...element.querySelectorAll("pre")].map((pre) => pre.textContent)).toEqual(["first", "[\n  1\n]"]);
  expect(element.textContent).toContain("deeper values are not shown");
});

test("whatever a value is, nothing breaks", () => {
  for (const value of [
    null,
    undefined,
    3,
    "x",
    {},
    { t: "__proto__" },
    { t: "table" },
    { t: "many" },
    { t: "text", s: { a: 1 } },
    { t: "image" },
  ]) {
    expect(valueNode(/** @type {any} */ (value)).className).toBe("polos-value");
  }
});

test("hostile strings are text in every place of a value", () => {
  for (const text of HOSTILE) {
    const element = valueNode({
      t: "many",
      items: [
        { t: "text", s: text, more: 3 },
        { t: "json", s: text },
        { t: "table", head: [text], rows: [[text, text], text] },
        { t: "image", type: "image/png", data: PNG, alt: text },
        { t: "image", type: text, data: text, alt: text },
        { t: text },
      ],
    });
    expect(harmOf(element, HOSTILE)).toEqual([]);
  }
});
