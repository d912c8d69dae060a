/** The fields of a form that a run asks a person to fill in, and what was filled in. */

import { append, h, setText } from "./dom.js";
import { uniqueId } from "./notice.js";
import { visible } from "./text.js";

/** @typedef {Record<string, any>} Field key, type, label, description, required, default, options */
/** @typedef {{field: Field, control: any, hint: HTMLElement, before: any}} Entry */

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INPUT_TYPES = new Set(["email", "url"]);

export class Form {
  /**
   * @param {Field[]} fields
   */
  constructor(fields) {
    this.element = h("div", { class: "polos-form" });
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
    for (const field of Array.isArray(fields) ? fields : []) {
      if (field && typeof field.key === "string" && field.key !== "" && !this.entries.has(field.key)) this.add(field);
    }
    this.element.hidden = this.entries.size === 0;
  }

  /**
   * What was filled in, by key. Fields that were left empty are not in it: the form's own defaults hold for them.
   *
   * @returns {Record<string, any>}
   */
  values() {
    /** @type {Record<string, any>} */
    const out = {};
    for (const [key, { field, control }] of this.entries) {
      const value = valueOf(field, control);
      if (value !== undefined)
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
    /** @type {string[]} */
    const wrong = [];
    /** @type {any} */
    let first = null;
    for (const { field, control, hint } of this.entries.values()) {
      const problem = problemOf(field, control);
      setText(hint, problem);
      hint.hidden = !problem;
      if (problem) {
        control.setAttribute("aria-invalid", "true");
        wrong.push(`${titleOf(field)}: ${problem}`);
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
      // A select stands for places in a list; another list may have other things there.
      else if (entry.control.tagName !== "SELECT" || same(entry.field.options, old.field.options))
        entry.control.value = old.control.value;
    }
  }

  /** @param {Field} field */
  add(field) {
    const id = uniqueId("field");
    const about = h("div", { class: "polos-muted", id: `${id}-about` }, visible(field.description));
    const hint = h("div", { class: "polos-error", id: `${id}-hint`, hidden: true });
    const control = controlOf(field);
    control.id = id;
    control.setAttribute("aria-describedby", `${field.description ? `${about.id} ` : ""}${hint.id}`);
    if (field.required) control.setAttribute("aria-required", "true");
    const label = h(
      "label",
      { for: id, class: "polos-field-label" },
      titleOf(field),
      field.required ? h("span", { class: "polos-muted" }, " (required)") : null,
    );
    const box = control.type === "checkbox";
    append(this.element, [
      h(
        "div",
        { class: box ? "polos-field polos-field-check" : "polos-field" },
        box ? [control, label] : [label, field.description ? about : null, control],
        box && field.description ? about : null,
        hint,
      ),
    ]);
    this.entries.set(field.key, { field, control, hint, before: state(control) });
  }
}

/** @param {Field} field */
function titleOf(field) {
  return visible(field.label || field.key);
}

/**
 * @param {Field} field
 * @returns {any}
 */
function controlOf(field) {
  const initial = field.default === null || field.default === undefined ? "" : textOf(field.default);
  if (field.type === "boolean") {
    if (typeof field.default === "boolean")
      return h("input", { type: "checkbox", class: "polos-check", checked: field.default });
    // Without a default an empty box would look like a "no" that nobody said.
    return choice(
      [
        { label: "yes", value: true },
        { label: "no", value: false },
      ],
      field,
    );
  }
  if (field.type === "select" && Array.isArray(field.options) && field.options.length)
    return choice(field.options, field);
  if (field.type === "textarea") return h("textarea", { class: "polos-input", rows: 3, value: initial });
  if (field.type === "number")
    return h("input", {
      class: "polos-input polos-input-short",
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      value: initial,
    });
  const type = INPUT_TYPES.has(field.type) ? field.type : "text";
  return h("input", { class: "polos-input", type, autocomplete: "off", value: initial });
}

/**
 * A select whose values are places in the list, so that choices can be anything that JSON knows.
 *
 * @param {any[]} options
 * @param {Field} field
 */
function choice(options, field) {
  const select = h("select", { class: "polos-input" }, h("option", { value: "" }, field.required ? "choose …" : "—"));
  options.forEach((option, i) =>
    select.appendChild(h("option", { value: String(i) }, visible(textOf(option?.label ?? option?.value ?? option)))),
  );
  const given = options.findIndex((option) => same(option?.value ?? null, field.default ?? undefined));
  select.value = given >= 0 ? String(given) : "";
  select.polosChoices = options;
  return select;
}

/**
 * @param {Field} field
 * @param {any} control
 * @returns {any} undefined when nothing was filled in
 */
function valueOf(field, control) {
  if (control.type === "checkbox") return control.checked;
  if (control.polosChoices)
    return control.value === "" ? undefined : chosen(control.polosChoices[Number(control.value)]);
  if (control.value.trim() === "")
    return typeof field.default === "string" && field.default !== "" ? control.value : undefined;
  if (field.type === "number") return exact(control.value.trim());
  return field.type === "email" || field.type === "url" ? control.value.trim() : control.value;
}

/** @param {any} option */
function chosen(option) {
  return option && typeof option === "object" && "value" in option ? option.value : option;
}

/**
 * A number, or its text where a number of this page would be another one (the kernel reads both).
 *
 * @param {string} text
 * @returns {number | string}
 */
function exact(text) {
  const value = Number(text);
  return String(value) === text ? value : text;
}

/**
 * @param {Field} field
 * @param {any} control
 * @returns {string}
 */
function problemOf(field, control) {
  const empty = control.type !== "checkbox" && control.value.trim() === "";
  if (empty) return field.required ? "this is required." : "";
  if (field.type === "number" && !NUMBER.test(control.value.trim()))
    return `${JSON.stringify(visible(control.value.trim().slice(0, 40)))} is not a number.`;
  if (INPUT_TYPES.has(field.type) && control.validity && !control.validity.valid) {
    return field.type === "email"
      ? "this is not an e-mail address (name@example.com)."
      : "this is not an address (https://example.com).";
  }
  return "";
}

/** @param {any} control */
function state(control) {
  return control.type === "checkbox" ? control.checked : control.value;
}

/** @param {any} value */
function textOf(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/**
 * @param {any} a
 * @param {any} b
 */
function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
