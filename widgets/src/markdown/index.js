/** Markdown of models as DOM nodes in which everything that was not Markdown is text, whole or while it streams. */

export { renderMarkdown, codeBlock } from "./render.js";
export { MarkdownStream } from "./stream.js";
