/* built from widgets/src 595801c2ce6c89c9 - do not edit */
// src/text.js
var ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;
var BREAKS = /\r\n?|\u2028|\u2029/g;
var CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
var BIDI = /[\u202a-\u202e\u2066-\u2069]/g;
var LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
var PLAIN = /^[\n\t\u0020-\u007e]*$/;
function visible(value) {
  const text2 = typeof value === "string" ? value : value === null || value === void 0 ? "" : String(value);
  if (PLAIN.test(text2)) return text2;
  return text2.replace(ANSI, "").replace(BREAKS, "\n").replace(CONTROL, "�").replace(BIDI, (mark) => `[U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`).replace(LONE, "�");
}
function safeHref(url) {
  const text2 = String(url ?? "").trim();
  if (!/^(?:https?:\/\/|mailto:)/i.test(text2) || /[\u0000-\u0020\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text2)) return null;
  try {
    const parsed = new URL(text2);
    return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}
function clock(at, now = Date.now() / 1e3) {
  if (!at) return "";
  const date = new Date(at * 1e3);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === new Date(now * 1e3).toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}
function duration(seconds) {
  if (seconds === null || seconds === void 0 || !Number.isFinite(seconds)) return "";
  const span2 = Math.max(0, seconds);
  if (span2 < 59.95) return `${span2.toFixed(1)} s`;
  const whole2 = Math.round(span2);
  if (whole2 < 3600) return pair(whole2, 60, "min", 1, "s");
  if (whole2 < 86400) return pair(whole2, 3600, "h", 60, "min");
  return pair(whole2, 86400, "d", 3600, "h");
}
function money(dollars) {
  if (dollars === null || dollars === void 0 || !Number.isFinite(dollars)) return "";
  const size = Math.abs(dollars);
  if (size === 0) return "$0";
  if (size < 1e-4) return `${dollars < 0 ? "−" : ""}<$0.0001`;
  return `${dollars < 0 ? "−" : ""}$${size < 0.1 ? size.toFixed(4) : size.toFixed(2)}`;
}
function number(value) {
  if (value === null || value === void 0 || !Number.isFinite(value)) return "";
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}
function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
function two(value) {
  return String(value).padStart(2, "0");
}
function pair(span2, big, bigName, small, smallName) {
  const rest = Math.floor(span2 % big / small);
  return rest ? `${Math.floor(span2 / big)} ${bigName} ${rest} ${smallName}` : `${Math.floor(span2 / big)} ${bigName}`;
}

// src/dom.js
var ATTRIBUTES = /* @__PURE__ */ new Set([
  "id",
  "class",
  "role",
  "title",
  "lang",
  "dir",
  "for",
  "name",
  "tabindex",
  "placeholder",
  "type",
  "rows",
  "cols",
  "min",
  "max",
  "step",
  "maxlength",
  "minlength",
  "pattern",
  "autocomplete",
  "accept",
  "list",
  "label",
  "scope",
  "start",
  "colspan",
  "rowspan",
  "alt",
  "width",
  "height",
  "spellcheck",
  "inputmode",
  "datetime",
  "rel",
  "target",
  "enterkeyhint"
]);
var PROPERTIES = /* @__PURE__ */ new Set([
  "value",
  "checked",
  "disabled",
  "open",
  "hidden",
  "selected",
  "multiple",
  "required",
  "readOnly",
  "indeterminate"
]);
var REFUSED_TAGS = /* @__PURE__ */ new Set([
  "script",
  "iframe",
  "object",
  "embed",
  "style",
  "link",
  "meta",
  "base",
  "svg",
  "math",
  "template",
  "form",
  "frame"
]);
var IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/;
function h(tag, props, ...children) {
  if (REFUSED_TAGS.has(tag.toLowerCase())) throw new Error(`h() makes no <${tag}>: it could run or load something.`);
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name !== "value") setProperty(element, name, value);
  }
  append(element, children);
  if (props && "value" in props) setProperty(element, "value", props.value);
  return element;
}
function append(parent, children) {
  for (const child of children) {
    if (child === null || child === void 0 || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}
function setProperty(element, name, value) {
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
  if (value === null || value === void 0 || value === false) element.removeAttribute(attribute);
  else element.setAttribute(attribute, String(value));
}
function attributeName(name) {
  const dashed = /^(aria|data)[A-Z]/.test(name) ? dashes(name) : name;
  if (/^(aria|data)-[a-z0-9-]+$/.test(dashed) || ATTRIBUTES.has(dashed)) return dashed;
  throw new Error(`h() does not know the property ${name}.`);
}
function dashes(name) {
  if (name.startsWith("aria")) return `aria-${name.slice(4).toLowerCase()}`;
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
function setStyle(element, styles) {
  if (typeof styles !== "object") throw new Error("h() takes style as an object.");
  for (const [property, value] of Object.entries(styles ?? {})) {
    const text2 = String(value ?? "");
    if (/url\s*\(|expression|@import/i.test(text2)) throw new Error(`h() takes no address in the style ${property}.`);
    const name = property.startsWith("--") ? property : property.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
    if (text2 === "") element.style.removeProperty(name);
    else element.style.setProperty(name, text2);
  }
}
function setAddress(element, url) {
  const href = safeHref(String(url));
  if (href === null) throw new Error("h() takes only http, https and mailto addresses as href.");
  element.setAttribute("href", href);
  element.setAttribute("rel", "noopener noreferrer");
  element.setAttribute("target", "_blank");
}
function clear(node) {
  node.textContent = "";
}
function setText(node, text2) {
  const shown = visible(String(text2 ?? ""));
  if (node.textContent !== shown) node.textContent = shown;
}
function frame(fn) {
  let request = 0;
  let timer;
  let waiting = false;
  const stop = () => {
    waiting = false;
    if (request) cancelAnimationFrame(request);
    clearTimeout(timer);
    request = 0;
    timer = void 0;
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
function keepKeys(root) {
  const spare = (element) => element.setAttribute("data-lm-suppress-shortcuts", "true");
  spare(root);
  root.addEventListener("focusin", (event) => spare(
    /** @type {Element} */
    event.target
  ));
  root.addEventListener("keydown", (event) => {
    const target = (
      /** @type {Element | null} */
      event.target
    );
    const writes = Boolean(target?.closest("input, textarea, select, [contenteditable]"));
    const presses = event.key === "Enter" || event.key === " ";
    const commands = (event.ctrlKey || event.metaKey || event.altKey) && !presses;
    if (writes || !commands) event.stopPropagation();
  });
}

// src/notice.js
var last = 0;
function uniqueId(name) {
  last += 1;
  return `polos-${name}-${Date.now().toString(36)}-${last}`;
}
function button(text2, press, props = {}) {
  const { label, class: name = "", ...others } = props;
  const element = h(
    "button",
    { type: "button", class: `polos-button ${name}`.trim(), ariaLabel: label, ...others },
    text2
  );
  element.addEventListener("click", (event) => {
    if (element.getAttribute("aria-disabled") !== "true" && element.getAttribute("aria-busy") !== "true") press(event);
  });
  return element;
}
function enable(element, able) {
  if (able) element.removeAttribute("aria-disabled");
  else element.setAttribute("aria-disabled", "true");
}
function focused(within) {
  return (
    /** @type {Document | ShadowRoot} */
    within.getRootNode().activeElement ?? null
  );
}
var Notice = class {
  constructor() {
    this.status = h("div", { class: "polos-notice-status", role: "status", ariaLive: "polite" });
    this.alert = h("div", { class: "polos-notice-alert", role: "alert" });
    this.element = h("div", { class: "polos-notice" }, this.status, this.alert);
  }
  /**
   * Show a sentence, with buttons that lead on from it.
   *
   * @param {unknown} sentence
   * @param {...HTMLElement} next
   */
  say(sentence, ...next) {
    clear(this.alert);
    setText(this.status, sentence);
    append(
      this.status,
      next.flatMap((element) => [" ", element])
    );
  }
  /**
   * Show why something did not work.
   *
   * @param {unknown} error
   * @param {...HTMLElement} next
   */
  fail(error, ...next) {
    clear(this.status);
    setText(this.alert, `✗ ${sentenceOf(error)}`);
    append(
      this.alert,
      next.flatMap((element) => [" ", element])
    );
  }
  /** Show nothing. */
  clear() {
    clear(this.status);
    clear(this.alert);
  }
};
function sentenceOf(error) {
  return (error instanceof Error ? error.message : String(error ?? "")) || "That did not work, and nothing says why.";
}
async function act(control, notice, doing, work) {
  if (control.getAttribute("aria-busy") === "true") return null;
  control.setAttribute("aria-busy", "true");
  notice.say(doing);
  try {
    const data = await work();
    notice.clear();
    return { data };
  } catch (error) {
    notice.fail(error);
    return null;
  } finally {
    control.removeAttribute("aria-busy");
  }
}

// src/values.js
var IMAGE_TYPES = /* @__PURE__ */ new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
var BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
var ROWS_AT_ONCE = 200;
var DEEPEST = 4;
function valueNode(value, options2 = {}) {
  const element = h("div", { class: "polos-value" });
  fill(element, value, options2, 0);
  return element;
}
function same(a, b) {
  if (a === b || typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  return JSON.stringify(a) === JSON.stringify(b);
}
function copyButton(text2, what = "Copy") {
  let back;
  const element = button(
    "copy",
    async () => {
      const done = await copyText(text2());
      element.textContent = done ? "copied" : "select and copy it";
      clearTimeout(back);
      back = setTimeout(() => element.textContent = "copy", 2e3);
    },
    { class: "polos-small", label: what }
  );
  element.addEventListener("click", (event) => event.stopPropagation());
  return element;
}
function fill(root, value, options2, depth) {
  clear(root);
  const kind = value && typeof value === "object" ? value.t : "";
  if (kind === "table") fillTable(
    root,
    /** @type {Value} */
    value
  );
  else if (kind === "image") append(root, [imageNode(
    /** @type {Value} */
    value
  )]);
  else if (kind === "many") fillMany(
    root,
    /** @type {Value} */
    value,
    depth
  );
  else if (kind === "text" || kind === "json") fillText(
    root,
    /** @type {Value} */
    value
  );
  else append(root, [h("span", { class: "polos-muted" }, value ? "something that this page cannot show" : "nothing")]);
  const left = leftOut(value, 0);
  if (left <= 0 || depth > 0) return;
  append(root, [
    moreNode(
      /** @type {Value} */
      value,
      left,
      options2.more,
      (whole2, focused2) => {
        fill(root, whole2, {}, 0);
        if (focused2) takeFocus(root);
      }
    )
  ]);
}
function fillText(root, value) {
  const text2 = visible(textOf(value.s));
  const kind = value.t === "json" ? "JSON" : "text";
  append(root, [
    h(
      "div",
      { class: "polos-copyable" },
      h("pre", { class: `polos-pre polos-${kind.toLowerCase()}` }, text2),
      text2.length > 20 ? copyButton(() => text2, `Copy this ${kind}`) : null
    )
  ]);
}
function fillTable(root, value) {
  const rows = Array.isArray(value.rows) ? value.rows : [];
  const heads = Array.isArray(value.head) ? value.head : [];
  const body = h("tbody", null);
  let shown = 0;
  const next = button("", () => grow());
  const grow = () => {
    for (const row of rows.slice(shown, shown + ROWS_AT_ONCE)) {
      const cells2 = Array.isArray(row) ? row : [row];
      body.appendChild(
        h(
          "tr",
          null,
          cells2.map((cell) => h("td", null, visible(textOf(cell))))
        )
      );
    }
    shown = Math.min(rows.length, shown + ROWS_AT_ONCE);
    next.hidden = shown >= rows.length;
    if (!next.hidden)
      next.textContent = `show ${Math.min(ROWS_AT_ONCE, rows.length - shown)} more of ${number(rows.length)} rows`;
  };
  grow();
  const top = heads.length ? h(
    "thead",
    null,
    h(
      "tr",
      null,
      heads.map((cell) => h("th", { scope: "col" }, visible(textOf(cell))))
    )
  ) : null;
  append(root, [
    h(
      "div",
      { class: "polos-table-frame", tabindex: 0, role: "region", ariaLabel: "Table" },
      h("table", { class: "polos-table" }, top, body)
    ),
    next
  ]);
}
function imageNode(value) {
  const alt = visible(textOf(value.alt)) || "image";
  const instead = (why) => h("span", { class: "polos-muted" }, `[${alt}: ${why}]`);
  const data = textOf(value.data);
  if (!IMAGE_TYPES.has(value.type) || !BASE64.test(data)) return instead("an image of a kind that is not shown here");
  const image = h("img", { class: "polos-image", src: `data:${value.type};base64,${data}`, alt });
  image.addEventListener("error", () => image.replaceWith(instead("the image is damaged")));
  return image;
}
function fillMany(root, value, depth) {
  for (const item of Array.isArray(value.items) ? value.items : []) {
    const element = h("div", { class: "polos-value" });
    if (depth < DEEPEST) fill(element, item, {}, depth + 1);
    else append(element, [h("span", { class: "polos-muted" }, "… deeper values are not shown")]);
    root.appendChild(element);
  }
}
function moreNode(value, left, fetch, show) {
  const what = value.t === "table" ? plural(left, "more row", "more rows") : plural(left, "more character", "more characters");
  if (!fetch) return h("p", { class: "polos-muted polos-left-out" }, `… ${what}`);
  const said = h("span", { class: "polos-error", role: "alert" });
  const press = button(
    `show all (${what})`,
    async () => {
      press.setAttribute("aria-busy", "true");
      press.textContent = "fetching …";
      said.textContent = "";
      try {
        const whole2 = await fetch();
        show(whole2, press.ownerDocument.activeElement === press);
      } catch (error) {
        press.textContent = `show all (${what})`;
        said.textContent = ` ${visible(sentenceOf(error))}`;
      } finally {
        press.removeAttribute("aria-busy");
      }
    },
    { class: "polos-small" }
  );
  return h("div", { class: "polos-more" }, press, said);
}
function takeFocus(element) {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
}
function leftOut(value, depth) {
  if (!value || typeof value !== "object") return 0;
  const own = Number.isFinite(value.more) && value.more > 0 ? value.more : 0;
  if (value.t !== "many" || !Array.isArray(value.items) || depth > DEEPEST) return own;
  return value.items.reduce(
    (sum, item) => sum + leftOut(item, depth + 1),
    own
  );
}
function textOf(value) {
  return typeof value === "string" ? value : value === null || value === void 0 ? "" : String(value);
}
async function copyText(text2) {
  try {
    await navigator.clipboard.writeText(text2);
    return true;
  } catch {
    const area = h("textarea", { class: "polos-hidden-text", value: text2, ariaHidden: "true" });
    const before = (
      /** @type {HTMLElement | null} */
      document.activeElement
    );
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

// src/chat_header.js
var ChatHeader = class {
  /** @param {any} link */
  constructor(link) {
    this.link = link;
    this.notice = new Notice();
    this.opened = null;
    const id = uniqueId("panel");
    this.title = h("h3", { class: "polos-chat-title" });
    this.facts = h("div", { class: "polos-chat-facts" });
    this.panel = h("div", { id, class: "polos-chat-panel", role: "region", hidden: true });
    this.fresh = button("New", () => this.#do(this.fresh, "Starting a conversation …", "new", {}), {
      label: "New conversation"
    });
    const opener = { ariaExpanded: "false", ariaControls: id };
    this.list = button(
      "Conversations ▾",
      () => this.#toggle(this.list, "Conversations", () => this.#conversations()),
      opener
    );
    this.cells = button(
      "Export as cells",
      () => this.#toggle(this.cells, "The conversation as cells", () => this.#export("cells")),
      opener
    );
    this.markdown = button(
      "Export as Markdown",
      () => this.#toggle(this.markdown, "The conversation as Markdown", () => this.#export("markdown")),
      opener
    );
    this.element = h(
      "header",
      { class: "polos-chat-head" },
      h("div", { class: "polos-chat-names" }, this.title, this.facts),
      h(
        "div",
        { class: "polos-buttons", role: "group", ariaLabel: "Conversation" },
        this.fresh,
        this.list,
        this.cells,
        this.markdown
      ),
      this.panel,
      this.notice.element
    );
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#close();
    });
  }
  /** Show what the head says now. */
  update() {
    const head = this.link.state.head;
    const name = head.title || head.conversation || "new conversation";
    setText(this.title, `${head.agent || "agent"} · ${name}`);
    const tokens = head.tokens_in || head.tokens_out ? `${number(head.tokens_in ?? 0)} tokens in · ${number(head.tokens_out ?? 0)} out` : "";
    const cost = head.priced === false ? "price unknown" : money(head.cost);
    setText(this.facts, [head.model, head.title && head.conversation, tokens, cost].filter(Boolean).join(" · "));
  }
  /**
   * @param {any} opener
   * @param {string} label
   * @param {() => Promise<any[]>} content
   */
  async #toggle(opener, label, content) {
    const same3 = this.opened === opener;
    this.#close();
    if (same3) return;
    this.opened = opener;
    opener.setAttribute("aria-expanded", "true");
    this.panel.hidden = false;
    this.panel.setAttribute("aria-label", label);
    this.panel.append(h("p", { class: "polos-hint", role: "status" }, "Loading …"));
    let parts;
    try {
      parts = await content();
    } catch (error) {
      parts = [h("p", { class: "polos-notice-alert", role: "alert" }, `✗ ${visible(sentenceOf(error))}`)];
    }
    if (this.opened !== opener) return;
    clear(this.panel);
    this.panel.append(
      ...parts,
      h(
        "div",
        { class: "polos-buttons" },
        button("Close", () => this.#close())
      )
    );
  }
  #close() {
    const opener = this.opened;
    if (!opener) return;
    this.opened = null;
    opener.setAttribute("aria-expanded", "false");
    if (this.panel.contains(focused(this.panel))) opener.focus();
    clear(this.panel);
    this.panel.hidden = true;
  }
  async #conversations() {
    const list = await this.link.request("conversations", {}) ?? [];
    if (!list.length) return [h("p", { class: "polos-hint" }, "There is no other conversation yet.")];
    const items = list.map((each) => {
      const current = each.id === this.link.state.head.conversation;
      const words = [each.id, plural(each.turns ?? 0, "turn"), clock(each.at), current && "open now"].filter(Boolean).join(" · ");
      const open3 = button(
        visible(each.title || each.id),
        () => this.#do(open3, "Opening …", "open", { conversation: each.id }),
        {
          class: "polos-quiet polos-chat-conversation",
          ariaCurrent: current ? "true" : null
        }
      );
      return h("li", null, open3, h("span", { class: "polos-hint" }, visible(words)));
    });
    return [h("ul", { class: "polos-chat-conversations" }, items)];
  }
  /** @param {"cells" | "markdown"} as */
  async #export(as) {
    const { text: text2 } = await this.link.request("export", { as });
    const id = uniqueId("export");
    const shown = visible(text2);
    const box = h("textarea", {
      id,
      class: "polos-export",
      readOnly: true,
      rows: 10,
      spellcheck: "false",
      value: shown
    });
    const copy2 = copyButton(() => shown, "Copy the whole text");
    const label = as === "cells" ? "Paste this into cells of a notebook" : "The conversation as Markdown";
    return [h("label", { for: id, class: "polos-hint" }, label), box, h("div", { class: "polos-buttons" }, copy2)];
  }
  /**
   * @param {HTMLElement} control
   * @param {string} doing
   * @param {string} verb
   * @param {Record<string, any>} args
   */
  async #do(control, doing, verb, args) {
    const done = await act(control, this.notice, doing, () => this.link.request(verb, args));
    if (!done) return;
    this.#close();
    if (done.data?.sentence) this.notice.say(done.data.sentence);
  }
};

// src/chat_words.js
var STATES = (
  /** @type {Record<string, string>} */
  {
    queued: "◇ queued",
    running: "● running",
    suspended: "‖ waiting for an answer",
    waiting: "‖ waiting for an answer",
    failed: "✗ failed",
    cancelled: "■ stopped"
  }
);
function turnState(status) {
  return Object.hasOwn(STATES, status) ? STATES[status] : "";
}
function phaseInWords(state2) {
  const head = state2.head;
  const turns = state2.order[""] ?? [];
  const last2 = state2.rows[turns[turns.length - 1]];
  if (!head.busy) return turnState(last2?.status) || (last2?.status ? "✓ done" : "");
  if (head.phase) return `● ${head.phase}`;
  const running = open(state2, last2?.id ?? "", 0);
  const waiting = running.find((row2) => row2.state === "waiting");
  if (waiting) return "‖ waiting for an answer";
  const row = running[running.length - 1];
  if (!row) return "● starting";
  if (row.kind === "llm") return row.text ? "● writing" : "● waiting for the first token";
  return `● calling ${row.name || row.label || row.kind}`;
}
function open(state2, parent, depth) {
  if (depth > 20) return [];
  return (state2.order[parent] ?? []).flatMap((id) => {
    const row = state2.rows[id];
    if (!row || !["running", "waiting", "retrying"].includes(row.state)) return [];
    return [row, ...open(state2, id, depth + 1)];
  });
}
function stepsInWords(state2, id) {
  const counts = { tools: 0, models: 0, cached: 0, running: 0, failed: 0, any: false };
  const visit = (parent, depth) => {
    for (const child of state2.order[parent] ?? []) {
      const row = state2.rows[child];
      if (!row) continue;
      counts.any = true;
      if (row.kind === "llm") counts.models += 1;
      if (row.kind === "tool") {
        counts.tools += 1;
        if (row.cached) counts.cached += 1;
        if (row.state === "running" || row.state === "retrying") counts.running += 1;
        if (row.state === "failed") counts.failed += 1;
      }
      if (depth < 50) visit(child, depth + 1);
    }
  };
  visit(id, 0);
  const extra = [
    counts.cached && `${counts.cached} cached`,
    counts.running && `${counts.running} running`,
    counts.failed && `${counts.failed} failed`
  ];
  const words = extra.filter(Boolean).join(", ");
  const main = counts.tools ? plural(counts.tools, "tool call") : plural(counts.models, "model call");
  return { text: words ? `${main} (${words})` : main, any: counts.any };
}
function lastText(state2, id) {
  const ids = state2.order[id] ?? [];
  for (let at = ids.length - 1; at >= 0; at -= 1) {
    const row = state2.rows[ids[at]];
    if (row?.kind === "llm" && row.text) return row.text;
  }
  return "";
}

// src/attachments.js
var LIMIT = 5e6;
var IMAGES = /* @__PURE__ */ new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
function sizeOf(bytes) {
  if (bytes === null || bytes === void 0 || !Number.isFinite(bytes)) return "";
  if (bytes < 1e3) return bytes === 1 ? "1 byte" : `${number(bytes)} bytes`;
  if (bytes < 999500) return `${Math.round(bytes / 1e3)} KB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
async function readAttachment(file, { images }) {
  const name = file.name || "pasted file";
  if (file.size > LIMIT) {
    throw new Error(`${name} is ${sizeOf(file.size)}, and an attachment may have at most 5 MB: attach a smaller file.`);
  }
  const type = file.type.split(";")[0].toLowerCase();
  if (IMAGES.has(type) && !images) {
    throw new Error(
      `${name} is an image, and this model takes only text: attach a text file or use a model that sees images.`
    );
  }
  const bytes = new Uint8Array(await bytesOf(file));
  if (IMAGES.has(type)) return { name, type, size: file.size, data: base64(bytes) };
  if (!isText(bytes)) {
    const kinds = images ? "text files and PNG, JPEG, GIF and WebP images" : "text files";
    throw new Error(`${name} cannot be attached: only ${kinds} are taken.`);
  }
  return { name, type: type.startsWith("text/") ? type : "text/plain", size: file.size, data: base64(bytes) };
}
function pastedFiles(clipboard) {
  const cells2 = clipboard?.getData("text/html") && clipboard.getData("text/plain");
  return cells2 ? [] : [...clipboard?.files ?? []];
}
function attachmentChip(attachment, remove = null) {
  const name = visible(attachment.name);
  const kind = IMAGES.has(attachment.type) ? "image" : "file";
  const size = sizeOf(attachment.size);
  return h(
    "li",
    { class: "polos-attachment", title: name },
    h("span", { class: "polos-attachment-kind" }, kind),
    h("span", { class: "polos-attachment-name" }, name),
    size ? h("span", { class: "polos-attachment-size" }, size) : null,
    remove ? button("✕", remove, { class: "polos-attachment-remove", label: `Remove ${name}` }) : null
  );
}
function bytesOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(
      /** @type {ArrayBuffer} */
      reader.result
    );
    reader.onerror = () => reject(new Error(`${file.name || "The file"} could not be read: choose it again.`));
    reader.readAsArrayBuffer(file);
  });
}
function isText(bytes) {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
function base64(bytes) {
  let text2 = "";
  for (let at = 0; at < bytes.length; at += 32768) text2 += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text2);
}

// src/outbox.js
var SHOWN_AFTER = 300;
var Outbox = class {
  /**
   * `back` puts a message into the editor (false: that is in use, unless `join`); `say` shows how the last one fared.
   *
   * @param {Editor} to
   */
  constructor(to) {
    this.to = to;
    this.entries = /* @__PURE__ */ new Set();
    this.element = h("ul", { class: "polos-outbox", ariaLabel: "Messages not yet taken", hidden: true });
  }
  /**
   * Send a message; when it is not taken it goes back to the editor or stays in the list.
   *
   * @param {Message} message
   */
  async send(message) {
    const entry = this.#entry(message);
    const timer = setTimeout(() => this.#show(entry), SHOWN_AFTER);
    try {
      await this.to.send(message);
      this.#drop(entry);
      this.to.say("");
    } catch (error) {
      this.#failed(entry, error);
    } finally {
      clearTimeout(timer);
    }
  }
  /**
   * A message with this text is in the conversation now: an answer that came too late no longer matters.
   *
   * @param {string} text
   */
  arrived(text2) {
    const entry = [...this.entries].find(
      (each) => each.failed && each.message.text.trim() === String(text2 ?? "").trim()
    );
    if (entry) this.#drop(entry);
  }
  /** @param {Message} message */
  #entry(message) {
    const words = h("span", { class: "polos-outbox-words", role: "status" }, "Sending …");
    const buttons = h("span", { class: "polos-buttons" });
    const files = message.attachments.length ? ` (+ ${message.attachments.map((file) => file.name).join(", ")})` : "";
    const element = h(
      "li",
      { class: "polos-outbox-entry" },
      h("span", { class: "polos-outbox-text" }, visible(message.text + files)),
      words,
      buttons
    );
    const entry = { message, element, words, buttons, failed: false };
    this.entries.add(entry);
    return entry;
  }
  /**
   * A refused message goes back to the editor; one without an answer may still be taken, and stays here until then.
   *
   * @param {Entry} entry
   * @param {any} error
   */
  #failed(entry, error) {
    if (!this.entries.has(entry)) return;
    const sentence = sentenceOf(error);
    if (!error?.timeout && this.to.back(entry.message)) {
      this.#drop(entry);
      this.to.say(sentence);
      return;
    }
    entry.failed = true;
    setText(entry.words, `✗ ${sentence}`);
    clear(entry.buttons);
    entry.buttons.append(
      button("Send again", () => this.#again(entry)),
      button("Put back", () => this.to.back(entry.message, true) && this.#drop(entry), {
        label: "Put it back into the message box"
      }),
      button("Discard", () => this.#drop(entry))
    );
    this.#show(entry);
  }
  /** @param {Entry} entry */
  #again(entry) {
    this.#drop(entry);
    this.send(entry.message);
  }
  /** @param {Entry} entry */
  #show(entry) {
    if (!this.entries.has(entry)) return;
    this.element.appendChild(entry.element);
    this.element.hidden = false;
  }
  /** @param {Entry} entry */
  #drop(entry) {
    this.entries.delete(entry);
    entry.element.remove();
    this.element.hidden = !this.element.firstChild;
  }
};

// src/composer.js
var TEXT_TYPES = "text/*,.md,.json,.csv,.tsv,.yaml,.yml,.toml,.xml,.py,.js,.ts,.sql,.log,.ipynb";
var IMAGE_TYPES2 = "image/png,image/jpeg,image/gif,image/webp";
var Composer = class {
  /**
   * @param {any} link
   * @param {{sent?: () => void}} [told] `sent`: a message has left the box
   */
  constructor(link, { sent = () => {
  } } = {}) {
    this.link = link;
    this.told = sent;
    this.notice = new Notice();
    this.files = [];
    this.reading = 0;
    this.sendWhenRead = false;
    this.outbox = new Outbox({
      send: (message) => link.request("send", {
        text: message.text,
        attachments: message.attachments.map(({ name, type, data }) => ({ name, type, data }))
      }),
      back: (message, join) => this.#back(message, join),
      say: (sentence) => sentence ? this.notice.fail(sentence) : this.notice.clear()
    });
    this.#build();
    this.update();
  }
  #build() {
    const id = uniqueId("message");
    this.text = h("textarea", {
      id,
      class: "polos-composer-text",
      rows: 2,
      placeholder: "Message … Shift+Enter for a new line",
      enterkeyhint: "send"
    });
    this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: -1, ariaHidden: "true" });
    this.chips = h("ul", { class: "polos-attachments", ariaLabel: "Attachments", hidden: true });
    this.queued = h("span", { class: "polos-composer-queued", role: "status" });
    this.attach = button("+ Attach", () => this.picker.click(), { label: "Attach files" });
    this.sendButton = button("Send", () => this.send(), { class: "polos-primary" });
    this.stop = button("■ Stop", () => this.#stop(), { label: "Stop the answer", hidden: true });
    this.element = h(
      "div",
      { class: "polos-composer" },
      this.outbox.element,
      h("label", { class: "polos-hidden-text", for: id }, "Message"),
      this.text,
      this.chips,
      h(
        "div",
        { class: "polos-composer-bar" },
        this.attach,
        this.picker,
        this.queued,
        h("span", { class: "polos-space" }),
        this.stop,
        this.sendButton
      ),
      this.notice.element
    );
    this.text.addEventListener("keydown", (event) => this.#key(event));
    this.text.addEventListener("input", () => this.#typed());
    this.text.addEventListener(
      "paste",
      (event) => this.#take(event, pastedFiles(event.clipboardData))
    );
    this.picker.addEventListener("change", () => {
      this.add([...this.picker.files ?? []]);
      this.picker.value = "";
    });
    this.element.addEventListener("dragover", (event) => this.#over(event));
    this.element.addEventListener("dragleave", () => this.element.classList.remove("polos-drop"));
    this.element.addEventListener("drop", (event) => {
      this.element.classList.remove("polos-drop");
      this.#take(event, [...event.dataTransfer?.files ?? []]);
    });
  }
  /** Show what the head of the conversation says now. */
  update() {
    const head = this.link.state.head;
    if (!head.busy && focused(this.element) === this.stop) this.text.focus();
    this.stop.hidden = !head.busy;
    setText(this.sendButton, head.busy ? "Send next" : "Send");
    setText(this.queued, head.queued ? `queued: ${head.queued}` : "");
    const accept = head.takes_images ? `${IMAGE_TYPES2},${TEXT_TYPES}` : TEXT_TYPES;
    this.picker.setAttribute("accept", accept);
    this.attach.setAttribute(
      "title",
      head.takes_images ? "Images and text files, at most 5 MB each" : "Text files, at most 5 MB each"
    );
  }
  /** Send what is in the box, once its files are read. */
  send() {
    if (this.reading) {
      this.sendWhenRead = true;
      this.notice.say("It is sent as soon as the attached files are read.");
      return;
    }
    const text2 = this.text.value;
    if (!text2.trim() && !this.files.length) {
      this.notice.say("There is nothing to send yet: write a message or attach a file.");
      return;
    }
    const message = { text: text2, attachments: this.files };
    this.#fill("", []);
    this.notice.clear();
    this.told();
    this.outbox.send(message);
  }
  /**
   * Attach files; those that cannot be taken are named with the reason.
   *
   * @param {File[]} files
   */
  async add(files) {
    if (!files.length) return;
    const images = Boolean(this.link.state.head.takes_images);
    this.reading += 1;
    const results = await Promise.allSettled(files.map((file) => readAttachment(file, { images })));
    this.reading -= 1;
    const refused = [];
    for (const result of results) {
      if (result.status === "fulfilled") this.files.push(result.value);
      else refused.push(sentenceOf(result.reason));
    }
    this.#showFiles();
    if (refused.length) {
      this.sendWhenRead = false;
      this.notice.fail(refused.join(" "));
    } else if (!this.reading && this.sendWhenRead) {
      this.sendWhenRead = false;
      this.send();
    } else this.notice.clear();
  }
  /**
   * A message is in the conversation now, so that it need not be kept here.
   *
   * @param {string} text
   */
  arrived(text2) {
    this.outbox.arrived(text2);
  }
  /** @param {any} event */
  #key(event) {
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
    if (event.shiftKey && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) this.send();
  }
  #typed() {
    this.sendWhenRead = false;
    this.#grow();
  }
  #grow() {
    const style = this.text.style;
    style.height = "auto";
    style.height = `${Math.min(this.text.scrollHeight + 2, 260)}px`;
  }
  /**
   * @param {any} event
   * @param {File[]} files
   */
  #take(event, files) {
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.add(files);
  }
  /** @param {any} event */
  #over(event) {
    if (![...event.dataTransfer?.types ?? []].includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.classList.add("polos-drop");
  }
  #stop() {
    act(this.stop, this.notice, "Stopping …", () => this.link.request("stop", {})).then((done) => {
      if (done?.data?.sentence) this.notice.say(done.data.sentence);
    });
  }
  /**
   * @param {Message} message
   * @param {boolean} [join] put it after what is in the box
   */
  #back(message, join = false) {
    const own = this.text.value;
    if (!join && (own || this.files.length)) return false;
    this.#fill([own, message.text].filter(Boolean).join("\n\n"), [...this.files, ...message.attachments]);
    return true;
  }
  /**
   * @param {string} text
   * @param {import("./attachments.js").Attachment[]} files
   */
  #fill(text2, files) {
    this.text.value = text2;
    this.files = files;
    this.#grow();
    this.#showFiles();
  }
  #showFiles() {
    clear(this.chips);
    this.chips.hidden = !this.files.length;
    for (const file of this.files) this.chips.appendChild(attachmentChip(file, () => this.#remove(file)));
  }
  /** @param {import("./attachments.js").Attachment} file */
  #remove(file) {
    this.files = this.files.filter((each) => each !== file);
    this.#showFiles();
    this.attach.focus();
  }
};

// src/state.js
function emptyState() {
  return { head: bare(), rows: bare(), order: bare() };
}
function applyOps(state2, ops) {
  const changed = /* @__PURE__ */ new Set();
  for (const op of Array.isArray(ops) ? ops : []) {
    if (Array.isArray(op)) applyOne(state2, op, changed);
  }
  return changed;
}
function applyOne(state2, op, changed) {
  const [name, first, second, third] = op;
  if (name === "h") {
    merge(state2.head, first);
    changed.add("head");
  } else if (name === "r" && isId(first)) {
    merge(rowOf(state2, first), second);
    changed.add(first);
  } else if (name === "t" && isId(first) && isKey(second) && typeof third === "string") {
    const row = rowOf(state2, first);
    row[second] = (typeof row[second] === "string" ? row[second] : "") + third;
    changed.add(first);
  } else if (name === "o" && typeof first === "string" && Array.isArray(second)) {
    state2.order[first] = second.filter(isId);
    changed.add(`order:${first}`);
  } else if (name === "x" && isId(first)) {
    delete state2.rows[first];
    delete state2.order[first];
    changed.add(first);
  } else if (name === "reset") {
    replace(state2, first, changed);
  }
}
function replace(state2, next, changed) {
  const old = { rows: state2.rows, order: state2.order };
  const fresh = emptyState();
  if (isFields(next)) {
    merge(fresh.head, next.head);
    for (const [id, row] of Object.entries(next.rows ?? {})) merge(rowOf(fresh, id), row);
    for (const [id, ids] of Object.entries(next.order ?? {})) if (Array.isArray(ids)) fresh.order[id] = ids.filter(isId);
  }
  Object.assign(state2, fresh);
  changed.add("head");
  for (const id of [...Object.keys(old.rows), ...Object.keys(fresh.rows)]) changed.add(id);
  for (const id of [...Object.keys(old.order), ...Object.keys(fresh.order)]) changed.add(`order:${id}`);
}
function rowOf(state2, id) {
  return state2.rows[id] ??= Object.assign(bare(), { id });
}
function merge(target, fields) {
  if (!isFields(fields)) return;
  for (const [key, value] of Object.entries(fields)) if (isKey(key)) target[key] = value;
}
function isFields(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isKey(key) {
  return typeof key === "string";
}
function isId(id) {
  return typeof id === "string" && id !== "";
}
function bare() {
  return /* @__PURE__ */ Object.create(null);
}

// src/link.js
var NO_ANSWER = "The kernel does not answer. If it was restarted, run the cell again; `%polos runs --waiting` lists what waits.";
var NO_ANSWER_YET = "No answer yet: the kernel is busy or gone.";
var REPEAT = 2e3;
var SILENCE = 1e4;
var PATIENCE = 5e3;
var REQUEST = 8e3;
var QUICK_REPEATS = 5;
var KEPT_ASIDE = 2e3;
var ACTIVE = /* @__PURE__ */ new Set(["running", "waiting", "suspended"]);
var requests = 0;
var RequestError = class extends Error {
  /**
   * @param {string} sentence
   * @param {boolean} [timeout]
   */
  constructor(sentence, timeout = false) {
    super(sentence);
    this.name = "RequestError";
    this.timeout = timeout;
  }
};
var Link = class {
  /** @type {State} */
  state = emptyState();
  /** Whether the kernel answered when it was last asked. */
  alive = true;
  /** Whether the kernel has said anything yet: before that, the state is empty. */
  synced = false;
  #model;
  #have = 0;
  /** @type {Map<number, any[]>} */
  #aside = /* @__PURE__ */ new Map();
  /** @type {Map<string, {resolve: (data: any) => void, reject: (error: Error) => void, timer: any}>} */
  #open = /* @__PURE__ */ new Map();
  /** @type {Set<(changed: Set<string>) => void>} */
  #changeListeners = /* @__PURE__ */ new Set();
  /** @type {Set<(alive: boolean) => void>} */
  #aliveListeners = /* @__PURE__ */ new Set();
  #heardAt = Date.now();
  #helloAt = 0;
  #unansweredSince = 0;
  #repeats = 0;
  #gap = false;
  #disposed = false;
  /** @type {ReturnType<typeof setInterval> | null} */
  #ticker = null;
  #receive = (content) => this.#onMessage(content);
  /**
   * @param {Model} model
   * @param {{queued?: any[]}} [options] messages that came before this was made
   */
  constructor(model, { queued = [] } = {}) {
    this.#model = model;
    model.on("msg:custom", this.#receive);
    for (const content of queued) this.#onMessage(content);
    if (!this.#gap) this.#hello();
    this.#watch();
  }
  /** The number of the last batch that is in the state. */
  get have() {
    return this.#have;
  }
  /**
   * Ask the kernel for something.
   *
   * @param {string} verb
   * @param {Record<string, any>} [args]
   * @param {{timeout?: number}} [options] milliseconds
   * @returns {Promise<any>} the answer's data; rejects with a RequestError whose message is one sentence
   */
  request(verb, args = {}, { timeout = REQUEST } = {}) {
    const id = `${Date.now().toString(36)}-${requests += 1}-${Math.random().toString(36).slice(2, 8)}`;
    return new Promise((resolve, reject) => {
      if (this.#disposed) {
        reject(new RequestError(NO_ANSWER, true));
        return;
      }
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new RequestError(NO_ANSWER_YET, true));
      }, timeout);
      this.#open.set(id, { resolve, reject, timer });
      if (!this.#send({ ...args, t: "req", id, do: verb })) {
        clearTimeout(timer);
        this.#open.delete(id);
        reject(new RequestError(NO_ANSWER, true));
      }
    });
  }
  /**
   * Call `fn` with the ids that changed ("head", "order:<parent>", row ids) after every message that changed something.
   *
   * @param {(changed: Set<string>) => void} fn
   * @returns {() => void} ends it
   */
  onChange(fn) {
    this.#changeListeners.add(fn);
    return () => this.#changeListeners.delete(fn);
  }
  /**
   * Call `fn` whenever the kernel stops or begins to answer.
   *
   * @param {(alive: boolean) => void} fn
   * @returns {() => void} ends it
   */
  onAlive(fn) {
    this.#aliveListeners.add(fn);
    return () => this.#aliveListeners.delete(fn);
  }
  /** Stop listening and asking; open requests end with the sentence that nobody answers. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#model.off("msg:custom", this.#receive);
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#ticker = null;
    for (const { reject, timer } of this.#open.values()) {
      clearTimeout(timer);
      reject(new RequestError(NO_ANSWER, true));
    }
    this.#open.clear();
    this.#changeListeners.clear();
    this.#aliveListeners.clear();
  }
  /** @param {any} content */
  #onMessage(content) {
    if (this.#disposed || typeof content !== "object" || content === null) return;
    if (content.t === "ops") this.#onBatch(content);
    else if (content.t === "snap") this.#onSnapshot(content);
    else if (content.t === "res") this.#onAnswer(content);
    else return;
    this.#heard();
  }
  /** @param {any} content */
  #onBatch({ s, ops }) {
    if (!Number.isInteger(s)) return;
    if (s <= this.#have) {
      if (s === this.#have) this.#settle();
      return;
    }
    if (this.#aside.size < KEPT_ASIDE) this.#aside.set(s, Array.isArray(ops) ? ops : []);
    this.#drain(/* @__PURE__ */ new Set());
    this.#checkGap(s);
  }
  /** @param {any} content */
  #onSnapshot({ s, state: state2 }) {
    if (!Number.isInteger(s) || s < this.#have || s === this.#have && this.synced) {
      if (s === this.#have) this.#settle();
      return;
    }
    this.#have = s;
    this.#drain(applyOps(this.state, [["reset", state2]]));
    this.#checkGap(s);
  }
  /**
   * Apply the batches that follow without a hole, and tell the listeners once.
   *
   * @param {Set<string>} changed
   */
  #drain(changed) {
    for (let ops = this.#aside.get(this.#have + 1); ops; ops = this.#aside.get(this.#have + 1)) {
      this.#have += 1;
      for (const id of applyOps(this.state, ops)) changed.add(id);
    }
    for (const n of this.#aside.keys()) if (n <= this.#have) this.#aside.delete(n);
    if (changed.size) call(this.#changeListeners, changed);
  }
  /** @param {number} s */
  #checkGap(s) {
    if (this.#aside.size || s > this.#have) {
      this.synced = this.synced || this.#have > 0;
      if (this.#gap) return;
      this.#gap = true;
      this.#repeats = 0;
      this.#hello();
    } else {
      this.#settle();
    }
  }
  #settle() {
    this.synced = true;
    if (this.#aside.size === 0) this.#gap = false;
    this.#repeats = 0;
  }
  /** @param {any} content */
  #onAnswer({ id, ok, data, error }) {
    const open3 = this.#open.get(id);
    if (!open3) return;
    this.#open.delete(id);
    clearTimeout(open3.timer);
    if (ok) open3.resolve(data);
    else open3.reject(new RequestError(String(error || "The kernel refused without saying why.")));
  }
  #hello() {
    this.#helloAt = Date.now();
    this.#unansweredSince ||= this.#helloAt;
    this.#send({ t: "hello", s: this.#have });
  }
  /**
   * @param {any} content
   * @returns {boolean} whether it could be handed over
   */
  #send(content) {
    try {
      this.#model.send(content);
      return true;
    } catch (error) {
      console.warn("polos_nb: a message could not be sent.", error);
      return false;
    }
  }
  #heard() {
    this.#heardAt = Date.now();
    this.#unansweredSince = 0;
    this.#setAlive(true);
    this.#watch();
  }
  /** @param {boolean} alive */
  #setAlive(alive) {
    if (alive === this.alive) return;
    this.alive = alive;
    call(this.#aliveListeners, alive);
  }
  get #missing() {
    return this.#gap || !this.synced;
  }
  get #active() {
    const { head } = this.state;
    return ACTIVE.has(head.status) || Boolean(head.busy);
  }
  /** One timer a second, only while there is something to wait for. */
  #watch() {
    const wanted = !this.#disposed && (this.#missing || this.#active || !this.alive);
    if (wanted && this.#ticker === null) this.#ticker = setInterval(() => this.#tick(), 1e3);
    if (!wanted && this.#ticker !== null) {
      clearInterval(this.#ticker);
      this.#ticker = null;
    }
  }
  #tick() {
    const now = Date.now();
    const since = now - this.#helloAt;
    const unanswered = this.#unansweredSince ? now - this.#unansweredSince : 0;
    if (unanswered >= PATIENCE && now - this.#heardAt >= SILENCE + PATIENCE) this.#setAlive(false);
    if (this.#missing) {
      if (since < (this.#repeats < QUICK_REPEATS ? REPEAT : SILENCE)) return;
      this.#repeats += 1;
      this.#hello();
    } else if (now - this.#heardAt >= SILENCE && since >= SILENCE) {
      this.#hello();
    }
    this.#watch();
  }
};
function call(listeners, value) {
  for (const listener of [...listeners]) {
    try {
      listener(value);
    } catch (error) {
      console.error("polos_nb: a view failed.", error);
    }
  }
}

// src/rules.js
var Rules = class {
  /**
   * @param {import("./link.js").Link} link
   */
  constructor(link) {
    this.link = link;
    this.list = h("ul", { class: "polos-rules-list", role: "list" });
    this.alert = h("div", { class: "polos-error", role: "alert" });
    this.element = h(
      "div",
      { class: "polos-rules", hidden: true },
      h("div", { class: "polos-section-title" }, "approved without asking, in this run"),
      this.list,
      this.alert
    );
    this.shown = "";
    this.update();
  }
  /** Show the rules that hold now. */
  update() {
    const given = this.link.state.head.always;
    const rules = (Array.isArray(given) ? given : []).filter((rule) => rule && typeof rule === "object");
    const look = JSON.stringify(rules);
    if (look === this.shown) return;
    this.shown = look;
    clear(this.list);
    append(
      this.list,
      rules.map((rule) => this.item(rule))
    );
    this.element.hidden = rules.length === 0;
  }
  /** @param {Record<string, any>} rule */
  item(rule) {
    const words = visible(typeof rule.text === "string" ? rule.text : rule.tool);
    const revoke = button(
      "Revoke",
      async () => {
        enable(revoke, false);
        setText(this.alert, "");
        try {
          await this.link.request("revoke", { rule: rule.id });
        } catch (error) {
          setText(this.alert, `✗ ${sentenceOf(error)}`);
          enable(revoke, true);
        }
      },
      { class: "polos-small" }
    );
    return h("li", null, h("span", null, `✓ ${words} `), revoke);
  }
};

// src/edit_arguments.js
var DEEPEST2 = 500;
var NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
var STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
var WORD = /true|false|null/y;
var UNSEEN = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\u007f-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udfff]/g;
function plainJson(json) {
  return json.replace(
    UNSEEN,
    (found) => Array.from({ length: found.length }, (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")
  );
}
function readArguments(text2) {
  const reader = new Reader(text2);
  try {
    reader.space();
    if (reader.at >= text2.length) reader.fail("there is nothing here; the arguments are an object, such as {}");
    const first = text2[reader.at];
    reader.value(0);
    reader.space();
    if (reader.at < text2.length) reader.fail("the arguments end before this; nothing may follow the last }");
    if (first !== "{") {
      reader.at = text2.indexOf(first);
      reader.fail("the arguments must be one object: { … }");
    }
    return { value: JSON.parse(text2), error: "" };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const before = text2.slice(0, error.at).split("\n");
    return {
      value: null,
      error: `Line ${before.length}, column ${before[before.length - 1].length + 1}: ${error.message}.`,
      at: error.at
    };
  }
}
var Problem = class extends Error {
  /**
   * @param {string} message
   * @param {number} at
   */
  constructor(message, at) {
    super(message);
    this.at = at;
  }
};
var Reader = class {
  /** @param {string} text */
  constructor(text2) {
    this.text = text2;
    this.at = 0;
  }
  /**
   * @param {string} why
   * @returns {never}
   */
  fail(why) {
    throw new Problem(why, this.at);
  }
  space() {
    while (" 	\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
  }
  /**
   * @param {RegExp} pattern
   * @returns {string} what was found here, or ""
   */
  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }
  /** @param {number} depth */
  value(depth) {
    if (depth > DEEPEST2) this.fail("this is nested too deeply");
    const char = this.text[this.at];
    if (char === void 0) this.fail("the text ends where a value is expected");
    if (char === "{") return this.object(depth);
    if (char === "[") return this.array(depth);
    if (char === '"') return this.string();
    if (/[-\d]/.test(char)) return this.number();
    if (this.match(WORD)) return void 0;
    if (char === "'") this.fail('texts are written in double quotes (")');
    if (/^(True|False|None)\b/.test(this.text.slice(this.at, this.at + 6)))
      this.fail("JSON writes true, false and null");
    return this.fail(
      char === "}" || char === "]" || char === "," ? `a value is missing before ${char}` : "a value is expected here; texts need double quotes"
    );
  }
  /** @param {number} depth */
  object(depth) {
    const names = /* @__PURE__ */ new Set();
    this.at += 1;
    this.space();
    if (this.match(/\}/y)) return;
    for (; ; ) {
      this.space();
      const from = this.at;
      if (this.text[from] !== '"')
        this.fail(
          names.size && this.text[from] === "}" ? "the comma before this } is one too many" : 'a name in double quotes (") is expected here'
        );
      const name = this.string();
      if (names.has(name)) {
        this.at = from;
        this.fail(`the name ${name} is there twice`);
      }
      names.add(name);
      this.space();
      if (!this.match(/:/y)) this.fail(`a colon is missing after ${name}`);
      this.space();
      this.value(depth + 1);
      this.space();
      if (this.match(/\}/y)) return;
      if (!this.match(/,/y)) this.fail("a comma or } is missing here");
    }
  }
  /** @param {number} depth */
  array(depth) {
    this.at += 1;
    this.space();
    if (this.match(/\]/y)) return;
    for (let first = true; ; first = false) {
      this.space();
      if (!first && this.text[this.at] === "]") this.fail("the comma before this ] is one too many");
      this.value(depth + 1);
      this.space();
      if (this.match(/\]/y)) return;
      if (!this.match(/,/y)) this.fail("a comma or ] is missing here");
    }
  }
  string() {
    const found = this.match(STRING);
    if (found) return found;
    const end = /[^\\"\n]*(?:\\.[^\\"\n]*)*/y;
    end.lastIndex = this.at + 1;
    const next = this.at + 1 + (end.exec(this.text)?.[0].length ?? 0);
    if (this.text[next] !== '"')
      this.fail(
        this.text[next] === "\n" ? "this text has no closing quote on its line; a line break is written \\n" : "this text has no closing quote"
      );
    return this.fail(
      "this text has a backslash or a control character that JSON does not allow; a backslash is written \\\\"
    );
  }
  number() {
    const from = this.at;
    const found = this.match(NUMBER);
    if (!found || /[\w.]/.test(this.text[this.at] ?? "")) {
      this.at = from;
      this.fail("this is not a number as JSON writes it");
    }
    const value = Number(found);
    if (!Number.isFinite(value) || /^-?\d+$/.test(found) && !Number.isSafeInteger(value)) {
      this.at = from;
      this.fail(
        `the number ${found.slice(0, 40)} is too large to be sent exactly from a browser; reject with feedback, or approve without editing`
      );
    }
  }
};

// src/card_arguments.js
var LONG = 2048;
var HIGHEST = 16;
var CardArguments = class {
  /**
   * @param {string} json
   * @param {string} tool
   * @param {HTMLElement | null} editButton where there is none, nothing can be edited
   */
  constructor(json, tool, editButton) {
    this.editing = false;
    this.original = plainJson(json);
    this.view = h("div", null);
    this.showOriginal();
    const title = tool ? h("span", null, "arguments of ", h("code", null, tool)) : "arguments";
    this.element = h(
      "div",
      { class: "polos-section" },
      h("div", { class: "polos-section-title" }, title, " ", editButton),
      this.view
    );
    const id = uniqueId("edit");
    this.problem = h("div", { class: "polos-error", id: `${id}-problem`, role: "status" });
    this.edit = h("textarea", {
      id,
      class: "polos-input polos-card-edit",
      rows: Math.min(HIGHEST, this.original.split("\n").length + 1),
      spellcheck: "false",
      value: this.original,
      dataPart: "editor",
      ariaDescribedby: `${id}-problem`
    });
    this.edit.addEventListener("input", () => this.check());
    this.editor = h(
      "div",
      { hidden: true },
      h("label", { for: id, class: "polos-field-label" }, "Arguments as JSON"),
      this.edit,
      this.problem
    );
    if (editButton) append(this.element, [this.editor]);
  }
  showOriginal() {
    const all = this.original;
    const pre = h("pre", { class: "polos-pre polos-card-args" }, visible(all.slice(0, LONG)));
    const rest = button(
      `show all (${number(all.length - LONG)} more characters)`,
      () => {
        setText(pre, all);
        rest.remove();
      },
      { class: "polos-small" }
    );
    append(this.view, [
      h(
        "div",
        { class: "polos-copyable" },
        pre,
        copyButton(() => all, "Copy the arguments")
      ),
      all.length > LONG ? rest : null
    ]);
  }
  /** @param {boolean} open */
  show(open3) {
    this.editing = open3;
    this.editor.hidden = !open3;
    this.view.hidden = open3;
    setText(this.problem, "");
  }
  /** Forget the edit. */
  discard() {
    this.edit.value = this.original;
    this.edit.removeAttribute("aria-invalid");
  }
  /**
   * What was edited: null when it says the same as before.
   *
   * @returns {{value: Record<string, any> | null, error: string}}
   */
  read() {
    const { value, error } = readArguments(this.edit.value);
    if (error) this.check();
    const same3 = !error && JSON.stringify(value) === JSON.stringify(readArguments(this.original).value);
    return { value: same3 ? null : value, error };
  }
  /** Say where the JSON is wrong, while it is typed. */
  check() {
    const { error } = readArguments(this.edit.value);
    setText(this.problem, error ? `✗ ${error}` : "");
    if (error) this.edit.setAttribute("aria-invalid", "true");
    else this.edit.removeAttribute("aria-invalid");
  }
};

// src/words.js
var SIGNS = {
  cached: { symbol: "◆", word: "cached", look: "cached" },
  running: { symbol: "●", word: "live", look: "live" },
  planned: { symbol: "◇", word: "will run", look: "planned" },
  waiting: { symbol: "‖", word: "waiting", look: "waiting" },
  done: { symbol: "✓", word: "done", look: "done" },
  failed: { symbol: "✗", word: "failed", look: "failed" },
  stopped: { symbol: "■", word: "stopped", look: "stopped" },
  retrying: { symbol: "↻", word: "retrying", look: "retrying" }
};
var RUN_SIGNS = {
  running: { symbol: "●", word: "running", look: "live" },
  completed: SIGNS.done,
  failed: SIGNS.failed,
  cancelled: SIGNS.stopped,
  suspended: SIGNS.waiting
};
var STARTING = { symbol: "◇", word: "starting", look: "planned" };
function signOf(row) {
  if (row.state === "done" && row.cached) return SIGNS.cached;
  return Object.hasOwn(SIGNS, row.state) ? SIGNS[row.state] : SIGNS.running;
}
function runSignOf(head) {
  if (!Object.hasOwn(RUN_SIGNS, head.status ?? "")) return STARTING;
  return head.status === "running" && head.waiting > 0 ? SIGNS.waiting : RUN_SIGNS[head.status];
}
function badge() {
  const symbol = h("span", { class: "polos-symbol", ariaHidden: "true" });
  const word = h("span", { class: "polos-word" });
  const element = h("span", { class: "polos-badge" }, symbol, " ", word);
  let shown = null;
  return {
    element,
    set(sign) {
      if (sign === shown) return;
      shown = sign;
      symbol.textContent = sign.symbol;
      word.textContent = sign.word;
      element.className = `polos-badge polos-is-${sign.look}`;
    }
  };
}
function kindOf(kind) {
  return typeof kind === "string" && kind !== "" && kind !== "run" ? visible(kind).slice(0, 24) : "step";
}
function span(seconds) {
  return duration(Math.max(0, Math.floor(seconds))).replace(".0 s", " s");
}
function oneLine(text2) {
  return typeof text2 === "string" ? visible(text2.slice(0, 2e3)).replace(/\s+/g, " ").trim() : "";
}

// src/card_parts.js
var WORDS = { approval: "approval needed", suspend: "an answer is needed", doubt: "in doubt: did it happen?" };
function headOf(ask, titleId, waited) {
  const word = Object.hasOwn(WORDS, ask.kind ?? "") ? WORDS[ask.kind] : WORDS.suspend;
  const where = [ask.run ? `run ${oneLine(ask.run)}` : "", ask.step ? `step ${oneLine(ask.step)}` : ""].filter(Boolean).join(" · ");
  return h(
    "div",
    { class: "polos-card-head" },
    h(
      "span",
      { class: "polos-badge polos-is-waiting" },
      h("span", { class: "polos-symbol", ariaHidden: "true" }, "‖"),
      " ",
      word
    ),
    h(
      "strong",
      { class: "polos-card-title", id: titleId },
      oneLine(ask.title) || oneLine(ask.tool) || "A question of the run"
    ),
    h("div", { class: "polos-card-where" }, where, where ? " · " : null, waited)
  );
}
function waitedWords({ asked_at: asked, until }, now) {
  const words = asked > 0 ? [`waiting ${span(now - asked)}`] : [];
  if (!(until > 0)) words.push("never expires");
  else
    words.push(
      until > now ? `until ${clock(until, now)} (${span(Math.ceil(until - now))} left)` : "the time to answer is over"
    );
  return words.join(" · ");
}
function scopeOf(ask) {
  return h(
    "select",
    { id: uniqueId("scope"), class: "polos-input polos-card-scope", dataPart: "scope" },
    h("option", { value: "" }, "this call only"),
    h("option", { value: "tool" }, oneLine(ask.always_label) || "every call of this tool in this run"),
    h("option", { value: "same" }, oneLine(ask.same_label) || "calls with exactly these arguments")
  );
}
function commandOf(ask) {
  const command = typeof ask.command === "string" ? visible(ask.command) : "";
  if (!command) return null;
  return h(
    "div",
    { class: "polos-card-command polos-muted" },
    "or run ",
    h("code", null, command),
    " ",
    copyButton(() => command, "Copy the command")
  );
}

// src/form.js
var NUMBER2 = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
var INPUT_TYPES = /* @__PURE__ */ new Set(["email", "url"]);
var Form = class {
  /**
   * @param {Field[]} fields
   */
  constructor(fields) {
    this.element = h("div", { class: "polos-form" });
    this.entries = /* @__PURE__ */ new Map();
    for (const field2 of Array.isArray(fields) ? fields : []) {
      if (field2 && typeof field2.key === "string" && field2.key !== "" && !this.entries.has(field2.key)) this.add(field2);
    }
    this.element.hidden = this.entries.size === 0;
  }
  /**
   * What was filled in, by key. Fields that were left empty are not in it: the form's own defaults hold for them.
   *
   * @returns {Record<string, any>}
   */
  values() {
    const out = {};
    for (const [key, { field: field2, control }] of this.entries) {
      const value = valueOf(field2, control);
      if (value !== void 0)
        Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
    }
    return out;
  }
  /**
   * Check what can be checked here; what is wrong is said at its field, and the first such field gets the focus.
   *
   * @returns {string} a sentence, or "" when nothing is wrong
   */
  check() {
    const wrong = [];
    let first = null;
    for (const { field: field2, control, hint } of this.entries.values()) {
      const problem = problemOf(field2, control);
      setText(hint, problem);
      hint.hidden = !problem;
      if (problem) {
        control.setAttribute("aria-invalid", "true");
        wrong.push(`${titleOf(field2)}: ${problem}`);
        first ??= control;
      } else control.removeAttribute("aria-invalid");
    }
    first?.focus();
    return wrong.join(" ");
  }
  /**
   * Take over what was typed into another form, field by field.
   *
   * @param {Form} other
   */
  take(other) {
    for (const [key, entry] of this.entries) {
      const old = other.entries.get(key);
      if (!old || old.field.type !== entry.field.type || state(old.control) === old.before) continue;
      if (entry.control.type === "checkbox") entry.control.checked = old.control.checked;
      else if (entry.control.tagName !== "SELECT" || same2(entry.field.options, old.field.options))
        entry.control.value = old.control.value;
    }
  }
  /** @param {Field} field */
  add(field2) {
    const id = uniqueId("field");
    const about = h("div", { class: "polos-muted", id: `${id}-about` }, visible(field2.description));
    const hint = h("div", { class: "polos-error", id: `${id}-hint`, hidden: true });
    const control = controlOf(field2);
    control.id = id;
    control.setAttribute("aria-describedby", `${field2.description ? `${about.id} ` : ""}${hint.id}`);
    if (field2.required) control.setAttribute("aria-required", "true");
    const label = h(
      "label",
      { for: id, class: "polos-field-label" },
      titleOf(field2),
      field2.required ? h("span", { class: "polos-muted" }, " (required)") : null
    );
    const box = control.type === "checkbox";
    append(this.element, [
      h(
        "div",
        { class: box ? "polos-field polos-field-check" : "polos-field" },
        box ? [control, label] : [label, field2.description ? about : null, control],
        box && field2.description ? about : null,
        hint
      )
    ]);
    this.entries.set(field2.key, { field: field2, control, hint, before: state(control) });
  }
};
function titleOf(field2) {
  return visible(field2.label || field2.key);
}
function controlOf(field2) {
  const initial = field2.default === null || field2.default === void 0 ? "" : textOf2(field2.default);
  if (field2.type === "boolean") {
    if (typeof field2.default === "boolean")
      return h("input", { type: "checkbox", class: "polos-check", checked: field2.default });
    return choice(
      [
        { label: "yes", value: true },
        { label: "no", value: false }
      ],
      field2
    );
  }
  if (field2.type === "select" && Array.isArray(field2.options) && field2.options.length)
    return choice(field2.options, field2);
  if (field2.type === "textarea") return h("textarea", { class: "polos-input", rows: 3, value: initial });
  if (field2.type === "number")
    return h("input", {
      class: "polos-input polos-input-short",
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      value: initial
    });
  const type = INPUT_TYPES.has(field2.type) ? field2.type : "text";
  return h("input", { class: "polos-input", type, autocomplete: "off", value: initial });
}
function choice(options2, field2) {
  const select2 = h("select", { class: "polos-input" }, h("option", { value: "" }, field2.required ? "choose …" : "—"));
  options2.forEach(
    (option, i) => select2.appendChild(h("option", { value: String(i) }, visible(textOf2(option?.label ?? option?.value ?? option))))
  );
  const given = options2.findIndex((option) => same2(option?.value ?? null, field2.default ?? void 0));
  select2.value = given >= 0 ? String(given) : "";
  select2.polosChoices = options2;
  return select2;
}
function valueOf(field2, control) {
  if (control.type === "checkbox") return control.checked;
  if (control.polosChoices)
    return control.value === "" ? void 0 : chosen(control.polosChoices[Number(control.value)]);
  if (control.value.trim() === "")
    return typeof field2.default === "string" && field2.default !== "" ? control.value : void 0;
  if (field2.type === "number") return exact(control.value.trim());
  return field2.type === "email" || field2.type === "url" ? control.value.trim() : control.value;
}
function chosen(option) {
  return option && typeof option === "object" && "value" in option ? option.value : option;
}
function exact(text2) {
  const value = Number(text2);
  return String(value) === text2 ? value : text2;
}
function problemOf(field2, control) {
  const empty = control.type !== "checkbox" && control.value.trim() === "";
  if (empty) return field2.required ? "this is required." : "";
  if (field2.type === "number" && !NUMBER2.test(control.value.trim()))
    return `${JSON.stringify(visible(control.value.trim().slice(0, 40)))} is not a number.`;
  if (INPUT_TYPES.has(field2.type) && control.validity && !control.validity.valid) {
    return field2.type === "email" ? "this is not an e-mail address (name@example.com)." : "this is not an address (https://example.com).";
  }
  return "";
}
function state(control) {
  return control.type === "checkbox" ? control.checked : control.value;
}
function textOf2(value) {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
function same2(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

// src/guard.js
var CALM = 400;
var LOOK = 100;
var Guard = class {
  /**
   * @param {HTMLElement} element
   * @param {{untrusted?: boolean}} [options] `untrusted` also takes clicks that a script made: for tests
   */
  constructor(element, { untrusted = false } = {}) {
    this.element = element;
    this.untrusted = untrusted;
    this.changedAt = performance.now();
    this.movedAt = this.changedAt;
    this.place = "";
    this.lookedAt = this.changedAt;
  }
  /** What the card asks is another thing now. */
  changed() {
    this.changedAt = performance.now();
  }
  /** Note where the element is; to be called about every 100 ms. */
  look() {
    const box = this.element.getBoundingClientRect();
    const place = `${Math.round(box.left)} ${Math.round(box.top)} ${Math.round(box.width)} ${Math.round(box.height)}`;
    const now = performance.now();
    if (place !== this.place || now - this.lookedAt > 10 * LOOK) this.movedAt = now;
    this.place = place;
    this.lookedAt = now;
  }
  /**
   * Whether a click can be meant for what stands here now.
   *
   * @param {MouseEvent} event
   * @returns {"yes" | "too early" | "no"}
   */
  allows(event) {
    if (!event.isTrusted && !this.untrusted) return "no";
    const now = performance.now();
    const byKeyboard = event.detail === 0 && event.isTrusted;
    if (!byKeyboard) this.look();
    const since = byKeyboard ? this.changedAt : Math.max(this.changedAt, this.movedAt);
    return now - since < CALM ? "too early" : "yes";
  }
};

// src/ask_card.js
var PATIENCE2 = 1e4;
var AskCard = class {
  /**
   * @param {import("./link.js").Link} link
   * @param {string} id the row that waits
   * @param {{untrusted?: boolean}} [options]
   */
  constructor(link, id, options2 = {}) {
    this.link = link;
    this.id = id;
    this.busy = false;
    this.look = "";
    this.nonce = void 0;
    this.args = null;
    this.editButton = null;
    this.scope = null;
    this.feedback = null;
    this.yes = null;
    this.titleId = uniqueId("card");
    this.element = h("section", { class: "polos-card", role: "group", ariaLabelledby: this.titleId });
    this.guard = new Guard(this.element, options2);
    this.waited = h("span", { class: "polos-card-waited" });
    this.alert = h("div", { class: "polos-card-alert", role: "alert" });
    this.said = h("div", { class: "polos-card-said polos-muted", role: "status" });
    this.buttons = [];
    this.form = new Form([]);
    this.update();
  }
  /** @returns {Ask} */
  get ask() {
    return this.link.state.rows[this.id]?.ask ?? {};
  }
  /** The decision that this card asks for. @param {Ask} ask @returns {string} */
  static key(ask) {
    return JSON.stringify([ask.decision, ask.run, ask.step]);
  }
  /** Show the question as it is now. What the user typed stays. */
  update() {
    const { nonce, ...shown } = this.ask;
    const look = JSON.stringify(shown);
    if (look !== this.look) {
      this.look = look;
      this.build(this.ask);
      this.guard.changed();
    }
    if (nonce !== this.nonce && this.busy) this.setBusy(false);
    this.nonce = nonce;
    this.tick(Date.now() / 1e3);
  }
  /**
   * @param {number} now seconds since 1970
   */
  tick(now) {
    setText(this.waited, waitedWords(this.ask, now));
  }
  /** @param {Ask} ask */
  build(ask) {
    const focused2 = this.focusedName();
    const old = this.form;
    const typed = {
      edit: this.args?.editing ? this.args.edit.value : null,
      feedback: this.feedback?.value,
      scope: this.scope?.value
    };
    const fields = Array.isArray(ask.fields) ? ask.fields : [];
    this.feedback = null;
    this.approves = ask.kind === "approval" || fields.some((field2) => field2?.key === "approved" && field2.type === "boolean");
    this.form = new Form(
      fields.filter(
        (field2) => !this.approves || field2?.key !== "approved" && field2?.key !== "feedback"
      )
    );
    this.form.take(old);
    clear(this.element);
    append(this.element, [
      headOf(ask, this.titleId, this.waited),
      typeof ask.description === "string" && ask.description ? h("p", { class: "polos-card-text" }, visible(ask.description)) : null,
      this.argumentsOf(ask),
      ask.context ? h(
        "div",
        { class: "polos-section" },
        h("div", { class: "polos-section-title" }, "context"),
        valueNode(ask.context)
      ) : null,
      this.form.element,
      this.approves ? this.feedbackOf(fields) : null,
      this.buttonsOf(ask),
      commandOf(ask),
      this.alert,
      this.said
    ]);
    this.restore(typed);
    if (focused2)
      this.element.querySelector(`[data-part="${focused2}"]`)?.focus({
        preventScroll: true
      });
  }
  /** @param {{edit: string | null, feedback?: string, scope?: string}} typed */
  restore({ edit, feedback, scope }) {
    if (this.editButton && edit !== null) {
      this.showEditor(true);
      this.args.edit.value = edit;
      this.args.check();
    }
    if (this.feedback && feedback) this.feedback.value = feedback;
    if (this.scope && scope) this.scope.value = scope;
    if (this.busy) this.setBusy(true);
  }
  /** @param {Ask} ask */
  argumentsOf(ask) {
    this.editButton = null;
    this.args = null;
    if (typeof ask.args !== "string") return null;
    if (ask.can_edit) this.editButton = this.control("edit", "Edit", () => this.toggleEditor(), "polos-small");
    this.args = new CardArguments(ask.args, oneLine(ask.tool), this.editButton);
    return this.args.element;
  }
  toggleEditor() {
    const open3 = !this.args.editing;
    this.showEditor(open3);
    if (open3) this.args.edit.focus();
    else this.args.discard();
  }
  /** @param {boolean} open */
  showEditor(open3) {
    this.args.show(open3);
    setText(this.editButton, open3 ? "Discard the edit" : "Edit");
    if (this.yes) setText(this.yes, open3 ? "Approve edited" : "Approve");
    this.guard.changed();
  }
  /** @param {any[]} fields */
  feedbackOf(fields) {
    const field2 = fields.find((one) => one?.key === "feedback") ?? {};
    const id = uniqueId("feedback");
    this.feedback = h("textarea", { id, class: "polos-input", rows: 2, dataPart: "feedback" });
    const about = oneLine(field2.description) || "What the model should know";
    return h(
      "div",
      { class: "polos-field" },
      h(
        "label",
        { for: id, class: "polos-field-label" },
        oneLine(field2.label) || "Feedback",
        h("span", { class: "polos-muted" }, ` · ${about}`)
      ),
      this.feedback
    );
  }
  /** @param {Ask} ask */
  buttonsOf(ask) {
    this.buttons = this.editButton ? [this.editButton] : [];
    this.scope = null;
    this.yes = null;
    const bar = h("div", { class: "polos-card-bar" });
    if (this.approves) {
      if (ask.can_always) {
        this.scope = scopeOf(ask);
        append(bar, [
          h("span", { class: "polos-card-scope-part" }, h("label", { for: this.scope.id }, "Approve "), this.scope)
        ]);
      }
      this.yes = this.control("yes", "Approve", () => this.approve(), "polos-primary");
      append(bar, [
        this.yes,
        this.control(
          "no",
          "Reject",
          () => this.answer({ ...this.form.values(), ...this.feedbackGiven(), approved: false })
        )
      ]);
    } else {
      append(bar, [this.control("answer", "Answer", () => this.answerForm(), "polos-primary")]);
    }
    append(bar, [
      h("span", { class: "polos-space" }),
      h(
        "span",
        { class: "polos-card-others" },
        ask.inline ? this.control("later", "Answer later", () => this.send("later", {}, "The cell ends; the run waits.")) : null,
        this.control("stop", "Stop run", () => this.send("stop", { run: ask.run }, "Stopping …"), "polos-danger")
      )
    ]);
    return bar;
  }
  /**
   * A button of this card: it takes only clicks that a person can have meant.
   *
   * @param {string} part
   * @param {string} word
   * @param {() => void} press
   * @param {string} [look]
   * @returns {any}
   */
  control(part2, word, press, look = "") {
    const element = button(
      word,
      (event) => {
        const allowed = this.guard.allows(event);
        if (allowed === "too early")
          setText(this.said, "This card has just appeared or moved: press again if you mean it.");
        if (allowed !== "yes") return;
        setText(this.said, "");
        press();
      },
      { class: look, dataPart: part2 }
    );
    this.buttons.push(element);
    return element;
  }
  /** @returns {Record<string, any>} */
  feedbackGiven() {
    const said = this.feedback?.value.trim() ?? "";
    return said ? { feedback: said } : {};
  }
  approve() {
    const values = { ...this.form.values(), ...this.feedbackGiven(), approved: true };
    if (this.args?.editing) {
      const { value, error } = this.args.read();
      if (error) {
        this.fail(`The edited arguments are not right. ${error}`);
        this.args.edit.focus();
        return;
      }
      if (value) values.arguments = value;
    }
    if (!this.formIsRight()) return;
    this.answer(values, this.scope?.value || null);
  }
  answerForm() {
    if (this.formIsRight()) this.answer(this.form.values());
  }
  formIsRight() {
    const wrong = this.form.check();
    if (wrong) this.fail(wrong);
    return !wrong;
  }
  /**
   * @param {Record<string, any>} values
   * @param {string | null} [always]
   */
  answer(values, always = null) {
    const { run, step, nonce } = this.ask;
    return this.send("answer", { run, step, nonce, values, always }, "Sending the answer …");
  }
  /**
   * @param {string} verb
   * @param {Record<string, any>} args
   * @param {string} doing
   */
  async send(verb, args, doing) {
    this.setBusy(true);
    setText(this.alert, "");
    setText(this.said, doing);
    try {
      const data = await this.link.request(verb, args);
      setText(this.said, oneLine(data?.sentence) || doing);
      if (verb === "later") this.setBusy(false);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.setBusy(false), PATIENCE2);
    } catch (error) {
      this.setBusy(false);
      setText(this.said, "");
      this.fail(sentenceOf(error));
    }
  }
  /** @param {string} sentence */
  fail(sentence) {
    setText(this.alert, `✗ ${sentence}`);
  }
  /** @param {boolean} busy */
  setBusy(busy2) {
    this.busy = busy2;
    this.element.setAttribute("aria-busy", String(busy2));
    for (const element of this.buttons) enable(element, !busy2);
  }
  /** Whether the keyboard is in this card. */
  get hasFocus() {
    const root = (
      /** @type {any} */
      this.element.getRootNode()
    );
    return this.element.contains(root.activeElement ?? null);
  }
  focusedName() {
    return this.hasFocus ? (
      /** @type {any} */
      this.element.getRootNode().activeElement?.dataset?.part
    ) : void 0;
  }
  /** Take the card out of the page. */
  remove() {
    clearTimeout(this.timer);
    this.element.remove();
  }
};

// src/card.js
var DEEPEST3 = 64;
var Cards = class {
  /**
   * @param {import("./link.js").Link} link
   * @param {{root?: string, untrusted?: boolean, rules?: boolean}} [options] `untrusted` is for tests; `rules` false
   *   leaves out the list of rules
   */
  constructor(link, { root = "", untrusted = false, rules = true } = {}) {
    this.link = link;
    this.root = root;
    this.untrusted = untrusted;
    this.entries = /* @__PURE__ */ new Map();
    this.rules = rules ? new Rules(link) : null;
    this.list = h("div", { class: "polos-cards-list" });
    this.element = h("div", { class: "polos-cards" }, this.list, this.rules?.element);
    this.update(new Set(Object.keys(link.state.rows)));
  }
  /**
   * Show what changed.
   *
   * @param {Set<string>} changed
   */
  update(changed) {
    if (changed.has("head")) this.rules?.update();
    let sort = false;
    for (const id of changed) {
      if (id.startsWith("order:")) sort ||= this.entries.size > 1;
      else if (this.updateRow(id)) sort = true;
    }
    if (sort) this.sort();
    this.watch();
  }
  /**
   * @param {string} id
   * @returns {boolean} whether a card has come
   */
  updateRow(id) {
    const row = this.link.state.rows[id];
    const entry = this.entries.get(id);
    const ask = row?.ask && typeof row.ask === "object" ? row.ask : null;
    if (entry?.card && (!ask || AskCard.key(ask) !== entry.key)) this.settle(entry, row);
    if (!row && entry) {
      entry.element.remove();
      this.entries.delete(id);
    }
    if (!ask || !this.place(id)) return false;
    if (entry?.card && this.entries.get(id) === entry && entry.key === AskCard.key(ask)) {
      entry.card.update();
      return false;
    }
    this.add(id, ask);
    return true;
  }
  /**
   * @param {string} id
   * @param {Record<string, any>} ask
   */
  add(id, ask) {
    this.entries.get(id)?.element.remove();
    const card = new AskCard(this.link, id, { untrusted: this.untrusted });
    this.entries.set(id, { id, key: AskCard.key(ask), card, element: card.element });
    this.list.append(card.element);
    card.guard.look();
  }
  /**
   * The row waits no more: the card becomes one line, at the same place.
   *
   * @param {Entry} entry
   * @param {Record<string, any> | undefined} row
   */
  settle(entry, row) {
    const card = (
      /** @type {AskCard} */
      entry.card
    );
    const focused2 = card.hasFocus;
    const line = h("div", { class: "polos-card-line", tabindex: "-1" }, lineOf(row ?? {}));
    entry.element.replaceWith(line);
    card.remove();
    entry.card = null;
    entry.element = line;
    if (focused2) line.focus({ preventScroll: true });
  }
  /** Put the elements into the order of the rows, moving only those that stand elsewhere. */
  sort() {
    const places2 = [...this.entries.values()].map((entry) => ({ entry, place: this.place(entry.id) ?? [] }));
    places2.sort((a, b) => compare(a.place, b.place));
    let next = this.list.firstChild;
    for (const { entry } of places2) {
      if (entry.element === next) next = next.nextSibling;
      else this.list.insertBefore(entry.element, next);
    }
  }
  /**
   * Where a row stands, as places from the top; null when it is not below the root.
   *
   * @param {string} id
   * @returns {number[] | null}
   */
  place(id) {
    const { rows, order } = this.link.state;
    const places2 = [];
    for (let depth = 0; depth < DEEPEST3; depth += 1) {
      const parent = rows[id]?.parent ?? "";
      const at = (order[parent] ?? []).indexOf(id);
      places2.unshift(at < 0 ? Number.MAX_SAFE_INTEGER : at);
      if (parent === this.root) return places2;
      if (parent === "" || parent === id) return null;
      id = parent;
    }
    return null;
  }
  /** While cards are open, how long they wait is shown, and whether they move is seen. */
  watch() {
    const open3 = [...this.entries.values()].some((entry) => entry.card);
    if (open3 && this.timer === void 0) this.timer = setInterval(() => this.tick(), LOOK);
    else if (!open3) this.stop();
  }
  tick() {
    if (!this.element.isConnected) return;
    const now = Date.now() / 1e3;
    for (const { card } of this.entries.values()) {
      card?.guard.look();
      card?.tick(now);
    }
  }
  /** The view is gone. */
  dispose() {
    for (const { card } of this.entries.values()) card?.remove();
    this.entries.clear();
    this.stop();
  }
  stop() {
    clearInterval(this.timer);
    this.timer = void 0;
  }
};
function lineOf(row) {
  const words = oneLine(row.decided);
  if (words) return `${/^(rejected|stopped)/.test(words) ? "✗" : "✓"} ${words}`;
  const title = oneLine(row.label);
  if (row.state === "stopped") return `■ stopped before it was answered${title ? `: ${title}` : ""}`;
  if (row.state === "failed") return `✗ it failed before it was answered${title ? `: ${title}` : ""}`;
  return `✓ answered${title ? `: ${title}` : ""}`;
}
function compare(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

// src/markdown/lines.js
var RULE = /^(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
var HEADING = /^(#{1,6})(?:[ \t]+|$)/;
var FENCE = /^(`{3,}|~{3,})([^\n]*)$/;
var BULLET = /^([-+*])(?=[ \t]|$)/;
var ORDERED = /^(\d{1,9})([.)])(?=[ \t]|$)/;
var ALIGN = /^:?-+:?$/;
var Line = class {
  /** @param {string} text */
  constructor(text2) {
    this.text = text2;
    this.at = 0;
    this.column = 0;
    this.pad = 0;
  }
  /** Columns of white space before the next character. */
  get indent() {
    let columns = this.pad;
    let column = this.column + this.pad;
    for (let at = this.at; ; at += 1) {
      const char = this.text[at];
      const width = char === " " ? 1 : char === "	" ? 4 - column % 4 : 0;
      if (width === 0) return columns;
      columns += width;
      column += width;
    }
  }
  get blank() {
    for (let at = this.at; at < this.text.length; at += 1) {
      if (this.text[at] !== " " && this.text[at] !== "	") return false;
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
      } else if (char === "	") {
        const width = 4 - this.column % 4;
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
    while (this.text[at] === " " || this.text[at] === "	") at += 1;
    return this.text.slice(at);
  }
};
function linesOf(text2) {
  const lines = text2.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  return lines;
}
function closesFence(text2, fence) {
  const bare2 = text2.trim();
  if (bare2.length < fence.size || bare2[0] !== fence.char || text2.length - text2.trimStart().length > 3) return false;
  return bare2 === fence.char.repeat(bare2.length);
}
function startOf(line, paragraph, container) {
  const indent = line.indent;
  if (indent > 3) {
    return "indented";
  }
  const text2 = line.bare;
  if (text2.startsWith(">")) return "quote";
  if (HEADING.test(text2)) return "heading";
  const fence = FENCE.exec(text2);
  if (fence && (fence[1][0] === "~" || !fence[2].includes("`"))) return "fence";
  if (isRule(text2)) return "rule";
  const item = markerOf(text2);
  if (!item) return null;
  const interrupts = !item.empty && (!item.ordered || item.first === 1);
  return paragraph && container.type !== "list" && !interrupts ? null : "item";
}
function begins(line, paragraph) {
  const kind = startOf(line, paragraph, { type: "document", start: 0 });
  return kind !== null && kind !== "indented";
}
function isRule(text2) {
  return /^[-*_]/.test(text2) && RULE.test(text2);
}
function markerOf(text2) {
  const bullet = BULLET.exec(text2);
  if (bullet) return { ordered: false, marker: bullet[1], first: 1, size: 1, empty: text2.slice(1).trim() === "" };
  const found = ORDERED.exec(text2);
  if (!found) return null;
  const size = found[0].length;
  return { ordered: true, marker: found[2], first: Number(found[1]), size, empty: text2.slice(size).trim() === "" };
}
function readQuote(line) {
  line.skip(line.indent);
  line.take(1);
  if (line.indent > 0) line.skip(1);
}
function headingText(text2) {
  const bare2 = text2.trim();
  let end = bare2.length;
  while (end > 0 && bare2[end - 1] === "#") end -= 1;
  if (end === 0) return "";
  return end < bare2.length && /[ \t]/.test(bare2[end - 1]) ? bare2.slice(0, end).trimEnd() : bare2;
}
function cells(text2) {
  let bare2 = text2.trim();
  if (bare2.startsWith("|")) bare2 = bare2.slice(1);
  const out = [];
  let from = 0;
  for (let at = 0; at < bare2.length; at += 1) {
    if (bare2[at] === "\\") at += 1;
    else if (bare2[at] === "|") {
      out.push(bare2.slice(from, at));
      from = at + 1;
    }
  }
  if (from < bare2.length || out.length === 0) out.push(bare2.slice(from));
  return out.map((cell) => cell.trim().replaceAll("\\|", "|"));
}
function alignment(text2) {
  if (!/^[|:\-\s]+$/.test(text2) || !text2.includes("-")) return null;
  const parts = cells(text2);
  if (!parts.every((part2) => ALIGN.test(part2))) return null;
  return parts.map((part2) => {
    if (part2.endsWith(":")) return part2.startsWith(":") ? "center" : "right";
    return part2.startsWith(":") ? "left" : "";
  });
}

// src/markdown/blocks.js
var MAX_DEPTH = 20;
var BlockParser = class {
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
  add(text2, start = -1) {
    const line = new Line(text2);
    let matched = this.#match(line);
    const all = matched === this.#open.length;
    if (all && this.#tip.type === "code") {
      if (this.#inCode(this.#tip, line)) return;
      matched = this.#open.length;
    }
    const tip = this.#tip;
    const blank = line.blank;
    if (blank) {
      this.#blank(matched);
      return;
    }
    const lazy = tip.type === "paragraph";
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
    for (; ; ) {
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
    const text2 = line.bare;
    if (first && lazy && this.#continueParagraph(text2, start)) return;
    this.#open.length = containers;
    if (this.#tip.type === "list") this.#open.length -= 1;
    this.#push({ type: "paragraph", start, lastStart: start, lines: [text2] });
  }
  /**
   * @param {string} text
   * @param {number} start
   */
  #continueParagraph(text2, start) {
    const paragraph = this.#tip;
    const lines = paragraph.lines ?? [];
    const align = lines.length && lines[lines.length - 1].includes("|") ? alignment(text2) : null;
    if (align && cells(lines[lines.length - 1]).length === align.length) {
      this.#table(paragraph, align);
      return true;
    }
    lines.push(text2);
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
    const text2 = line.bare;
    if (kind === "heading") {
      const level = HEADING.exec(text2)?.[1].length ?? 1;
      this.#push({ type: "heading", start, level, lines: [headingText(text2.slice(level))] });
      this.#open.pop();
    } else if (kind === "rule") {
      this.#push({ type: "rule", start });
      this.#open.pop();
    } else if (kind === "fence") {
      const found = (
        /** @type {RegExpExecArray} */
        FENCE.exec(text2)
      );
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
    const { ordered, marker, first, size } = (
      /** @type {NonNullable<ReturnType<typeof markerOf>>} */
      markerOf(line.bare)
    );
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
};

// src/markdown/pairs.js
function pairRuns(runs, last2, bottom) {
  const floors = {};
  let closer = bottom < 0 ? firstRun(runs, last2) : runs[bottom].next;
  while (closer >= 0) {
    const run = runs[closer];
    if (!run.closes || run.left === 0) {
      closer = run.next;
      continue;
    }
    const kind = run.char + (run.opens ? 3 : 0) + run.size % 3;
    const floor = Math.max(floors[kind] ?? -1, bottom);
    let opener = run.prev;
    while (opener > floor && !matches(runs[opener], run)) opener = runs[opener].prev;
    if (opener <= floor) {
      floors[kind] = run.prev;
      if (!run.opens) unlink(runs, closer);
      closer = run.next;
      continue;
    }
    wrap(runs[opener], run);
    runs[opener].next = closer;
    run.prev = opener;
    if (runs[opener].left === 0) unlink(runs, opener);
    if (run.left === 0) {
      unlink(runs, closer);
      closer = run.next;
    }
  }
  if (bottom >= 0) runs[bottom].next = -1;
  return bottom;
}
function wrap(opener, closer) {
  const size = opener.char === "~" || opener.left >= 2 && closer.left >= 2 ? 2 : 1;
  const tag = opener.char === "~" ? "del" : size === 2 ? "strong" : "em";
  const mark = opener.char.repeat(size);
  opener.left -= size;
  closer.left -= size;
  opener.after.push({ type: "open", tag, mark });
  closer.before.push({ type: "close", tag, mark });
}
function unlink(runs, index) {
  const { prev, next } = runs[index];
  if (prev >= 0) runs[prev].next = next;
  if (next >= 0) runs[next].prev = prev;
}
function matches(opener, closer) {
  if (opener.char !== closer.char || !opener.opens || opener.left === 0) return false;
  if (!(opener.closes || closer.opens) || opener.char === "~") return true;
  return (opener.size + closer.size) % 3 !== 0 || opener.size % 3 === 0 && closer.size % 3 === 0;
}
function firstRun(runs, last2) {
  let at = last2;
  while (at >= 0 && runs[at].prev >= 0) at = runs[at].prev;
  return at;
}

// src/markdown/targets.js
var ESCAPABLE = /[!-/:-@[-`{-~]/;
var NAMED = (
  /** @type {Record<string, string>} */
  {
    amp: "&",
    lt: "<",
    gt: ">",
    quot: '"',
    apos: "'",
    nbsp: " ",
    mdash: "—",
    ndash: "–",
    hellip: "…",
    times: "×"
  }
);
var MAX_ADDRESS = 4e3;
var MAX_PARENS = 32;
function pointedEnd(source, at) {
  for (const limit = at + MAX_ADDRESS; at < source.length && at < limit; at += 1) {
    const char = source[at];
    if (char === ">") return at;
    if (char === "<" || char === "\n") return -1;
    if (char === "\\") at += 1;
  }
  return -1;
}
function bareEnd(source, at) {
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
function unescaped(text2) {
  return text2.replace(/\\([!-/:-@[-`{-~])/g, "$1").replaceAll("&amp;", "&");
}
function trimEnd(text2) {
  let end = text2.length;
  while (end > 0 && text2[end - 1] === " ") end -= 1;
  return text2.slice(0, end);
}
function entityText([, decimal, hex, name]) {
  if (name) return Object.hasOwn(NAMED, name) ? NAMED[name] : null;
  const code = decimal ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
  return code > 1114111 || code === 0 ? "�" : visible(String.fromCodePoint(code));
}

// src/markdown/inline.js
var SPECIAL = /[\\`*_~[\]!<&$\n]/g;
var SPACE = /\s/u;
var PUNCTUATION = /[\p{P}\p{S}]/u;
var ENTITY = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,6}));/y;
var AUTOLINK = /<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]{0,2000})>/y;
var EMAIL = /<([A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})>/y;
var MATH = /\$\$[^$]+\$\$|\$(?!\s)[^$\n]*[^$\s\\]\$(?!\d)/y;
function inline(source) {
  return new Scanner(source).tokens();
}
var Scanner = class {
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
  #text(text2) {
    this.#slots.push({ type: "text", text: text2 });
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
    const last2 = this.#slots.at(-1);
    let spaces = 0;
    if (last2 && "type" in last2 && last2.type === "text") {
      const text2 = last2.text ?? "";
      const kept = trimEnd(text2);
      spaces = text2.length - kept.length;
      last2.text = kept;
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
      this.#ticks = /* @__PURE__ */ new Map();
      for (const { 0: run, index } of this.#source.matchAll(/`+/g)) {
        const known = this.#ticks.get(run.length);
        if (known) known.push(index);
        else this.#ticks.set(run.length, [index]);
      }
      for (const places3 of this.#ticks.values()) places3.reverse();
    }
    const places2 = this.#ticks.get(size);
    while (places2?.length && places2[places2.length - 1] < from) places2.pop();
    return places2?.at(-1) ?? -1;
  }
  #math() {
    MATH.lastIndex = this.#at;
    const found = MATH.exec(this.#source);
    const text2 = found ? found[0] : "$";
    this.#text(text2);
    this.#at += text2.length;
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
    if (!opens && !closes || char === "~" && size !== 2) {
      this.#text(source.slice(start, this.#at));
      return;
    }
    const index = this.#runs.length;
    const run = {
      char,
      size,
      left: size,
      opens,
      closes,
      slot: this.#slots.length,
      before: [],
      after: [],
      prev: this.#lastRun,
      next: -1
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
    const skip = (from) => {
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
    const out = [];
    for (const slot of this.#slots) {
      if ("type" in slot) {
        addToken(out, slot);
        continue;
      }
      for (const token of slot.before) addToken(out, token);
      if (slot.left) addToken(out, { type: "text", text: slot.char.repeat(slot.left) });
      for (let at = slot.after.length - 1; at >= 0; at -= 1) addToken(out, slot.after[at]);
    }
    return out;
  }
};
function addToken(out, token) {
  const last2 = out.at(-1);
  if (token.type === "text" && last2?.type === "text") last2.text = (last2.text ?? "") + token.text;
  else if (token.type !== "text" || token.text) out.push(token.type === "text" ? { ...token } : token);
}
function characterBefore(source, at) {
  const low = source[at - 1];
  return /[\udc00-\udfff]/.test(low) && at > 1 ? source.slice(at - 2, at) : low;
}
function isSpace(char) {
  return char === " " || char === "\n" || char > "~" && SPACE.test(char) || char === "	";
}
function isMark(char) {
  return char > "~" ? PUNCTUATION.test(char) : ESCAPABLE.test(char);
}

// src/markdown/render.js
var COPIED_FOR = 2e3;
var LONG2 = 5e4;
function blockNode(block, tight = false) {
  const children = block.children ?? [];
  if (block.type === "heading") return h(`h${Math.min(6, (block.level ?? 1) + 2)}`, null, inlineNodes(textOf3(block)));
  if (block.type === "rule") return h("hr", null);
  if (block.type === "code") return codeBlock(codeText(block), block.info).element;
  if (block.type === "quote") return h("blockquote", null, children.map((child) => blockNode(child)));
  if (block.type === "list") return listNode(block);
  if (block.type === "table") return tableNode(block);
  if (tight) {
    const holder = document.createDocumentFragment();
    append(holder, [inlineNodes(textOf3(block))]);
    return holder;
  }
  return h("p", null, inlineNodes(textOf3(block)));
}
function codeBlock(code, info = "") {
  const text2 = document.createTextNode(code);
  const language = info.split(/\s/, 1)[0].slice(0, 40);
  const button2 = h("button", { type: "button", class: "polos-button polos-copy", ariaLive: "polite" }, "Copy");
  button2.addEventListener("click", () => copy(button2, text2));
  const element = h(
    "div",
    { class: "polos-code" },
    h("div", { class: "polos-code-bar" }, h("span", { class: "polos-code-language" }, language), button2),
    h("pre", { class: "polos-pre" }, h("code", null, text2))
  );
  return { element, text: text2 };
}
function codeText(block) {
  const lines = block.lines ?? [];
  let end = lines.length;
  if (!block.fence) while (end > 0 && lines[end - 1].trim() === "") end -= 1;
  return lines.slice(0, end).join("\n");
}
async function copy(button2, text2) {
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text2.data);
  } catch {
    said = copyBySelection(text2) ? said : "Selected: press Ctrl+C";
  }
  button2.textContent = said;
  setTimeout(() => button2.textContent = "Copy", COPIED_FOR);
}
function copyBySelection(text2) {
  const selection = document.getSelection();
  if (!selection || !text2.parentNode) return false;
  selection.selectAllChildren(text2.parentNode);
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  }
}
function textOf3(block) {
  return (block.lines ?? []).join("\n").trimEnd();
}
function listNode(list) {
  const items = (list.children ?? []).map((item) => itemNode(item, !list.loose));
  if (!list.ordered) return h("ul", null, items);
  return h("ol", { start: list.first === 1 ? null : list.first }, items);
}
function itemNode(item, tight) {
  const children = item.children ?? [];
  const task = children[0]?.type === "paragraph" ? /^\[([ xX])\][ \t]+/.exec(children[0].lines?.[0] ?? "") : null;
  if (!task) return h("li", null, children.map((child) => blockNode(child, tight)));
  const done = task[1] !== " ";
  const lines = children[0].lines ?? [];
  const first = { ...children[0], lines: [lines[0].slice(task[0].length), ...lines.slice(1)] };
  const box = h("input", { type: "checkbox", checked: done, disabled: true, ariaLabel: done ? "done" : "not done" });
  if (done) box.setAttribute("checked", "");
  return h("li", { class: "polos-task" }, box, " ", [first, ...children.slice(1)].map((child) => blockNode(child, tight)));
}
function tableNode(table) {
  const columns = table.head?.length ?? 0;
  const cell = (tag, text2, column) => {
    const align = table.align?.[column];
    const props = tag === "th" ? { scope: "col" } : {};
    return h(tag, align ? { ...props, class: `polos-align-${align}` } : props, inlineNodes(text2));
  };
  const row = (texts) => h("tr", null, texts.slice(0, columns).map((text2, n) => cell("td", text2, n)));
  const head = h("thead", null, h("tr", null, (table.head ?? []).map((text2, n) => cell("th", text2, n))));
  const body = table.rows?.length ? h("tbody", null, table.rows.map(row)) : null;
  return h("div", { class: "polos-table-scroll" }, h("table", { class: "polos-table" }, head, body));
}
function inlineNodes(text2) {
  if (text2.length > LONG2) return [document.createTextNode(text2)];
  const top = document.createDocumentFragment();
  const stack = [{ node: top, literal: null, link: false }];
  for (const token of inline(text2)) {
    const { node, link } = stack[stack.length - 1];
    if (token.type === "text") node.appendChild(document.createTextNode(token.text ?? ""));
    else if (token.type === "code") node.appendChild(h("code", null, token.text));
    else if (token.type === "break") node.appendChild(h("br", null));
    else if (token.type === "open") open2(stack, token, node, link);
    else if (stack.length > 1) {
      const { literal } = (
        /** @type {{literal: string | null}} */
        stack.pop()
      );
      if (literal) node.appendChild(document.createTextNode(literal));
    }
  }
  return [...top.childNodes];
}
function open2(stack, token, node, link) {
  const isLink = token.tag === "a";
  if (isLink && link) {
    stack.push({ node, literal: null, link });
    return;
  }
  if (stack.length > MAX_DEPTH) {
    node.appendChild(document.createTextNode(token.mark ?? ""));
    stack.push({ node, literal: token.mark === "[" || token.mark === "![" ? "]" : token.mark ?? "", link });
    return;
  }
  const element = h(token.tag ?? "span", isLink ? { href: token.href } : null);
  node.appendChild(element);
  stack.push({ node: element, literal: null, link: link || isLink });
}

// src/markdown/stream.js
var LONG3 = 4096;
var GROWTH = 1.25;
var MarkdownStream = class {
  /** @type {HTMLElement} */
  element = h("div", { class: "polos-markdown polos-streaming" });
  #text = "";
  #shown = "";
  #start = 0;
  // where the first block that is not frozen begins
  /** @type {Node[]} */
  #tail = [];
  #parsed = 0;
  // how much of the tail its nodes show
  /** @type {Text | null} */
  #unparsed = null;
  /** @type {Fence | null} */
  #fence = null;
  #slow = false;
  // the open code cannot be appended to
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
  set(text2) {
    if (text2 === this.#text && !this.#done) return;
    if (this.#done) this.#reopen(text2);
    this.#text = text2;
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
  #reopen(text2) {
    if (text2 === this.#text) return;
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
  #update(last2) {
    for (; ; ) {
      if (this.#fence) {
        const end = this.#fence.update(this.#text, last2);
        if (end === null) return;
        const { usable } = this.#fence;
        this.#fence = null;
        if (usable) this.#freeze(end);
        else this.#slow = true;
      }
      if (!last2 && this.#wait()) return;
      this.#parse(last2);
      if (!this.#fence) return;
    }
  }
  /** Whether a long tail has not grown enough; what is new is then shown as plain text. */
  #wait() {
    const length = this.#text.length - this.#start;
    if (this.#parsed < LONG3 || length >= this.#parsed * GROWTH) return false;
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
  #parse(last2) {
    const text2 = this.#text;
    const parser = new BlockParser();
    const complete = text2.lastIndexOf("\n") + 1;
    for (let at = this.#start; at < complete; ) {
      const end = text2.indexOf("\n", at);
      addLines(parser, linesOf(visible(text2.slice(at, end + 1))), at);
      at = end + 1;
    }
    const blocks = parser.document.children ?? [];
    const frozen = last2 ? 0 : frozenCount(blocks);
    const fence = last2 || this.#slow ? null : parser.openFence;
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
    if (complete < text2.length) addLines(parser, linesOf(visible(text2.slice(complete))), -1);
    this.#tail = blocks.slice(frozen).map((block) => blockNode(block));
    for (const node of this.#tail) this.element.appendChild(node);
    this.#parsed = text2.length - this.#start;
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
};
var Fence = class {
  /** False when a line break that is none in the source came up: the parser must read the block. */
  usable = true;
  #fence;
  #text;
  #at;
  #length;
  // of the complete lines in the text node
  #lines;
  /**
   * @param {Block} block
   * @param {number} at where the first line that it does not hold begins
   */
  constructor(block, at) {
    this.#fence = /** @type {NonNullable<Block["fence"]>} */
    block.fence;
    const lines = block.lines ?? [];
    const { element, text: text2 } = codeBlock(lines.join("\n"), block.info);
    this.element = element;
    this.#text = text2;
    this.#at = at;
    this.#length = text2.data.length;
    this.#lines = lines.length;
  }
  /**
   * Take what is new.
   *
   * @param {string} source
   * @param {boolean} last
   * @returns {number | null} where the block ended in the source, `null` while it is open
   */
  update(source, last2) {
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
    if (rest.includes("\n") && last2) return this.#give(this.#at);
    if (last2 && rest && !closesFence(rest, this.#fence)) fresh.push(this.#stripped(rest));
    const partial = last2 || rest === "" || rest.trim() === this.#fence.char.repeat(rest.trim().length);
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
};
function addLines(parser, lines, start) {
  for (const [n, line] of lines.entries()) parser.add(line, n === 0 ? start : -1);
}
function frozenCount(blocks) {
  let count = Math.max(0, blocks.length - 1);
  while (count > 0 && blocks[count].start < 0) count -= 1;
  return count;
}

// src/progress.js
var WINDOW = 15;
var STEADY = 2;
function countsOf(row) {
  const done = whole(row.done);
  return {
    total: Math.max(whole(row.total), 0),
    done,
    cached: Math.min(whole(row.cached_n), done),
    live: whole(row.live_n),
    failed: whole(row.failed_n),
    waiting: whole(row.waiting_n)
  };
}
var Progress = class {
  constructor() {
    this.samples = [];
    this.parts = {
      cached: h("span", { class: "polos-bar-cached" }),
      live: h("span", { class: "polos-bar-live" }),
      failed: h("span", { class: "polos-bar-failed" }),
      waiting: h("span", { class: "polos-bar-waiting" })
    };
    this.bar = h(
      "div",
      { class: "polos-bar", role: "progressbar", ariaValuemin: 0, ariaLabel: "Items done" },
      Object.values(this.parts)
    );
    this.words = h("div", { class: "polos-bar-words" });
    this.element = h("div", { class: "polos-progress" }, this.bar, this.words);
  }
  /**
   * Show a group row as it is now.
   *
   * @param {Record<string, any>} row
   * @param {number} now seconds since 1970
   */
  update(row, now) {
    const counts = countsOf(row);
    const over = row.state !== "running" && row.state !== "waiting" && row.state !== "retrying";
    this.measure(counts, now);
    this.draw(counts);
    const words = wordsOf(row, counts, over, over ? null : this.rate(now));
    setText(this.words, words);
    this.bar.setAttribute("aria-valuetext", words);
  }
  /** @param {Counts} counts */
  draw(counts) {
    const { total, done, cached, failed, waiting } = counts;
    this.element.classList.toggle("polos-bar-open", total === 0);
    if (total > 0) {
      this.bar.setAttribute("aria-valuemax", String(total));
      this.bar.setAttribute("aria-valuenow", String(Math.min(done, total)));
    } else {
      this.bar.removeAttribute("aria-valuemax");
      this.bar.removeAttribute("aria-valuenow");
    }
    const wide = (part2, count) => {
      const width = total > 0 ? `${Math.min(100, 100 * count / total).toFixed(2)}%` : "0%";
      if (part2.style.width !== width) part2.style.width = width;
    };
    wide(this.parts.cached, cached);
    wide(this.parts.live, Math.max(0, done - cached - failed));
    wide(this.parts.failed, Math.min(failed, done));
    wide(this.parts.waiting, waiting);
  }
  /**
   * @param {Counts} counts
   * @param {number} now
   */
  measure(counts, now) {
    const live = counts.done - counts.cached;
    const last2 = this.samples.at(-1);
    if (!last2 || now - last2.at >= 0.5) this.samples.push({ at: now, live });
    while (this.samples.length > 2 && now - this.samples[1].at > WINDOW) this.samples.shift();
    this.current = live;
  }
  /**
   * @param {number} now
   * @returns {number | null} items a second, null while it cannot be said
   */
  rate(now) {
    const first = this.samples[0];
    if (!first || now - first.at < STEADY) return null;
    return Math.max(0, (this.current ?? 0) - first.live) / (now - first.at);
  }
};
function wordsOf(row, counts, over, rate) {
  const { total, done, cached, live, failed, waiting } = counts;
  const words = [total > 0 ? `${number(done)} of ${number(total)} done` : `${number(done)} done`];
  if (cached) words.push(`◆ ${number(cached)} cached`);
  if (live) words.push(`● ${number(live)} live`);
  if (failed) words.push(`✗ ${number(failed)} failed`);
  if (waiting) words.push(`‖ ${number(waiting)} waiting`);
  const speed = Number.isFinite(row.rate) && !over ? row.rate : rate;
  if (speed) {
    words.push(speed >= 1 ? `${speed.toFixed(1)} per second` : `${(speed * 60).toFixed(1)} per minute`);
    const left = Number.isFinite(row.eta) ? row.eta : total > done ? (total - done) / speed : 0;
    if (left > 0) words.push(`about ${span(Math.ceil(left))} left`);
  }
  if (Number.isFinite(row.cost) && row.cost !== null) words.push(money(row.cost));
  return words.join(" · ");
}
function whole(value) {
  return Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}

// src/row_body.js
var NOTHING = /* @__PURE__ */ Symbol("not shown yet");
var CALLS = 100;
var RowBody = class {
  /**
   * @param {Timeline} timeline
   * @param {string} id
   */
  constructor(timeline, id) {
    this.timeline = timeline;
    this.id = id;
    this.element = h("div", { class: "polos-row-content" });
    this.sections = [];
    this.section(factsOf, (slot, row) => showFacts(slot, factsOf(row)));
    this.value("input", "input");
    this.value("args", "arguments");
    this.section(
      (row) => text(row.reasoning),
      (slot, row) => this.showReasoning(slot, row)
    );
    this.section(
      (row) => this.textOf(row),
      (slot, row) => this.showText(slot, row)
    );
    this.section((row) => row.calls, showCalls);
    this.value("result", "result");
    this.value("output", "output");
    this.section((row) => text(row.error), showError);
  }
  /** Show the row as it is; sections whose data are the same are not touched. */
  update() {
    const row = this.timeline.link.state.rows[this.id] ?? {};
    let any = false;
    for (const section of this.sections) {
      const now = section.read(row);
      if (!same(now, section.shown)) {
        section.shown = now;
        section.show(section.slot, row);
        section.slot.hidden = section.slot.childNodes.length === 0;
      }
      any ||= !section.slot.hidden;
    }
    if (!any && !this.empty) {
      this.empty = h("p", { class: "polos-muted" }, "Nothing more is known of this step.");
      this.element.append(this.empty);
    }
    if (this.empty) this.empty.hidden = any || this.timeline.childrenOf(this.id).length > 0;
  }
  /**
   * @param {(row: Row) => any} read what the section depends on
   * @param {(slot: HTMLElement, row: Row) => void} show
   */
  section(read, show) {
    const slot = h("div", { class: "polos-section", hidden: true });
    this.element.append(slot);
    this.sections.push({ slot, read, show, shown: NOTHING });
  }
  /**
   * @param {string} field
   * @param {string} title
   */
  value(field2, title) {
    this.section(
      (row) => row[field2],
      (slot, row) => {
        clear(slot);
        const value = typeof row[field2] === "string" ? { t: "text", s: row[field2] } : row[field2];
        if (value === null || value === void 0 || value.s === "") return;
        const more = () => this.timeline.link.request("more", { row: this.id, field: field2 });
        append(slot, [heading(title), valueNode(value, { more })]);
      }
    );
  }
  /**
   * @param {HTMLElement} slot
   * @param {Row} row
   */
  showReasoning(slot, row) {
    const said = text(row.reasoning);
    if (!said) return clear(slot);
    if (!this.reasoning) {
      this.reasoning = { size: h("span", { class: "polos-muted" }), body: h("div", { class: "polos-plain" }) };
      this.reasoningFold = h(
        "details",
        { class: "polos-fold" },
        h("summary", null, "reasoning ", this.reasoning.size),
        this.reasoning.body
      );
      this.reasoningFold.addEventListener("toggle", () => this.fillReasoning());
      append(slot, [this.reasoningFold]);
    }
    setText(this.reasoning.size, `(${plural(said.length, "character")})`);
    this.fillReasoning();
  }
  fillReasoning() {
    const row = this.timeline.link.state.rows[this.id] ?? {};
    if (this.reasoning && this.reasoningFold.open) setText(this.reasoning.body, text(row.reasoning));
  }
  /**
   * The text that this row shows itself: not what stands under the line already, and not the answer of the run.
   *
   * @param {Row} row
   * @returns {string}
   */
  textOf(row) {
    const said = Array.isArray(row.calls) && row.calls.length > 0 ? "" : text(row.text);
    return said && this.timeline.isAnswer(this.id) ? "\0answer" : said;
  }
  /**
   * @param {HTMLElement} slot
   * @param {Row} row
   */
  showText(slot, row) {
    const said = this.textOf(row);
    if (said === "\0answer" || said === "" || !this.stream) {
      clear(slot);
      this.stream = null;
    }
    if (said === "\0answer") append(slot, [h("p", { class: "polos-muted" }, "Its text is the answer below.")]);
    else if (said) {
      if (!this.stream) {
        this.stream = new MarkdownStream();
        append(slot, [heading("text"), this.stream.element]);
      }
      this.stream.set(said);
      if (row.state !== "running") this.stream.finish();
    }
  }
};
function heading(title) {
  return h("div", { class: "polos-section-title" }, title);
}
function text(value) {
  return typeof value === "string" ? value : "";
}
function factsOf(row) {
  const facts = [];
  if (row.why) facts.push(`why: ${row.why}`);
  if (row.target) facts.push(`runs: ${row.target}`);
  if (row.model) facts.push(`model: ${row.model}`);
  if (row.tokens_in || row.tokens_out)
    facts.push(`tokens: ${number(row.tokens_in || 0)} in · ${number(row.tokens_out || 0)} out`);
  if (row.cached && Number.isFinite(row.seconds)) facts.push(`first time: took ${duration(row.seconds)}`);
  return facts.map((fact) => fact.replaceAll("\n", " ")).join("\n");
}
function showFacts(slot, facts) {
  clear(slot);
  for (const line of facts.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0)
      append(slot, [
        h(
          "div",
          { class: "polos-fact" },
          h("span", { class: "polos-muted" }, line.slice(0, at)),
          " ",
          visible(line.slice(at + 2))
        )
      ]);
  }
}
function showCalls(slot, row) {
  clear(slot);
  const calls = Array.isArray(row.calls) ? row.calls : [];
  if (!calls.length) return;
  const items = calls.slice(0, CALLS).map(
    (call2) => h(
      "li",
      null,
      h("code", null, visible(text(call2?.name))),
      " ",
      h("code", { class: "polos-call-args" }, visible(text(call2?.arguments)))
    )
  );
  append(slot, [
    heading(plural(calls.length, "tool call")),
    h("ul", { class: "polos-calls", role: "list" }, items),
    calls.length > CALLS ? h("p", { class: "polos-muted" }, `… ${number(calls.length - CALLS)} more`) : null
  ]);
}
function showError(slot, row) {
  clear(slot);
  if (text(row.error))
    append(slot, [heading("error"), h("pre", { class: "polos-pre polos-wrap polos-error" }, visible(row.error))]);
}

// src/step_row.js
var NOTE = 300;
var OPEN_DEPTH = 3;
var StepRow = class {
  /**
   * @param {Timeline} timeline
   * @param {string} id
   * @param {string} parent
   * @param {string[]} path the rows around it
   */
  constructor(timeline, id, parent, path) {
    this.timeline = timeline;
    this.id = id;
    this.parent = parent;
    this.path = path;
    this.badge = badge();
    this.number = h("span", { class: "polos-row-n" });
    this.kind = h("span", { class: "polos-row-kind" });
    this.name = h("span", { class: "polos-row-name" });
    this.label = h("span", { class: "polos-row-label" });
    this.time = h("span", { class: "polos-row-time" });
    this.note = h("span", { class: "polos-row-note", hidden: true });
    this.body = h("div", { class: "polos-row-body" });
    this.content = null;
    this.children = null;
    this.progress = null;
    this.said = null;
    this.saidText = "";
    this.isGroup = this.row.kind === "group";
    this.build();
    const nested = this.row.kind === "agent" || this.row.kind === "workflow";
    if (nested && path.length < OPEN_DEPTH && busy(this.row)) this.details.open = true;
    this.update();
  }
  /** The row as the kernel last described it. @returns {Record<string, any>} */
  get row() {
    return this.timeline.link.state.rows[this.id] ?? {};
  }
  /** Whether the row has become one of another build: its kind came after its first words. */
  get outdated() {
    return this.row.kind === "group" !== this.isGroup;
  }
  build() {
    const parts = [
      this.badge.element,
      this.number,
      this.kind,
      h("span", { class: "polos-row-what" }, this.name, this.label),
      this.time,
      this.note
    ];
    const summary = h("summary", { class: "polos-line" });
    this.details = h("details", { class: "polos-step" }, summary, this.body);
    this.details.addEventListener("toggle", () => this.updateBody());
    this.element = h("li", { class: "polos-row" });
    if (this.isGroup) {
      this.progress = new Progress();
      this.itemsWord = summary.appendChild(h("span", { class: "polos-muted" }));
      this.element.append(
        h("div", { class: "polos-line polos-group-line" }, parts),
        this.progress.element,
        this.details
      );
    } else {
      summary.append(...parts);
      this.element.append(this.details);
    }
  }
  /** Show what the row is now. Only what differs is touched. */
  update() {
    const row = this.row;
    const sign = signOf(row);
    this.badge.set(sign);
    const look = `polos-row polos-row-${sign.look}`;
    if (this.element.className !== look) this.element.className = look;
    setText(this.number, Number.isFinite(row.n) ? String(row.n) : "");
    setText(this.kind, kindOf(row.kind));
    const name = oneLine(row.name);
    const label = oneLine(row.label) || name || oneLine(row.target || row.model);
    const bold = label.startsWith(name) ? name : "";
    setText(this.name, bold);
    setText(this.label, label.slice(bold.length));
    this.tick(Date.now() / 1e3);
    this.updateSaid(row);
    if (this.itemsWord) setText(this.itemsWord, itemsWord(row, this.timeline.childrenOf(this.id).length));
    this.updateBody();
  }
  /**
   * Show what changes by time alone.
   *
   * @param {number} now seconds since 1970
   */
  tick(now) {
    const row = this.row;
    setText(this.time, timeOf(row, now));
    const note = noteOf(row, now);
    this.note.hidden = note === "";
    this.note.classList.toggle("polos-error", row.state === "failed");
    setText(this.note, note);
    this.progress?.update(row, now);
    this.timeline.setRunning(this, busy(row));
  }
  /**
   * What a model says before it calls tools stays where it was said.
   *
   * @param {Record<string, any>} row
   */
  updateSaid(row) {
    const text2 = row.kind === "llm" && hasCalls(row) && typeof row.text === "string" ? row.text : "";
    if (!text2.trim()) {
      this.saidFrame?.remove();
      this.said = null;
      return;
    }
    if (!this.said) {
      this.said = new MarkdownStream();
      this.saidFrame = this.element.appendChild(h("div", { class: "polos-said" }, this.said.element));
    }
    if (text2 !== this.saidText) this.said.set(text2);
    if (!busy(row)) this.said.finish();
    this.saidText = text2;
  }
  /** The folded part is made when it is first opened, and kept up to date only while it is open. */
  updateBody() {
    if (!this.details.open) return;
    if (!this.content) {
      this.content = new RowBody(this.timeline, this.id);
      this.body.append(this.content.element);
    }
    this.content.update();
    this.updateChildren();
  }
  updateChildren() {
    if (!this.children && this.timeline.childrenOf(this.id).length > 0) {
      this.children = this.timeline.list(this.id, [...this.path, this.id]);
      this.body.append(this.children.element);
    }
    this.children?.reconcile();
  }
  /** Take this row and those below it out of the page. */
  remove() {
    this.timeline.setRunning(this, false);
    this.children?.remove();
    this.element.remove();
    clear(this.body);
  }
  /** Give the row the focus. */
  focus() {
    this.details.querySelector("summary")?.focus();
  }
};
function busy(row) {
  return row.state === "running" || row.state === "retrying" || row.state === "waiting";
}
function hasCalls(row) {
  return Array.isArray(row.calls) && row.calls.length > 0;
}
function timeOf(row, now) {
  if (Number.isFinite(row.seconds) && row.seconds !== null) return row.cached ? "" : duration(row.seconds);
  if (!busy(row) || !Number.isFinite(row.at) || !row.at) return "";
  const past = Math.max(0, now - row.at);
  return `${past < 10 ? duration(past) : span(past)} …`;
}
function noteOf(row, now) {
  const notes = [];
  if (row.decided) notes.push(oneLine(row.decided));
  if (row.state === "retrying") {
    const attempt = Number.isFinite(row.attempts) ? `attempt ${number(row.attempts)} failed` : "the attempt failed";
    notes.push(
      Number.isFinite(row.retry_in) && row.retry_in !== null ? `${attempt}, again in ${duration(row.retry_in)}` : attempt
    );
  } else if (row.attempts > 1) {
    notes.push(row.state === "running" ? `attempt ${number(row.attempts)}` : `after ${number(row.attempts)} attempts`);
  }
  if (row.error) notes.push(short(oneLine(row.error)));
  if (row.state === "waiting" && row.until) {
    const left = row.until - now;
    notes.push(
      left > 0 ? `until ${clock(row.until, now)}, in ${span(Math.ceil(left))}` : `until ${clock(row.until, now)}`
    );
  }
  return notes.join(" · ");
}
function itemsWord(row, listed) {
  const hidden = row.hidden > 0 ? `, ${number(row.hidden)} more not listed` : "";
  return listed ? `items (${number(listed)}${hidden})` : "details";
}
function short(text2) {
  return text2.length > NOTE ? `${text2.slice(0, NOTE)} …` : text2;
}

// src/timeline.js
var AT_ONCE = 300;
var TICK = 1e3;
function answerRow(state2, root = "") {
  const ids = state2.order[root] ?? [];
  for (let i = ids.length - 1; i >= 0; i -= 1) {
    const row = state2.rows[ids[i]];
    if (row?.kind === "llm") return hasCalls(row) ? "" : ids[i];
    if (row?.kind === "tool") return "";
  }
  return "";
}
var Timeline = class {
  /**
   * @param {import("./link.js").Link} link
   * @param {{root?: string, answer?: boolean}} [options]
   */
  constructor(link, { root = "", answer = true } = {}) {
    this.link = link;
    this.root = root;
    this.answer = answer;
    this.rows = /* @__PURE__ */ new Map();
    this.lists = /* @__PURE__ */ new Map();
    this.running = /* @__PURE__ */ new Set();
    this.answerId = "";
    this.element = h("div", { class: "polos-timeline" });
    this.top = this.list(root, []);
    append(this.element, [this.top.element]);
    this.update(/* @__PURE__ */ new Set([`order:${root}`]));
  }
  /**
   * Show what changed.
   *
   * @param {Set<string>} changed ids of rows, "order:<parent>", "head"
   */
  update(changed) {
    const { rows: states } = this.link.state;
    const parents = /* @__PURE__ */ new Set();
    const again = /* @__PURE__ */ new Set();
    const before = this.answerId;
    this.answerId = this.answer ? answerRow(this.link.state, this.root) : "";
    if (before !== this.answerId) [before, this.answerId].forEach((id) => again.add(id));
    for (const id of changed) {
      if (id.startsWith("order:")) parents.add(id.slice(6));
      again.add(id);
      const row = this.rows.get(id);
      if (Boolean(row) !== Boolean(states[id]) || row?.outdated) parents.add(row?.parent ?? states[id]?.parent ?? "");
    }
    for (const parent of parents) {
      this.lists.get(parent)?.reconcile();
      again.add(parent);
    }
    for (const id of again) {
      this.rows.get(id)?.update();
      this.lists.get(id)?.updateFoot();
    }
  }
  /**
   * @param {string} id
   * @returns {boolean} whether the text of this row is shown as the answer
   */
  isAnswer(id) {
    return this.answer && id !== "" && id === this.answerId;
  }
  /**
   * The ids below a parent that are known.
   *
   * @param {string} parent
   * @returns {string[]}
   */
  childrenOf(parent) {
    return this.link.state.order[parent] ?? [];
  }
  /**
   * @param {string} parent
   * @param {string[]} path the rows around it, the parent last
   * @returns {RowList}
   */
  list(parent, path) {
    const list = new RowList(this, parent, path);
    this.lists.set(parent, list);
    return list;
  }
  /**
   * Rows that run show how long, once a second.
   *
   * @param {StepRow} row
   * @param {boolean} on
   */
  setRunning(row, on) {
    if (on) this.running.add(row);
    else this.running.delete(row);
    if (this.running.size > 0 && this.timer === void 0) this.timer = setInterval(() => this.tick(), TICK);
  }
  tick() {
    if (this.running.size === 0) return this.stop();
    if (!this.element.isConnected) return;
    const now = Date.now() / 1e3;
    for (const row of this.running) row.tick(now);
  }
  /** The view is gone. */
  dispose() {
    this.running.clear();
    this.stop();
  }
  stop() {
    clearInterval(this.timer);
    this.timer = void 0;
  }
};
var RowList = class {
  /**
   * @param {Timeline} timeline
   * @param {string} parent
   * @param {string[]} path
   */
  constructor(timeline, parent, path) {
    this.timeline = timeline;
    this.parent = parent;
    this.path = path;
    const depth = path.length;
    this.limit = AT_ONCE;
    this.items = h("ol", { class: "polos-rows", role: "list", ariaLabel: depth ? "Steps inside" : "Steps" });
    this.next = button("", () => this.more(), { class: "polos-small", hidden: true });
    this.foot = h("div", { class: "polos-muted polos-rows-foot", hidden: true });
    this.element = h(
      "div",
      { class: depth > 6 ? "polos-list polos-list-deep" : "polos-list" },
      this.items,
      this.next,
      this.foot
    );
    this.reconcile();
  }
  /** Bring the list to the order that the kernel gave, moving only what stands elsewhere. */
  reconcile() {
    const { timeline } = this;
    const { rows: states } = timeline.link.state;
    const known = timeline.childrenOf(this.parent).filter((id) => states[id] && !this.path.includes(id));
    const wanted = known.slice(0, this.limit);
    const keep = new Set(wanted);
    for (const element of [...this.items.children]) {
      const id = this.idOf(element);
      if (id !== void 0 && !keep.has(id)) this.drop(id);
    }
    const rows = wanted.map((id) => this.rowOf(id));
    let place = this.items.firstChild;
    for (const row of rows) {
      if (row.element === place) place = place.nextSibling;
      else this.items.insertBefore(row.element, place);
    }
    const left = known.length - wanted.length;
    this.next.hidden = left <= 0;
    if (left > 0)
      setText(this.next, `show ${number(Math.min(AT_ONCE, left))} more (${number(left)} steps are not shown)`);
    this.updateFoot();
  }
  /** Say how many children the kernel keeps to itself. */
  updateFoot() {
    const hidden = this.timeline.link.state.rows[this.parent]?.hidden;
    this.foot.hidden = !(hidden > 0);
    if (hidden > 0) setText(this.foot, `… ${number(hidden)} more`);
  }
  more() {
    const first = this.items.children.length;
    this.limit += AT_ONCE;
    this.reconcile();
    const id = this.idOf(this.items.children[first]);
    if (this.next.hidden && id !== void 0) this.timeline.rows.get(id)?.focus();
  }
  /**
   * @param {string} id
   * @returns {StepRow}
   */
  rowOf(id) {
    let row = this.timeline.rows.get(id);
    if (row && (row.parent !== this.parent || row.outdated)) {
      this.drop(id);
      row = void 0;
    }
    if (!row) {
      row = new StepRow(this.timeline, id, this.parent, this.path);
      row.element.polosRow = id;
      this.timeline.rows.set(id, row);
    }
    return row;
  }
  /** @param {string} id */
  drop(id) {
    const row = this.timeline.rows.get(id);
    this.timeline.rows.delete(id);
    row?.remove();
  }
  /**
   * @param {any} element
   * @returns {string | undefined}
   */
  idOf(element) {
    return element?.polosRow;
  }
  /** Take the list out of the page. */
  remove() {
    for (const element of [...this.items.children]) {
      const id = this.idOf(element);
      if (id !== void 0) this.drop(id);
    }
    this.timeline.lists.delete(this.parent);
    this.element.remove();
  }
};

// src/turn.js
var LIVE = /* @__PURE__ */ new Set(["running", "queued", "waiting", "suspended"]);
var TurnView = class {
  /**
   * @param {any} link
   * @param {string} id the id of the turn's row
   */
  constructor(link, id) {
    this.link = link;
    this.id = id;
    this.notice = new Notice();
    this.timeline = null;
    this.stream = null;
    this.streamed = "";
    this.shown = "";
    this.editor = null;
    this.attachments = "";
    this.cards = new Cards(link, { root: id, rules: false });
    this.#build();
    this.update(null);
  }
  /** Whether something is being written in this turn that must not be lost. */
  get editing() {
    return this.editor !== null;
  }
  get #row() {
    return this.link.state.rows[this.id] ?? {};
  }
  #build() {
    this.text = h("div", { class: "polos-turn-text" });
    this.chips = h("ul", { class: "polos-attachments", ariaLabel: "Attachments", hidden: true });
    this.editPlace = h("div", null);
    this.edit = button("✎ Edit & branch", () => this.openEditor(), { class: "polos-quiet" });
    this.retry = button("↻ Retry", () => this.#act(this.retry, "Retrying …", "retry", {}), {
      class: "polos-quiet",
      label: "Retry: ask for another answer"
    });
    this.previous = button("◂", () => this.#branch(-1), { class: "polos-quiet", label: "Previous branch" });
    this.next = button("▸", () => this.#branch(1), { class: "polos-quiet", label: "Next branch" });
    this.place = h("span", { class: "polos-branch-place" });
    this.branches = h(
      "span",
      { class: "polos-branches", role: "group", ariaLabel: "Branches", hidden: true },
      this.place,
      this.previous,
      this.next
    );
    this.summary = h("summary", { class: "polos-steps-summary" });
    this.steps = h(
      "details",
      { class: "polos-steps", hidden: true, on: { toggle: () => this.#openSteps() } },
      this.summary
    );
    this.answer = h("div", { class: "polos-turn-answer" });
    this.more = h("div", { class: "polos-turn-more" });
    this.error = h("div", { class: "polos-turn-error", hidden: true });
    this.meta = h("span", { class: "polos-turn-meta" });
    this.element = h(
      "article",
      { class: "polos-turn" },
      h(
        "div",
        { class: "polos-turn-user" },
        h("h4", { class: "polos-turn-who" }, "You"),
        this.text,
        this.editPlace,
        this.chips
      ),
      h(
        "div",
        { class: "polos-turn-agent" },
        this.who = h("h4", { class: "polos-turn-who" }),
        this.steps,
        this.answer,
        this.more,
        this.cards.element,
        this.error,
        h("div", { class: "polos-turn-bar" }, this.meta, this.branches, this.edit, this.retry),
        this.notice.element
      )
    );
  }
  /**
   * Show what changed; `null` stands for everything.
   *
   * @param {Set<string> | null} changed
   */
  update(changed) {
    const rows = this.link.state.rows;
    const counted = !changed || [...changed].some((id) => rows[id]?.kind !== "llm" || rows[id]?.state !== "running");
    if (counted) {
      this.#user();
      this.#summary();
      this.#bar();
    }
    this.#answer();
    if (changed) {
      this.timeline?.update(changed);
      this.cards.update(changed);
    }
  }
  #user() {
    const row = this.#row;
    setText(this.text, row.text);
    setText(this.who, this.link.state.head.agent || "Agent");
    const files = row.attachments ?? [];
    if (JSON.stringify(files) === this.attachments) return;
    this.attachments = JSON.stringify(files);
    clear(this.chips);
    this.chips.hidden = !files.length;
    for (const file of files) this.chips.appendChild(attachmentChip(file));
  }
  #summary() {
    const { text: text2, any } = stepsInWords(this.link.state, this.id);
    this.steps.hidden = !any;
    setText(this.summary, text2);
  }
  #openSteps() {
    if (!this.steps.open || this.timeline) return;
    this.timeline = new Timeline(this.link, { root: this.id });
    this.steps.appendChild(this.timeline.element);
  }
  #answer() {
    const row = this.#row;
    const answer = row.answer;
    const live = LIVE.has(row.status);
    if (answer && answer.t !== "text") return this.#value(answer);
    const text2 = answer ? answer.s : lastText(this.link.state, this.id);
    const key = `${live}${text2}`;
    if (this.stream && this.shown === key) return;
    this.shown = key;
    if (!this.stream || !text2.startsWith(this.streamed)) this.#newStream();
    this.streamed = text2;
    this.stream.set(text2);
    if (!live) {
      this.stream.finish();
      this.answer.style.minHeight = "";
    }
    clear(this.more);
    if (answer?.more) this.more.appendChild(this.#moreButton(answer.more));
  }
  #newStream() {
    this.answer.style.minHeight = LIVE.has(this.#row.status) ? `${this.answer.offsetHeight}px` : "";
    this.stream = new MarkdownStream();
    clear(this.answer);
    this.answer.appendChild(this.stream.element);
  }
  /** @param {any} value */
  #value(value) {
    const key = JSON.stringify(value);
    if (this.shown === key) return;
    this.shown = key;
    this.stream = null;
    this.streamed = "";
    clear(this.answer);
    this.answer.appendChild(
      valueNode(value, { more: () => this.link.request("more", { row: this.id, field: "answer" }) })
    );
  }
  /** @param {number} count */
  #moreButton(count) {
    const show = button(`Show all (${number(count)} characters more)`, async () => {
      const done = await act(
        show,
        this.notice,
        "Asking for the whole answer …",
        () => this.link.request("more", { row: this.id, field: "answer" })
      );
      if (!done) return;
      this.#newStream();
      this.streamed = done.data.s ?? "";
      this.stream.set(this.streamed);
      this.stream.finish();
      clear(this.more);
    });
    return show;
  }
  #bar() {
    const row = this.#row;
    const tokens = (row.tokens_in ?? 0) + (row.tokens_out ?? 0);
    const parts = [
      turnState(row.status),
      row.seconds && !LIVE.has(row.status) ? duration(row.seconds) : "",
      tokens ? plural(tokens, "token") : "",
      money(row.cost)
    ];
    setText(this.meta, parts.filter(Boolean).join(" · "));
    this.error.hidden = !row.error;
    setText(this.error, row.error ? `✗ ${row.error}` : "");
    const many = (row.branches ?? 1) > 1;
    this.branches.hidden = !many;
    setText(this.place, many ? `${row.branch} of ${row.branches}` : "");
    enable(this.previous, row.branch > 1);
    enable(this.next, row.branch < row.branches);
  }
  /** @param {number} by */
  #branch(by) {
    const control = by < 0 ? this.previous : this.next;
    this.#act(control, "Switching …", "branch", { branch: (this.#row.branch ?? 1) + by });
  }
  /**
   * @param {HTMLElement} control
   * @param {string} doing
   * @param {string} verb
   * @param {Record<string, any>} args
   */
  async #act(control, doing, verb, args) {
    const done = await act(control, this.notice, doing, () => this.link.request(verb, { turn: this.id, ...args }));
    if (done?.data?.sentence) this.notice.say(done.data.sentence);
    return done;
  }
  /** Turn the user's text into an editor. */
  openEditor() {
    if (this.editor) return this.editor.focus();
    const id = uniqueId("edit");
    this.editor = h("textarea", { id, class: "polos-composer-text", rows: 3, value: this.#row.text ?? "" });
    const send = button("Send as a new branch", () => this.#sendEdit(send), { class: "polos-primary" });
    const cancel = button("Cancel", () => this.#closeEditor());
    this.text.hidden = true;
    clear(this.editPlace);
    this.editPlace.append(
      h("label", { for: id, class: "polos-hint" }, "Your message, edited; the old one is kept as a branch"),
      this.editor,
      h("div", { class: "polos-buttons" }, send, cancel)
    );
    this.editor.focus();
  }
  /** @param {HTMLElement} send */
  async #sendEdit(send) {
    const text2 = this.editor.value;
    if (!text2.trim()) return this.notice.fail("The message is empty: write something, or press Cancel.");
    if (await this.#act(send, "Sending …", "edit", { text: text2 })) this.#closeEditor();
  }
  #closeEditor() {
    this.editor = null;
    clear(this.editPlace);
    this.text.hidden = false;
    if (this.element.isConnected) this.edit.focus();
  }
  /** Let go of everything. */
  dispose() {
    this.timeline?.dispose?.();
    this.cards.dispose?.();
  }
};

// src/chat_view.js
var NEAR = 32;
var ChatView = class {
  /** @param {any} link */
  constructor(link) {
    this.link = link;
    this.turns = /* @__PURE__ */ new Map();
    this.ids = [];
    this.following = true;
    this.pending = null;
    this.header = new ChatHeader(link);
    this.composer = new Composer(link, { sent: () => this.#follow() });
    this.empty = h("p", { class: "polos-chat-empty" });
    this.list = h("div", { class: "polos-chat-turns" }, this.empty);
    this.log = h("div", { class: "polos-chat-log", role: "region", ariaLabel: "Conversation", tabindex: 0 }, this.list);
    this.newest = button("↓ Newest", () => this.#toEnd(), {
      class: "polos-chat-newest",
      label: "Go to the newest message",
      hidden: true
    });
    this.rules = new Rules(link);
    this.phase = h("div", { class: "polos-chat-phase", role: "status", ariaLive: "polite" });
    this.silent = h("div", { class: "polos-note", role: "alert" });
    this.element = h(
      "section",
      { class: "polos-chat", ariaLabel: "Chat" },
      this.header.element,
      h("div", { class: "polos-chat-middle" }, this.log, this.newest),
      h("div", { class: "polos-chat-foot" }, this.phase, this.rules.element, this.silent),
      this.composer.element
    );
    keepKeys(this.element);
    this.#watchScroll();
    this.paint = frame(() => this.#paint());
    this.off = [
      link.onChange((changed) => this.#changed(changed)),
      link.onAlive?.(() => this.#alive())
    ];
    this.#paint();
    this.#alive();
  }
  #watchScroll() {
    this.log.addEventListener("scroll", () => {
      this.following = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR;
      this.newest.hidden = this.following;
    });
    this.log.addEventListener("click", (event) => {
      if (event.target.closest?.("summary")) this.following = false;
    });
    if (typeof ResizeObserver === "undefined") return;
    this.resized = new ResizeObserver(() => this.following && this.#toEnd());
    this.resized.observe(this.list);
  }
  #toEnd() {
    this.following = true;
    this.newest.hidden = true;
    this.log.scrollTop = this.log.scrollHeight;
  }
  #follow() {
    this.following = true;
    this.paint();
  }
  /** @param {Set<string>} changed */
  #changed(changed) {
    if (this.pending) for (const id of changed) this.pending.add(id);
    else this.pending = new Set(changed);
    this.paint();
  }
  #paint() {
    const changed = this.pending;
    this.pending = null;
    if (!changed || changed.has("head")) {
      this.header.update();
      this.composer.update();
      this.rules.update();
      this.element.setAttribute("aria-label", `Chat with ${this.link.state.head.agent || "an agent"}`);
      setText(this.empty, `Nothing is said yet. Write to ${this.link.state.head.agent || "the agent"} below.`);
    }
    if (!changed || changed.has("order:")) this.#arrange();
    if (changed) this.#update(changed);
    setText(this.phase, phaseInWords(this.link.state));
    if (this.following) this.#toEnd();
  }
  /** Show the turns of the branch that is chosen now; a turn in which someone writes is kept for the way back. */
  #arrange() {
    const ids = (this.link.state.order[""] ?? []).filter((id) => this.link.state.rows[id]);
    const focus = this.#focused();
    const known = new Set(this.ids);
    for (const id of ids) {
      if (this.turns.has(id)) continue;
      this.turns.set(id, new TurnView(this.link, id));
      if (!known.has(id)) this.composer.arrived(this.link.state.rows[id].text);
    }
    for (const [id, turn] of this.turns) {
      if (ids.includes(id)) continue;
      turn.element.remove();
      if (turn.editing) continue;
      turn.dispose();
      this.turns.delete(id);
    }
    this.empty.hidden = ids.length > 0;
    let before = this.empty;
    for (const id of ids) {
      const { element } = (
        /** @type {TurnView} */
        this.turns.get(id)
      );
      if (before.nextSibling !== element) this.list.insertBefore(element, before.nextSibling);
      before = element;
    }
    this.ids = ids;
    if (focus && !focus.element.isConnected) this.#refocus(focus);
  }
  /** The control that has the keyboard, as a turn's place and the name of the control. */
  #focused() {
    const element = focused(this.list);
    if (!element || !this.list.contains(element)) return null;
    const place = this.ids.findIndex((id) => this.turns.get(id)?.element.contains(element));
    const turn = this.turns.get(this.ids[place]);
    const name = turn && [
      /** @type {const} */
      "previous",
      /** @type {const} */
      "next",
      /** @type {const} */
      "retry"
    ].find(
      (each) => turn[each] === element
    );
    return { element, place, name: name ?? "edit" };
  }
  /**
   * A turn was exchanged for that of another branch: the keyboard stays on the same control.
   *
   * @param {{place: number, name: string}} focus
   */
  #refocus({ place, name }) {
    const turn = this.turns.get(this.ids[Math.min(place, this.ids.length - 1)]);
    (turn ? turn[name] : this.composer.text).focus();
  }
  /** @param {Set<string>} changed */
  #update(changed) {
    const touched = /* @__PURE__ */ new Set();
    let all = changed.has("head");
    for (const key of changed) {
      const id = key.startsWith("order:") ? key.slice(6) : key;
      if (id === "" || id === "head") continue;
      const top = this.#top(id);
      if (top) touched.add(top);
      else all = true;
    }
    for (const [id, turn] of this.turns) if (all || touched.has(id)) turn.update(changed);
  }
  /** @param {string} id */
  #top(id) {
    let row = this.link.state.rows[id];
    for (let depth = 0; row && row.parent && depth < 60; depth += 1) row = this.link.state.rows[row.parent];
    return row?.id;
  }
  #alive() {
    clear(this.silent);
    if (this.link.alive === false) append(this.silent, [NO_ANSWER]);
  }
  /** Let go of the link; the model and its state stay. */
  dispose() {
    for (const off of this.off) off?.();
    this.paint.cancel();
    this.resized?.disconnect();
    for (const turn of this.turns.values()) turn.dispose();
  }
};

// src/css/base.css
var base_default = `/* Variables with fallbacks, and what all views share: texts, buttons, fields, code, tables.
   The fallbacks are dark on light; VS Code and JupyterLab give their own colours. */

.polos-root {
  --polos-fg: var(--jp-ui-font-color1, var(--vscode-foreground, #1f2328));
  --polos-bg: var(--jp-layout-color0, var(--vscode-editor-background, #ffffff));
  /* JupyterLab's muted and status colours are too pale for text: these are mixed with the foreground. */
  --polos-muted: color-mix(in srgb, var(--polos-fg) 78%, var(--polos-bg));
  --polos-bg2: var(--jp-layout-color1, var(--vscode-editorWidget-background, #f6f8fa));
  --polos-code-bg: var(--jp-layout-color2, var(--vscode-textCodeBlock-background, #eff1f3));
  --polos-border: var(--jp-border-color2, var(--vscode-panel-border, #d1d9e0));
  --polos-strong-border: color-mix(in srgb, var(--polos-fg) 60%, var(--polos-bg));
  --polos-link: color-mix(in srgb, var(--jp-content-link-color, var(--vscode-textLink-foreground, #0969da)) 65%, var(--polos-fg));
  --polos-error: color-mix(in srgb, var(--jp-error-color1, var(--vscode-errorForeground, #b31d28)) 48%, var(--polos-fg));
  --polos-warn: color-mix(in srgb, var(--jp-warn-color1, var(--vscode-editorWarning-foreground, #9a6700)) 45%, var(--polos-fg));
  --polos-ok: color-mix(in srgb, var(--jp-success-color1, var(--vscode-testing-iconPassed, #1a7f37)) 50%, var(--polos-fg));
  --polos-accent: color-mix(in srgb, var(--jp-brand-color1, var(--vscode-button-background, #0969da)) 70%, var(--polos-fg));
  --polos-on-accent: var(--polos-bg);
  --polos-focus: var(--polos-accent);
  --polos-font: var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif));
  --polos-content-font: var(--jp-content-font-family, var(--polos-font));
  --polos-mono: var(--jp-code-font-family, var(--vscode-editor-font-family, ui-monospace, monospace));
  --polos-size: var(--jp-ui-font-size1, var(--vscode-font-size, 13px));
  --polos-small: 0.92em;
  --polos-gap: 8px;
  --polos-radius: 4px;

  box-sizing: border-box;
  width: 100%;
  max-width: 100%;
  min-width: 0;
  padding: 2px;
  color: var(--polos-fg);
  background: var(--polos-bg);
  color-scheme: light dark;
  font-family: var(--polos-font);
  font-size: var(--polos-size);
  line-height: 1.45;
  overflow-wrap: anywhere;
}

[data-jp-theme-light="true"] .polos-root,
.vscode-light .polos-root {
  color-scheme: light;
}

[data-jp-theme-light="false"] .polos-root,
.vscode-dark .polos-root {
  color-scheme: dark;
}

.polos-root *,
.polos-root *::before,
.polos-root *::after {
  box-sizing: border-box;
}

.polos-root [hidden] {
  display: none !important;
}

.polos-root p {
  margin: 0 0 0.6em;
}

.polos-root a {
  color: var(--polos-link);
  text-decoration: underline;
}

.polos-muted {
  color: var(--polos-muted);
}

.polos-error {
  color: var(--polos-error);
}

/* Said to screen readers only. */
.polos-hidden-text {
  position: absolute;
  width: 1px;
  height: 1px;
  margin: -1px;
  padding: 0;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
  border: 0;
}

/* Focus: a ring that does not depend on the browser's. */
.polos-root :focus-visible {
  outline: 2px solid var(--polos-focus);
  outline-offset: 2px;
}

/* Buttons */
.polos-root button,
.polos-button {
  display: inline-flex;
  align-items: center;
  justify-content: center;
  gap: 4px;
  min-width: 28px;
  min-height: 28px;
  max-width: 100%;
  margin: 0;
  padding: 2px 10px;
  color: var(--polos-fg);
  background: var(--polos-bg2);
  border: 1px solid var(--polos-strong-border);
  border-radius: var(--polos-radius);
  font: inherit;
  line-height: 1.3;
  cursor: pointer;
  overflow-wrap: anywhere;
}

.polos-root button:hover:not(:disabled) {
  background: var(--polos-code-bg);
}

.polos-root button:disabled {
  color: var(--polos-muted);
  border-style: dashed;
  cursor: default;
}

.polos-root button.polos-primary {
  color: var(--polos-on-accent);
  background: var(--polos-accent);
  border-color: var(--polos-accent);
  font-weight: 600;
}

.polos-root button.polos-primary:hover:not(:disabled) {
  background: var(--polos-accent);
  text-decoration: underline;
}

.polos-root button.polos-primary:disabled {
  color: var(--polos-muted);
  background: var(--polos-bg2);
  border-color: var(--polos-strong-border);
}

.polos-root button.polos-danger {
  color: var(--polos-error);
  border-color: var(--polos-error);
}

.polos-buttons {
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
  align-items: center;
}

/* Fields */
.polos-root input:not([type="checkbox"], [type="radio"], [type="file"]),
.polos-root select,
.polos-root textarea {
  width: 100%;
  min-height: 28px;
  margin: 0;
  padding: 3px 6px;
  color: var(--polos-fg);
  background: var(--polos-bg);
  border: 1px solid var(--polos-strong-border);
  border-radius: var(--polos-radius);
  font: inherit;
}

.polos-root textarea {
  resize: vertical;
}

.polos-root input[type="checkbox"],
.polos-root input[type="radio"] {
  width: 16px;
  height: 16px;
  margin: 0 4px 0 0;
  vertical-align: -3px;
  accent-color: var(--polos-accent);
}

.polos-root ::placeholder {
  color: var(--polos-muted);
  opacity: 1;
}

.polos-root label {
  font-weight: 600;
}

.polos-root fieldset {
  min-width: 0;
  margin: 0;
  padding: 0;
  border: 0;
}

/* Code */
.polos-root code,
.polos-root pre {
  font-family: var(--polos-mono);
  font-size: 0.95em;
}

.polos-root :not(pre) > code {
  padding: 1px 4px;
  color: var(--polos-fg);
  background: var(--polos-code-bg);
  border-radius: 3px;
}

.polos-root pre,
.polos-pre {
  max-width: 100%;
  margin: 4px 0;
  padding: 6px 8px;
  overflow: auto;
  color: var(--polos-fg);
  background: var(--polos-code-bg);
  border: 0;
  border-radius: var(--polos-radius);
  white-space: pre;
  overflow-wrap: normal;
  tab-size: 4;
}

.polos-root pre.polos-wrap {
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}

.polos-root pre > code {
  padding: 0;
  color: inherit;
  background: none;
}

.polos-code {
  margin: 0 0 0.6em;
  background: var(--polos-code-bg);
  border: 1px solid var(--polos-border);
  border-radius: var(--polos-radius);
}

.polos-code-bar {
  display: flex;
  justify-content: space-between;
  align-items: center;
  gap: 8px;
  padding: 2px 2px 2px 8px;
  font-size: var(--polos-small);
}

.polos-root .polos-code pre {
  margin: 0;
}

/* Tables scroll in themselves. */
.polos-table-scroll {
  max-width: 100%;
  margin: 0 0 0.6em;
  overflow-x: auto;
}

.polos-root table.polos-table {
  width: auto;
  margin: 0;
  color: var(--polos-fg);
  background: var(--polos-bg);
  border-collapse: collapse;
  font-size: inherit;
  table-layout: auto;
}

.polos-root .polos-table th,
.polos-root .polos-table td {
  max-width: 40em;
  padding: 3px 8px;
  color: var(--polos-fg);
  background: var(--polos-bg);
  border: 1px solid var(--polos-border);
  text-align: left;
  vertical-align: top;
  white-space: normal;
  overflow-wrap: break-word;
}

.polos-root .polos-table th {
  background: var(--polos-bg2);
  font-weight: 600;
}

.polos-root .polos-table .polos-align-center {
  text-align: center;
}

.polos-root .polos-table .polos-align-right {
  text-align: right;
}

/* Details */
.polos-root summary {
  min-height: 24px;
  cursor: pointer;
}

/* Markdown */
.polos-markdown {
  font-family: var(--polos-content-font);
}

.polos-markdown > :last-child {
  margin-bottom: 0;
}

.polos-markdown h3,
.polos-markdown h4,
.polos-markdown h5,
.polos-markdown h6 {
  margin: 0.9em 0 0.4em;
  color: var(--polos-fg);
  font-weight: 600;
  line-height: 1.25;
}

.polos-markdown > :first-child {
  margin-top: 0;
}

.polos-markdown h3 {
  font-size: 1.35em;
}

.polos-markdown h4 {
  font-size: 1.2em;
}

.polos-markdown h5 {
  font-size: 1.08em;
}

.polos-markdown h6 {
  font-size: 1em;
}

.polos-markdown ul,
.polos-markdown ol {
  margin: 0 0 0.6em;
  padding-left: 1.8em;
}

.polos-markdown li > ul,
.polos-markdown li > ol {
  margin-bottom: 0;
}

.polos-markdown li.polos-task {
  list-style: none;
  margin-left: -1.4em;
}

.polos-markdown blockquote {
  margin: 0 0 0.6em;
  padding: 0 0 0 0.8em;
  color: var(--polos-muted);
  border-left: 3px solid var(--polos-strong-border);
}

.polos-markdown hr {
  height: 0;
  margin: 0.8em 0;
  border: 0;
  border-top: 1px solid var(--polos-border);
}

.polos-unparsed {
  white-space: pre-wrap;
}

@media (prefers-reduced-motion: reduce) {
  .polos-root *,
  .polos-root *::before,
  .polos-root *::after {
    animation: none !important;
    transition: none !important;
    scroll-behavior: auto !important;
  }
}
`;

// src/css/card.css
var card_default = "/* Cards that ask a person, and the one line that is left of them. */\n\n.polos-card {\n  margin: 8px 0;\n  padding: 8px 10px;\n  border: 2px solid var(--polos-look-waiting);\n  border-radius: 6px;\n  min-width: 0;\n}\n\n.polos-card-head,\n.polos-card-bar {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: baseline;\n  gap: 4px 8px;\n  min-width: 0;\n}\n\n.polos-card-title {\n  overflow-wrap: anywhere;\n  min-width: 0;\n}\n\n.polos-card-where {\n  flex: 1 1 100%;\n  overflow-wrap: anywhere;\n  color: var(--polos-muted);\n  font-size: 0.92em;\n  font-variant-numeric: tabular-nums;\n}\n\n.polos-root .polos-card-text {\n  margin: 6px 0;\n  white-space: pre-wrap;\n  overflow-wrap: anywhere;\n}\n\n.polos-card-bar {\n  margin-top: 8px;\n  align-items: center;\n}\n\n.polos-card-others {\n  display: inline-flex;\n  gap: 8px;\n}\n\n.polos-card-scope-part {\n  display: inline-flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 4px;\n  flex: 0 1 auto;\n  min-width: 0;\n}\n\n.polos-root .polos-card-scope {\n  width: auto;\n  max-width: 100%;\n}\n\n.polos-card-command {\n  margin-top: 6px;\n  overflow-wrap: anywhere;\n  font-size: 0.92em;\n}\n\n.polos-card-alert {\n  color: var(--polos-error);\n  overflow-wrap: anywhere;\n}\n\n.polos-card-alert:not(:empty),\n.polos-card-said:not(:empty) {\n  margin-top: 6px;\n}\n\n.polos-root .polos-card-edit {\n  font-family: var(--polos-mono, monospace);\n  width: 100%;\n  box-sizing: border-box;\n}\n\n.polos-card-line {\n  margin: 4px 0;\n  padding: 3px 8px;\n  border-left: 3px solid var(--polos-look-waiting);\n  overflow-wrap: anywhere;\n}\n\n.polos-form {\n  margin: 6px 0;\n}\n\n.polos-field {\n  margin: 6px 0;\n  min-width: 0;\n}\n\n.polos-root .polos-field-label > .polos-muted,\n.polos-root .polos-card-scope-part > label {\n  font-weight: normal;\n}\n\n.polos-field-label {\n  display: block;\n  margin-bottom: 2px;\n  overflow-wrap: anywhere;\n}\n\n.polos-field-check {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 2px 6px;\n  align-items: baseline;\n}\n\n.polos-field-check > .polos-field-label {\n  margin: 0;\n}\n\n.polos-field .polos-input {\n  width: 100%;\n  box-sizing: border-box;\n}\n\n.polos-root .polos-field .polos-input-short {\n  width: 12em;\n  max-width: 100%;\n}\n\n.polos-rules {\n  margin: 8px 0;\n}\n\n.polos-rules-list > li {\n  overflow-wrap: anywhere;\n  padding: 2px 0;\n}\n";

// src/css/chat.css
var chat_default = '/* The chat: head, log of turns, message box; and the buttons and sentences that it shares with the inspector. */\n\n.polos-root button.polos-quiet {\n  min-height: 26px;\n  padding: 1px 7px;\n  background: transparent;\n  border-color: transparent;\n  font-size: var(--polos-small);\n}\n\n.polos-root button.polos-quiet:hover,\n.polos-root button.polos-quiet:focus-visible {\n  background: var(--polos-bg2);\n  border-color: var(--polos-border);\n}\n\n.polos-root .polos-hint {\n  margin: 0;\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-weight: normal;\n}\n\n.polos-notice-status:not(:empty),\n.polos-notice-alert:not(:empty) {\n  margin: 6px 0 0;\n  padding: 4px 8px;\n  background: var(--polos-bg2);\n  border-left: 3px solid var(--polos-strong-border);\n  border-radius: 2px;\n  white-space: pre-wrap;\n}\n\n.polos-root .polos-notice-alert:not(:empty) {\n  color: var(--polos-error);\n  border-left-color: var(--polos-error);\n}\n\n.polos-note:not(:empty) {\n  margin: 6px 0;\n  padding: 4px 8px;\n  border-left: 3px solid var(--polos-warn);\n  background: var(--polos-bg2);\n}\n\n/* Frame and head */\n.polos-chat {\n  container: polos-chat / inline-size;\n  display: flex;\n  flex-direction: column;\n  border: 1px solid var(--polos-border);\n  border-radius: 8px;\n  overflow: hidden;\n}\n\n.polos-chat-head {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 4px 12px;\n  padding: 8px 12px;\n  background: var(--polos-bg2);\n  border-bottom: 1px solid var(--polos-border);\n}\n\n.polos-chat-names {\n  flex: 1 1 16em;\n  min-width: 0;\n}\n\n.polos-root .polos-chat-title {\n  margin: 0;\n  color: var(--polos-fg);\n  font-size: 1.08em;\n  font-weight: 600;\n}\n\n.polos-chat-facts {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-variant-numeric: tabular-nums;\n}\n\n.polos-chat-head .polos-button {\n  font-size: var(--polos-small);\n}\n\n.polos-chat-head > .polos-notice,\n.polos-chat-panel {\n  flex: 1 1 100%;\n  min-width: 0;\n}\n\n.polos-chat-panel {\n  padding: 8px 0 2px;\n  border-top: 1px solid var(--polos-border);\n}\n\n.polos-chat-panel > .polos-buttons {\n  margin: 6px 0 2px;\n}\n\n.polos-root .polos-chat-conversations {\n  max-height: 220px;\n  margin: 0 0 6px;\n  padding: 0;\n  overflow-y: auto;\n  list-style: none;\n}\n\n.polos-chat-conversations > li {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: baseline;\n  gap: 2px 8px;\n  padding: 1px 0;\n}\n\n.polos-root button.polos-chat-conversation {\n  text-align: left;\n  font-size: inherit;\n  text-decoration: underline;\n  text-underline-offset: 2px;\n}\n\n.polos-root button.polos-chat-conversation[aria-current="true"] {\n  font-weight: 600;\n}\n\n.polos-root textarea.polos-export {\n  margin: 4px 0 6px;\n  font-family: var(--polos-mono);\n  font-size: 0.95em;\n  white-space: pre-wrap;\n}\n\n/* Log */\n.polos-chat-middle {\n  position: relative;\n}\n\n.polos-chat-log {\n  max-height: min(560px, 70vh);\n  min-height: 90px;\n  padding: 4px 12px;\n  overflow-y: auto;\n  overscroll-behavior: contain;\n  overflow-anchor: auto;\n}\n\n.polos-chat-log:focus-visible {\n  outline-offset: -3px;\n}\n\n.polos-root button.polos-chat-newest {\n  position: absolute;\n  right: 16px;\n  bottom: 8px;\n  box-shadow: 0 1px 4px rgb(0 0 0 / 30%);\n}\n\n.polos-root .polos-chat-empty {\n  margin: 24px 0;\n  color: var(--polos-muted);\n  text-align: center;\n}\n\n.polos-turn {\n  padding: 10px 0;\n}\n\n.polos-turn + .polos-turn {\n  border-top: 1px solid var(--polos-border);\n}\n\n.polos-root .polos-turn-who {\n  margin: 0 0 2px;\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-weight: 600;\n}\n\n.polos-turn-user {\n  max-width: 100%;\n  margin-bottom: 8px;\n  padding: 6px 10px 8px;\n  background: color-mix(in srgb, var(--polos-fg) 6%, var(--polos-bg));\n  border: 1px solid var(--polos-border);\n  border-radius: 8px;\n}\n\n.polos-turn-text {\n  white-space: pre-wrap;\n}\n\n.polos-turn-agent {\n  padding: 0 10px;\n}\n\n.polos-steps {\n  margin: 0 0 6px;\n}\n\n.polos-turn-more > .polos-button {\n  margin-top: 6px;\n}\n\n.polos-steps > summary {\n  display: inline-block;\n  max-width: 100%;\n  padding: 0 10px;\n  color: var(--polos-fg);\n  background: var(--polos-bg2);\n  border: 1px solid var(--polos-border);\n  border-radius: 12px;\n  font-size: var(--polos-small);\n  line-height: 24px;\n  list-style: none;\n}\n\n.polos-steps > summary::-webkit-details-marker {\n  display: none;\n}\n\n.polos-steps > summary::before {\n  content: "▸ ";\n}\n\n.polos-steps[open] > summary::before {\n  content: "▾ ";\n}\n\n.polos-steps > .polos-timeline {\n  margin: 6px 0;\n  padding-left: 8px;\n  border-left: 2px solid var(--polos-border);\n}\n\n.polos-turn-error {\n  margin: 6px 0;\n  padding: 4px 8px;\n  color: var(--polos-error);\n  background: var(--polos-bg2);\n  border-left: 3px solid var(--polos-error);\n  white-space: pre-wrap;\n}\n\n.polos-turn-bar {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 2px 6px;\n  margin-top: 4px;\n}\n\n.polos-turn-meta {\n  flex: 1 1 auto;\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-variant-numeric: tabular-nums;\n}\n\n.polos-branches {\n  display: inline-flex;\n  align-items: center;\n  gap: 2px;\n}\n\n.polos-branch-place {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n}\n\n/* Attachments */\n.polos-root .polos-attachments {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 6px;\n  margin: 6px 0 0;\n  padding: 0;\n  list-style: none;\n}\n\n.polos-attachment {\n  display: inline-flex;\n  align-items: center;\n  gap: 6px;\n  max-width: 100%;\n  padding: 1px 4px 1px 8px;\n  background: var(--polos-bg);\n  border: 1px solid var(--polos-strong-border);\n  border-radius: 12px;\n  font-size: var(--polos-small);\n}\n\n.polos-attachment-name {\n  max-width: 22em;\n  overflow: hidden;\n  text-overflow: ellipsis;\n  white-space: nowrap;\n}\n\n.polos-attachment-kind,\n.polos-attachment-size {\n  flex: none;\n  padding-right: 4px;\n  color: var(--polos-muted);\n}\n\n.polos-root button.polos-attachment-remove {\n  min-width: 24px;\n  min-height: 24px;\n  padding: 0;\n  background: transparent;\n  border-color: transparent;\n  border-radius: 12px;\n}\n\n/* Message box */\n.polos-chat-foot {\n  padding: 0 12px;\n}\n\n.polos-chat-phase {\n  min-height: 1.6em;\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n}\n\n.polos-composer {\n  padding: 4px 12px 10px;\n}\n\n.polos-composer.polos-drop {\n  outline: 2px dashed var(--polos-focus);\n  outline-offset: -4px;\n}\n\n.polos-root textarea.polos-composer-text {\n  display: block;\n  min-height: 52px;\n  padding: 6px 8px;\n  border-radius: 6px;\n  line-height: 1.4;\n}\n\n.polos-composer-bar {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 6px;\n  margin-top: 6px;\n}\n\n.polos-composer-queued {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n}\n\n.polos-turn .polos-buttons {\n  margin-top: 6px;\n}\n\n.polos-root .polos-outbox {\n  margin: 0 0 6px;\n  padding: 0;\n  list-style: none;\n}\n\n.polos-outbox-entry {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 4px 10px;\n  margin-bottom: 4px;\n  padding: 5px 8px;\n  background: var(--polos-bg2);\n  border: 1px dashed var(--polos-strong-border);\n  border-radius: 6px;\n}\n\n.polos-outbox-text {\n  flex: 1 1 12em;\n  max-height: 5.6em;\n  min-width: 0;\n  overflow-y: auto;\n  white-space: pre-wrap;\n}\n\n.polos-outbox-words {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n}\n\n@container polos-chat (max-width: 480px) {\n  .polos-turn-bar {\n    justify-content: flex-end;\n  }\n\n  .polos-turn-meta {\n    flex-basis: 100%;\n  }\n}\n';

// src/css/inspector.css
var inspector_default = '/* The inspector: list of runs, timeline, steps, tabs, comparison. Narrow outputs show rows as cards. */\n\n.polos-inspector {\n  container: polos-inspector / inline-size;\n  padding: 8px 12px 10px;\n  border: 1px solid var(--polos-border);\n  border-radius: 8px;\n}\n\n.polos-inspector-bar {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 6px 8px;\n  margin: 0 0 6px;\n}\n\n.polos-root .polos-inspector-title {\n  margin: 0;\n  color: var(--polos-fg);\n  font-size: 1.15em;\n  font-weight: 600;\n}\n\n.polos-run-list > .polos-inspector-bar:first-child {\n  justify-content: space-between;\n}\n\n.polos-filters {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 6px 12px;\n  margin-bottom: 8px;\n}\n\n.polos-filter {\n  flex: 1 1 7em;\n  min-width: 0;\n}\n\n.polos-filter:first-child {\n  flex: 3 1 14em;\n}\n\n.polos-filter > label,\n.polos-compare > label {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n}\n\n.polos-compare {\n  display: inline-flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 6px;\n}\n\n.polos-root input.polos-short {\n  width: 6em;\n}\n\n/* List */\n.polos-runs-frame {\n  max-width: 100%;\n  overflow-x: auto;\n}\n\n.polos-root table.polos-runs {\n  width: 100%;\n  margin: 6px 0;\n  color: var(--polos-fg);\n  background: var(--polos-bg);\n  border: 0;\n  border-collapse: collapse;\n  font-size: inherit;\n  table-layout: auto;\n}\n\n.polos-root .polos-runs th,\n.polos-root .polos-runs td {\n  padding: 4px 5px;\n  color: var(--polos-fg);\n  background: var(--polos-bg);\n  border: 0;\n  border-bottom: 1px solid var(--polos-border);\n  text-align: left;\n  vertical-align: baseline;\n  white-space: normal;\n  overflow-wrap: anywhere;\n}\n\n.polos-root .polos-runs th {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-weight: 600;\n  white-space: nowrap;\n}\n\n.polos-root .polos-runs [data-column="tokens"],\n.polos-root .polos-runs [data-column="cost"],\n.polos-root .polos-runs [data-column="time"],\n.polos-root .polos-runs [data-column="when"],\n.polos-root .polos-runs [data-column="cached"] {\n  font-variant-numeric: tabular-nums;\n  overflow-wrap: normal;\n}\n\n.polos-root .polos-runs [data-column="when"] {\n  white-space: nowrap;\n}\n\n.polos-root .polos-runs [data-column="time"] {\n  white-space: nowrap;\n}\n\n.polos-root .polos-runs [data-column="agent"] {\n  min-width: 9.5em;\n}\n\n.polos-root .polos-runs [data-column="prompt"] {\n  min-width: 10em;\n}\n\n.polos-runs .polos-badge + .polos-button {\n  margin-top: 3px;\n  white-space: nowrap;\n}\n\n.polos-root button.polos-run-id {\n  min-width: 0;\n  min-height: 24px;\n  margin: -3px 0 -3px -7px;\n  padding: 0 6px;\n  font-size: inherit;\n  font-weight: 600;\n  text-decoration: underline;\n  text-underline-offset: 2px;\n  overflow-wrap: normal;\n}\n\n.polos-runs .polos-hint {\n  display: block;\n}\n\n.polos-run-input {\n  display: -webkit-box;\n  max-height: 4.4em;\n  overflow: hidden;\n  -webkit-box-orient: vertical;\n  -webkit-line-clamp: 3;\n}\n\n.polos-runs[aria-busy="true"] {\n  opacity: 0.75;\n}\n\n/* Timeline */\n.polos-gantt {\n  margin: 8px 0;\n}\n\n.polos-root .polos-gantt-rows {\n  max-height: 320px;\n  margin: 0;\n  padding: 0;\n  overflow-y: auto;\n  list-style: none;\n}\n\n.polos-root button.polos-gantt-row {\n  display: grid;\n  grid-template-columns: 6.2em minmax(6em, 17em) minmax(80px, 1fr) 8.5em;\n  justify-content: stretch;\n  align-items: center;\n  gap: 2px 8px;\n  width: 100%;\n  min-height: 26px;\n  padding: 1px 6px;\n  background: transparent;\n  border-color: transparent;\n  text-align: left;\n}\n\n.polos-root button.polos-gantt-row:hover {\n  background: var(--polos-bg2);\n}\n\n.polos-root button.polos-gantt-row[aria-current="step"] {\n  background: var(--polos-code-bg);\n  border-color: var(--polos-strong-border);\n  font-weight: 600;\n}\n\n.polos-root button.polos-gantt-row:focus-visible {\n  outline-offset: -2px;\n}\n\n.polos-gantt-row > .polos-badge {\n  justify-self: start;\n  font-weight: normal;\n}\n\n.polos-gantt-label {\n  min-width: 0;\n  overflow: hidden;\n  text-overflow: ellipsis;\n  white-space: nowrap;\n}\n\n.polos-gantt-track {\n  position: relative;\n  height: 14px;\n  background: color-mix(in srgb, var(--polos-fg) 8%, transparent);\n  border-radius: 2px;\n}\n\n.polos-gantt-bar {\n  --polos-look: var(--polos-look-stopped);\n  position: absolute;\n  top: 0;\n  min-width: 3px;\n  height: 100%;\n  background: var(--polos-look);\n  border-radius: 2px;\n}\n\n/* Written after the looks of badges, which have this weight too. */\n.polos-gantt-bar.polos-is-live { --polos-look: var(--polos-look-live); }\n.polos-gantt-bar.polos-is-cached { --polos-look: var(--polos-look-cached); }\n.polos-gantt-bar.polos-is-done { --polos-look: var(--polos-look-done); }\n.polos-gantt-bar.polos-is-failed { --polos-look: var(--polos-look-failed); }\n.polos-gantt-bar.polos-is-waiting,\n.polos-gantt-bar.polos-is-retrying { --polos-look: var(--polos-look-waiting); }\n\n.polos-gantt-bar.polos-hatched {\n  background: repeating-linear-gradient(-45deg, var(--polos-look) 0 3px, var(--polos-bg) 3px 6px);\n  border: 1px solid var(--polos-look);\n}\n\n.polos-gantt-time {\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-variant-numeric: tabular-nums;\n  font-weight: normal;\n  text-align: right;\n}\n\n.polos-root .polos-gantt-caption {\n  margin-top: 4px;\n}\n\n/* Tabs */\n.polos-tabs {\n  display: flex;\n  flex-wrap: wrap;\n  gap: 2px;\n}\n\n.polos-root button.polos-tab {\n  background: transparent;\n  border-color: transparent;\n  border-bottom: 2px solid transparent;\n  border-radius: 3px 3px 0 0;\n}\n\n.polos-root button.polos-tab[aria-selected="true"] {\n  border-bottom-color: var(--polos-accent);\n  font-weight: 600;\n}\n\n.polos-tab-panel {\n  padding: 8px 0 0;\n  border-top: 1px solid var(--polos-border);\n}\n\n.polos-step-moves {\n  display: inline-flex;\n  align-items: center;\n  gap: 6px;\n}\n\n/* Step */\n.polos-step-head {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: center;\n  gap: 2px 8px;\n}\n\n.polos-root .polos-step-title {\n  margin: 0;\n  color: var(--polos-fg);\n  font-size: 1.05em;\n  font-weight: 600;\n}\n\n.polos-shown-step > .polos-buttons {\n  margin: 6px 0;\n}\n\n.polos-part {\n  margin: 8px 0 0;\n}\n\n.polos-root .polos-part-name,\n.polos-root .polos-message-role {\n  margin: 0 0 2px;\n  color: var(--polos-muted);\n  font-size: var(--polos-small);\n  font-weight: 600;\n}\n\n.polos-part > p {\n  margin: 0;\n}\n\n.polos-root .polos-messages,\n.polos-root .polos-why {\n  margin: 4px 0 0;\n  padding: 0;\n  list-style: none;\n}\n\n.polos-message {\n  margin: 0 0 8px;\n  padding-left: 8px;\n  border-left: 3px solid var(--polos-border);\n}\n\n.polos-why > li {\n  padding: 3px 0;\n  border-bottom: 1px solid var(--polos-border);\n}\n\n.polos-fork {\n  margin: 6px 0;\n  padding: 8px 10px;\n  background: var(--polos-bg2);\n  border: 1px solid var(--polos-border);\n  border-radius: 6px;\n}\n\n.polos-fork .polos-field {\n  display: block;\n  margin: 8px 0;\n}\n\n.polos-fork .polos-field > label {\n  display: block;\n  margin-bottom: 2px;\n  font-size: var(--polos-small);\n}\n\n.polos-fork textarea {\n  font-family: var(--polos-mono);\n  font-size: 0.95em;\n}\n\n.polos-root .polos-error:is(pre) {\n  color: var(--polos-error);\n}\n\n/* Comparison */\n.polos-diff-body > .polos-table-frame {\n  margin-bottom: 12px;\n}\n\n.polos-root .polos-diff-table {\n  margin: 0 0 10px;\n  width: 100%;\n}\n\n.polos-root .polos-diff-table td,\n.polos-root .polos-diff-table th {\n  min-width: 6em;\n  overflow-wrap: anywhere;\n  white-space: pre-wrap;\n}\n\n/* The column that says whether a step is the same. */\n.polos-root .polos-diff-table td:nth-child(4) {\n  min-width: 0;\n  font-weight: 600;\n  white-space: nowrap;\n}\n\n.polos-root .polos-differs > * {\n  background: var(--polos-code-bg);\n}\n\n.polos-root .polos-check {\n  margin: 0 0 8px;\n}\n\n/* Narrow: rows of runs become cards, bars go below their names. */\n@container polos-inspector (max-width: 720px) {\n  .polos-root .polos-runs thead {\n    position: absolute;\n    width: 1px;\n    height: 1px;\n    overflow: hidden;\n    clip-path: inset(50%);\n  }\n\n  .polos-root table.polos-runs,\n  .polos-root .polos-runs tbody {\n    display: block;\n  }\n\n  .polos-root .polos-runs tr {\n    display: flex;\n    flex-wrap: wrap;\n    align-items: baseline;\n    gap: 2px 12px;\n    margin: 0 0 8px;\n    padding: 6px 8px;\n    border: 1px solid var(--polos-border);\n    border-radius: 6px;\n  }\n\n  .polos-root .polos-runs td {\n    display: block;\n    max-width: 100%;\n    padding: 0;\n    border: 0;\n  }\n\n  .polos-root .polos-runs td:empty {\n    display: none;\n  }\n\n  .polos-root .polos-runs td[data-column="when"] {\n    min-width: 0;\n  }\n\n  .polos-root .polos-runs td[data-column="prompt"],\n  .polos-root .polos-runs td[data-column="agent"] {\n    flex: 1 1 100%;\n  }\n\n  .polos-root .polos-runs td:is([data-column="cached"], [data-column="tokens"], [data-column="cost"], [data-column="time"])::before {\n    content: attr(data-column) " ";\n    color: var(--polos-muted);\n    font-size: var(--polos-small);\n  }\n\n  .polos-runs .polos-hint {\n    display: inline;\n  }\n\n  .polos-runs-frame {\n    overflow: visible;\n  }\n\n  .polos-root button.polos-gantt-row {\n    grid-template-columns: auto minmax(0, 1fr) auto;\n    margin-bottom: 4px;\n  }\n\n  .polos-gantt-track {\n    grid-row: 2;\n    grid-column: 1 / -1;\n  }\n}\n';

// src/css/run.css
var run_default = '/* The run view: head, timeline, values, answer. Colours come from base.css; a colour never says anything alone. */\n\n.polos-run {\n  border: 1px solid var(--polos-border);\n  border-radius: 6px;\n  padding: 8px 10px;\n  min-width: 0;\n}\n\n.polos-run-line,\n.polos-run-facts,\n.polos-line {\n  display: flex;\n  flex-wrap: wrap;\n  align-items: baseline;\n  gap: 2px 8px;\n  min-width: 0;\n}\n\n.polos-run-top {\n  display: flex;\n  align-items: flex-start;\n  gap: 8px;\n}\n\n.polos-run-line {\n  flex: 1 1 0;\n}\n\n.polos-run-top > button {\n  flex: none;\n}\n\n.polos-space {\n  flex: 1 1 0;\n}\n\n.polos-run-target,\n.polos-run-model,\n.polos-run-phase {\n  min-width: 0;\n  overflow-wrap: anywhere;\n}\n\n.polos-run-phase {\n  font-style: italic;\n  font-variant-numeric: tabular-nums;\n}\n\n.polos-run-facts {\n  gap: 2px 0;\n  margin-top: 3px;\n  color: var(--polos-muted);\n  font-size: 0.92em;\n  font-variant-numeric: tabular-nums;\n  /* So that the steps below do not move when the first number comes. */\n  min-height: 1.5em;\n}\n\n.polos-run-fact:not([hidden]):has(~ .polos-run-fact:not([hidden]))::after {\n  content: "·";\n  margin: 0 6px;\n}\n\n.polos-budget {\n  align-self: center;\n  margin: 0 6px;\n  width: 64px;\n  height: 6px;\n  border: 1px solid var(--polos-muted);\n  border-radius: 4px;\n  overflow: hidden;\n}\n\n.polos-budget > span {\n  display: block;\n  height: 100%;\n  background: var(--polos-muted);\n}\n\n.polos-run-silence:not(:empty) {\n  margin: 6px 0;\n  padding: 4px 8px;\n  border-left: 3px solid var(--polos-look-waiting);\n}\n\n.polos-run .polos-timeline {\n  margin-top: 6px;\n  border-top: 1px solid var(--polos-border);\n}\n\n/* badges */\n\n.polos-root {\n  --polos-look-live: #1a6fd0;\n  --polos-look-cached: #7b53c1;\n  --polos-look-done: #2e8540;\n  --polos-look-failed: #c62828;\n  --polos-look-waiting: #c77700;\n  --polos-look-stopped: #6b7280;\n}\n\n.polos-badge {\n  --polos-look: var(--polos-look-stopped);\n  display: inline-block;\n  padding: 0 6px;\n  border: 1px solid var(--polos-look);\n  border-radius: 9px;\n  font-size: 0.88em;\n  line-height: 1.5;\n  white-space: nowrap;\n  background: color-mix(in srgb, var(--polos-look) 14%, transparent);\n}\n\n.polos-is-live { --polos-look: var(--polos-look-live); }\n.polos-is-cached { --polos-look: var(--polos-look-cached); border-style: dashed; }\n.polos-is-done { --polos-look: var(--polos-look-done); }\n.polos-is-failed { --polos-look: var(--polos-look-failed); border-width: 2px; }\n.polos-is-waiting,\n.polos-is-retrying { --polos-look: var(--polos-look-waiting); }\n.polos-is-planned { border-style: dotted; }\n\n.polos-is-live .polos-symbol {\n  animation: polos-pulse 1.6s ease-in-out infinite;\n}\n\n@keyframes polos-pulse {\n  50% { opacity: 0.35; }\n}\n\n/* rows */\n\n.polos-root .polos-rows {\n  list-style: none;\n  margin: 0;\n  padding: 0;\n}\n\n.polos-root .polos-row {\n  margin: 0;\n  padding: 0;\n  border-bottom: 1px solid var(--polos-border);\n}\n\n.polos-rows > .polos-row:last-child {\n  border-bottom: 0;\n}\n\n.polos-line {\n  padding: 3px 2px 3px 18px;\n  position: relative;\n}\n\n.polos-step > summary {\n  cursor: pointer;\n  list-style: none;\n  border-radius: 3px;\n}\n\n.polos-step > summary::-webkit-details-marker {\n  display: none;\n}\n\n.polos-step > summary::before {\n  content: "▸";\n  position: absolute;\n  left: 4px;\n  color: var(--polos-muted);\n}\n\n.polos-step[open] > summary::before {\n  content: "▾";\n}\n\n.polos-step > summary:hover {\n  background: color-mix(in srgb, var(--polos-fg) 6%, transparent);\n}\n\n.polos-line > .polos-badge {\n  min-width: 6.4em;\n}\n\n.polos-row-n {\n  min-width: 1.4em;\n  text-align: right;\n  color: var(--polos-muted);\n  font-variant-numeric: tabular-nums;\n}\n\n.polos-row-kind {\n  min-width: 3.4em;\n  color: var(--polos-muted);\n}\n\n.polos-row-what {\n  flex: 1 1 11em;\n  min-width: 0;\n  max-height: 3em;\n  line-height: 1.5;\n  overflow: hidden;\n  overflow-wrap: anywhere;\n}\n\n.polos-row-name {\n  font-weight: 600;\n}\n\n.polos-row-time {\n  margin-left: auto;\n  color: var(--polos-muted);\n  font-variant-numeric: tabular-nums;\n  white-space: nowrap;\n}\n\n.polos-row-note {\n  flex: 1 1 100%;\n  overflow-wrap: anywhere;\n  font-size: 0.92em;\n}\n\n/* In narrow outputs the line breaks before what was done, so that its time stays at the right. */\n.polos-timeline {\n  container-type: inline-size;\n}\n\n@container (max-width: 520px) {\n  .polos-line > .polos-row-what {\n    order: 1;\n    flex-basis: 100%;\n  }\n\n  .polos-line > .polos-row-note {\n    order: 2;\n  }\n}\n\n.polos-row-body {\n  padding: 2px 4px 8px 20px;\n  min-width: 0;\n}\n\n.polos-list {\n  min-width: 0;\n}\n\n.polos-row-body > .polos-list {\n  margin-top: 4px;\n  border-left: 2px solid var(--polos-border);\n  padding-left: 6px;\n}\n\n.polos-row-body > .polos-list-deep {\n  margin-left: -20px;\n}\n\n.polos-rows-foot {\n  padding: 3px 2px 3px 18px;\n}\n\n.polos-said {\n  padding: 0 4px 4px 20px;\n}\n\n/* an opened row */\n\n.polos-section {\n  margin: 4px 0 6px;\n  min-width: 0;\n}\n\n.polos-section-title {\n  color: var(--polos-muted);\n  font-size: 0.88em;\n  margin-bottom: 2px;\n}\n\n.polos-fact {\n  overflow-wrap: anywhere;\n}\n\n.polos-plain {\n  white-space: pre-wrap;\n  overflow-wrap: anywhere;\n  max-height: 320px;\n  overflow-y: auto;\n  padding: 4px 8px;\n}\n\n.polos-fold > summary {\n  cursor: pointer;\n}\n\n.polos-root .polos-calls,\n.polos-root .polos-rules-list {\n  list-style: none;\n  margin: 0;\n  padding: 0;\n}\n\n.polos-calls li {\n  overflow-wrap: anywhere;\n}\n\n/* values */\n\n.polos-value {\n  min-width: 0;\n}\n\n.polos-copyable {\n  position: relative;\n}\n\n.polos-copyable > .polos-pre {\n  white-space: pre-wrap;\n  overflow-wrap: anywhere;\n  max-height: 320px;\n  overflow-y: auto;\n  margin: 0;\n  padding-right: 60px;\n}\n\n.polos-root .polos-copyable > .polos-button {\n  position: absolute;\n  top: 3px;\n  right: 3px;\n  color: var(--polos-muted);\n  border-color: var(--polos-border);\n}\n\n.polos-table-frame {\n  max-height: 360px;\n  overflow: auto;\n}\n\n.polos-root .polos-image {\n  display: block;\n  max-width: min(480px, 100%);\n  max-height: 480px;\n  height: auto;\n  object-fit: contain;\n}\n\n.polos-more {\n  margin-top: 3px;\n}\n\n/* progress */\n\n.polos-progress {\n  padding: 0 4px 4px 18px;\n}\n\n.polos-bar {\n  display: flex;\n  height: 10px;\n  border: 1px solid var(--polos-muted);\n  border-radius: 5px;\n  overflow: hidden;\n}\n\n.polos-bar > span {\n  flex: none;\n  height: 100%;\n  transition: width 0.2s linear;\n}\n\n.polos-bar-cached {\n  background: repeating-linear-gradient(45deg, var(--polos-look-cached) 0 3px, transparent 3px 6px);\n}\n\n.polos-bar-live { background: var(--polos-look-done); }\n.polos-bar-failed { background: repeating-linear-gradient(-45deg, var(--polos-look-failed) 0 4px, var(--polos-bg) 4px 5px); }\n.polos-bar-waiting { background: repeating-linear-gradient(90deg, var(--polos-look-waiting) 0 2px, transparent 2px 5px); }\n\n.polos-bar-words {\n  margin-top: 2px;\n  font-size: 0.92em;\n  font-variant-numeric: tabular-nums;\n}\n\n/* answer */\n\n.polos-answer {\n  margin-top: 6px;\n  padding-top: 6px;\n  border-top: 1px solid var(--polos-border);\n  min-width: 0;\n}\n\n.polos-answer-live .polos-markdown > :last-child:not(pre):not(div)::after {\n  content: "▌";\n  color: var(--polos-muted);\n}\n\n.polos-run-failure {\n  margin-top: 6px;\n  white-space: pre-wrap;\n  overflow-wrap: anywhere;\n  max-height: 320px;\n  overflow-y: auto;\n}\n\n/* buttons that keep the focus while they cannot be pressed */\n\n.polos-root button[aria-disabled="true"],\n.polos-root button[aria-busy="true"] {\n  color: var(--polos-muted);\n  background: var(--polos-bg2);\n  border: 1px dashed var(--polos-strong-border);\n  cursor: default;\n  text-decoration: none;\n}\n\n.polos-root button.polos-small {\n  min-height: 24px;\n  padding: 0 7px;\n  font-size: var(--polos-small);\n}\n';

// src/inspector_link.js
var RunLink = class {
  /**
   * @param {any} link the inspector's own link
   * @param {string} run
   * @param {{answered?: (verb: string) => void}} [told] `answered`: a request that changes the run went through
   */
  constructor(link, run, { answered = () => {
  } } = {}) {
    this.link = link;
    this.run = run;
    this.answered = answered;
    this.state = emptyState();
    this.input = null;
    this.listeners = /* @__PURE__ */ new Set();
  }
  /** Whether the kernel answers. */
  get alive() {
    return this.link.alive;
  }
  /** Whether there is something to show. */
  get synced() {
    return Boolean(this.state.head.id);
  }
  /**
   * Ask the kernel about this run.
   *
   * @param {string} verb
   * @param {Record<string, any>} [args]
   * @param {any} [options]
   */
  async request(verb, args = {}, options2 = void 0) {
    const data = await this.link.request(verb, { run: this.run, ...args }, options2);
    if (["answer", "stop", "retry", "revoke"].includes(verb)) this.answered(verb);
    return data;
  }
  /**
   * @param {(changed: Set<string>) => void} fn
   * @returns {() => void} ends it
   */
  onChange(fn) {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }
  /**
   * @param {(alive: boolean) => void} fn
   * @returns {() => void} ends it
   */
  onAlive(fn) {
    return this.link.onAlive?.(fn) ?? (() => {
    });
  }
  /** Read the run again. */
  async fetch() {
    return this.set(await this.link.request("run", { run: this.run }));
  }
  /**
   * Take an answer of the request `run`, and say what is new in it.
   *
   * @param {any} data
   * @returns {Set<string>}
   */
  set(data) {
    const fresh = emptyState();
    applyOps(fresh, [["reset", { head: data?.head, ...data?.state }]]);
    this.input = data?.input ?? null;
    const changed = /* @__PURE__ */ new Set();
    if (differ(fresh.head, this.state.head)) changed.add("head");
    for (const id of keys(fresh.rows, this.state.rows))
      if (differ(fresh.rows[id], this.state.rows[id])) changed.add(id);
    for (const id of keys(fresh.order, this.state.order))
      if (differ(fresh.order[id], this.state.order[id])) changed.add(`order:${id}`);
    Object.assign(this.state, fresh);
    if (changed.size) for (const listener of this.listeners) listener(changed);
    return changed;
  }
};
function rowsInOrder(state2) {
  const found = [];
  const seen = /* @__PURE__ */ new Set();
  const visit = (parent, depth) => {
    for (const id of state2.order[parent] ?? []) {
      if (!state2.rows[id] || seen.has(id)) continue;
      seen.add(id);
      found.push({ id, row: state2.rows[id], depth });
      visit(id, depth + 1);
    }
  };
  visit("", 0);
  return found;
}
function differ(one, other) {
  return JSON.stringify(one) !== JSON.stringify(other);
}
function keys(one, other) {
  return /* @__PURE__ */ new Set([...Object.keys(one), ...Object.keys(other)]);
}

// src/inspector_gantt.js
var AT_ONCE2 = 200;
var DEEPEST4 = 6;
var Gantt = class {
  /**
   * @param {import("./inspector_link.js").RunLink} run
   * @param {{select: (id: string) => void}} to
   */
  constructor(run, { select: select2 }) {
    this.run = run;
    this.to = select2;
    this.limit = AT_ONCE2;
    this.selected = "";
    this.lines = /* @__PURE__ */ new Map();
    this.list = h("ol", { class: "polos-gantt-rows" });
    this.more = button("", () => {
      this.limit += AT_ONCE2;
      this.update();
    });
    this.caption = h("p", { class: "polos-hint polos-gantt-caption" });
    this.element = h(
      "div",
      { class: "polos-gantt", role: "group", ariaLabel: "Timeline of the steps" },
      this.list,
      this.more,
      this.caption
    );
  }
  /** Draw what the run's state says now; lines that stay keep their element and the keyboard. */
  update() {
    const all = rowsInOrder(this.run.state);
    const rows = all.slice(0, this.limit);
    const span2 = spanOf(this.run.state.head, all);
    const kept = new Set(rows.map(({ id }) => id));
    for (const [id, line] of this.lines) {
      if (kept.has(id)) continue;
      line.element.remove();
      this.lines.delete(id);
    }
    rows.forEach((each, at) => {
      const line = this.lines.get(each.id) ?? this.#line(each.id);
      if (this.list.children[at] !== line.element) this.list.insertBefore(line.element, this.list.children[at] ?? null);
      this.#draw(line, each, span2);
    });
    this.more.hidden = all.length <= this.limit;
    setText(
      this.more,
      `Show ${number(Math.min(AT_ONCE2, all.length - this.limit))} more of ${number(all.length)} steps`
    );
    setText(
      this.caption,
      all.length ? `The width of a bar is its time, ${duration(span2.length)} from end to end. Hatched and named “cached”: taken from the store.` : "This run has no steps yet."
    );
  }
  /**
   * Mark a step as the one that is shown.
   *
   * @param {string} id
   */
  select(id) {
    for (const [each, line] of this.lines) {
      if (each === id) line.button.setAttribute("aria-current", "step");
      else line.button.removeAttribute("aria-current");
    }
    this.selected = id;
  }
  /**
   * @param {string} id
   * @returns {Line}
   */
  #line(id) {
    const sign = badge();
    const label = h("span", { class: "polos-gantt-label" });
    const bar = h("span", { class: "polos-gantt-bar" });
    const track = h("span", { class: "polos-gantt-track", ariaHidden: "true" }, bar);
    const time = h("span", { class: "polos-gantt-time" });
    const press = button("", () => this.to(id), { class: "polos-gantt-row" });
    clear(press);
    press.append(sign.element, label, track, time);
    const line = { element: h("li", null, press), button: press, sign, label, bar, time };
    this.lines.set(id, line);
    if (id === this.selected) press.setAttribute("aria-current", "step");
    return line;
  }
  /**
   * @param {Line} line
   * @param {{row: any, depth: number}} what
   * @param {{start: number, length: number}} span
   */
  #draw(line, { row, depth }, span2) {
    const sign = signOf(row);
    const { left, width, after } = barOf(row, span2);
    const took = row.seconds === null || row.seconds === void 0 ? "" : duration(row.seconds);
    line.sign.set(sign);
    setText(line.label, [row.n, kindOf(row.kind), row.name || row.label].filter(Boolean).join(" "));
    setProperty(line.label, "style", { "padding-left": depth ? `${Math.min(depth, DEEPEST4)}em` : "" });
    setProperty(line.bar, "style", { left: `${left}%`, width: `${width}%` });
    line.bar.className = `polos-gantt-bar polos-is-${sign.look}${row.cached ? " polos-hatched" : ""}`;
    setText(line.time, [row.cached ? "cached" : "", took].filter(Boolean).join(" · "));
    const began = row.at ? `began ${duration(after)} after the start` : "";
    const said = [
      `Step ${row.n ?? ""} ${kindOf(row.kind)} ${row.name || row.label || ""}`.replace(/\s+/g, " "),
      sign.word,
      row.cached && sign.word !== "cached" ? "cached" : "",
      began,
      took && `took ${took}`
    ];
    setProperty(line.button, "ariaLabel", said.filter(Boolean).join(", "));
  }
};
function spanOf(head, rows) {
  const starts = rows.map(({ row }) => row.at).filter((at) => Number.isFinite(at) && at > 0);
  const first = starts.reduce((least, at) => Math.min(least, at), Infinity);
  const start = head.began > 0 ? head.began : Number.isFinite(first) ? first : 0;
  let end = start + (Number.isFinite(head.seconds) ? head.seconds : 0);
  for (const { row } of rows) if (row.at > 0) end = Math.max(end, row.at + (row.seconds ?? 0));
  return { start, length: Math.max(end - start, 1e-3) };
}
function barOf(row, span2) {
  const after = row.at ? Math.max(0, row.at - span2.start) : 0;
  const left = Math.min(99, after / span2.length * 100);
  const open3 = row.state === "running" || row.state === "waiting" || row.state === "retrying";
  const seconds = Number.isFinite(row.seconds) ? Math.max(0, row.seconds) : open3 ? span2.length : 0;
  const width = Math.min(100 - left, Math.max(1, seconds / span2.length * 100));
  return { left: round(left), width: round(width), after };
}
function round(value) {
  return Math.round(value * 100) / 100;
}

