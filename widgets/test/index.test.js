/** The view that fits a model's kind is shown, with the style sheet once in the page. */

import { expect, test } from "vitest";
import front from "../src/index.js";
import { FakeModel } from "./fake_model.js";

test.each(["run", "chat", "inspector"])("a model of kind %s is shown, twice if wanted, and taken away", (kind) => {
  const model = new FakeModel({ kind });
  const link = front.initialize({ model, queued: [] });
  const [one, two] = [document.createElement("div"), document.createElement("div")];
  const ends = [one, two].map((el) => front.render({ model, el, link }));
  for (const el of [one, two]) {
    expect(el.querySelector(".polos-root")?.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    expect(el.firstElementChild?.childElementCount).toBe(1);
  }
  expect(document.querySelectorAll("style[data-polos]").length).toBe(1);
  for (const end of ends) end();
  expect(one.childElementCount + two.childElementCount).toBe(0);
  link.dispose();
});

test("a model keeps its link", () => {
  const model = new FakeModel({ kind: "run" });
  const link = front.initialize({ model });
  expect(front.initialize({ model })).toBe(link);
  expect(model.sent.length).toBe(1);
  link.dispose();
});

test.each(["nonsense", "constructor", undefined])("an unknown kind (%s) is said in a sentence", (kind) => {
  const model = new FakeModel({ kind });
  const el = document.createElement("div");
  const end = front.render({ model, el });
  expect(el.textContent).toContain("knows no view named");
  end();
  front.initialize({ model }).dispose();
});

test("inside a shadow tree the style sheet is there", () => {
  const host = document.createElement("div");
  document.body.append(host);
  const el = document.createElement("div");
  host.attachShadow({ mode: "open" }).append(el);
  const model = new FakeModel({ kind: "nonsense" });
  front.render({ model, el });
  expect(host.shadowRoot?.querySelectorAll("style[data-polos]").length).toBe(1);
  front.initialize({ model }).dispose();
  host.remove();
});
