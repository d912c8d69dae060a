/** Texts of models and tools made safe to show, and numbers, times and prices in words. */

// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;
const BREAKS = /\r\n?|\u2028|\u2029/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// Overrides and isolates can show text in another order than it has; marks (U+200E, U+200F) cannot, and stay.
const BIDI = /[\u202a-\u202e\u2066-\u2069]/g;
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const PLAIN = /^[\n\t\u0020-\u007e]*$/;

/**
 * Text without what a reader cannot see: control characters, terminal colours, bidi overrides, lone surrogates.
 *
 * The same as `polos_nb.safe_text.visible`; `test/visible_cases.json` holds cases that both must meet.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function visible(value) {
  const text = typeof value === "string" ? value : value === null || value === undefined ? "" : String(value);
  if (PLAIN.test(text)) return text;
  return text
    .replace(ANSI, "")
    .replace(BREAKS, "\n")
    .replace(CONTROL, "\ufffd")
    .replace(BIDI, (mark) => `[U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`)
    .replace(LONE, "\ufffd");
}

/**
 * An address that may become a link (http, https, mailto), normalised; `null` for every other one.
 *
 * @param {unknown} url
 * @returns {string | null}
 */
export function safeHref(url) {
  const text = String(url ?? "").trim();
  // Browsers drop tabs and line breaks inside addresses; nobody writes them with good intent.
  if (!/^(?:https?:\/\/|mailto:)/i.test(text) || /[\u0000-\u0020\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text)) return null;
  try {
    const parsed = new URL(text);
    return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

/**
 * The time of day of a moment, "14:03"; with the date when it was not today.
 *
 * @param {number | null | undefined} at seconds since 1970
 * @param {number} [now] seconds since 1970
 */
export function clock(at, now = Date.now() / 1000) {
  if (!at) return "";
  const date = new Date(at * 1000);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === new Date(now * 1000).toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/**
 * A span of time as people write it: "0.4 s", "12.5 s", "3 min 5 s", "2 h 10 min", "4 d 3 h".
 *
 * @param {number | null | undefined} seconds
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const span = Math.max(0, seconds);
  if (span < 59.95) return `${span.toFixed(1)} s`;
  const whole = Math.round(span);
  if (whole < 3600) return pair(whole, 60, "min", 1, "s");
  if (whole < 86_400) return pair(whole, 3600, "h", 60, "min");
  return pair(whole, 86_400, "d", 3600, "h");
}

/**
 * An amount of US dollars: "$0.0012", "$0.12", "$3.40"; nothing for null.
 *
 * @param {number | null | undefined} dollars
 */
export function money(dollars) {
  if (dollars === null || dollars === undefined || !Number.isFinite(dollars)) return "";
  const size = Math.abs(dollars);
  if (size === 0) return "$0";
  if (size < 0.0001) return `${dollars < 0 ? "−" : ""}<$0.0001`;
  return `${dollars < 0 ? "−" : ""}$${size < 0.1 ? size.toFixed(4) : size.toFixed(2)}`;
}

/**
 * A count with separators: 12345 is "12,345".
 *
 * @param {number | null | undefined} value
 */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

/**
 * "1 token", "3 tokens", "2 retries".
 *
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}

/**
 * @param {number} span
 * @param {number} big
 * @param {string} bigName
 * @param {number} small
 * @param {string} smallName
 */
function pair(span, big, bigName, small, smallName) {
  const rest = Math.floor((span % big) / small);
  return rest ? `${Math.floor(span / big)} ${bigName} ${rest} ${smallName}` : `${Math.floor(span / big)} ${bigName}`;
}
