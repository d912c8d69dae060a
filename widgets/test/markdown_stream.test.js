/** A stream ends up as the whole text would be, never touches what is finished, and does little at each call. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BlockParser } from "../src/markdown/blocks.js";
import { MarkdownStream, renderMarkdown } from "../src/markdown/index.js";
import { numbers } from "./random.js";

const PIECES = [
  "word ", "**bold** ", "*it", "*", "_", "`", "```", "```py\n", "~~~\n", "\n", "\n", "\n\n", "# ", "#", "- ", "1. ", "2. ", "> ",
  "| a | b |\n", "|---|:-:|\n", "| 1 |", "|", "---", "\n---\n", "    ", "  ", "\t", "[a](https://e.org)", "[", "](", "![x](",
  "<b>", "$", "$$", "\\", "\r", "\r\n", "\u2028", "\u001b[31m", "\u001b", "\u202e", "\ud83d\ude00", "\ud83d", "&lt;", "- [x] ", "~~",
];

/** @param {() => number} random */
function textOf(random) {
  let text = "";
  for (let n = Math.floor(random() * 40); n >= 0; n -= 1) text += PIECES[Math.floor(random() * PIECES.length)];
  return text;
}

const original = BlockParser.prototype.add;

/** Shows every call at once. @param {MarkdownStream} stream @param {string} text */
function show(stream, text) {
  stream.set(text);
  stream.flush();
}

test("whatever the chunks are, the end is what the whole text gives", () => {
  for (let seed = 1; seed <= 600; seed += 1) {
    const random = numbers(seed);
    const text = textOf(random);
    const stream = new MarkdownStream();
    const chunks = [];
    for (let at = 0; at < text.length; ) {
      at = Math.min(text.length, at + 1 + Math.floor(random() * 12));
      chunks.push(at);
      show(stream, text.slice(0, at));
    }
    stream.finish();
    expect(stream.element.outerHTML, JSON.stringify({ seed, text, chunks })).toBe(renderMarkdown(text).outerHTML);
  }
}, 120_000);

test("long texts, whose tails are not parsed at every call, end up the same", () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = numbers(seed);
    let text = seed % 2 ? "- " : "";
    while (text.length < 40_000) text += random() < 0.02 ? textOf(random) : seed % 3 ? "some words\n" : "some words ";
    const stream = new MarkdownStream();
    for (let at = 0; at < text.length; at += 1 + Math.floor(random() * 1_500)) show(stream, text.slice(0, at));
    show(stream, text);
    stream.finish();
    expect(stream.element.outerHTML === renderMarkdown(text).outerHTML, `seed ${seed}`).toBe(true);
  }
}, 120_000);

test("nodes of finished blocks stay the same objects, and nothing in them changes", () => {
  const text = "# Title\n\npara **a**\n\n- x\n- y\n\n```py\ncode\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote\n\nend of *it*";
  const stream = new MarkdownStream();
  /** @type {Node[]} */
  let frozen = [];
  for (let at = 1; at <= text.length; at += 1) {
    const watcher = new MutationObserver(() => {});
    for (const node of frozen) watcher.observe(node, { subtree: true, childList: true, characterData: true, attributes: true });
    show(stream, text.slice(0, at));
    const now = [...stream.element.childNodes];
    expect(watcher.takeRecords(), `at ${at}`).toEqual([]);
    for (const [n, node] of frozen.entries()) if (now[n] !== node) throw new Error(`block ${n} is another node at ${at}`);
    watcher.disconnect();
    // All blocks but the last one of the complete lines are finished.
    const complete = renderMarkdown(text.slice(0, text.lastIndexOf("\n", at - 1) + 1)).childNodes.length;
    frozen = now.slice(0, Math.max(0, complete - 1));
  }
  expect(frozen.length).toBe(5);
  stream.finish();
  expect([...stream.element.childNodes].slice(0, 5).every((node, n) => node === frozen[n])).toBe(true);
});

test("an open fence is code already, and its text node is appended to", () => {
  const stream = new MarkdownStream();
  show(stream, "text\n\n```js\nlet a");
  const code = /** @type {Element} */ (stream.element.querySelector("pre code"));
  const node = code.firstChild;
  expect(code.textContent).toBe("let a");
  show(stream, "text\n\n```js\nlet a = 1;\n*b*\n``");
  expect(code.textContent).toBe("let a = 1;\n*b*");
  show(stream, "text\n\n```js\nlet a = 1;\n*b*\n```\nafter");
  expect(stream.element.querySelector("pre code")).toBe(code);
  expect(code.firstChild).toBe(node);
  expect(code.textContent).toBe("let a = 1;\n*b*");
  expect(stream.element.lastElementChild?.outerHTML).toBe("<p>after</p>");
});

test("what is not parsed yet is on screen as text", () => {
  const stream = new MarkdownStream();
  const long = "word ".repeat(4_000);
  show(stream, long);
  show(stream, `${long}**new**`);
  expect(stream.element.textContent).toContain("**new**");
  stream.finish();
  expect(stream.element.querySelector("strong")?.textContent).toBe("new");
});

test.each([
  ["one line", "a", "word ".repeat(20_000)],
  ["one list", "- a", "- item *x*\n".repeat(2_500)],
  ["open code", "```\n", "line of code\n".repeat(6_000)],
  ["code in a list", "- a\n\n  ```\n", "  line of code\n".repeat(6_000)],
  ["many blocks", "a\n\n", "para\n\n".repeat(3_000)],
])("hundreds of calls read the text a few times, not hundreds of times: %s", (_name, head, body) => {
  const text = head + body;
  let read = 0;
  const add = vi.spyOn(BlockParser.prototype, "add").mockImplementation(function (line, start) {
    read += line.length + 1;
    return original.call(this, line, start);
  });
  const stream = new MarkdownStream();
  for (let n = 1; n <= 300; n += 1) show(stream, text.slice(0, Math.floor((text.length * n) / 300)));
  stream.finish();
  add.mockRestore();
  expect(read).toBeLessThan(text.length * 16);
}, 60_000);

test("a text that does not go on from the last one begins anew", () => {
  const stream = new MarkdownStream();
  show(stream, "# A\n\nb\n\nc");
  show(stream, "# B");
  expect(stream.element.innerHTML).toBe("<h3>B</h3>");
  stream.finish();
  stream.set("# B");
  expect(stream.element.className).toBe("polos-markdown");
  show(stream, "# B\n\nmore");
  expect(stream.element.textContent).toBe("Bmore");
});

describe("frames", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["requestAnimationFrame", "cancelAnimationFrame", "setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  test("the first text is shown at once, later ones of the same frame with the next", () => {
    const stream = new MarkdownStream();
    stream.set("a");
    expect(stream.element.textContent).toBe("a");
    stream.set("ab");
    stream.set("abc");
    expect(stream.element.textContent).toBe("a");
    vi.advanceTimersByTime(20);
    expect(stream.element.textContent).toBe("abc");
    stream.dispose();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("the height only grows while text streams, and is free in the end", () => {
    const stream = new MarkdownStream();
    let height = 40;
    Object.defineProperty(stream.element, "offsetHeight", { get: () => height });
    show(stream, "a");
    height = 30;
    show(stream, "ab");
    expect(stream.element.style.minHeight).toBe("40px");
    stream.finish();
    expect(stream.element.getAttribute("style")).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });
});
