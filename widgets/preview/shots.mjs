// Bundles the preview page and takes screenshots of every state: node preview/shots.mjs [DIRECTORY [STATE ...]]
// Light and dark, 900 px and 400 px wide. Open preview/index.html#state=approval&theme=dark to look at one by hand.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { STATES } from "./states.js";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "build", "shots"));
const names = process.argv.length > 3 ? process.argv.slice(3) : Object.keys(STATES);
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";

mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: ["page.js"],
  bundle: true,
  outfile: "build/page.js",
  format: "iife",
  target: "es2022",
  charset: "utf8",
  loader: { ".css": "text" },
  logLevel: "warning",
});

const profile = mkdtempSync(join(tmpdir(), "preview-"));
try {
  for (const name of names) {
    for (const theme of ["light", "dark"]) {
      for (const width of [900, 400]) {
        const height = Math.round(STATES[name].height * (width < 500 ? 1.6 : 1));
        const page = `${pathToFileURL(join(here, "index.html"))}#state=${name}&theme=${theme}`;
        execFileSync(
          chromium,
          [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            `--user-data-dir=${profile}`,
            `--window-size=${width},${height}`,
            "--virtual-time-budget=1500",
            `--screenshot=${join(out, `${name}-${theme}-${width}.png`)}`,
            page,
          ],
          { stdio: ["ignore", "ignore", "pipe"] },
        );
      }
    }
    console.log(name);
  }
} finally {
  rmSync(profile, { recursive: true, force: true });
}
