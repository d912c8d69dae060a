/** Elements hold text, and properties that cannot run anything. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { clear, frame, h, keepKeys, setText } from "../src/dom.js";

afterEach(() => void vi.useRealTimers());

test("strings become text nodes, lists are flattened, empty children are left out", () => {
  const element = h("p", null, "<b>", ["a", [1, h("i", null, "x")]], null, undefined, false, 0);
  expect(element.outerHTML).toBe("<p>&lt;b&gt;a1<i>x</i>0</p>");
});

test("attributes, aria, data and properties are set", () => {
  const element = h("button", {
    class: "polos-x", role: "tab", title: "<t>", type: "button", ariaValueNow: 3, "aria-label": "l", dataRowId: "7", disabled: true,
  });
  expect(element.outerHTML).toBe(
    '<button class="polos-x" role="tab" title="<t>" type="button" aria-valuenow="3" aria-label="l" data-row-id="7" disabled=""></button>',
  );
  expect(h("p", { title: null, hidden: false, ariaLabel: undefined }).outerHTML).toBe("<p></p>");
});

test("a select's value is set when its options are there", () => {
  const select = h("select", { value: "b" }, h("option", { value: "a" }, "A"), h("option", { value: "b" }, "B"));
  expect(select.value).toBe("b");
  expect(h("textarea", { value: "<x>" }).value).toBe("<x>");
  expect(h("details", { open: true }).open).toBe(true);
});

test("listeners are functions", () => {
  const clicked = vi.fn();
  const button = h("button", { on: { click: clicked } });
  button.click();
  expect(clicked).toHaveBeenCalledOnce();
  expect(() => h("button", { on: { click: "alert(1)" } })).toThrow("function");
});

describe("what could run or load something is refused", () => {
  test.each([
    { onclick: "alert(1)" }, { onClick: () => {} }, { innerHTML: "<b>" }, { outerHTML: "x" }, { srcdoc: "x" }, { style: "color: red" },
    { action: "x" }, { formaction: "x" }, { is: "x" }, { xlinkHref: "x" }, { "data-x onclick": "y" }, { textContent: "x" },
    { href: "javascript:alert(1)" }, { href: "data:text/html,x" }, { href: " /x" }, { src: "https://e.org/x.png" },
    { src: "data:image/svg+xml;base64,AAAA" }, { src: "data:text/html;base64,AAAA" }, { style: { background: "url(https://e.org)" } },
  ])("%j", (props) => {
    expect(() => h("a", props)).toThrow(/h\(\)/);
  });

  test.each(["script", "IFRAME", "object", "embed", "style", "link", "svg", "form", "base", "meta"])("<%s>", (tag) => {
    expect(() => h(tag, null)).toThrow("h() makes no");
  });
});

test("safe addresses, images and styles are taken", () => {
  expect(h("a", { href: "https://e.org" }).outerHTML).toBe(
    '<a href="https://e.org/" rel="noopener noreferrer" target="_blank"></a>',
  );
  expect(h("img", { src: "data:image/png;base64,iVBOR=", alt: "a" }).getAttribute("src")).toBe("data:image/png;base64,iVBOR=");
  const bar = h("div", { style: { width: "40%", "--polos-x": "1" } });
  expect(bar.style.width).toBe("40%");
});

test("clear empties a node; setText makes text visible and leaves equal text alone", () => {
  const element = h("p", null, "a", h("b", null, "b"));
  clear(element);
  expect(element.childNodes.length).toBe(0);
  setText(element, "x\u202ey");
  const node = element.firstChild;
  setText(element, "x\u202ey");
  expect(element.firstChild).toBe(node);
  expect(element.textContent).toBe("x[U+202E]y");
  setText(element, null);
  expect(element.textContent).toBe("");
});

describe("frame", () => {
  test("runs once a frame, however often it is called", () => {
    vi.useFakeTimers();
    const fn = vi.fn();
    const schedule = frame(fn);
    schedule();
    schedule();
    vi.advanceTimersByTime(20);
    expect(fn).toHaveBeenCalledTimes(1);
    schedule();
    schedule.flush();
    expect(fn).toHaveBeenCalledTimes(2);
    schedule();
    schedule.cancel();
    vi.advanceTimersByTime(1_000);
    expect(fn).toHaveBeenCalledTimes(2);
  });

  test("runs by a timer in a hidden tab, where there are no frames", () => {
    vi.useFakeTimers();
    vi.stubGlobal("requestAnimationFrame", () => 1);
    const fn = vi.fn();
    frame(fn)();
    vi.advanceTimersByTime(300);
    expect(fn).toHaveBeenCalledTimes(1);
    vi.unstubAllGlobals();
  });
});

test("keys do not reach the notebook, whose shortcuts delete cells; commands do, except from fields", () => {
  const root = h("div", null, h("input", null), h("button", null));
  const outside = vi.fn();
  const page = h("div", { on: { keydown: outside } }, root);
  document.body.append(page);
  keepKeys(root);
  const press = (place, key, more = {}) => root.querySelector(place).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
  for (const place of ["input", "button"]) {
    for (const key of ["d", "Enter", " ", "ArrowDown"]) press(place, key);
    press(place, "Enter", { ctrlKey: true });
  }
  press("input", "s", { ctrlKey: true });
  expect(outside).not.toHaveBeenCalled();
  press("button", "s", { ctrlKey: true });
  expect(outside).toHaveBeenCalledOnce();
  root.querySelector("button").focus();
  for (const element of [root, root.querySelector("button")]) expect(element.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
  page.remove();
});
