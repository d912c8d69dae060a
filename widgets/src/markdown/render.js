/** Blocks and tokens of Markdown as DOM nodes; text only ever becomes Text nodes. */

import { append, h } from "../dom.js";
import { visible } from "../text.js";
import { BlockParser, MAX_DEPTH } from "./blocks.js";
import { inline } from "./inline.js";
import { linesOf } from "./lines.js";

/** @typedef {import("./blocks.js").Block} Block */

const COPIED_FOR = 2_000;
const LONG = 50_000; // characters of an inline text in which no marks are looked for; nobody writes such a paragraph

/**
 * A whole text as one element.
 *
 * @param {unknown} text
 * @returns {HTMLElement}
 */
export function renderMarkdown(text) {
  const parser = new BlockParser();
  for (const line of linesOf(visible(text))) parser.add(line);
  return h("div", { class: "polos-markdown" }, (parser.document.children ?? []).map((block) => blockNode(block)));
}

/**
 * One block as one node.
 *
 * @param {Block} block
 * @param {boolean} [tight] paragraphs are not set apart: items of lists without blank lines
 * @returns {Node}
 */
export function blockNode(block, tight = false) {
  const children = block.children ?? [];
  if (block.type === "heading") return h(`h${Math.min(6, (block.level ?? 1) + 2)}`, null, inlineNodes(textOf(block)));
  if (block.type === "rule") return h("hr", null);
  if (block.type === "code") return codeBlock(codeText(block), block.info).element;
  if (block.type === "quote") return h("blockquote", null, children.map((child) => blockNode(child)));
  if (block.type === "list") return listNode(block);
  if (block.type === "table") return tableNode(block);
  if (tight) {
    const holder = document.createDocumentFragment();
    append(holder, [inlineNodes(textOf(block))]);
    return holder;
  }
  return h("p", null, inlineNodes(textOf(block)));
}

/**
 * A block of code with a button that copies it.
 *
 * @param {string} code
 * @param {string} [info] what stood behind the fence: the language
 * @returns {{element: HTMLElement, text: Text}} `text` is the code's only node: a stream appends to it
 */
export function codeBlock(code, info = "") {
  const text = document.createTextNode(code);
  const language = info.split(/\s/, 1)[0].slice(0, 40);
  const button = h("button", { type: "button", class: "polos-button polos-copy", ariaLive: "polite" }, "Copy");
  button.addEventListener("click", () => copy(button, text));
  const element = h(
    "div",
    { class: "polos-code" },
    h("div", { class: "polos-code-bar" }, h("span", { class: "polos-code-language" }, language), button),
    h("pre", { class: "polos-pre" }, h("code", null, text)),
  );
  return { element, text };
}

/** @param {Block} block */
export function codeText(block) {
  const lines = block.lines ?? [];
  let end = lines.length;
  // Blank lines behind indented code belong to what follows.
  if (!block.fence) while (end > 0 && lines[end - 1].trim() === "") end -= 1;
  return lines.slice(0, end).join("\n");
}

/**
 * @param {HTMLElement} button
 * @param {Text} text
 */
async function copy(button, text) {
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text.data);
  } catch {
    said = copyBySelection(text) ? said : "Selected: press Ctrl+C";
  }
  button.textContent = said;
  setTimeout(() => (button.textContent = "Copy"), COPIED_FOR);
}

/**
 * Where the clipboard may not be used (plain http), the old way; the text stays selected when that fails too.
 *
 * @param {Text} text
 */
function copyBySelection(text) {
  const selection = document.getSelection();
  if (!selection || !text.parentNode) return false;
  selection.selectAllChildren(text.parentNode);
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  }
}

/** @param {Block} block */
function textOf(block) {
  return (block.lines ?? []).join("\n").trimEnd();
}

/** @param {Block} list */
function listNode(list) {
  const items = (list.children ?? []).map((item) => itemNode(item, !list.loose));
  if (!list.ordered) return h("ul", null, items);
  return h("ol", { start: list.first === 1 ? null : list.first }, items);
}