// src/inspector_fork.js
var ForkEditor = class {
  /**
   * @param {Record<string, string>} editable path to text
   * @param {Actions} to
   */
  constructor(editable, { fork, open: open3, close }) {
    this.to = { fork, open: open3 };
    this.notice = new Notice();
    this.fields = Object.entries(editable ?? {}).map(([path, text2]) => ({
      path,
      text: String(text2 ?? ""),
      area: null
    }));
    const parts = this.fields.map((field2) => {
      const id2 = uniqueId("edit");
      field2.area = h("textarea", {
        id: id2,
        class: "polos-composer-text",
        rows: Math.min(12, field2.text.split("\n").length + 1),
        spellcheck: "false",
        value: field2.text
      });
      field2.text = field2.area.value;
      return h("div", { class: "polos-field" }, h("label", { for: id2 }, visible(field2.path)), field2.area);
    });
    const id = uniqueId("name");
    this.name = h("input", { id, type: "text", class: "polos-input", autocomplete: "off", spellcheck: "false" });
    this.send = button("Fork the run", () => this.#send(), { class: "polos-primary" });
    this.element = h(
      "div",
      { class: "polos-fork", role: "group", ariaLabel: "Edit and fork" },
      h(
        "p",
        { class: "polos-hint" },
        "The new run takes everything before this step from the store and goes on with your text."
      ),
      parts.length ? parts : h("p", { class: "polos-hint" }, "This step has nothing that can be edited."),
      h("div", { class: "polos-field" }, h("label", { for: id }, "Variable for the new run (optional)"), this.name),
      h("div", { class: "polos-buttons" }, this.send, button("Close the editor", close)),
      this.notice.element
    );
  }
  /** Move the keyboard to the first text. */
  focus() {
    (this.fields[0]?.area ?? this.name).focus();
  }
  /** Whether something was typed. */
  get dirty() {
    return Boolean(this.name.value) || this.fields.some(({ area, text: text2 }) => area.value !== text2);
  }
  async #send() {
    const changed = this.fields.filter(({ area, text: text2 }) => area.value !== text2);
    if (!changed.length) return this.notice.fail("Nothing is changed yet: edit a text, or use “Retry this step”.");
    const changes = Object.fromEntries(changed.map(({ path, area }) => [path, area.value]));
    const done = await act(this.send, this.notice, "Forking …", () => this.to.fork(changes, this.name.value.trim()));
    if (done) showNewRun(this.notice, done.data, this.to.open);
  }
};
function showNewRun(notice, data, open3) {
  const next = data?.run ? [button(`Open ${visible(data.run)}`, () => open3(data.run))] : [];
  notice.say(data?.sentence || "Done.", ...next);
}

