/** A view that is taken away and shown again at once is the same: its text, its keyboard, its scrolling. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import front from "../src/index.js";
import { Place } from "../src/place.js";
import { h } from "../src/dom.js";
import { FakeModel } from "./fake_model.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  document.body.replaceChildren();
});

function made(link) {
  const view = { element: h("div", null, h("textarea", null), h("div", { class: "log" })), dispose: vi.fn() };
  return { view, place: Place.of(link, () => new Place(h("div", null), view)) };
}

function spot() {
  const el = h("div", null);
  document.body.append(el);
  return el;
}

test("what was typed, the keyboard and the scrolling survive", () => {
  const link = {};
  const { view, place } = made(link);
  const leave = place.show(link, spot());
  const area = view.element.querySelector("textarea");
  const log = view.element.querySelector(".log");
  area.focus();
  area.value = "half a sent";
  log.scrollTop = 70;
  log.dispatchEvent(new Event("scroll"));
  leave();
  log.scrollTop = 0; // as browsers do
  vi.advanceTimersByTime(10);
  expect(document.activeElement).toBe(document.body);
  const again = made(link).place;
  expect(again).toBe(place);
  again.show(link, spot());
  expect(area.value).toBe("half a sent");
  expect(document.activeElement).toBe(area);
  expect(log.scrollTop).toBe(70);
  vi.advanceTimersByTime(20_000);
  expect(view.dispose).not.toHaveBeenCalled();
});

test("the keyboard is not taken from where the user has moved it", () => {
  const link = {};
  const { view, place } = made(link);
  const other = h("input", null);
  document.body.append(other);
  const leave = place.show(link, spot());
  view.element.querySelector("textarea").focus();
  other.focus();
  vi.advanceTimersByTime(10);
  leave();
  other.blur();
  made(link).place.show(link, spot());
  expect(document.activeElement).toBe(document.body);
});

test("an element that comes into the page later gets the keyboard then", async () => {
  const link = {};
  const { view, place } = made(link);
  const leave = place.show(link, spot());
  view.element.querySelector("textarea").focus();
  leave();
  const el = h("div", null);
  place.show(link, el);
  expect(document.activeElement).toBe(document.body);
  document.body.append(el);
  vi.advanceTimersByTime(100);
  expect(document.activeElement).toBe(view.element.querySelector("textarea"));
});

test("a view that is shown anew before the old one is said to be gone stays", () => {
  const link = {};
  const { view, place } = made(link);
  const first = spot();
  const leave = place.show(link, first);
  first.remove();
  const second = spot();
  expect(made(link).place).toBe(place);
  place.show(link, second);
  leave();
  vi.advanceTimersByTime(20_000);
  expect(second.contains(view.element)).toBe(true);
  expect(view.dispose).not.toHaveBeenCalled();
});

test("a second view beside the first is another one", () => {
  const link = {};
  const { place } = made(link);
  place.show(link, spot());
  expect(made(link).place).not.toBe(place);
});

test("a view that does not come back is disposed of", () => {
  const link = {};
  const { view, place } = made(link);
  const leave = place.show(link, spot());
  leave();
  vi.advanceTimersByTime(6_000);
  expect(view.dispose).toHaveBeenCalledOnce();
  expect(made(link).place).not.toBe(place);
});

test("the views of the front end come back", () => {
  const model = new FakeModel({ kind: "chat" });
  const el = spot();
  const end = front.render({ model, el });
  const area = el.querySelector("textarea");
  area.value = "typed";
  end();
  expect(el.childElementCount).toBe(0);
  const other = spot();
  front.render({ model, el: other });
  expect(other.querySelector("textarea")).toBe(area);
  front.initialize({ model }).dispose();
});