/**
 * @param {Block} item
 * @param {boolean} tight
 */
function itemNode(item, tight) {
  const children = item.children ?? [];
  const task = children[0]?.type === "paragraph" ? /^\[([ xX])\][ \t]+/.exec(children[0].lines?.[0] ?? "") : null;
  if (!task) return h("li", null, children.map((child) => blockNode(child, tight)));
  const done = task[1] !== " ";
  const lines = children[0].lines ?? [];
  const first = { ...children[0], lines: [lines[0].slice(task[0].length), ...lines.slice(1)] };
  const box = h("input", { type: "checkbox", checked: done, disabled: true, ariaLabel: done ? "done" : "not done" });
  // Also as an attribute, so that a copy of the page has it.
  if (done) box.setAttribute("checked", "");
  return h("li", { class: "polos-task" }, box, " ", [first, ...children.slice(1)].map((child) => blockNode(child, tight)));
}

/** @param {Block} table */
function tableNode(table) {
  const columns = table.head?.length ?? 0;
  const cell = (/** @type {string} */ tag, /** @type {string} */ text, /** @type {number} */ column) => {
    const align = table.align?.[column];
    const props = tag === "th" ? { scope: "col" } : {};
    return h(tag, align ? { ...props, class: `polos-align-${align}` } : props, inlineNodes(text));
  };
  // Missing cells are not filled in: one long head over many short rows would make millions.
  const row = (/** @type {string[]} */ texts) => h("tr", null, texts.slice(0, columns).map((text, n) => cell("td", text, n)));
  const head = h("thead", null, h("tr", null, (table.head ?? []).map((text, n) => cell("th", text, n))));
  const body = table.rows?.length ? h("tbody", null, table.rows.map(row)) : null;
  return h("div", { class: "polos-table-scroll" }, h("table", { class: "polos-table" }, head, body));
}

/**
 * The nodes of an inline text. Marks that nest deeper than MAX_DEPTH are shown as they were written, and those of a
 * text longer than LONG, which would keep the page busy.
 *
 * @param {string} text
 * @returns {Node[]}
 */
export function inlineNodes(text) {
  if (text.length > LONG) return [document.createTextNode(text)];
  const top = document.createDocumentFragment();
  /** @type {{node: Node, literal: string | null, link: boolean}[]} */
  const stack = [{ node: top, literal: null, link: false }];
  for (const token of inline(text)) {
    const { node, link } = stack[stack.length - 1];
    if (token.type === "text") node.appendChild(document.createTextNode(token.text ?? ""));
    else if (token.type === "code") node.appendChild(h("code", null, token.text));
    else if (token.type === "break") node.appendChild(h("br", null));
    else if (token.type === "open") open(stack, token, node, link);
    else if (stack.length > 1) {
      const { literal } = /** @type {{literal: string | null}} */ (stack.pop());
      if (literal) node.appendChild(document.createTextNode(literal));
    }
  }
  return [...top.childNodes];
}

/**
 * @param {{node: Node, literal: string | null, link: boolean}[]} stack
 * @param {import("./inline.js").Token} token
 * @param {Node} node
 * @param {boolean} link
 */
function open(stack, token, node, link) {
  const isLink = token.tag === "a";
  // Links in links (an image in a link) are their texts.
  if (isLink && link) {
    stack.push({ node, literal: null, link });
    return;
  }
  if (stack.length > MAX_DEPTH) {
    node.appendChild(document.createTextNode(token.mark ?? ""));
    stack.push({ node, literal: token.mark === "[" || token.mark === "![" ? "]" : (token.mark ?? ""), link });
    return;
  }
  const element = h(token.tag ?? "span", isLink ? { href: token.href } : null);
  node.appendChild(element);
  stack.push({ node: element, literal: null, link: link || isLink });
}
