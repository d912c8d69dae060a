/** Colours of a style sheet as numbers: variables with fallbacks, color-mix and rgba over a ground, and WCAG's contrast. */

/** @typedef {[number, number, number, number]} Colour */

/**
 * The value of `--name` with every variable replaced.
 *
 * @param {string} expression
 * @param {Record<string, string>} given
 * @returns {string}
 */
export function resolve(expression, given) {
  const at = expression.indexOf("var(");
  if (at < 0) return expression.trim();
  const [inside, end] = balanced(expression, at + 4);
  const comma = inside.indexOf(",");
  const name = (comma < 0 ? inside : inside.slice(0, comma)).trim();
  const fallback = comma < 0 ? "" : inside.slice(comma + 1);
  const value = given[name] ?? fallback;
  return resolve(expression.slice(0, at) + resolve(value, given) + expression.slice(end), given);
}

/**
 * @param {string} text
 * @param {number} at
 * @returns {[string, number]}
 */
function balanced(text, at) {
  let depth = 1;
  let end = at;
  for (; depth > 0; end += 1) depth += text[end] === "(" ? 1 : text[end] === ")" ? -1 : 0;
  return [text.slice(at, end - 1), end];
}

/**
 * @param {string} text
 * @returns {Colour}
 */
export function colour(text) {
  const value = text.trim();
  if (value === "white") return [255, 255, 255, 1];
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(value)?.[1];
  if (hex) {
    const full = hex.length === 3 ? [...hex].map((c) => c + c).join("") : hex;
    return [0, 2, 4].map((n) => Number.parseInt(full.slice(n, n + 2), 16)).concat(1).slice(0, 4);
  }
  const rgba = /^rgba\(([^)]*)\)$/.exec(value);
  if (rgba) return rgba[1].split(",").map(Number);
  const mix = /^color-mix\(in srgb,/.exec(value);
  if (!mix) throw new Error(`no colour: ${text}`);
  const [inside] = balanced(value, value.indexOf("(") + 1);
  const [, first, second] = splitTop(inside);
  const found = /^(.*?)\s+([\d.]+)%$/.exec(first.trim());
  const share = Number(found?.[2]) / 100;
  return mixed(colour(found?.[1] ?? ""), colour(second), share);
}

/** @param {string} text */
function splitTop(text) {
  const parts = [""];
  let depth = 0;
  for (const char of text) {
    depth += char === "(" ? 1 : char === ")" ? -1 : 0;
    if (char === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += char;
  }
  return parts;
}

/**
 * CSS mixes colours with their alpha multiplied in.
 *
 * @param {Colour} a
 * @param {Colour} b
 * @param {number} share of `a`
 * @returns {Colour}
 */
function mixed(a, b, share) {
  const alpha = a[3] * share + b[3] * (1 - share);
  const part = (/** @type {number} */ n) => (a[n] * a[3] * share + b[n] * b[3] * (1 - share)) / alpha;
  return [part(0), part(1), part(2), alpha];
}

/**
 * WCAG 2's contrast of a colour on a ground.
 *
 * @param {Colour} ink
 * @param {Colour} ground
 */
export function contrast(ink, ground) {
  const over = /** @type {Colour} */ ([0, 1, 2].map((n) => ink[n] * ink[3] + ground[n] * (1 - ink[3])).concat(1));
  const [a, b] = [luminance(over), luminance(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}

/** @param {Colour} colour */
function luminance([r, g, b]) {
  const linear = (/** @type {number} */ value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}
