/** Texts can be read in light, dark and fallback colours; style sheets load nothing. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { colour, contrast, resolve } from "./contrast.js";

const FOLDER = new URL("../src/css/", `file://${import.meta.filename ?? __filename}`).pathname;
const base = readFileSync(`${FOLDER}base.css`, "utf8");

/** The values of JupyterLab 4's default themes. @type {Record<string, Record<string, string>>} */
const THEMES = {
  "JupyterLab light": {
    "--jp-ui-font-color1": "rgba(0,0,0,.87)",
    "--jp-layout-color0": "white",
    "--jp-layout-color1": "white",
    "--jp-layout-color2": "#eee",
    "--jp-border-color2": "#e0e0e0",
    "--jp-content-link-color": "#0d47a1",
    "--jp-brand-color1": "#1976d2",
    "--jp-error-color1": "#d32f2f",
    "--jp-warn-color1": "#f57c00",
    "--jp-success-color1": "#388e3c",
  },
  "JupyterLab dark": {
    "--jp-ui-font-color1": "rgba(255,255,255,.87)",
    "--jp-layout-color0": "#111",
    "--jp-layout-color1": "#212121",
    "--jp-layout-color2": "#424242",
    "--jp-border-color2": "#424242",
    "--jp-content-link-color": "#64b5f6",
    "--jp-brand-color1": "#2196f3",
    "--jp-error-color1": "#f44336",
    "--jp-warn-color1": "#ff9800",
    "--jp-success-color1": "#4caf50",
  },
  "no theme": {},
};

const declared = Object.fromEntries([...base.matchAll(/^ {2}(--polos-[a-z0-9-]+):\s*([^;]+);/gm)].map((m) => [m[1], m[2]]));

describe.each(Object.keys(THEMES))("%s", (name) => {
  const given = { ...declared, ...THEMES[name] };
  const value = (/** @type {string} */ variable) => colour(resolve(`var(${variable})`, given));

  test.each(["--polos-fg", "--polos-muted", "--polos-link", "--polos-error", "--polos-warn", "--polos-ok"].flatMap((ink) =>
    ["--polos-bg", "--polos-bg2", "--polos-code-bg"].map((ground) => [ink, ground]),
  ))("text %s on %s has a contrast of 4.5", (ink, ground) => {
    expect(contrast(value(ink), value(ground))).toBeGreaterThanOrEqual(4.5);
  });

  test("a primary button's text has a contrast of 4.5", () => {
    expect(contrast(value("--polos-on-accent"), value("--polos-accent"))).toBeGreaterThanOrEqual(4.5);
  });

  test.each(["--polos-focus", "--polos-strong-border", "--polos-accent"])("%s has a contrast of 3 as a line", (line) => {
    expect(contrast(value(line), value("--polos-bg"))).toBeGreaterThanOrEqual(3);
  });
});

test("the measure is WCAG's", () => {
  expect(contrast([0, 0, 0, 1], [255, 255, 255, 1])).toBeCloseTo(21);
  expect(contrast(colour("#777"), colour("#ffffff"))).toBeCloseTo(4.48, 2);
  expect(colour("color-mix(in srgb, #000000 50%, white)").map(Math.round)).toEqual([128, 128, 128, 1]);
});

test.each(readdirSync(FOLDER))("%s loads nothing and styles only our own elements", (file) => {
  const text = readFileSync(FOLDER + file, "utf8");
  expect(text).not.toMatch(/url\(|@import|@font-face/);
  const rules = text.replace(/\/\*[^]*?\*\//g, "").matchAll(/(?:^|[{};])\s*([^{}@;]+)\{/g);
  for (const [, selector] of rules) {
    if (/^\s*(?:from|to|[\d.]+%)(?:\s*,\s*[\d.]+%)*\s*$/.test(selector)) continue;
    for (const part of selector.split(/,(?![^(]*\))/)) expect(part).toContain(".polos-");
  }
});
