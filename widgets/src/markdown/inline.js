/**
 * Inline Markdown as a flat list of tokens, in time that grows with the length of the text.
 *
 * Flat, not a tree: 10,000 nested brackets or asterisks must not become 10,000 nested calls. The delimiter algorithm is
 * CommonMark's; raw HTML is text, addresses with other schemes are text, formulas stay as they were written.
 */

import { safeHref } from "../text.js";
import { pairRuns } from "./pairs.js";
import { bareEnd, entityText, ESCAPABLE, pointedEnd, trimEnd, unescaped } from "./targets.js";

/**
 * `text`, `code`, `break`; `open`/`close` of `em`, `strong`, `del`, `a` (with `href`; `image` when it was an image).
 * `mark` is what was written, for the renderer when nesting goes too deep.
 *
 * @typedef {{type: "text" | "code" | "break" | "open" | "close", text?: string, tag?: string, mark?: string, href?: string, image?: boolean}} Token
 * @typedef {{char: string, size: number, left: number, opens: boolean, closes: boolean, slot: number, before: Token[], after: Token[], prev: number, next: number}} Run
 * @typedef {{slot: number, image: boolean, run: number, bracketAfter: boolean}} Bracket
 */

const SPECIAL = /[\\`*_~[\]!<&$\n]/g;
const SPACE = /\s/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const ENTITY = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,6}));/y;
const AUTOLINK = /<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]{0,2000})>/y;
const EMAIL = /<([A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})>/y;
const MATH = /\$\$[^$]+\$\$|\$(?!\s)[^$\n]*[^$\s\\]\$(?!\d)/y;

/**
 * The tokens of a text.
 *
 * @param {string} source visible text
 * @returns {Token[]}
 */
export function inline(source) {
  return new Scanner(source).tokens();
}

class Scanner {
  #source;
  #at = 0;
  /** Slots hold tokens, or a delimiter run whose tokens are known at the end. @type {(Token | Run)[]} */
  #slots = [];
  /** @type {Run[]} */
  #runs = [];
  #lastRun = -1;
  /** @type {Bracket[]} */
  #brackets = [];
  /** Brackets below this height contain a link already, so they cannot become one. */
  #closedBelow = 0;
  /** @type {Map<number, number[]> | null} */
  #ticks = null;
  /** Where a search for a closing quote failed: no later one can succeed. @type {Record<string, boolean>} */
  #noQuote = {};

  /** @param {string} source */
  constructor(source) {
    this.#source = source;
  }

  tokens() {
    const source = this.#source;
    while (this.#at < source.length) {
      SPECIAL.lastIndex = this.#at;
      const found = SPECIAL.exec(source);
      const next = found ? found.index : source.length;
      if (next > this.#at) this.#text(source.slice(this.#at, next));
      this.#at = next;
      if (found) this.#special(found[0]);
    }
    this.#lastRun = pairRuns(this.#runs, this.#lastRun, -1);
    return this.#flat();
  }

  /** @param {string} char */
  #special(char) {
    if (char === "\\") this.#escape();
    else if (char === "`") this.#code();
    else if (char === "*" || char === "_" || char === "~") this.#run(char);
    else if (char === "[") this.#bracket(false, 1);
    else if (char === "]") this.#closeBracket();
    else if (char === "!") this.#bang();
    else if (char === "<") this.#autolink();
    else if (char === "&") this.#entity();
    else if (char === "$") this.#math();
    else this.#newline();
  }

  /** @param {string} text */
  #text(text) {
    this.#slots.push({ type: "text", text });
  }

  #escape() {
    const next = this.#source[this.#at + 1] ?? "";
    if (next === "\n") {
      this.#slots.push({ type: "break" });
      this.#at += 2;
      this.#skipSpaces();
    } else if (next && ESCAPABLE.test(next)) {
      this.#text(next);
      this.#at += 2;
    } else {
      this.#text("\\");
      this.#at += 1;
    }
  }

  #newline() {
    const last = this.#slots.at(-1);
    let spaces = 0;
    if (last && "type" in last && last.type === "text") {
      const text = last.text ?? "";
      const kept = trimEnd(text);
      spaces = text.length - kept.length;
      last.text = kept;
    }
    if (spaces >= 2) this.#slots.push({ type: "break" });
    else this.#text("\n");
    this.#at += 1;
    this.#skipSpaces();
  }

  #skipSpaces() {
    while (this.#source[this.#at] === " ") this.#at += 1;
  }

  #code() {
    const start = this.#at;
    let end = start;
    while (this.#source[end] === "`") end += 1;
    const size = end - start;
    const close = this.#closingTicks(size, end);
    if (close < 0) {
      this.#text(this.#source.slice(start, end));
      this.#at = end;
      return;
    }
    let code = this.#source.slice(end, close).replaceAll("\n", " ");
    if (code.startsWith(" ") && code.endsWith(" ") && /[^ ]/.test(code)) code = code.slice(1, -1);
    this.#slots.push({ type: "code", text: code });
    this.#at = close + size;
  }

  /**
   * Where the next run of exactly `size` backticks is; all runs are found once.
   *
   * @param {number} size
   * @param {number} from
   */
  #closingTicks(size, from) {
    if (this.#ticks === null) {
      this.#ticks = new Map();
      for (const { 0: run, index } of this.#source.matchAll(/`+/g)) {
        const known = this.#ticks.get(run.length);
        if (known) known.push(index);
        else this.#ticks.set(run.length, [index]);
      }
      // The next one is taken from the end.
      for (const places of this.#ticks.values()) places.reverse();
    }
    const places = this.#ticks.get(size);
    while (places?.length && places[places.length - 1] < from) places.pop();
    return places?.at(-1) ?? -1;
  }

  #math() {
    MATH.lastIndex = this.#at;
    const found = MATH.exec(this.#source);
    const text = found ? found[0] : "$";
    this.#text(text);
    this.#at += text.length;
  }

  #entity() {
    ENTITY.lastIndex = this.#at;
    const found = ENTITY.exec(this.#source);
    const character = found ? entityText(found) : null;
    if (!found || character === null) {
      this.#text("&");
      this.#at += 1;
      return;
    }
    this.#text(character);
    this.#at += found[0].length;
  }

  #autolink() {
    AUTOLINK.lastIndex = this.#at;
    EMAIL.lastIndex = this.#at;
    const found = AUTOLINK.exec(this.#source);
    const email = found ? null : EMAIL.exec(this.#source);
    const href = found ? safeHref(found[1]) : email ? safeHref(`mailto:${email[1]}`) : null;
    const match = found ?? email;
    if (!match || href === null) {
      this.#text("<");
      this.#at += 1;
      return;
    }
    this.#slots.push({ type: "open", tag: "a", href, mark: "<" });
    this.#text(match[1]);
    this.#slots.push({ type: "close", tag: "a", mark: ">" });
    this.#at += match[0].length;
  }

  /** @param {string} char */
  #run(char) {
    const source = this.#source;
    const start = this.#at;
    while (source[this.#at] === char) this.#at += 1;
    const size = this.#at - start;
    const before = start === 0 ? " " : characterBefore(source, start);
    const after = this.#at >= source.length ? " " : String.fromCodePoint(source.codePointAt(this.#at) ?? 32);
    const [spaceBefore, spaceAfter] = [isSpace(before), isSpace(after)];
    const [markBefore, markAfter] = [isMark(before), isMark(after)];
    const left = !spaceAfter && (!markAfter || spaceBefore || markBefore);
    const right = !spaceBefore && (!markBefore || spaceAfter || markAfter);
    const word = char === "_";
    const opens = left && (!word || !right || markBefore);
    const closes = right && (!word || !left || markAfter);
    if ((!opens && !closes) || (char === "~" && size !== 2)) {
      this.#text(source.slice(start, this.#at));
      return;
    }
    const index = this.#runs.length;
    /** @type {Run} */
    const run = {
      char, size, left: size, opens, closes, slot: this.#slots.length, before: [], after: [], prev: this.#lastRun, next: -1,
    };
    if (run.prev >= 0) this.#runs[run.prev].next = index;
    this.#runs.push(run);
    this.#slots.push(run);
    this.#lastRun = index;
  }

  #bang() {
    if (this.#source[this.#at + 1] === "[") {
      this.#bracket(true, 2);
      return;
    }
    this.#text("!");
    this.#at += 1;
  }

  /**
   * @param {boolean} image
   * @param {number} size
   */
  #bracket(image, size) {
    this.#brackets.push({ slot: this.#slots.length, image, run: this.#lastRun, bracketAfter: false });
    this.#text(image ? "![" : "[");
    this.#at += size;
  }

  #closeBracket() {
    const opener = this.#brackets.pop();
    const height = this.#brackets.length;
    this.#at += 1;
    const usable = opener && (opener.image || height >= this.#closedBelow);
    const target = usable && this.#source[this.#at] === "(" ? this.#target(this.#at + 1) : null;
    const href = target ? safeHref(target.address) : null;
    this.#closedBelow = Math.min(this.#closedBelow, height);
    if (!opener || !target || href === null) {
      this.#text("]");
      return;
    }
    const { slot, image } = opener;
    const empty = slot === this.#slots.length - 1;
    this.#slots[slot] = { type: "open", tag: "a", href, image, mark: image ? "![" : "[" };
    if (empty) this.#text(image ? "image" : target.address);
    this.#slots.push({ type: "close", tag: "a", mark: "]" });
    this.#lastRun = pairRuns(this.#runs, this.#lastRun, opener.run);
    this.#at = target.end;
    if (!image) this.#closedBelow = height;
  }

  /**
   * The address in `(...)`, and where it ends; `null` when it is not one.
   *
   * @param {number} at
   */
  #target(at) {
    const source = this.#source;
    const spaces = /[ \n]*/y;
    const skip = (/** @type {number} */ from) => {
      spaces.lastIndex = from;
      spaces.exec(source);
      return spaces.lastIndex;
    };
    const start = skip(at);
    const pointed = source[start] === "<";
    const end = pointed ? pointedEnd(source, start + 1) : bareEnd(source, start);
    if (end < 0) return null;
    const raw = pointed ? source.slice(start + 1, end).replaceAll(" ", "%20") : source.slice(start, end);
    let next = skip(pointed ? end + 1 : end);
    if (next > (pointed ? end + 1 : end) && /["'(]/.test(source[next] ?? "")) {
      next = this.#title(next);
      if (next < 0) return null;
      next = skip(next);
    }
    if (source[next] !== ")") return null;
    return { address: unescaped(raw), end: next + 1 };
  }

  /**
   * Where a title ends; titles are not shown. Remembers that a closing mark is missing, or every link would look for it.
   *
   * @param {number} at
   */
  #title(at) {
    const close = this.#source[at] === "(" ? ")" : this.#source[at];
    if (this.#noQuote[close]) return -1;
    for (let end = at + 1; ; end += 1) {
      end = this.#source.indexOf(close, end);
      if (end < 0) {
        this.#noQuote[close] = true;
        return -1;
      }
      if (this.#source[end - 1] !== "\\") return end + 1;
    }
  }

  #flat() {
    /** @type {Token[]} */
    const out = [];
    for (const slot of this.#slots) {
      if ("type" in slot) {
        addToken(out, slot);
        continue;
      }
      // Inner pairs were found first: closings in that order, openings the other way round.
      for (const token of slot.before) addToken(out, token);
      if (slot.left) addToken(out, { type: "text", text: slot.char.repeat(slot.left) });
      for (let at = slot.after.length - 1; at >= 0; at -= 1) addToken(out, slot.after[at]);
    }
    return out;
  }
}

/**
 * Neighbouring texts become one token.
 *
 * @param {Token[]} out
 * @param {Token} token
 */
function addToken(out, token) {
  const last = out.at(-1);
  if (token.type === "text" && last?.type === "text") last.text = (last.text ?? "") + token.text;
  else if (token.type !== "text" || token.text) out.push(token.type === "text" ? { ...token } : token);
}

/**
 * @param {string} source
 * @param {number} at
 */
function characterBefore(source, at) {
  const low = source[at - 1];
  return /[\udc00-\udfff]/.test(low) && at > 1 ? source.slice(at - 2, at) : low;
}

/** @param {string} char */
function isSpace(char) {
  return char === " " || char === "\n" || (char > "~" && SPACE.test(char)) || char === "\t";
}

/** @param {string} char */
function isMark(char) {
  return char > "~" ? PUNCTUATION.test(char) : ESCAPABLE.test(char);
}
