/** Pieces of inline Markdown that stand alone: addresses of links, entities. */

import { visible } from "../text.js";

export const ESCAPABLE = /[!-/:-@[-`{-~]/;
const NAMED = /** @type {Record<string, string>} */ ({
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", mdash: "—", ndash: "–", hellip: "…", times: "×",
});
const MAX_ADDRESS = 4_000;
const MAX_PARENS = 32;

/**
 * Where `<address` ends at its `>`, or -1.
 *
 * @param {string} source
 * @param {number} at
 */
export function pointedEnd(source, at) {
  for (const limit = at + MAX_ADDRESS; at < source.length && at < limit; at += 1) {
    const char = source[at];
    if (char === ">") return at;
    if (char === "<" || char === "\n") return -1;
    if (char === "\\") at += 1;
  }
  return -1;
}

/**
 * Where an address without angle brackets ends, or -1; parentheses in it must be balanced.
 *
 * @param {string} source
 * @param {number} at
 */
export function bareEnd(source, at) {
  let depth = 0;
  for (const limit = at + MAX_ADDRESS; at < source.length && at < limit; at += 1) {
    const char = source[at];
    if (char === "\\" && ESCAPABLE.test(source[at + 1] ?? "")) at += 1;
    else if (char === "(" && (depth += 1) > MAX_PARENS) return -1;
    else if (char === ")" && (depth -= 1) < 0) return at;
    else if (char <= " ") return depth === 0 ? at : -1;
  }
  return -1;
}

/** @param {string} text */
export function unescaped(text) {
  return text.replace(/\\([!-/:-@[-`{-~])/g, "$1").replaceAll("&amp;", "&");
}

/** @param {string} text */
export function trimEnd(text) {
  let end = text.length;
  while (end > 0 && text[end - 1] === " ") end -= 1;
  return text.slice(0, end);
}

/**
 * The character of an entity, made visible like every other text; `null` when it has no meaning.
 *
 * @param {RegExpExecArray} found
 */
export function entityText([, decimal, hex, name]) {
  if (name) return Object.hasOwn(NAMED, name) ? NAMED[name] : null;
  const code = decimal ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
  return code > 0x10ffff || code === 0 ? "\ufffd" : visible(String.fromCodePoint(code));
}
