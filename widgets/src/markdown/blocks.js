/**
 * Block structure of Markdown, line by line: which line belongs to which paragraph, list, quote, table or code.
 *
 * Only the last child of an open block ever changes, so everything before the last block of the document is final:
 * that is what lets a stream freeze what it has shown. Every line is looked at once per level, at most MAX_DEPTH times.
 */

import { alignment, begins, cells, closesFence, FENCE, HEADING, headingText, Line, markerOf, readQuote, startOf } from "./lines.js";

/**
 * @typedef {{type: string, start: number, children?: Block[], lines?: string[], level?: number, info?: string,
 *   fence?: {char: string, size: number, indent: number} | null, open?: boolean, ordered?: boolean, first?: number,
 *   marker?: string, loose?: boolean, offset?: number, align?: string[], head?: string[], rows?: string[][],
 *   lastStart?: number}} Block
 */

export const MAX_DEPTH = 20;

/** The parser: lines in, blocks out. `document.children` may be read after any line. */
export class BlockParser {
  /** @type {Block} */
  document = { type: "document", start: 0, children: [] };
  /** Open blocks from the outside in; the last may be a paragraph, code or a table. */
  #open = [this.document];
  #blankBefore = false;

  /**
   * Take one line, without its line break.
   *
   * @param {string} text
   * @param {number} [start] where it begins in the source; -1 when nothing may be cut here
   */
  add(text, start = -1) {
    const line = new Line(text);
    let matched = this.#match(line);
    const all = matched === this.#open.length;
    if (all && this.#tip.type === "code") {
      if (this.#inCode(this.#tip, line)) return;
      matched = this.#open.length; // the code ended here
    }
    const tip = this.#tip;
    const blank = line.blank;
    if (blank) {
      this.#blank(matched);
      return;
    }
    const lazy = tip.type === "paragraph";
    // The paragraph itself was not matched yet: it goes on only if nothing else begins here.
    const containers = this.#containersUntil(matched);
    if (all && tip.type === "table" && !begins(line, true)) {
      tip.rows?.push(cells(line.bare));
      return;
    }
    this.#begin(line, start, containers, lazy, all);
    this.#blankBefore = false;
  }

  /** The innermost open block. */
  get #tip() {
    return this.#open[this.#open.length - 1];
  }

  /** The open fenced code at the top of the document, if the last line left one open. */
  get openFence() {
    const tip = this.#tip;
    return this.#open.length === 2 && tip.type === "code" && tip.fence && tip.open ? tip : null;
  }

  /**
   * How many open blocks the line belongs to, reading their marks.
   *
   * @param {Line} line
   */
  #match(line) {
    let count = 1;
    for (; count < this.#open.length; count += 1) {
      const block = this.#open[count];
      if (block.type === "quote") {
        if (line.indent > 3 || !line.bare.startsWith(">")) break;
        readQuote(line);
      } else if (block.type === "item") {
        const offset = block.offset ?? 0;
        if (line.blank) {
          if (block.children?.length === 0 && this.#blankBefore) break;
          if (block.children?.length === 0) continue;
          line.skip(offset);
        } else if (line.indent >= offset) line.skip(offset);
        else break;
      }
      // Lists go on as long as their items do; leaves are looked at by the caller.
    }
    return count;
  }