// src/inspector_step.js
var ROW_VALUES = (
  /** @type {[string, string][]} */
  [
    ["input", "input"],
    ["args", "arguments"],
    ["result", "result"],
    ["output", "output"]
  ]
);
var StepView = class {
  /**
   * @param {import("./inspector_link.js").RunLink} run
   * @param {string} id the id of the step's row
   * @param {{open: (run: string) => void, loaded: () => void}} to
   */
  constructor(run, id, to) {
    this.run = run;
    this.id = id;
    this.to = to;
    this.data = null;
    this.error = "";
    this.version = 0;
    this.editor = null;
    this.seen = "";
    this.asked = 0;
    this.notice = new Notice();
    this.sign = badge();
    this.title = h("h4", { class: "polos-step-title" });
    this.facts = h("p", { class: "polos-hint" });
    this.body = h("div", { class: "polos-step-body" });
    this.fork = button("✎ Edit & fork from here", () => this.#toggleFork(), { ariaExpanded: "false" });
    this.retry = button("↻ Retry this step", () => this.#retry());
    this.place = h("div", null);
    this.element = h(
      "section",
      { class: "polos-shown-step", ariaLabel: "Step" },
      h("div", { class: "polos-step-head" }, this.title, this.sign.element),
      this.facts,
      h("div", { class: "polos-buttons" }, this.retry, this.fork),
      this.notice.element,
      this.place,
      this.body
    );
  }
  get row() {
    return this.run.state.rows[this.id] ?? {};
  }
  /** Show the row as it is now, and ask for the rest when that is not here or no longer true. */
  update() {
    const row = this.row;
    const key = JSON.stringify({ ...row, ask: null });
    if (key === this.seen) return;
    this.seen = key;
    this.#head();
    this.#body();
    this.load();
  }
  /** Ask the kernel for what is too large for the list of steps. */
  async load() {
    const turn = this.asked += 1;
    try {
      const data = await this.run.request("step", { step: this.row.step ?? this.id });
      if (turn !== this.asked) return;
      this.data = data ?? {};
      this.error = "";
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = sentenceOf(error);
    }
    this.version += 1;
    this.#head();
    this.#body();
    this.to.loaded();
  }
  /** A sentence while the step's details are not here, with a button to ask again; null when they are. */
  instead() {
    if (this.error) {
      const again = button("Try again", () => {
        this.error = "";
        this.version += 1;
        this.#body();
        this.to.loaded();
        this.load();
      });
      return h("p", { class: "polos-notice-alert", role: "alert" }, `✗ ${visible(this.error)} `, again);
    }
    return this.data ? null : h("p", { class: "polos-hint" }, "Loading the step …");
  }
  #head() {
    const row = this.row;
    const data = this.data ?? {};
    setText(this.title, ["Step", row.n, kindOf(row.kind), row.name || row.label].filter(Boolean).join(" "));
    this.sign.set(signOf(row));
    const attempts = data.attempts ?? row.attempts;
    const tokens = (row.tokens_in ?? 0) + (row.tokens_out ?? 0);
    const facts = [
      row.model,
      attempts > 1 && plural(attempts, "attempt"),
      duration(row.seconds),
      tokens ? plural(tokens, "token") : "",
      data.key && `key ${data.key}`,
      row.version && `version ${row.version}`,
      row.cached && "cached"
    ];
    setText(this.facts, facts.filter(Boolean).join(" · "));
    const able = Object.keys(data.editable ?? {}).length > 0;
    this.fork.hidden = !able && !this.editor;
  }
  #body() {
    const row = this.row;
    const data = this.data ?? {};
    clear(this.body);
    append(this.body, [
      this.instead(),
      part("why it ran or not", data.why || row.why ? h("p", null, visible(data.why || row.why)) : null),
      part(
        "error",
        row.error || data.error ? h("pre", { class: "polos-pre polos-wrap polos-error" }, `✗ ${visible(row.error || data.error)}`) : null
      ),
      ROW_VALUES.map(([field2, name]) => part(name, row[field2] ? this.#value(row[field2], field2) : null)),
      part("text", row.text ? this.#value({ t: "text", s: row.text, more: 0 }, "text") : null),
      part("tool calls", row.calls?.length ? callsNode(row.calls) : null),
      folded("reasoning", row.reasoning),
      folded("traceback", data.traceback),
      folded(`source of ${row.name || "the tool"}${row.version ? ` @ ${row.version}` : ""}`, data.source)
    ]);
  }
  /**
   * @param {any} value
   * @param {string} field
   */
  #value(value, field2) {
    return valueNode(typeof value === "string" ? { t: "text", s: value, more: 0 } : value, {
      more: () => this.more(field2)
    });
  }
  /**
   * A value of this step without limit.
   *
   * @param {string} field
   */
  more(field2) {
    return this.run.request("more", { row: this.id, field: field2 });
  }
  async #retry() {
    const done = await act(
      this.retry,
      this.notice,
      "Retrying this step …",
      () => this.run.request("retry", { step: this.row.step ?? this.id })
    );
    if (done) showNewRun(this.notice, done.data, this.to.open);
  }
  #toggleFork() {
    const open3 = !this.place.firstChild;
    this.fork.setAttribute("aria-expanded", String(open3));
    if (!open3) {
      clear(this.place);
      if (!this.editor?.dirty) this.editor = null;
      this.fork.focus();
      return;
    }
    this.editor ??= new ForkEditor(this.data?.editable ?? {}, {
      fork: (changes, name) => this.run.request("fork", { step: this.row.step ?? this.id, changes, name }),
      open: this.to.open,
      close: () => this.#toggleFork()
    });
    this.place.appendChild(this.editor.element);
    this.editor.focus();
  }
};
function callsNode(calls) {
  const text2 = (args) => typeof args === "string" ? args : JSON.stringify(args ?? {}, null, 2);
  return h(
    "ul",
    { class: "polos-calls" },
    calls.map(
      (call2) => h(
        "li",
        null,
        h("code", null, visible(call2?.name)),
        h("pre", { class: "polos-pre polos-wrap" }, visible(text2(call2?.arguments)))
      )
    )
  );
}
function messagesNode(messages) {
  if (!messages?.length)
    return h("p", { class: "polos-hint" }, "This step sent no messages to a model: choose an llm step.");
  const items = messages.map(
    (message) => h(
      "li",
      { class: "polos-message" },
      h("h5", { class: "polos-message-role" }, visible(message.role)),
      message.text ? h("pre", { class: "polos-pre polos-wrap" }, visible(message.text)) : null,
      message.calls?.length ? callsNode(message.calls) : null
    )
  );
  return h(
    "div",
    null,
    h(
      "p",
      { class: "polos-hint" },
      `${plural(messages.length, "message")}, ${number(sizeOf2(messages))} characters, as sent to the model`
    ),
    h("ol", { class: "polos-messages" }, items)
  );
}
function sizeOf2(messages) {
  return messages.reduce((sum, message) => sum + String(message.text ?? "").length, 0);
}
function part(name, content) {
  return content && h("div", { class: "polos-part" }, h("h5", { class: "polos-part-name" }, name), content);
}
function folded(name, text2) {
  return text2 ? h(
    "details",
    { class: "polos-part" },
    h("summary", null, visible(name)),
    h("pre", { class: "polos-pre polos-wrap" }, visible(text2))
  ) : null;
}

