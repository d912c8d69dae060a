/** What went into a step and what came out of it, shown as text, JSON, table or image; long ones in full on request. */

import { append, clear, h } from "./dom.js";
import { button, sentenceOf } from "./notice.js";
import { number, plural, visible } from "./text.js";

/** @typedef {Record<string, any>} Value text, json, table, image or many, as the kernel describes them */
/** @typedef {{more?: (() => Promise<Value>) | null}} ValueOptions `more` fetches the value without limit */

const IMAGE_TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const ROWS_AT_ONCE = 200;
const DEEPEST = 4; // "many" inside "many"

/**
 * A value as an element. Nothing in it can be anything but text, or an image of a known type.
 *
 * @param {Value | null | undefined} value
 * @param {ValueOptions} [options]
 * @returns {HTMLElement}
 */
export function valueNode(value, options = {}) {
  const element = h("div", { class: "polos-value" });
  fill(element, value, options, 0);
  return element;
}

/**
 * Whether two values show the same, though the kernel may have sent them twice.
 *
 * @param {any} a
 * @param {any} b
 */
export function same(a, b) {
  if (a === b || typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * A button that copies a text, and says so.
 *
 * @param {() => string} text read when it is pressed
 * @param {string} [what] for screen readers
 * @returns {HTMLElement}
 */
export function copyButton(text, what = "Copy") {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let back;
  const element = button(
    "copy",
    async () => {
      const done = await copyText(text());
      element.textContent = done ? "copied" : "select and copy it";
      clearTimeout(back);
      back = setTimeout(() => (element.textContent = "copy"), 2_000);
    },
    { class: "polos-small", label: what },
  );
  element.addEventListener("click", (/** @type {Event} */ event) => event.stopPropagation());
  return element;
}

/**
 * @param {HTMLElement} root
 * @param {Value | null | undefined} value
 * @param {ValueOptions} options
 * @param {number} depth
 */
function fill(root, value, options, depth) {
  clear(root);
  const kind = value && typeof value === "object" ? value.t : "";
  if (kind === "table") fillTable(root, /** @type {Value} */ (value));
  else if (kind === "image") append(root, [imageNode(/** @type {Value} */ (value))]);
  else if (kind === "many") fillMany(root, /** @type {Value} */ (value), depth);
  else if (kind === "text" || kind === "json") fillText(root, /** @type {Value} */ (value));
  else append(root, [h("span", { class: "polos-muted" }, value ? "something that this page cannot show" : "nothing")]);
  const left = leftOut(value, 0);
  if (left <= 0 || depth > 0) return;
  append(root, [
    moreNode(/** @type {Value} */ (value), left, options.more, (whole, focused) => {
      fill(root, whole, {}, 0);
      if (focused) takeFocus(root);
    }),
  ]);
}

/**
 * @param {HTMLElement} root
 * @param {Value} value
 */
function fillText(root, value) {
  const text = visible(textOf(value.s));
  const kind = value.t === "json" ? "JSON" : "text";
  append(root, [
    h(
      "div",
      { class: "polos-copyable" },
      h("pre", { class: `polos-pre polos-${kind.toLowerCase()}` }, text),
      text.length > 20 ? copyButton(() => text, `Copy this ${kind}`) : null,
    ),
  ]);
}

/**
 * @param {HTMLElement} root
 * @param {Value} value
 */
function fillTable(root, value) {
  const rows = Array.isArray(value.rows) ? value.rows : [];
  const heads = Array.isArray(value.head) ? value.head : [];
  const body = h("tbody", null);
  let shown = 0;
  const next = button("", () => grow());
  const grow = () => {
    for (const row of rows.slice(shown, shown + ROWS_AT_ONCE)) {
      const cells = Array.isArray(row) ? row : [row];
      body.appendChild(
        h(
          "tr",
          null,
          cells.map((cell) => h("td", null, visible(textOf(cell)))),
        ),
      );
    }
    shown = Math.min(rows.length, shown + ROWS_AT_ONCE);
    next.hidden = shown >= rows.length;
    if (!next.hidden)
      next.textContent = `show ${Math.min(ROWS_AT_ONCE, rows.length - shown)} more of ${number(rows.length)} rows`;
  };
  grow();
  const top = heads.length
    ? h(
        "thead",
        null,
        h(
          "tr",
          null,
          heads.map((cell) => h("th", { scope: "col" }, visible(textOf(cell)))),
        ),
      )
    : null;
  // The frame scrolls, so it must be reachable by keyboard.
  append(root, [
    h(
      "div",
      { class: "polos-table-frame", tabindex: 0, role: "region", ariaLabel: "Table" },
      h("table", { class: "polos-table" }, top, body),
    ),
    next,
  ]);
}

/**
 * @param {Value} value
 * @returns {HTMLElement}
 */
function imageNode(value) {
  const alt = visible(textOf(value.alt)) || "image";
  const instead = (/** @type {string} */ why) => h("span", { class: "polos-muted" }, `[${alt}: ${why}]`);
  const data = textOf(value.data);
  if (!IMAGE_TYPES.has(value.type) || !BASE64.test(data)) return instead("an image of a kind that is not shown here");
  const image = h("img", { class: "polos-image", src: `data:${value.type};base64,${data}`, alt });
  image.addEventListener("error", () => image.replaceWith(instead("the image is damaged")));
  return image;
}

/**
 * @param {HTMLElement} root
 * @param {Value} value
 * @param {number} depth
 */
function fillMany(root, value, depth) {
  for (const item of Array.isArray(value.items) ? value.items : []) {
    const element = h("div", { class: "polos-value" });
    if (depth < DEEPEST) fill(element, item, {}, depth + 1);
    else append(element, [h("span", { class: "polos-muted" }, "… deeper values are not shown")]);
    root.appendChild(element);
  }
}

/**
 * The button that fetches the whole value, or a note where nothing can fetch it.
 *
 * @param {Value} value
 * @param {number} left how much is missing
 * @param {ValueOptions["more"]} fetch
 * @param {(whole: Value, focused: boolean) => void} show
 * @returns {HTMLElement}
 */
export function moreNode(value, left, fetch, show) {
  const what =
    value.t === "table" ? plural(left, "more row", "more rows") : plural(left, "more character", "more characters");
  if (!fetch) return h("p", { class: "polos-muted polos-left-out" }, `… ${what}`);
  const said = h("span", { class: "polos-error", role: "alert" });
  const press = button(
    `show all (${what})`,
    async () => {
      press.setAttribute("aria-busy", "true");
      press.textContent = "fetching …";
      said.textContent = "";
      try {
        const whole = await fetch();
        show(whole, press.ownerDocument.activeElement === press);
      } catch (error) {
        press.textContent = `show all (${what})`;
        said.textContent = ` ${visible(sentenceOf(error))}`;
      } finally {
        press.removeAttribute("aria-busy");
      }
    },
    { class: "polos-small" },
  );
  return h("div", { class: "polos-more" }, press, said);
}

/**
 * The button that had the focus is gone; who pressed it by keyboard goes on reading here.
 *
 * @param {HTMLElement} element
 */
export function takeFocus(element) {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/**
 * How much the kernel left out, of the value or of its parts.
 *
 * @param {any} value
 * @param {number} depth
 * @returns {number}
 */
function leftOut(value, depth) {
  if (!value || typeof value !== "object") return 0;
  const own = Number.isFinite(value.more) && value.more > 0 ? value.more : 0;
  if (value.t !== "many" || !Array.isArray(value.items) || depth > DEEPEST) return own;
  return value.items.reduce(
    (/** @type {number} */ sum, /** @type {any} */ item) => sum + leftOut(item, depth + 1),
    own,
  );
}

/**
 * @param {any} value
 * @returns {string}
 */
function textOf(value) {
  return typeof value === "string" ? value : value === null || value === undefined ? "" : String(value);
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it is on the clipboard
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context (a plain http server) there is no clipboard interface.
    const area = h("textarea", { class: "polos-hidden-text", value: text, ariaHidden: "true" });
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    document.body.appendChild(area);
    area.select();
    let done = false;
    try {
      done = document.execCommand("copy");
    } catch {
      done = false;
    }
    area.remove();
    before?.focus({ preventScroll: true });
    return done;
  }
}