  /**
   * @param {Block} code
   * @param {Line} line
   * @returns {boolean} whether the line belongs to the code
   */
  #inCode(code, line) {
    this.#blankBefore = false;
    if (code.fence) {
      if (closesFence(line.rest, code.fence)) {
        code.open = false;
        this.#open.pop();
      } else {
        line.skip(code.fence.indent);
        code.lines?.push(line.rest);
      }
      return true;
    }
    if (line.indent < 4 && !line.blank) {
      this.#open.pop();
      return false;
    }
    line.skip(4);
    code.lines?.push(line.rest);
    return true;
  }

  /** @param {number} matched */
  #blank(matched) {
    // Quotes end at a blank line without their mark; items and lists wait for what follows.
    let keep = Math.min(matched, this.#open.length);
    while (keep > 1 && ["paragraph", "table"].includes(this.#open[keep - 1].type)) keep -= 1;
    this.#open.length = keep;
    this.#blankBefore = true;
  }

  /** @param {number} matched */
  #containersUntil(matched) {
    let count = matched;
    while (count > 1 && !this.#open[count - 1].children) count -= 1;
    return count;
  }

  /**
   * @param {Line} line
   * @param {number} start
   * @param {number} containers
   * @param {boolean} lazy
   * @param {boolean} all
   */
  #begin(line, start, containers, lazy, all) {
    let first = true;
    for (;;) {
      const paragraph = first && lazy;
      const container = this.#open[containers - 1];
      const kind = containers > 2 * MAX_DEPTH ? null : startOf(line, paragraph && all, container);
      if (kind === null) break;
      if (kind === "indented" && paragraph) break;
      this.#open.length = containers;
      if (kind !== "item" && container.type === "list") {
        containers -= 1;
        this.#open.length = containers;
      }
      const next = this.#start(kind, line, start);
      first = false;
      if (next === null) return;
      containers = this.#open.length;
      if (line.blank) return;
    }
    const text = line.bare;
    if (first && lazy && this.#continueParagraph(text, start)) return;
    this.#open.length = containers;
    if (this.#tip.type === "list") this.#open.length -= 1;
    this.#push({ type: "paragraph", start, lastStart: start, lines: [text] });
  }

  /**
   * @param {string} text
   * @param {number} start
   */
  #continueParagraph(text, start) {
    const paragraph = this.#tip;
    const lines = paragraph.lines ?? [];
    const align = lines.length && lines[lines.length - 1].includes("|") ? alignment(text) : null;
    if (align && cells(lines[lines.length - 1]).length === align.length) {
      this.#table(paragraph, align);
      return true;
    }
    lines.push(text);
    paragraph.lastStart = start;
    return true;
  }

  /**
   * The last line of a paragraph was the head of a table.
   *
   * @param {Block} paragraph
   * @param {string[]} align
   */
  #table(paragraph, align) {
    const lines = paragraph.lines ?? [];
    const head = cells(lines.pop() ?? "");
    this.#open.pop();
    if (lines.length === 0) this.#tip.children?.pop();
    this.#push({ type: "table", start: paragraph.lastStart ?? -1, align, head, rows: [] });
  }

  /**
   * Begin a block of a kind.
   *
   * @param {string} kind
   * @param {Line} line
   * @param {number} start
   * @returns {Block | null} a container that goes on in this line, else null
   */
  #start(kind, line, start) {
    if (kind === "quote") {
      readQuote(line);
      return this.#push({ type: "quote", start, children: [] });
    }
    if (kind === "item") return this.#startItem(line, start);
    const text = line.bare;
    if (kind === "heading") {
      const level = HEADING.exec(text)?.[1].length ?? 1;
      this.#push({ type: "heading", start, level, lines: [headingText(text.slice(level))] });
      this.#open.pop();
    } else if (kind === "rule") {
      this.#push({ type: "rule", start });
      this.#open.pop();
    } else if (kind === "fence") {
      const found = /** @type {RegExpExecArray} */ (FENCE.exec(text));
      const fence = { char: found[1][0], size: found[1].length, indent: line.indent };
      this.#push({ type: "code", start, lines: [], info: found[2].trim(), fence, open: true });
    } else {
      line.skip(4);
      this.#push({ type: "code", start, lines: [line.rest], info: "", fence: null });
    }
    return null;
  }

  /**
   * @param {Line} line
   * @param {number} start
   */
  #startItem(line, start) {
    const indent = line.indent;
    line.skip(indent);
    const { ordered, marker, first, size } = /** @type {NonNullable<ReturnType<typeof markerOf>>} */ (markerOf(line.bare));
    line.take(size);
    const space = line.indent;
    const empty = line.blank;
    const pad = empty || space > 4 ? 1 : space;
    if (!empty) line.skip(pad);
    const list = this.#tip;
    if (list.type !== "list" || list.marker !== marker) {
      if (list.type === "list") this.#open.pop();
      this.#push({ type: "list", start, ordered, marker, first, loose: false, children: [] });
    } else if (this.#blankBefore) {
      list.loose = true;
    }
    this.#blankBefore = false;
    return this.#push({ type: "item", start, offset: indent + size + pad, children: [] });
  }

  /**
   * @param {Block} block
   * @returns {Block}
   */
  #push(block) {
    const parent = this.#tip;
    if (parent.type === "item" && parent.children?.length && this.#blankBefore) {
      const list = this.#open[this.#open.length - 2];
      list.loose = true;
    }
    parent.children?.push(block);
    this.#open.push(block);
    return block;
  }
}
