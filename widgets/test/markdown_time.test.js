/** Time grows with the length of hostile text, not with its square. */

import { expect, test } from "vitest";
import { BlockParser } from "../src/markdown/blocks.js";
import { renderMarkdown } from "../src/markdown/index.js";
import { inline } from "../src/markdown/inline.js";
import { linesOf } from "../src/markdown/lines.js";
import { visible } from "../src/text.js";

const N = 2_000;

/** @type {[string, (n: number) => string][]} */
const HOSTILE = [
  ["one long line", (n) => "word ".repeat(n * 20)],
  ["one long word", (n) => "w".repeat(n * 100)],
  ["spaces", (n) => "a" + " ".repeat(n * 50) + "b"],
  ["open brackets", (n) => "[".repeat(n)],
  ["brackets with targets", (n) => "[".repeat(n) + "a" + "](https://e.org)".repeat(n)],
  ["unfinished links", (n) => "[a](".repeat(n)],
  ["unfinished titles", (n) => '[a](https://e.org "'.repeat(n)],
  ["unfinished titles of another kind", (n) => "[a](https://e.org 'x".repeat(n)],
  ["titles that never end", (n) => "[a](https://e.org (x".repeat(n)],
  ["unfinished pointed links", (n) => "[a](<b".repeat(n)],
  ["images", (n) => "![a".repeat(n) + "](https://e.org)".repeat(n)],
  ["quotes on one line", (n) => ">".repeat(n * 4)],
  ["quotes on many lines", (n) => "> > > > a\n".repeat(n / 4)],
  ["list markers", (n) => "- ".repeat(n * 4)],
  ["list markers that make a rule, nearly", (n) => "* ".repeat(n * 4) + "a"],
  ["deep lists", (n) => Array.from({ length: n / 4 }, (_, i) => " ".repeat((i % 30) * 2) + "- a").join("\n")],
  ["emphasis that opens", (n) => "*a ".repeat(n)],
  ["emphasis that closes", (n) => "a* ".repeat(n)],
  ["emphasis of two kinds", (n) => "_a ".repeat(n) + "*b* ".repeat(n) + "c_ ".repeat(n)],
  ["nested emphasis", (n) => "*a **b ".repeat(n) + "c** d*".repeat(n)],
  ["runs of asterisks", (n) => "*".repeat(n * 4) + "a" + "*".repeat(n * 4)],
  ["backticks", (n) => "`".repeat(n * 20)],
  ["backticks of all lengths", (n) => Array.from({ length: n / 20 }, (_, i) => "`".repeat(i + 1)).join("a")],
  ["backticks, apart", (n) => "`a``b".repeat(n)],
  ["dollars", (n) => "$a ".repeat(n)],
  ["pairs of dollars", (n) => "$$".repeat(n) + "$ a".repeat(n)],
  ["open tags", (n) => "<".repeat(n * 4) + "<a:b".repeat(n)],
  ["ampersands", (n) => "&#x".repeat(n * 4)],
  ["backslashes", (n) => "\\".repeat(n * 10)],
  ["a wide table", (n) => "|a".repeat(n) + "\n" + "|-".repeat(n) + "\n" + "|b".repeat(n)],
  ["a table with a wide head and short rows", (n) => "|a".repeat(n / 4) + "\n" + "|-".repeat(n / 4) + "\n" + "b\n".repeat(n / 4)],
  ["half tables", (n) => "a | b\n--- |\n".repeat(n / 4)],
  ["open fences", (n) => "```a`\n".repeat(n / 4)],
  ["headings", (n) => "#".repeat(n * 4) + "\n" + "# " + "#".repeat(n * 4) + "a"],
  ["blank lines", (n) => "\n".repeat(n * 4)],
  ["combining marks and bidi", (n) => "a\u0301\u202e".repeat(n * 2)],
];

/**
 * All work but making nodes: jsdom's own nodes take quadratic time, browsers' do not.
 *
 * @param {string} text
 */
function parse(text) {
  const parser = new BlockParser();
  for (const line of linesOf(visible(text))) parser.add(line);
  const blocks = [parser.document];
  let tokens = 0;
  for (let block = blocks.pop(); block; block = blocks.pop()) {
    blocks.push(...(block.children ?? []));
    const cells = [block.head ?? [], ...(block.rows ?? [])].flat();
    for (const part of [...cells, block.type === "code" ? "" : (block.lines ?? []).join("\n")]) tokens += inline(part).length;
  }
  return tokens;
}

/** @param {() => void} run */
function fastest(run) {
  let best = Infinity;
  for (let turn = 0; turn < 3; turn += 1) {
    // Of this process alone: other work on the machine must not count.
    const began = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(began);
    best = Math.min(best, (user + system) / 1_000);
  }
  return best;
}

test.each(HOSTILE)("%s", (_name, make) => {
  const [small, large] = [make(N), make(N * 16)];
  parse(small);
  // Sixteen times the text: quadratic work would take 256 times as long. Short times are mostly noise, and long lists
  // of tokens leave the processor's caches, so linear work may well look like forty times as much.
  let ratio = Infinity;
  for (let turn = 0; turn < 5 && ratio > 100; turn += 1) {
    const once = Math.max(fastest(() => parse(small)), 1);
    ratio = fastest(() => parse(large)) / once;
  }
  expect(ratio).toBeLessThan(100);
}, 60_000);

test.each(HOSTILE.filter(([name]) => !name.includes("table")))("no letter is lost: %s", (_name, make) => {
  const text = make(40);
  const element = renderMarkdown(text);
  for (const bar of element.querySelectorAll(".polos-code-bar")) bar.remove();
  const letters = (/** @type {string} */ shown) => shown.replaceAll("](https://e.org)", "").replace(/[^a-z]/g, "");
  expect(letters(element.textContent ?? "")).toBe(letters(text));
});
