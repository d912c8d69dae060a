/** The front end's door: the loader hands models over, and the view that fits their kind is shown. */

import { ChatView } from "./chat_view.js";
import baseCss from "./css/base.css";
import cardCss from "./css/card.css";
import chatCss from "./css/chat.css";
import inspectorCss from "./css/inspector.css";
import runCss from "./css/run.css";
import { h, keepKeys } from "./dom.js";
import { InspectorView } from "./inspector.js";
import { Link } from "./link.js";
import { Place } from "./place.js";
import { RunView } from "./run_view.js";

/** @typedef {import("./link.js").Model} Model */
/** @typedef {{element: HTMLElement, dispose(): void}} View */

/** The hash of the sources, put here by the build. @type {string} */
const HASH = typeof __POLOS_HASH__ === "string" ? __POLOS_HASH__ : "sources";

/** @type {Record<string, new (link: Link) => View>} */
const VIEWS = { run: RunView, chat: ChatView, inspector: InspectorView };

const CSS = [baseCss, runCss, cardCss, chatCss, inspectorCss].join("\n");

/** The links of models that were handed over without their link. @type {WeakMap<object, Link>} */
const links = new WeakMap();

/**
 * A link for a model: called once in a model's life, as soon as the bundle is there.
 *
 * @param {{model: Model, queued?: any[]}} context
 * @returns {Link}
 */
function initialize({ model, queued = [] }) {
  const known = links.get(model);
  if (known) return known;
  const link = new Link(model, { queued });
  links.set(model, link);
  return link;
}

/**
 * Show a model in an element; a model may be shown in several.
 *
 * @param {{model: Model, el: HTMLElement, link?: Link}} context
 * @returns {() => void} takes the view away
 */
function render({ model, el, link = initialize({ model }) }) {
  const kind = String(model.get("kind"));
  const View = Object.hasOwn(VIEWS, kind) ? VIEWS[kind] : null;
  addStyle(el);
  const newRoot = () => h("div", { class: `polos-root polos-${View ? kind : "unknown"}-root` });
  if (!View) {
    const root = newRoot();
    root.appendChild(h("p", { role: "alert" }, `This version of polos_nb knows no view named "${kind}".`));
    el.appendChild(root);
    return () => root.remove();
  }
  const place = Place.of(link, () => {
    const root = newRoot();
    keepKeys(root);
    return new Place(root, new View(link));
  });
  return place.show(link, el);
}

/**
 * Put the style sheet into the page, or into the shadow tree that the element is in, once.
 *
 * @param {HTMLElement} el
 */
function addStyle(el) {
  const tree = el.getRootNode();
  const place = typeof ShadowRoot !== "undefined" && tree instanceof ShadowRoot ? tree : document.head;
  if (place.querySelector(`style[data-polos="${HASH}"]`)) return;
  const style = document.createElement("style");
  style.setAttribute("data-polos", HASH);
  style.textContent = CSS;
  place.appendChild(style);
}

export default { initialize, render, hash: HASH };
