/**
 * The one way in which elements are made: whatever comes from a model or a tool can only become text.
 *
 * `h()` knows a short list of properties and refuses every other one, so that no markup, event handler or address with
 * a script scheme gets into the page by mistake.
 */

import { safeHref, visible } from "./text.js";

/** @typedef {Node | string | number | null | undefined | false} Child */

/** Attributes that are set as they are; their values cannot run anything. */
const ATTRIBUTES = new Set([
  "id", "class", "role", "title", "lang", "dir", "for", "name", "tabindex", "placeholder", "type", "rows", "cols",
  "min", "max", "step", "maxlength", "minlength", "pattern", "autocomplete", "accept", "list", "label", "scope", "start",
  "colspan", "rowspan", "alt", "width", "height", "spellcheck", "inputmode", "datetime", "rel", "target", "enterkeyhint",
]);

/** Properties of elements that attributes do not reflect. */
const PROPERTIES = new Set([
  "value", "checked", "disabled", "open", "hidden", "selected", "multiple", "required", "readOnly", "indeterminate",
]);

/** Elements that can run, load or frame something. */
const REFUSED_TAGS = new Set([
  "script", "iframe", "object", "embed", "style", "link", "meta", "base", "svg", "math", "template", "form", "frame",
]);

const IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/;

/**
 * An element with properties and children; strings and numbers become Text nodes, `null` and `false` nothing.
 *
 * Properties: attributes (`class`, `role`, `title`, `type` ...), `aria*` and `data*` in either spelling (`ariaLabel`,
 * `"aria-label"`), `value`, `checked`, `disabled`, `open` ..., `href` (http, https and mailto), `src` (base64 images),
 * `style` (an object of CSS properties) and `on` (an object of listeners).
 *
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {any} the element; `any` because the tag decides which kind it is
 */
export function h(tag, props, ...children) {
  if (REFUSED_TAGS.has(tag.toLowerCase())) throw new Error(`h() makes no <${tag}>: it could run or load something.`);
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name !== "value") setProperty(element, name, value);
  }
  append(element, children);
  // The value of a <select> can only be set when its options are there.
  if (props && "value" in props) setProperty(element, "value", props.value);
  return element;
}

/**
 * Append children as `h` does: strings become Text nodes, lists are flattened, empty ones are left out.
 *
 * @param {Node} parent
 * @param {(Child | Child[])[]} children
 */
export function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/**
 * Set one property by the rules of `h`; `null`, `undefined` and `false` take an attribute away.
 *
 * @param {any} element
 * @param {string} name
 * @param {any} value
 */
export function setProperty(element, name, value) {
  if (name === "on") {
    for (const [event, listener] of Object.entries(value ?? {})) {
      if (typeof listener !== "function") throw new Error(`h() wants a function for the event ${event}.`);
      element.addEventListener(event, listener);
    }
    return;
  }
  if (name === "style") return setStyle(element, value);
  if (name === "href") return setAddress(element, value);
  if (name === "src") {
    if (!IMAGE.test(String(value))) throw new Error("h() takes only base64 images of known types as src.");
    element.setAttribute("src", String(value));
    return;
  }
  if (PROPERTIES.has(name)) {
    element[name] = value ?? (name === "value" ? "" : false);
    return;
  }
  const attribute = attributeName(name);
  if (value === null || value === undefined || value === false) element.removeAttribute(attribute);
  else element.setAttribute(attribute, String(value));
}

/** @param {string} name */
function attributeName(name) {
  const dashed = /^(aria|data)[A-Z]/.test(name) ? dashes(name) : name;
  if (/^(aria|data)-[a-z0-9-]+$/.test(dashed) || ATTRIBUTES.has(dashed)) return dashed;
  throw new Error(`h() does not know the property ${name}.`);
}

/**
 * ARIA names are one word after the dash (`aria-valuenow`), data names keep their words.
 *
 * @param {string} name
 */
function dashes(name) {
  if (name.startsWith("aria")) return `aria-${name.slice(4).toLowerCase()}`;
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * @param {HTMLElement} element
 * @param {Record<string, string | number | null> | null} styles
 */
function setStyle(element, styles) {
  if (typeof styles !== "object") throw new Error("h() takes style as an object.");
  for (const [property, value] of Object.entries(styles ?? {})) {
    const text = String(value ?? "");
    if (/url\s*\(|expression|@import/i.test(text)) throw new Error(`h() takes no address in the style ${property}.`);
    const name = property.startsWith("--") ? property : property.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
    if (text === "") element.style.removeProperty(name);
    else element.style.setProperty(name, text);
  }
}

/**
 * @param {HTMLElement} element
 * @param {unknown} url
 */
function setAddress(element, url) {
  const href = safeHref(String(url));
  if (href === null) throw new Error("h() takes only http, https and mailto addresses as href.");
  element.setAttribute("href", href);
  element.setAttribute("rel", "noopener noreferrer");
  element.setAttribute("target", "_blank");
}

/**
 * Take all children out of a node.
 *
 * @param {Node} node
 */
export function clear(node) {
  node.textContent = "";
}

/**
 * Make a node show just this text; does nothing when it shows it already, so that selections stay.
 *
 * @param {Node} node
 * @param {unknown} text
 */
export function setText(node, text) {
  const shown = visible(String(text ?? ""));
  if (node.textContent !== shown) node.textContent = shown;
}

/**
 * A scheduler: however often it is called, `fn` runs once in the next animation frame. One per view.
 *
 * In a hidden tab browsers stop animation frames; a timer runs `fn` there, so that nothing piles up.
 *
 * @param {() => void} fn
 * @returns {{(): void, cancel: () => void, flush: () => void}}
 */
export function frame(fn) {
  let request = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let waiting = false;
  const stop = () => {
    waiting = false;
    if (request) cancelAnimationFrame(request);
    clearTimeout(timer);
    request = 0;
    timer = undefined;
  };
  const run = () => {
    if (!waiting) return;
    stop();
    fn();
  };
  const schedule = () => {
    if (waiting) return;
    waiting = true;
    request = requestAnimationFrame(run);
    timer = setTimeout(run, 250);
  };
  return Object.assign(schedule, { cancel: stop, flush: run });
}

/**
 * Keep key presses inside a widget from reaching the notebook's shortcuts.
 *
 * @param {HTMLElement} root
 */
export function keepKeys(root) {
  // Front ends that listen before the widget does (Notebook 7) heed this; for shortcuts that are bound to whatever has
  // the focus they look at that element only.
  const spare = (/** @type {Element} */ element) => element.setAttribute("data-lm-suppress-shortcuts", "true");
  spare(root);
  root.addEventListener("focusin", (event) => spare(/** @type {Element} */ (event.target)));
  root.addEventListener("keydown", (event) => {
    const target = /** @type {Element | null} */ (event.target);
    const writes = Boolean(target?.closest("input, textarea, select, [contenteditable]"));
    const presses = event.key === "Enter" || event.key === " ";
    const commands = (event.ctrlKey || event.metaKey || event.altKey) && !presses;
    if (writes || !commands) event.stopPropagation();
  });
}