// src/inspector_panel.js
var RunPanel = class {
  /**
   * @param {import("./inspector_link.js").RunLink} run
   * @param {import("./inspector_tabs.js").Tabs} tabs
   * @param {HTMLElement} all the list of all steps, below the one that is shown
   */
  constructor(run, tabs, all) {
    this.run = run;
    this.tabs = tabs;
    this.all = all;
    this.drawn = "";
    this.redraw = () => {
    };
    this.whole = /* @__PURE__ */ new Map();
  }
  /**
   * Show what the chosen tab says about a step or the run.
   *
   * @param {import("./inspector_step.js").StepView | null} step
   * @param {string} selected the id of the step's row
   */
  draw(step, selected) {
    const tab = this.tabs.current;
    this.redraw = () => this.draw(step, selected);
    if (tab === "Why" || tab === "Cost") {
      this.drawn = "";
      return this.#aboutAll(tab);
    }
    const key = JSON.stringify([tab, selected, step?.version, this.run.input, this.run.state.head.answer]);
    if (tab !== "Steps" && key === this.drawn) return;
    this.drawn = key;
    const none = () => h("p", { class: "polos-hint" }, "This run has no steps yet.");
    if (tab === "Steps") return this.tabs.show(step?.element ?? none(), this.all);
    const title = step && h("h4", { class: "polos-step-title" }, step.title.textContent);
    const content = step ? step.instead() ?? (tab === "Raw" ? rawNode(step) : messagesNode(step.data.messages)) : none();
    this.tabs.show(...[title, content, tab === "Raw" ? this.#rawOfRun() : null].filter((node) => node !== null));
  }
  #rawOfRun() {
    const { answer } = this.run.state.head;
    const value = (given, field2) => given && valueNode(typeof given === "string" ? { t: "text", s: given, more: 0 } : given, {
      more: () => this.run.request("more", { row: "", field: field2 })
    });
    return h(
      "div",
      null,
      part("input of the run", value(this.run.input, "input")),
      part("answer of the run", value(answer, "answer"))
    );
  }
  /** @param {"Why" | "Cost"} tab */
  async #aboutAll(tab) {
    const state2 = JSON.stringify(this.run.state);
    const known = this.whole.get(tab);
    if (known?.state === state2) return this.tabs.show(known.node);
    const node = h("div", null, h("p", { class: "polos-hint", role: "status" }, "Loading …"));
    this.whole.set(tab, { state: state2, node });
    this.tabs.show(known?.node ?? node);
    let content;
    try {
      const data = await this.run.request(tab.toLowerCase(), {}) ?? {};
      content = tab === "Why" ? whyNode(data) : costNode(data);
    } catch (error) {
      const again = button("Try again", () => {
        this.whole.delete(tab);
        this.redraw();
      });
      content = h("p", { class: "polos-notice-alert", role: "alert" }, `✗ ${visible(sentenceOf(error))} `, again);
    }
    clear(node);
    node.appendChild(content);
    if (this.tabs.current === tab && this.whole.get(tab)?.node === node) this.tabs.show(node);
  }
};
function rawNode(step) {
  const value = (field2) => step.data[field2] ? valueNode(step.data[field2], { more: () => step.more(field2) }) : null;
  const parts = [part("request", value("request")), part("output", value("output"))].filter((node) => node !== null);
  return h("div", null, parts.length ? parts : h("p", { class: "polos-hint" }, "Nothing is kept of this step."));
}
function whyNode({ lines = [] }) {
  if (!lines.length) return h("p", { class: "polos-hint" }, "Nothing is known about why steps ran.");
  return h(
    "ul",
    { class: "polos-why" },
    lines.map((line) => h("li", null, h("b", null, visible(line.step)), " ", visible(line.text)))
  );
}
function costNode({ table, note }) {
  return h(
    "div",
    null,
    table ? valueNode(table) : null,
    note ? h("p", { class: "polos-hint" }, visible(note)) : null,
    table || note ? null : h("p", { class: "polos-hint" }, "Nothing is known about what this run cost.")
  );
}

