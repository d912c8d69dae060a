/** What the tests of the run view share: rows, clicks, and what may be in the page. */

/** A value of JSON, as the kernel sends it. @param {any} value */
export const json = (value) => ({ t: "json", s: JSON.stringify(value, null, 2), more: 0 });

/** @param {Record<string, any>[]} rows rows in order; those with `parent` stand below it */
export function stateOf(rows, head = {}) {
  /** @type {Record<string, string[]>} */
  const order = { "": [] };
  for (const row of rows) (order[row.parent ?? ""] ??= []).push(row.id);
  return { head, rows: Object.fromEntries(rows.map((row) => [row.id, row])), order };
}

/** An ask as the kernel sends it. @param {Record<string, any>} [fields] */
export function askOf(fields = {}) {
  return {
    decision: 7,
    run: "r12",
    step: "1.refund[call_1]",
    nonce: "n1",
    kind: "approval",
    title: "Approve tool: refund",
    description: "",
    tool: "refund",
    args: JSON.stringify({ order: "881", amount: 129.9 }, null, 2),
    context: null,
    fields: [
      { key: "approved", type: "boolean", label: "Approve?", required: true, default: false },
      { key: "feedback", type: "textarea", label: "Feedback" },
    ],
    asked_at: 1000,
    until: null,
    command: "%polos approve r12 1.refund[call_1] --yes",
    can_edit: true,
    can_always: true,
    always_label: "every call of refund in this run",
    same_label: "calls with exactly these arguments",
    inline: true,
    ...fields,
  };
}

/** The button with this text. @param {any} root @param {string} text */
export function buttonOf(root, text) {
  const found = [...root.querySelectorAll("button")].find(
    (each) => each.textContent === text && !each.closest("[hidden]"),
  );
  if (!found)
    throw new Error(
      `There is no button ${text} among: ${[...root.querySelectorAll("button")].map((each) => each.textContent).join(" | ")}`,
    );
  return found;
}

/** The control that belongs to a label. @param {any} root @param {string} text */
export function fieldOf(root, text) {
  const label = [...root.querySelectorAll("label")].find((each) => each.textContent.startsWith(text));
  if (!label) throw new Error(`There is no label ${text}`);
  return root.querySelector(`#${label.getAttribute("for")}`);
}

/** Type into a field. @param {any} field @param {string} text */
export function type(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Open a <details> as a person does. @param {any} details */
export function open(details) {
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
}

/** Tags that the widgets use; any other one came from a text. */
export const TAGS = new Set(
  "SECTION DIV SPAN STRONG BUTTON DETAILS SUMMARY OL UL LI PRE CODE P LABEL TEXTAREA INPUT SELECT OPTION TABLE THEAD TBODY TR TH TD IMG EM A BR H3 H4 H5 H6 BLOCKQUOTE HR DEL".split(
    " ",
  ),
);

/** Attributes that may carry a text of others; everything else is ours. */
const CARRIES = new Set(["title", "value", "alt", "aria-valuetext"]);

/**
 * What a text of others has become besides text: foreign elements, and attributes in which it is.
 *
 * @param {any} root
 * @param {string[]} texts
 */
export function harmOf(root, texts) {
  const harm = [];
  for (const element of root.querySelectorAll("*")) {
    if (!TAGS.has(element.tagName)) harm.push(element.tagName);
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on")) harm.push(`${element.tagName} ${name}`);
      if (!CARRIES.has(name) && texts.some((text) => text.length > 3 && value.includes(text)))
        harm.push(`${element.tagName} ${name}=${value}`);
    }
  }
  return harm;
}
