// How the tests run: in jsdom, with css files as text, as the bundle has them.
import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

const cssText = {
  name: "css-as-text",
  enforce: "pre",
  load(id) {
    const file = id.split("?")[0];
    if (!file.endsWith(".css")) return null;
    return `export default ${JSON.stringify(readFileSync(file, "utf8"))};`;
  },
  resolveId(id, importer) {
    if (!id.endsWith(".css") || !importer) return null;
    // A name that no longer ends in .css, so that the css pipeline leaves it alone.
    return new URL(id, `file://${importer}`).pathname + "?text";
  },
};

export default defineConfig({
  plugins: [cssText],
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.js"],
    restoreMocks: true,
    maxWorkers: 2,
    minWorkers: 1,
  },
});