// src/inspector_tabs.js
var Tabs = class {
  /**
   * @param {string} label
   * @param {string[]} names
   * @param {(name: string) => void} chosen
   */
  constructor(label, names, chosen2) {
    this.chosen = chosen2;
    this.names = names;
    this.current = names[0];
    const panelId = uniqueId("panel");
    this.tabs = names.map(
      (name) => h(
        "button",
        {
          type: "button",
          class: "polos-tab",
          role: "tab",
          id: uniqueId("tab"),
          ariaControls: panelId,
          on: { click: () => this.choose(name) }
        },
        name
      )
    );
    this.list = h(
      "div",
      {
        class: "polos-tabs",
        role: "tablist",
        ariaLabel: label,
        on: { keydown: (event) => this.#key(event) }
      },
      this.tabs
    );
    this.panel = h("div", { id: panelId, class: "polos-tab-panel", role: "tabpanel", tabindex: 0 });
    this.#mark();
  }
  /**
   * Choose a tab.
   *
   * @param {string} name
   */
  choose(name) {
    this.current = name;
    this.#mark();
    this.chosen(name);
  }
  /**
   * Put content into the panel.
   *
   * @param {...(Node | string)} content
   */
  show(...content) {
    if (content.length === this.panel.childNodes.length && content.every((node, at) => node === this.panel.childNodes[at]))
      return;
    clear(this.panel);
    this.panel.append(...content);
  }
  #mark() {
    this.names.forEach((name, at) => {
      const on = name === this.current;
      this.tabs[at].setAttribute("aria-selected", String(on));
      this.tabs[at].setAttribute("tabindex", on ? "0" : "-1");
      if (on) this.panel.setAttribute("aria-labelledby", this.tabs[at].id);
    });
  }
  /** @param {any} event */
  #key(event) {
    const at = this.names.indexOf(this.current);
    const moves = (
      /** @type {Record<string, number>} */
      {
        ArrowLeft: at - 1,
        ArrowRight: at + 1,
        Home: 0,
        End: this.names.length - 1
      }
    );
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (moves[event.key] + this.names.length) % this.names.length;
    this.choose(this.names[next]);
    this.tabs[next].focus();
  }
};

