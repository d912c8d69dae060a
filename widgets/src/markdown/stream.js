/**
 * Markdown that grows: finished blocks are frozen, only the tail is made again, at most once a frame.
 *
 * What is frozen ends where a complete line began a further block at the top. Long tails are not parsed at every call:
 * open code is appended to, and other tails wait until they have grown by a quarter, what is new shown as plain text
 * until then, so that all work together stays proportional to the text.
 */

import { frame, h } from "../dom.js";
import { visible } from "../text.js";
import { BlockParser } from "./blocks.js";
import { closesFence, linesOf } from "./lines.js";
import { blockNode, codeBlock } from "./render.js";

/** @typedef {import("./blocks.js").Block} Block */

const LONG = 4_096;
const GROWTH = 1.25;

/** An element that shows the Markdown given so far. */
export class MarkdownStream {
  /** @type {HTMLElement} */
  element = h("div", { class: "polos-markdown polos-streaming" });

  #text = "";
  #shown = "";
  #start = 0; // where the first block that is not frozen begins
  /** @type {Node[]} */
  #tail = [];
  #parsed = 0; // how much of the tail its nodes show
  /** @type {Text | null} */
  #unparsed = null;
  /** @type {Fence | null} */
  #fence = null;
  #slow = false; // the open code cannot be appended to
  #height = 0;
  #done = false;
  #busy = false;
  #next = frame(() => {
    this.#busy = false;
    if (this.#shown !== this.#text) this.flush();
  });

  /**
   * Show the whole text so far. The first call in a frame is shown at once, later ones with the next frame.
   *
   * @param {string} text
   */
  set(text) {
    if (text === this.#text && !this.#done) return;
    if (this.#done) this.#reopen(text);
    this.#text = text;
    if (this.#busy) return;
    this.#busy = true;
    this.#next();
    this.flush();
  }

  /** Show now what was given. */
  flush() {
    if (this.#done) return;
    if (!this.#text.startsWith(this.#shown)) this.#reset();
    this.#update(false);
    this.#shown = this.#text;
    this.#keepHeight();
  }

  /** The text is complete: show it as `renderMarkdown` would. */
  finish() {
    if (this.#done) return;
    if (!this.#text.startsWith(this.#shown)) this.#reset();
    this.#update(true);
    this.#shown = this.#text;
    this.dispose();
    this.#done = true;
    this.element.className = "polos-markdown";
    this.element.removeAttribute("style");
  }

  /** No further frame; the element stays. */
  dispose() {
    this.#next.cancel();
    this.#busy = false;
  }

  /** @param {string} text */
  #reopen(text) {
    if (text === this.#text) return;
    this.#done = false;
    this.element.className = "polos-markdown polos-streaming";
    this.#reset();
  }

  #reset() {
    this.element.textContent = "";
    this.element.removeAttribute("style");
    this.#shown = "";
    this.#start = 0;
    this.#tail = [];
    this.#parsed = 0;
    this.#unparsed = null;
    this.#fence = null;
    this.#slow = false;
    this.#height = 0;
  }

  /** @param {boolean} last */
  #update(last) {
    for (;;) {
      if (this.#fence) {
        const end = this.#fence.update(this.#text, last);
        if (end === null) return;
        const { usable } = this.#fence;
        this.#fence = null;
        // The block is complete, its nodes stay; or it holds what only the parser can read.
        if (usable) this.#freeze(end);
        else this.#slow = true;
      }
      if (!last && this.#wait()) return;
      this.#parse(last);
      if (!this.#fence) return;
    }
  }

  /** Whether a long tail has not grown enough; what is new is then shown as plain text. */
  #wait() {
    const length = this.#text.length - this.#start;
    if (this.#parsed < LONG || length >= this.#parsed * GROWTH) return false;
    const rest = visible(this.#text.slice(this.#start + this.#parsed));
    if (this.#unparsed) {
      this.#unparsed.data = rest;
    } else {
      this.#unparsed = document.createTextNode(rest);
      const holder = h("span", { class: "polos-unparsed" }, this.#unparsed);
      this.element.appendChild(holder);
      this.#tail.push(holder);
    }
    return true;
  }

  /** @param {boolean} last */
  #parse(last) {
    const text = this.#text;
    const parser = new BlockParser();
    const complete = text.lastIndexOf("\n") + 1;
    for (let at = this.#start; at < complete; ) {
      const end = text.indexOf("\n", at);
      addLines(parser, linesOf(visible(text.slice(at, end + 1))), at);
      at = end + 1;
    }
    const blocks = parser.document.children ?? [];
    const frozen = last ? 0 : frozenCount(blocks);
    const fence = last || this.#slow ? null : parser.openFence;
    this.#dropTail();
    for (const block of blocks.slice(0, frozen)) this.element.appendChild(blockNode(block));
    if (frozen) {
      this.#slow = false;
      this.#start = blocks[frozen].start;
    }
    if (fence && fence.start === this.#start) {
      this.#fence = new Fence(fence, complete);
      this.element.appendChild(this.#fence.element);
      this.#tail = [this.#fence.element];
      this.#parsed = 0;
      return;
    }
    if (complete < text.length) addLines(parser, linesOf(visible(text.slice(complete))), -1);
    this.#tail = blocks.slice(frozen).map((block) => blockNode(block));
    for (const node of this.#tail) this.element.appendChild(node);
    this.#parsed = text.length - this.#start;
  }

  /** @param {number} end */
  #freeze(end) {
    this.#start = end;
    this.#tail = [];
    this.#parsed = 0;
    this.#slow = false;
  }

  #dropTail() {
    for (const node of this.#tail) node.parentNode?.removeChild(node);
    this.#tail = [];
    this.#unparsed = null;
  }

  /** While text grows the element never gets lower: what is below it must not jump. */
  #keepHeight() {
    const { offsetHeight } = this.element;
    if (offsetHeight <= this.#height) return;
    this.#height = offsetHeight;
    this.element.style.minHeight = `${offsetHeight}px`;
  }
}

/** Code whose fence is still open: complete lines are appended to its text node, nothing is parsed again. */
class Fence {
  /** False when a line break that is none in the source came up: the parser must read the block. */
  usable = true;

  #fence;
  #text;
  #at;
  #length; // of the complete lines in the text node
  #lines;

  /**
   * @param {Block} block
   * @param {number} at where the first line that it does not hold begins
   */
  constructor(block, at) {
    this.#fence = /** @type {NonNullable<Block["fence"]>} */ (block.fence);
    const lines = block.lines ?? [];
    const { element, text } = codeBlock(lines.join("\n"), block.info);
    this.element = element;
    this.#text = text;
    this.#at = at;
    this.#length = text.data.length;
    this.#lines = lines.length;
  }

  /**
   * Take what is new.
   *
   * @param {string} source
   * @param {boolean} last
   * @returns {number | null} where the block ended in the source, `null` while it is open
   */
  update(source, last) {
    /** @type {string[]} */
    const fresh = [];
    const complete = source.lastIndexOf("\n") + 1;
    while (this.#at < complete) {
      const end = source.indexOf("\n", this.#at);
      const line = visible(source.slice(this.#at, end + 1)).slice(0, -1);
      if (line.includes("\n")) return this.#give(this.#at);
      this.#at = end + 1;
      if (closesFence(line, this.#fence)) {
        this.#put(fresh, "");
        return this.#at;
      }
      fresh.push(this.#stripped(line));
    }
    const rest = visible(source.slice(this.#at));
    if (rest.includes("\n") && last) return this.#give(this.#at);
    if (last && rest && !closesFence(rest, this.#fence)) fresh.push(this.#stripped(rest));
    // A line of fence marks may become the end of the block.
    const partial = last || rest === "" || rest.trim() === this.#fence.char.repeat(rest.trim().length);
    this.#put(fresh, partial ? "" : this.#stripped(rest));
    return null;
  }

  /** @param {number} at */
  #give(at) {
    this.usable = false;
    return at;
  }

  /**
   * @param {string[]} fresh complete lines
   * @param {string} partial a line that goes on
   */
  #put(fresh, partial) {
    const added = fresh.length ? (this.#lines ? "\n" : "") + fresh.join("\n") : "";
    this.#lines += fresh.length;
    const shown = partial ? added + (this.#lines ? "\n" : "") + partial : added;
    const over = this.#text.data.length - this.#length;
    if (over) this.#text.replaceData(this.#length, over, shown);
    else if (shown) this.#text.appendData(shown);
    this.#length += added.length;
  }

  /** @param {string} line */
  #stripped(line) {
    let at = 0;
    while (at < this.#fence.indent && line[at] === " ") at += 1;
    return line.slice(at);
  }
}

/**
 * @param {BlockParser} parser
 * @param {string[]} lines of one line of the source: several when characters in it became line breaks
 * @param {number} start
 */
function addLines(parser, lines, start) {
  for (const [n, line] of lines.entries()) parser.add(line, n === 0 ? start : -1);
}

/**
 * How many blocks at the beginning can no longer change: those before the last one that begins at a line of the source.
 *
 * @param {Block[]} blocks
 */
function frozenCount(blocks) {
  let count = Math.max(0, blocks.length - 1);
  while (count > 0 && blocks[count].start < 0) count -= 1;
  return count;
}
