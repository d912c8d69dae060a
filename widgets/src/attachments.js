/** Files that a user attaches to a message: what is taken, how it is read, and the chips that show it. */

import { h } from "./dom.js";
import { button } from "./notice.js";
import { number, visible } from "./text.js";

/** @typedef {{name: string, type: string, size: number, data?: string}} Attachment */

/** The most that one attachment may hold, in bytes. */
export const LIMIT = 5_000_000;

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/**
 * The size of a file in words: "812 bytes", "12 KB", "3.4 MB".
 *
 * @param {number | null | undefined} bytes
 */
export function sizeOf(bytes) {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return "";
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${number(bytes)} bytes`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} KB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * Read one file; rejects with a sentence when it is too large or of a kind that the model does not take.
 *
 * @param {File} file
 * @param {{images: boolean}} taken
 * @returns {Promise<Attachment & {data: string}>}
 */
export async function readAttachment(file, { images }) {
  const name = file.name || "pasted file";
  if (file.size > LIMIT) {
    throw new Error(`${name} is ${sizeOf(file.size)}, and an attachment may have at most 5 MB: attach a smaller file.`);
  }
  const type = file.type.split(";")[0].toLowerCase();
  if (IMAGES.has(type) && !images) {
    throw new Error(
      `${name} is an image, and this model takes only text: attach a text file or use a model that sees images.`,
    );
  }
  const bytes = new Uint8Array(await bytesOf(file));
  if (IMAGES.has(type)) return { name, type, size: file.size, data: base64(bytes) };
  if (!isText(bytes)) {
    const kinds = images ? "text files and PNG, JPEG, GIF and WebP images" : "text files";
    throw new Error(`${name} cannot be attached: only ${kinds} are taken.`);
  }
  // Drawings in SVG are text to a model; anything else keeps the name of its kind.
  return { name, type: type.startsWith("text/") ? type : "text/plain", size: file.size, data: base64(bytes) };
}

/**
 * The files of a paste that should become attachments.
 *
 * A spreadsheet pastes its cells as formatted text and as a picture of them: then the text is meant.
 *
 * @param {DataTransfer | null | undefined} clipboard
 * @returns {File[]}
 */
export function pastedFiles(clipboard) {
  const cells = clipboard?.getData("text/html") && clipboard.getData("text/plain");
  return cells ? [] : [...(clipboard?.files ?? [])];
}

/**
 * A chip with the name and the size of an attachment, and a button that takes it away.
 *
 * @param {Attachment} attachment
 * @param {(() => void) | null} [remove]
 * @returns {HTMLElement}
 */
export function attachmentChip(attachment, remove = null) {
  const name = visible(attachment.name);
  const kind = IMAGES.has(attachment.type) ? "image" : "file";
  const size = sizeOf(attachment.size);
  return h(
    "li",
    { class: "polos-attachment", title: name },
    h("span", { class: "polos-attachment-kind" }, kind),
    h("span", { class: "polos-attachment-name" }, name),
    size ? h("span", { class: "polos-attachment-size" }, size) : null,
    remove ? button("✕", remove, { class: "polos-attachment-remove", label: `Remove ${name}` }) : null,
  );
}

/**
 * @param {File} file
 * @returns {Promise<ArrayBuffer>}
 */
function bytesOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(/** @type {ArrayBuffer} */ (reader.result));
    reader.onerror = () => reject(new Error(`${file.name || "The file"} could not be read: choose it again.`));
    reader.readAsArrayBuffer(file);
  });
}

/** @param {Uint8Array} bytes */
function isText(bytes) {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = "";
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