// src/inspector_detail.js
var AGAIN = 2e3;
var GOES_ON = /* @__PURE__ */ new Set(["running", "waiting", "suspended"]);
var RunDetail = class {
  /**
   * @param {any} link
   * @param {string} id
   * @param {{back: () => void, open: (run: string) => void, diff: (a: string, b: string) => void}} to
   * @param {any} [first] the answer of the first request, when it is already here
   */
  constructor(link, id, to, first = null) {
    this.id = id;
    this.to = to;
    this.run = new RunLink(link, id, { answered: () => this.load() });
    this.notice = new Notice();
    this.sign = badge();
    this.selected = "";
    this.disposed = false;
    this.timer = void 0;
    this.steps = /* @__PURE__ */ new Map();
    this.timeline = null;
    this.cards = new Cards(
      /** @type {any} */
      this.run,
      { root: "" }
    );
    this.gantt = new Gantt(this.run, { select: (step) => this.select(step) });
    this.tabs = new Tabs("What to show", ["Steps", "Messages", "Raw", "Why", "Cost"], () => this.#panel());
    this.all = h("details", { class: "polos-part" }, h("summary", null, "All steps with arguments and results"));
    this.all.addEventListener("toggle", () => this.#showAll());
    this.panel = new RunPanel(this.run, this.tabs, this.all);
    this.#build();
    if (first) this.#take(first);
    else this.load();
  }
  #build() {
    this.heading = h("h3", { class: "polos-inspector-title", tabindex: -1 }, visible(this.id));
    this.facts = h("p", { class: "polos-hint polos-detail-facts" });
    this.error = h("pre", { class: "polos-pre polos-wrap polos-error", hidden: true });
    this.stale = h("p", { class: "polos-notice-alert", role: "alert" });
    this.stop = button("■ Stop", () => this.#stop(), { label: "Stop this run", hidden: true });
    const id = uniqueId("other");
    this.other = h("input", {
      id,
      type: "text",
      class: "polos-input polos-short",
      placeholder: "r12",
      autocomplete: "off",
      spellcheck: "false"
    });
    this.other.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) this.#compare();
    });
    this.previous = button("◂", () => this.#move(-1), { label: "Previous step" });
    this.next = button("▸", () => this.#move(1), { label: "Next step" });
    this.place = h("span", { class: "polos-hint", role: "status" });
    this.element = h(
      "section",
      { class: "polos-run-detail", ariaLabel: visible(`Run ${this.id}`) },
      h(
        "div",
        { class: "polos-inspector-bar" },
        button("◂ Runs", this.to.back, { label: "Back to the list of runs" }),
        this.heading,
        this.sign.element,
        h("span", { class: "polos-space" }),
        this.stop,
        h(
          "span",
          { class: "polos-compare" },
          h("label", { for: id }, "Compare with"),
          this.other,
          button("Compare", () => this.#compare())
        )
      ),
      this.facts,
      this.error,
      this.stale,
      this.notice.element,
      this.cards.element,
      this.gantt.element,
      h(
        "div",
        { class: "polos-inspector-bar" },
        this.tabs.list,
        h("span", { class: "polos-space" }),
        h(
          "span",
          { class: "polos-step-moves", role: "group", ariaLabel: "Step" },
          this.previous,
          this.place,
          this.next
        )
      ),
      this.tabs.panel
    );
  }
  /** Read the run again, and go on doing so while it goes on. */
  async load() {
    clearTimeout(this.timer);
    try {
      const data = await this.run.link.request("run", { run: this.id });
      clear(this.stale);
      if (!this.disposed) this.#take(data);
    } catch (error) {
      clear(this.stale);
      append(this.stale, [
        `✗ This run could not be read: ${visible(sentenceOf(error))} `,
        button("Try again", () => this.load())
      ]);
      this.#again();
    }
  }
  #again() {
    clearTimeout(this.timer);
    const { head } = this.run.state;
    if (this.disposed || !(GOES_ON.has(head.status) || head.waiting > 0)) return;
    this.timer = setTimeout(() => {
      if (document.visibilityState === "visible" && this.element.isConnected) this.load();
      else this.#again();
    }, AGAIN);
  }
  /** @param {any} data */
  #take(data) {
    const changed = this.run.set(data);
    this.#again();
    if (!changed.size && this.selected) return;
    this.#head();
    this.gantt.update();
    this.cards.update(changed);
    this.timeline?.update(changed);
    if (!this.run.state.rows[this.selected]) this.selected = this.#firstStep();
    this.select(this.selected);
  }
  /** What a reader most likely came for: what waits, else what failed, else the first step. */
  #firstStep() {
    const rows = rowsInOrder(this.run.state);
    const of = (state2) => rows.find(({ row }) => row.state === state2)?.id;
    return of("waiting") ?? of("failed") ?? rows[0]?.id ?? "";
  }
  #head() {
    const { head } = this.run.state;
    setText(this.heading, [head.id || this.id, head.target].filter(Boolean).join(" · "));
    this.sign.set(runSignOf(head));
    const tokens = head.tokens_in || head.tokens_out ? `${number(head.tokens_in ?? 0)} tokens in, ${number(head.tokens_out ?? 0)} out` : "";
    const counts = [
      head.cached && `${head.cached} cached`,
      head.live && `${head.live} live`,
      head.failed && `${head.failed} failed`,
      head.waiting && `${head.waiting} waiting`
    ];
    const cost = head.priced === false ? "price unknown" : money(head.cost);
    const facts = [
      head.kind,
      head.model,
      head.began ? clock(head.began) : "",
      duration(head.seconds),
      counts.filter(Boolean).join(", "),
      tokens,
      cost,
      head.conversation && `conversation ${head.conversation}`
    ];
    setText(this.facts, facts.filter(Boolean).join(" · "));
    this.error.hidden = !head.error;
    setText(this.error, head.error ? `✗ ${head.error}` : "");
    const able = GOES_ON.has(head.status) || head.can_stop === true;
    if (!able && focused(this.element) === this.stop) this.heading.focus();
    this.stop.hidden = !able;
  }
  /**
   * Show a step.
   *
   * @param {string} id
   */
  select(id) {
    const rows = rowsInOrder(this.run.state);
    const at = rows.findIndex((each) => each.id === id);
    this.selected = id;
    this.gantt.select(id);
    setText(this.place, rows.length ? `step ${at + 1}/${rows.length}` : "no steps");
    enable(this.previous, at > 0);
    enable(this.next, at >= 0 && at < rows.length - 1);
    this.#step()?.update();
    this.#panel();
  }
  /** @param {number} by */
  #move(by) {
    const rows = rowsInOrder(this.run.state);
    const next = rows[rows.findIndex((each) => each.id === this.selected) + by];
    if (next) this.select(next.id);
  }
  #step() {
    const id = this.selected;
    if (!this.run.state.rows[id]) return null;
    let step = this.steps.get(id);
    if (!step) {
      step = new StepView(this.run, id, { open: this.to.open, loaded: () => id === this.selected && this.#panel() });
      this.steps.set(id, step);
    }
    return step;
  }
  #panel() {
    this.panel.draw(this.#step(), this.selected);
  }
  #showAll() {
    if (!this.all.open || this.timeline) return;
    this.timeline = new Timeline(
      /** @type {any} */
      this.run,
      { root: "", answer: false }
    );
    this.all.appendChild(this.timeline.element);
  }
  async #stop() {
    const done = await act(this.stop, this.notice, "Stopping …", () => this.run.request("stop", {}));
    if (done) this.notice.say(done.data?.sentence || "The run is asked to stop.");
  }
  #compare() {
    const other = this.other.value.trim();
    if (!other) return this.notice.fail("Write the id of the run to compare with, such as r12.");
    this.to.diff(this.id, other);
  }
  /** Ask no more. */
  dispose() {
    this.disposed = true;
    clearTimeout(this.timer);
    this.timeline?.dispose();
    this.cards.dispose?.();
  }
};

