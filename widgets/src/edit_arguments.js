/** Reading arguments that a person has edited as JSON: the value, or where and what is wrong in words. */

const DEEPEST = 500;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const WORD = /true|false|null/y;

// What nobody sees, or what changes the order in which the rest is seen.
const UNSEEN =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\u007f-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udfff]/g;

/**
 * JSON text in which every character can be seen: the others are written as `\uXXXX`, which means the same.
 *
 * @param {string} json
 * @returns {string}
 */
export function plainJson(json) {
  return json.replace(UNSEEN, (found) =>
    Array.from({ length: found.length }, (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/**
 * Read the JSON object in a text.
 *
 * @param {string} text
 * @returns {{value: Record<string, any>, error: ""} | {value: null, error: string, at: number}}
 */
export function readArguments(text) {
  const reader = new Reader(text);
  try {
    reader.space();
    if (reader.at >= text.length) reader.fail("there is nothing here; the arguments are an object, such as {}");
    const first = text[reader.at];
    reader.value(0);
    reader.space();
    if (reader.at < text.length) reader.fail("the arguments end before this; nothing may follow the last }");
    if (first !== "{") {
      reader.at = text.indexOf(first);
      reader.fail("the arguments must be one object: { … }");
    }
    return { value: JSON.parse(text), error: "" };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const before = text.slice(0, error.at).split("\n");
    return {
      value: null,
      error: `Line ${before.length}, column ${before[before.length - 1].length + 1}: ${error.message}.`,
      at: error.at,
    };
  }
}

class Problem extends Error {
  /**
   * @param {string} message
   * @param {number} at
   */
  constructor(message, at) {
    super(message);
    this.at = at;
  }
}

/** Goes through JSON text once and stops at the first mistake. */
class Reader {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
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
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
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
    if (depth > DEEPEST) this.fail("this is nested too deeply");
    const char = this.text[this.at];
    if (char === undefined) this.fail("the text ends where a value is expected");
    if (char === "{") return this.object(depth);
    if (char === "[") return this.array(depth);
    if (char === '"') return this.string();
    if (/[-\d]/.test(char)) return this.number();
    if (this.match(WORD)) return undefined;
    if (char === "'") this.fail('texts are written in double quotes (")');
    if (/^(True|False|None)\b/.test(this.text.slice(this.at, this.at + 6)))
      this.fail("JSON writes true, false and null");
    return this.fail(
      char === "}" || char === "]" || char === ","
        ? `a value is missing before ${char}`
        : "a value is expected here; texts need double quotes",
    );
  }

  /** @param {number} depth */
  object(depth) {
    /** @type {Set<string>} */
    const names = new Set();
    this.at += 1;
    this.space();
    if (this.match(/\}/y)) return;
    for (;;) {
      this.space();
      const from = this.at;
      if (this.text[from] !== '"')
        this.fail(
          names.size && this.text[from] === "}"
            ? "the comma before this } is one too many"
            : 'a name in double quotes (") is expected here',
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
        this.text[next] === "\n"
          ? "this text has no closing quote on its line; a line break is written \\n"
          : "this text has no closing quote",
      );
    return this.fail(
      "this text has a backslash or a control character that JSON does not allow; a backslash is written \\\\",
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
    // The kernel would get another number than the one that stands here.
    if (!Number.isFinite(value) || (/^-?\d+$/.test(found) && !Number.isSafeInteger(value))) {
      this.at = from;
      this.fail(
        `the number ${found.slice(0, 40)} is too large to be sent exactly from a browser; reject with feedback, or approve without editing`,
      );
    }
  }
}
