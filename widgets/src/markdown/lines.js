/** Lines of Markdown: how far one has been read, what begins at it, and the cells that it holds. */

/** @typedef {import("./blocks.js").Block} Block */

const RULE = /^(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
export const HEADING = /^(#{1,6})(?:[ \t]+|$)/;
export const FENCE = /^(`{3,}|~{3,})([^\n]*)$/;
const BULLET = /^([-+*])(?=[ \t]|$)/;
const ORDERED = /^(\d{1,9})([.)])(?=[ \t]|$)/;
const ALIGN = /^:?-+:?$/;

/** A line, and how far it has been read; columns count tabs as up to four. */
export class Line {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.column = 0;
    this.pad = 0; // columns of a tab that was read in part
  }

  /** Columns of white space before the next character. */
  get indent() {
    let columns = this.pad;
    let column = this.column + this.pad;
    for (let at = this.at; ; at += 1) {
      const char = this.text[at];
      const width = char === " " ? 1 : char === "\t" ? 4 - (column % 4) : 0;
      if (width === 0) return columns;
      columns += width;
      column += width;
    }
  }

  get blank() {
    for (let at = this.at; at < this.text.length; at += 1) {
      if (this.text[at] !== " " && this.text[at] !== "\t") return false;
    }
    return true;
  }

  /**
   * Read at most so many columns of white space.
   *
   * @param {number} columns
   */
  skip(columns) {
    let left = columns;
    const fromPad = Math.min(this.pad, left);
    this.pad -= fromPad;
    this.column += fromPad;
    left -= fromPad;
    while (left > 0) {
      const char = this.text[this.at];
      if (char === " ") {
        this.column += 1;
        left -= 1;
      } else if (char === "\t") {
        const width = 4 - (this.column % 4);
        this.column += Math.min(width, left);
        this.pad = Math.max(0, width - left);
        left -= Math.min(width, left);
      } else {
        return;
      }
      this.at += 1;
    }
  }

  /**
   * Read so many characters that are not white space.
   *
   * @param {number} count
   */
  take(count) {
    this.at += count;
    this.column += count;
  }

  /** What has not been read. */
  get rest() {
    return " ".repeat(this.pad) + this.text.slice(this.at);
  }

  /** What has not been read, without the white space before it. */
  get bare() {
    let at = this.at;
    while (this.text[at] === " " || this.text[at] === "\t") at += 1;
    return this.text.slice(at);
  }
}

/**
 * The lines of a visible text; a line break at the end begins no further line.
 *
 * @param {string} text
 */
export function linesOf(text) {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  return lines;
}

/**
 * Whether a line closes a fence.
 *
 * @param {string} text
 * @param {{char: string, size: number}} fence
 */
export function closesFence(text, fence) {
  const bare = text.trim();
  if (bare.length < fence.size || bare[0] !== fence.char || text.length - text.trimStart().length > 3) return false;
  return bare === fence.char.repeat(bare.length);
}

/**
 * What begins at a line, if anything but a paragraph.
 *
 * @param {Line} line
 * @param {boolean} paragraph an open paragraph would go on here
 * @param {Block} container
 */
export function startOf(line, paragraph, container) {
  const indent = line.indent;
  if (indent > 3) {
    return "indented";
  }
  const text = line.bare;
  if (text.startsWith(">")) return "quote";
  if (HEADING.test(text)) return "heading";
  const fence = FENCE.exec(text);
  if (fence && (fence[1][0] === "~" || !fence[2].includes("`"))) return "fence";
  if (isRule(text)) return "rule";
  const item = markerOf(text);
  if (!item) return null;
  const interrupts = !item.empty && (!item.ordered || item.first === 1);
  return paragraph && container.type !== "list" && !interrupts ? null : "item";
}

/**
 * @param {Line} line
 * @param {boolean} paragraph
 */
export function begins(line, paragraph) {
  const kind = startOf(line, paragraph, { type: "document", start: 0 });
  return kind !== null && kind !== "indented";
}

/** @param {string} text */
function isRule(text) {
  // Without this a long line of other characters would be tried by the expression for nothing.
  return /^[-*_]/.test(text) && RULE.test(text);
}

/** @param {string} text */
export function markerOf(text) {
  const bullet = BULLET.exec(text);
  if (bullet) return { ordered: false, marker: bullet[1], first: 1, size: 1, empty: text.slice(1).trim() === "" };
  const found = ORDERED.exec(text);
  if (!found) return null;
  const size = found[0].length;
  return { ordered: true, marker: found[2], first: Number(found[1]), size, empty: text.slice(size).trim() === "" };
}

/** @param {Line} line */
export function readQuote(line) {
  line.skip(line.indent);
  line.take(1);
  if (line.indent > 0) line.skip(1);
}

/** @param {string} text */
export function headingText(text) {
  const bare = text.trim();
  let end = bare.length;
  while (end > 0 && bare[end - 1] === "#") end -= 1;
  if (end === 0) return "";
  // Closing marks count only after a space.
  return end < bare.length && /[ \t]/.test(bare[end - 1]) ? bare.slice(0, end).trimEnd() : bare;
}

/**
 * The cells of a table's row: parts between pipes that are not escaped.
 *
 * @param {string} text
 */
export function cells(text) {
  let bare = text.trim();
  if (bare.startsWith("|")) bare = bare.slice(1);
  /** @type {string[]} */
  const out = [];
  let from = 0;
  for (let at = 0; at < bare.length; at += 1) {
    if (bare[at] === "\\") at += 1;
    else if (bare[at] === "|") {
      out.push(bare.slice(from, at));
      from = at + 1;
    }
  }
  if (from < bare.length || out.length === 0) out.push(bare.slice(from));
  return out.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/**
 * The alignments that a table's second line gives, or null.
 *
 * @param {string} text
 */
export function alignment(text) {
  if (!/^[|:\-\s]+$/.test(text) || !text.includes("-")) return null;
  const parts = cells(text);
  if (!parts.every((part) => ALIGN.test(part))) return null;
  return parts.map((part) => {
    if (part.endsWith(":")) return part.startsWith(":") ? "center" : "right";
    return part.startsWith(":") ? "left" : "";
  });
}