// src/inspector_diff.js
var DiffView = class {
  /**
   * @param {any} link
   * @param {string} a
   * @param {string} b
   * @param {{back: () => void, open: (run: string) => void}} to
   */
  constructor(link, a, b, to) {
    this.link = link;
    this.runs = { a, b };
    this.data = null;
    const id = uniqueId("only");
    this.heading = h("h3", { class: "polos-inspector-title", tabindex: -1 }, visible(`${a} compared with ${b}`));
    this.only = h("input", { id, type: "checkbox", on: { change: () => this.#draw() } });
    this.body = h("div", { class: "polos-diff-body" });
    this.element = h(
      "section",
      { class: "polos-diff", ariaLabel: "Comparison of two runs" },
      h(
        "div",
        { class: "polos-inspector-bar" },
        button("◂ Back", to.back),
        this.heading,
        button(`Open ${visible(a)}`, () => to.open(a)),
        button(`Open ${visible(b)}`, () => to.open(b))
      ),
      h("p", { class: "polos-check" }, this.only, h("label", { for: id }, "Only what differs")),
      this.body
    );
    this.load();
  }
  /** Ask the kernel for the comparison. */
  async load() {
    clear(this.body);
    append(this.body, [h("p", { class: "polos-hint", role: "status" }, "Comparing …")]);
    try {
      this.data = await this.link.request("diff", this.runs) ?? {};
      this.#draw();
    } catch (error) {
      clear(this.body);
      append(this.body, [
        h(
          "p",
          { class: "polos-notice-alert", role: "alert" },
          `✗ ${visible(sentenceOf(error))} `,
          button("Try again", () => this.load())
        )
      ]);
    }
  }
  #draw() {
    if (!this.data) return;
    const { rows = [], summary = [] } = this.data;
    const differing = rows.filter((row) => !row.same);
    const shown = this.only.checked ? differing : rows;
    clear(this.body);
    append(this.body, [
      h(
        "p",
        { role: "status" },
        rows.length ? `${plural(differing.length, "step")} of ${rows.length} ${differing.length === 1 ? "differs" : "differ"}.` : "There are no steps to compare."
      ),
      summary.length ? this.#table(
        "Summary",
        ["", this.runs.a, this.runs.b],
        summary.map((each) => [each.name, each.a, each.b])
      ) : null,
      shown.length ? this.#table(
        "Steps",
        ["step", this.runs.a, this.runs.b, ""],
        shown.map((each) => [each.step, each.a, each.b, each.same ? "= same" : "≠ differs"])
      ) : null
    ]);
  }
  /**
   * @param {string} label
   * @param {string[]} heads
   * @param {any[][]} rows
   */
  #table(label, heads, rows) {
    return h(
      "div",
      { class: "polos-table-frame", tabindex: 0, role: "region", ariaLabel: label },
      h(
        "table",
        { class: "polos-table polos-diff-table" },
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            heads.map((head) => h("th", { scope: "col" }, visible(head)))
          )
        ),
        h(
          "tbody",
          null,
          rows.map(
            ([name, ...cells2]) => h(
              "tr",
              { class: cells2[2] === "≠ differs" ? "polos-differs" : null },
              h("th", { scope: "row" }, visible(name)),
              cells2.map((each) => h("td", null, cellOf(each)))
            )
          )
        )
      )
    );
  }
};
function cellOf(value) {
  if (value && typeof value === "object") return valueNode(value);
  return value === null || value === void 0 || value === "" ? h("span", { class: "polos-hint" }, "nothing") : visible(String(value));
}

