// Bundles src/ into polos_nb/notebook/static/widgets.js: readable, no third-party code, the hash of the sources on top.
//
//   node build.mjs           write the bundle
//   node build.mjs --check   exit 1 with one sentence when the committed bundle is not what the sources give
//   node build.mjs --watch   write it after every change

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, watch, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, "src");
const target = join(here, "..", "polos_nb", "notebook", "static", "widgets.js");

/** The same as `polos_nb.notebook.static_files.sources_hash`. */
function sourcesHash() {
  const files = readdirSync(sources, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(sources, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join("/"))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const digest = createHash("sha256");
  for (const name of files) {
    const content = Buffer.from(readFileSync(join(sources, name), "latin1").replaceAll("\r\n", "\n"), "latin1");
    digest.update(`${name}\0${content.length}\0`).update(content);
  }
  return digest.digest("hex").slice(0, 16);
}

async function bundle() {
  const hash = sourcesHash();
  const { outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: ["src/index.js"],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    loader: { ".css": "text" },
    define: { __POLOS_HASH__: JSON.stringify(hash) },
    logLevel: "warning",
  });
  return `/* built from widgets/src ${hash} - do not edit */\n${outputFiles[0].text}`;
}

const mode = process.argv[2] ?? "";
if (mode === "--check") {
  let committed = "";
  try {
    committed = readFileSync(target, "utf8").replaceAll("\r\n", "\n");
  } catch {
    // Missing is stale.
  }
  if (committed !== (await bundle())) {
    console.error("polos_nb/notebook/static/widgets.js is not what widgets/src gives: run `npm run build` in widgets/.");
    process.exit(1);
  }
} else {
  writeFileSync(target, await bundle());
  if (mode === "--watch") {
    let timer;
    watch(sources, { recursive: true }, () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        try {
          writeFileSync(target, await bundle());
        } catch {
          // esbuild has said where the mistake is; the next change is tried again.
        }
      }, 50);
    });
  }
}