// src/inspector_list.js
var PAGE = 20;
var TYPING = 300;
var STATUSES = [
  ["", "all"],
  ["running", "running"],
  ["suspended", "waiting"],
  ["completed", "done"],
  ["failed", "failed"],
  ["cancelled", "stopped"]
];
var TIMES = [
  ["", "ever"],
  ["1", "1 day"],
  ["7", "7 days"],
  ["30", "30 days"]
];
var COLUMNS = ["compare", "run", "when", "agent", "status", "cached", "tokens", "cost", "time", "prompt"];
var RunList = class {
  /**
   * @param {any} link
   * @param {{open: (run: string) => void, diff: (a: string, b: string) => void}} to
   * @param {any} first the answer of the first request, when it is already here
   */
  constructor(link, to, first = null) {
    this.link = link;
    this.to = to;
    this.offset = 0;
    this.total = 0;
    this.asked = 0;
    this.typing = void 0;
    this.chosen = /* @__PURE__ */ new Set();
    this.notice = new Notice();
    this.#build();
    if (first) this.#show(first);
    else this.load();
  }
  #build() {
    const changed = () => this.load(0);
    this.query = h("input", {
      id: uniqueId("query"),
      type: "search",
      class: "polos-input",
      placeholder: "prompt, answer, tool …",
      autocomplete: "off"
    });
    this.query.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(changed, TYPING);
    });
    this.query.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      clearTimeout(this.typing);
      changed();
    });
    this.target = select([["", "all"]], changed);
    this.status = select(STATUSES, changed);
    this.since = select(TIMES, changed);
    this.refresh = button("↻ Refresh", () => this.load(), { label: "Read the list again" });
    this.diff = button("Compare", () => this.#compare());
    this.previous = button("◂", () => this.load(this.offset - PAGE), { label: "Earlier page" });
    this.next = button("▸", () => this.load(this.offset + PAGE), { label: "Next page" });
    this.place = h("span", { class: "polos-hint", role: "status" });
    this.body = h("tbody", { role: "rowgroup" });
    this.table = h(
      "table",
      { class: "polos-runs", role: "table", ariaLabel: "Runs" },
      // Roles are named because the narrow layout shows rows as cards, which would take them away.
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          COLUMNS.map(
            (name) => h(
              "th",
              { role: "columnheader", scope: "col" },
              name === "compare" ? h("span", { class: "polos-hidden-text" }, name) : name
            )
          )
        )
      ),
      this.body
    );
    this.empty = h("p", { class: "polos-hint", hidden: true });
    this.heading = h("h3", { class: "polos-inspector-title", tabindex: -1 }, "Runs");
    this.element = h(
      "section",
      { class: "polos-run-list", ariaLabel: "Runs" },
      h("div", { class: "polos-inspector-bar" }, this.heading, this.refresh),
      h(
        "div",
        { class: "polos-filters", role: "search" },
        field("Search", this.query),
        field("Agent", this.target),
        field("Status", this.status),
        field("Since", this.since)
      ),
      this.notice.element,
      h("div", { class: "polos-runs-frame" }, this.table),
      this.empty,
      h(
        "div",
        { class: "polos-inspector-bar" },
        this.previous,
        this.place,
        this.next,
        h("span", { class: "polos-space" }),
        this.diff
      )
    );
    this.#choice();
  }
  /**
   * Ask for a page of runs; only the answer to the last question is shown.
   *
   * @param {number} [offset]
   */
  async load(offset = this.offset) {
    const turn = this.asked += 1;
    const args = {
      query: this.query.value.trim(),
      target: this.target.value,
      status: this.status.value,
      kind: "",
      since: this.since.value ? Number(this.since.value) : null,
      offset: Math.max(0, offset),
      limit: PAGE
    };
    this.table.setAttribute("aria-busy", "true");
    try {
      const data = await this.link.request("runs", args);
      if (turn !== this.asked) return;
      this.offset = args.offset;
      this.notice.clear();
      this.#show(data ?? {});
    } catch (error) {
      if (turn === this.asked) this.notice.fail(sentenceOf(error));
    } finally {
      if (turn === this.asked) this.table.removeAttribute("aria-busy");
    }
  }
  /** @param {any} data */
  #show({ runs = [], total = runs.length, targets = [] }) {
    this.total = total;
    options(this.target, [["", "all"], ...targets.map((name) => [name, name])]);
    clear(this.body);
    for (const run of runs) this.body.appendChild(this.#row(run));
    this.table.hidden = !runs.length;
    this.empty.hidden = runs.length > 0;
    setText(this.empty, this.#filtered() ? "No run fits the search and the filters." : "No runs are stored yet.");
    setText(
      this.place,
      total ? `${number(this.offset + 1)} to ${number(this.offset + runs.length)} of ${number(total)}` : ""
    );
    enable(this.previous, this.offset > 0);
    enable(this.next, this.offset + runs.length < total);
  }
  #filtered() {
    return Boolean(this.query.value.trim() || this.target.value || this.status.value || this.since.value);
  }
  /** @param {any} run */
  #row(run) {
    const id = visible(run.id);
    const box = h("input", {
      type: "checkbox",
      checked: this.chosen.has(run.id),
      ariaLabel: `Choose ${id} for a comparison`
    });
    box.addEventListener("change", () => {
      if (box.checked) this.chosen.add(run.id);
      else this.chosen.delete(run.id);
      this.#choice();
    });
    const sign = badge();
    sign.set(runSignOf(run));
    const open3 = button(id, () => this.to.open(run.id), { class: "polos-quiet polos-run-id", label: `Show run ${id}` });
    const waits = run.waiting ? button("Open approval", () => this.to.open(run.id), {
      class: "polos-primary polos-small",
      label: `Open the approval of run ${id}`
    }) : null;
    const cells2 = [
      box,
      [open3, run.forked_from ? h("span", { class: "polos-hint" }, visible(` fork of ${run.forked_from}`)) : null],
      visible(run.when),
      [visible(run.target), run.model ? h("span", { class: "polos-hint" }, visible(` ${run.model}`)) : null],
      [sign.element, waits && " ", waits],
      `${run.cached ?? 0}/${run.steps ?? 0}`,
      number(run.tokens ?? 0),
      run.cost === null || run.cost === void 0 ? run.tokens ? "unknown" : "–" : money(run.cost),
      duration(run.seconds),
      [
        h("span", { class: "polos-run-input" }, visible(run.input)),
        run.conversation ? h("span", { class: "polos-hint" }, visible(` conversation ${run.conversation}`)) : null
      ]
    ];
    return h(
      "tr",
      { role: "row", dataRun: run.id },
      cells2.map((content, at) => h("td", { role: "cell", dataColumn: COLUMNS[at] }, content))
    );
  }
  #choice() {
    const [a, b] = this.chosen;
    const two2 = this.chosen.size === 2;
    enable(this.diff, two2);
    setText(
      this.diff,
      two2 ? `Compare ${a} with ${b}` : this.chosen.size > 2 ? `${this.chosen.size} chosen: choose two to compare` : "Choose two runs to compare"
    );
  }
  #compare() {
    const [a, b] = this.chosen;
    this.to.diff(a, b);
  }
  /**
   * Give the keyboard back to the run from which the reader comes.
   *
   * @param {string} run
   */
  focus(run) {
    const row = [...this.body.children].find((each) => (
      /** @type {any} */
      each.dataset.run === run
    ));
    (row?.querySelector(".polos-run-id") ?? this.heading).focus();
  }
  /** Let go of what waits. */
  dispose() {
    clearTimeout(this.typing);
    this.asked += 1;
  }
};
function field(label, control) {
  return h("div", { class: "polos-filter" }, h("label", { for: control.id }, label), control);
}
function select(entries, changed) {
  const element = h("select", { id: uniqueId("filter"), class: "polos-input", on: { change: changed } });
  options(element, entries);
  return element;
}
function options(element, entries) {
  const key = JSON.stringify(entries);
  if (element.polosOptions === key) return;
  const chosen2 = element.value;
  element.polosOptions = key;
  if (chosen2 && !entries.some(([value]) => value === chosen2)) entries = [...entries, [chosen2, chosen2]];
  clear(element);
  append(
    element,
    entries.map(([value, label]) => h("option", { value }, visible(label)))
  );
  element.value = chosen2;
}

// src/inspector.js
var KEPT = 8;
var InspectorView = class {
  /** @param {any} link */
  constructor(link) {
    this.link = link;
    this.list = null;
    this.details = /* @__PURE__ */ new Map();
    this.shown = null;
    this.place = h(
      "div",
      { class: "polos-inspector-place" },
      h("p", { class: "polos-hint", role: "status" }, "Loading the runs …")
    );
    this.silent = h("div", { class: "polos-note", role: "alert" });
    this.element = h("section", { class: "polos-inspector", ariaLabel: "Runs" }, this.silent, this.place);
    keepKeys(this.element);
    this.off = [
      link.onChange((changed) => changed.has("head") && this.#start()),
      link.onAlive?.(() => this.#alive())
    ];
    this.#start();
    this.#alive();
  }
  #start() {
    const { view, run, first } = this.link.state.head;
    if (this.shown || !view) return;
    const id = run || first?.head?.id;
    if (view === "run" && id) return this.#show(this.#detail(id, first));
    this.list = this.#newList(first?.runs ? first : null);
    this.#show(this.list);
  }
  /** @param {any} first */
  #newList(first) {
    return new RunList(this.link, { open: (run) => this.open(run), diff: (a, b) => this.compare(a, b) }, first);
  }
  /**
   * @param {string} id
   * @param {any} [first]
   */
  #detail(id, first = null) {
    const known = this.details.get(id);
    if (known) {
      known.load();
      return known;
    }
    const detail = new RunDetail(
      this.link,
      id,
      { back: () => this.runs(id), open: (run) => this.open(run), diff: (a, b) => this.compare(a, b) },
      first
    );
    this.details.set(id, detail);
    for (const [old, each] of this.details) {
      if (this.details.size <= KEPT) break;
      if (old === id) continue;
      each.dispose();
      this.details.delete(old);
    }
    return detail;
  }
  /**
   * Show a run, because the reader asked for it.
   *
   * @param {string} run
   */
  open(run) {
    const detail = this.#detail(run);
    this.#show(detail);
    detail.heading.focus();
  }
  /**
   * Show the list again, where it was left.
   *
   * @param {string} [from] the run from which the reader comes
   */
  runs(from = "") {
    if (this.list) this.list.load();
    else this.list = this.#newList(null);
    this.#show(this.list);
    this.list.focus(from);
  }
  /**
   * Compare two runs.
   *
   * @param {string} a
   * @param {string} b
   */
  compare(a, b) {
    const before = this.shown;
    const back = () => {
      this.#show(before);
      (before.heading ?? this.element).focus();
    };
    const view = new DiffView(this.link, a, b, { back, open: (run) => this.open(run) });
    this.#show(view);
    view.heading.focus();
  }
  /** @param {any} view */
  #show(view) {
    this.shown = view;
    clear(this.place);
    this.place.appendChild(view.element);
  }
  #alive() {
    clear(this.silent);
    if (this.link.alive === false) append(this.silent, [NO_ANSWER]);
  }
  /** Let go of the link and ask no more. */
  dispose() {
    for (const off of this.off) off?.();
    this.list?.dispose();
    for (const detail of this.details.values()) detail.dispose();
  }
};

// src/place.js
var PATIENCE3 = 5e3;
var FRAMES = 60;
var places = /* @__PURE__ */ new WeakMap();
var Place = class {
  /**
   * @param {HTMLElement} root
   * @param {View} view
   */
  constructor(root, view) {
    this.root = root;
    this.view = view;
    this.focused = null;
    this.scrolled = /* @__PURE__ */ new Map();
    this.seen = false;
    this.shown = 0;
    root.appendChild(view.element);
    root.addEventListener("focusin", (event) => {
      this.focused = event.target;
    });
    root.addEventListener("focusout", () => setTimeout(() => {
      if (root.isConnected && !root.contains(activeElement(root))) this.focused = null;
    }));
    root.addEventListener("scroll", ({ target }) => {
      if (target instanceof Element) this.scrolled.set(target, [target.scrollTop, target.scrollLeft]);
    }, true);
  }
  /**
   * The place of a link's view: one that was taken out of the page a moment ago, else a new one.
   *
   * @param {object} link
   * @param {() => Place} make
   * @returns {Place}
   */
  static of(link, make) {
    const all = places.get(link) ?? /* @__PURE__ */ new Set();
    places.set(link, all);
    const known = [...all].find((place2) => place2.seen && !place2.root.isConnected);
    if (known) return known;
    const place = make();
    all.add(place);
    return place;
  }
  /**
   * Show the view here.
   *
   * @param {object} link
   * @param {HTMLElement} el
   * @returns {() => void} takes it away; it is disposed of unless it is shown again soon
   */
  show(link, el) {
    clearTimeout(this.timer);
    const turn = this.shown += 1;
    this.seen = false;
    const { focused: focused2 } = this;
    const scrolled = [...this.scrolled];
    el.appendChild(this.root);
    let frames = 0;
    const restore = () => {
      if (turn !== this.shown) return;
      if (!this.root.isConnected) {
        if ((frames += 1) < FRAMES) requestAnimationFrame(restore);
        return;
      }
      this.seen = true;
      for (const [element, [top, left]] of scrolled) Object.assign(element, { scrollTop: top, scrollLeft: left });
      const free = !document.activeElement || document.activeElement === document.body;
      if (focused2 && free && this.root.contains(focused2)) focused2.focus({ preventScroll: true });
    };
    restore();
    return () => {
      if (turn !== this.shown) return;
      this.seen ||= this.root.isConnected;
      this.root.remove();
      this.timer = setTimeout(() => {
        places.get(link)?.delete(this);
        this.view.dispose();
      }, PATIENCE3);
    };
  }
};
function activeElement(within) {
  return (
    /** @type {Document | ShadowRoot} */
    within.getRootNode().activeElement ?? null
  );
}

// src/run_answer.js
var RunAnswer = class {
  /**
   * @param {import("./link.js").Link} link
   */
  constructor(link) {
    this.link = link;
    this.element = h("div", { class: "polos-answer", hidden: true });
    this.stream = null;
    this.value = null;
  }
  /**
   * Show the answer, or what the model has written of it.
   *
   * @param {string} rowId the row whose text is the answer, "" when there is none
   */
  update(rowId) {
    const { head, rows } = this.link.state;
    const value = head.answer && typeof head.answer === "object" ? head.answer : null;
    const streaming = !value && (head.status === "running" || !head.status);
    this.element.classList.toggle("polos-answer-live", streaming);
    if (value && (value.t !== "text" || !isAgent(head))) this.showValue(value);
    else if (value) this.showText(value.s ?? "", true, value);
    else this.showText(rows[rowId]?.text ?? "", !streaming, null);
  }
  /** @param {any} value */
  showValue(value) {
    if (same(value, this.value)) return;
    this.value = value;
    this.stream = null;
    clear(this.element);
    append(this.element, [valueNode(value, { more: () => this.more() })]);
    this.element.hidden = false;
  }
  /**
   * @param {any} given
   * @param {boolean} finished
   * @param {any} value the answer that the text is from, null while it is being written
   */
  showText(given, finished, value) {
    const text2 = typeof given === "string" ? given : "";
    if (value && same(value, this.value)) return;
    this.value = value;
    if (!text2) {
      clear(this.element);
      this.stream = null;
      this.element.hidden = true;
      return;
    }
    if (!this.stream) {
      clear(this.element);
      this.stream = new MarkdownStream();
      append(this.element, [this.stream.element]);
      this.element.hidden = false;
    }
    this.stream.set(text2);
    if (finished) this.stream.finish();
    this.showRest(value);
  }
  /** @param {any} value */
  showRest(value) {
    this.rest?.remove();
    this.rest = void 0;
    if (!(value?.more > 0)) return;
    this.rest = moreNode(
      value,
      value.more,
      () => this.more(),
      (whole2, focused2) => {
        this.stream?.set(typeof whole2?.s === "string" ? whole2.s : "");
        this.stream?.finish();
        this.rest?.remove();
        if (focused2) takeFocus(this.element);
      }
    );
    append(this.element, [this.rest]);
  }
  more() {
    return this.link.request("more", { row: "", field: "answer" });
  }
  /** The view is gone. */
  dispose() {
    this.stream?.dispose();
  }
};
function isAgent(head) {
  return head.kind !== "workflow" && head.kind !== "tool";
}

// src/run_head.js
var TICK2 = 200;
var QUIET = 1e3;
var RunHead = class {
  /**
   * @param {import("./link.js").Link} link
   */
  constructor(link) {
    this.link = link;
    this.phaseWord = void 0;
    this.stopping = false;
    this.badge = badge();
    this.target = h("strong", { class: "polos-run-target" });
    this.model = h("span", { class: "polos-muted polos-run-model" });
    this.phase = h("span", { class: "polos-run-phase" });
    this.stopButton = button("■ Stop", () => this.stop(), { class: "polos-small", label: "Stop this run" });
    this.facts = Object.fromEntries(
      ["step", "time", "tokens", "cost", "counts", "store"].map((name) => [
        name,
        h("span", { class: "polos-run-fact", hidden: true })
      ])
    );
    this.budget = h("span", { class: "polos-budget", ariaHidden: "true", hidden: true }, h("span", null));
    this.error = h("div", { class: "polos-error", role: "alert" });
    this.status = h("div", { class: "polos-hidden-text", role: "status", ariaLive: "polite" });
    const { step, time, tokens, cost, counts, store } = this.facts;
    this.element = h(
      "div",
      { class: "polos-run-head" },
      h(
        "div",
        { class: "polos-run-top" },
        h("div", { class: "polos-run-line" }, this.badge.element, this.target, this.model, this.phase),
        this.stopButton
      ),
      h("div", { class: "polos-run-facts" }, step, time, counts, tokens, cost, this.budget, store),
      this.error,
      this.status
    );
    this.update();
  }
  /** Show the head as it is now. */
  update() {
    const { head } = this.link.state;
    const sign = runSignOf(head);
    this.badge.set(sign);
    setText(this.target, oneLine(head.target));
    setText(this.model, oneLine(head.model));
    this.fact("step", stepOf(head));
    this.fact(
      "tokens",
      head.tokens_in || head.tokens_out ? `${number(head.tokens_in || 0)} in · ${number(head.tokens_out || 0)} out` : ""
    );
    this.fact("cost", costOf(head));
    this.fact("counts", countsOf2(head));
    this.fact("store", storeOf(head));
    this.showBudget(head);
    this.showStop(head);
    const phase = this.running ? oneLine(head.phase) || (head.status ? "" : "waiting for the kernel") : "";
    if (phase !== this.phaseWord) {
      this.phaseAt = this.phaseWord === void 0 && head.began > 0 && !(head.step > 1) ? head.began : Date.now() / 1e3;
      this.phaseWord = phase;
    }
    this.announce(this.running ? phase || sign.word : `${oneLine(head.target)} ${sign.word}`.trim());
    this.tick();
    this.watch();
  }
  /** Whether time goes on: nothing is known of the run yet, or it runs. */
  get running() {
    const { status } = this.link.state.head;
    return !status || status === "running" || status === "waiting";
  }
  tick() {
    const { head } = this.link.state;
    const now = Date.now() / 1e3;
    const since = this.phaseWord?.startsWith("waiting for the") ? ` ${duration(Math.max(0, now - (this.phaseAt ?? now)))}` : "";
    setText(this.phase, this.phaseWord ? `${this.phaseWord}${since}` : "");
    if (Number.isFinite(head.seconds) && head.seconds !== null && !this.running)
      this.fact("time", duration(head.seconds));
    else if (this.running && head.began > 0) this.fact("time", span(now - head.began));
    else if (!this.running) this.fact("time", "");
  }
  watch() {
    if (this.running && this.timer === void 0) this.timer = setInterval(() => this.tick(), TICK2);
    if (!this.running) this.stopClock();
  }
  stopClock() {
    clearInterval(this.timer);
    this.timer = void 0;
  }
  /**
   * @param {string} name
   * @param {string} words
   */
  fact(name, words) {
    const element = this.facts[name];
    element.hidden = words === "";
    setText(element, words);
  }
  /** @param {Record<string, any>} head */
  showBudget(head) {
    const known = head.budget > 0 && Number.isFinite(head.cost) && head.cost !== null && costOf(head) !== "price unknown";
    this.budget.hidden = !known;
    if (!known) return;
    const share = Math.min(100, 100 * head.cost / head.budget);
    this.budget.firstElementChild.style.width = `${share.toFixed(1)}%`;
  }
  /** @param {Record<string, any>} head */
  showStop(head) {
    const open3 = head.status === "running" || head.status === "waiting" || head.status === "suspended";
    if (!open3) this.stopping = false;
    const able = open3 && head.can_stop !== false && !this.stopping;
    enable(this.stopButton, able);
    setText(this.stopButton, this.stopping ? "stopping …" : "■ Stop");
  }
  async stop() {
    this.stopping = true;
    setText(this.error, "");
    this.showStop(this.link.state.head);
    try {
      await this.link.request("stop", {});
    } catch (error) {
      this.stopping = false;
      setText(this.error, `✗ ${sentenceOf(error)}`);
      this.showStop(this.link.state.head);
    }
  }
  /** @param {string} words */
  announce(words) {
    this.toSay = words;
    if (this.sayTimer !== void 0 || words === this.said) return;
    const wait = this.saidAt === void 0 ? 0 : this.saidAt + QUIET - Date.now();
    if (wait > 0) this.sayTimer = setTimeout(() => this.say(), wait);
    else this.say();
  }
  say() {
    clearTimeout(this.sayTimer);
    this.sayTimer = void 0;
    this.said = this.toSay;
    this.saidAt = Date.now();
    setText(this.status, this.toSay);
  }
  /** The view is gone. */
  dispose() {
    this.stopClock();
    clearTimeout(this.sayTimer);
  }
};
function stepOf(head) {
  if (!(head.step > 0)) return "";
  return `step ${number(head.step)}${head.max_steps > 0 ? ` of ${number(head.max_steps)}` : ""}`;
}
function costOf(head) {
  const used = head.tokens_in > 0 || head.tokens_out > 0;
  if (head.priced === false && used && head.live > 0) return "price unknown";
  if (!Number.isFinite(head.cost) || head.cost === null) return "";
  return head.budget > 0 ? `${money(head.cost)} of ${money(head.budget)}` : money(head.cost);
}
function countsOf2(head) {
  const counts = [
    ["◆", head.cached, "cached"],
    ["●", head.live, "live"],
    ["✗", head.failed, "failed"],
    ["‖", head.waiting, "waiting"]
  ];
  return counts.filter(([, count]) => count > 0).map(([symbol, count, word]) => `${symbol} ${number(count)} ${word}`).join(" · ");
}
function storeOf(head) {
  if (head.from_store) return "↺ from the store, nothing was called";
  return head.resumed ? "↺ resumed" : "";
}

// src/run_view.js
var RunView = class {
  /**
   * @param {import("./link.js").Link} link
   * @param {{untrusted?: boolean}} [options] for tests, see Cards
   */
  constructor(link, options2 = {}) {
    this.link = link;
    this.head = new RunHead(link);
    this.timeline = new Timeline(link);
    this.cards = new Cards(link, options2);
    this.answer = new RunAnswer(link);
    this.failure = h("div", { class: "polos-run-failure polos-error", hidden: true });
    this.silence = h("div", { class: "polos-run-silence", role: "status" });
    this.element = h("section", { class: "polos-run", ariaLabel: "Run" });
    append(this.element, [
      this.head.element,
      this.silence,
      this.timeline.element,
      this.cards.element,
      this.answer.element,
      this.failure
    ]);
    this.answerId = "";
    this.changed = /* @__PURE__ */ new Set();
    this.draw = frame(() => this.update());
    this.offChange = link.onChange((changed) => {
      for (const id of changed) this.changed.add(id);
      this.draw();
    });
    this.offAlive = link.onAlive(() => this.showSilence());
    this.changed.add("head");
    this.update();
    this.showSilence();
  }
  /** Show what changed since the last frame. */
  update() {
    const changed = this.changed;
    this.changed = /* @__PURE__ */ new Set();
    const { head } = this.link.state;
    this.timeline.answer = isAgent(head);
    this.timeline.update(changed);
    this.cards.update(changed);
    const answerId = this.timeline.answerId;
    if (changed.has("head") || changed.has(answerId) || answerId !== this.answerId) this.answer.update(answerId);
    this.answerId = answerId;
    if (changed.has("head")) {
      this.head.update();
      this.showFailure();
    }
  }
  showFailure() {
    const { head } = this.link.state;
    const over = head.status === "failed" || head.status === "cancelled";
    const error = over && typeof head.error === "string" ? visible(head.error) : "";
    this.failure.hidden = error === "";
    setText(this.failure, error ? `${head.status === "failed" ? "✗" : "■"} ${error}` : "");
  }
  showSilence() {
    setText(this.silence, this.link.alive ? "" : NO_ANSWER);
  }
  /** Stop listening; the element may be thrown away. */
  dispose() {
    this.offChange();
    this.offAlive();
    this.draw.cancel();
    this.head.dispose();
    this.timeline.dispose();
    this.cards.dispose();
    this.answer.dispose();
  }
};

// src/index.js
var HASH = true ? "595801c2ce6c89c9" : "sources";
var VIEWS = { run: RunView, chat: ChatView, inspector: InspectorView };
var CSS = [base_default, run_default, card_default, chat_default, inspector_default].join("\n");
var links = /* @__PURE__ */ new WeakMap();
function initialize({ model, queued = [] }) {
  const known = links.get(model);
  if (known) return known;
  const link = new Link(model, { queued });
  links.set(model, link);
  return link;
}
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
function addStyle(el) {
  const tree = el.getRootNode();
  const place = typeof ShadowRoot !== "undefined" && tree instanceof ShadowRoot ? tree : document.head;
  if (place.querySelector(`style[data-polos="${HASH}"]`)) return;
  const style = document.createElement("style");
  style.setAttribute("data-polos", HASH);
  style.textContent = CSS;
  place.appendChild(style);
}
var index_default = { initialize, render, hash: HASH };
export {
  index_default as default
};
