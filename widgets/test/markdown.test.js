/** Markdown becomes elements; everything that was not Markdown stays text. */

import { describe, expect, test, vi } from "vitest";
import { renderMarkdown } from "../src/markdown/index.js";

/** @param {string} text */
const html = (text) => renderMarkdown(text).innerHTML;

const LINK = 'rel="noopener noreferrer" target="_blank"';

describe("inline", () => {
  test.each([
    ["a **b** *c* __d__ _e_ ~~f~~", "<p>a <strong>b</strong> <em>c</em> <strong>d</strong> <em>e</em> <del>f</del></p>"],
    ["***both***", "<p><em><strong>both</strong></em></p>"],
    ["snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"],
    ["**open", "<p>**open</p>"],
    ["about ~5 and ~6", "<p>about ~5 and ~6</p>"],
    ["`a **b** <c>` ``d ` e``", "<p><code>a **b** &lt;c&gt;</code> <code>d ` e</code></p>"],
    ["`never closed **b**", "<p>`never closed <strong>b</strong></p>"],
    ["\\*a\\* \\\\ \\q", "<p>*a* \\ \\q</p>"],
    ["a  \nb\\\nc\nd", "<p>a<br>b<br>c\nd</p>"],
    ["&lt;b&gt; &amp; &nbsp;&#65;&#x42; &unknown; &", "<p>&lt;b&gt; &amp; &nbsp;AB &amp;unknown; &amp;</p>"],
    ["costs $5 and $6", "<p>costs $5 and $6</p>"],
    ["$a_b_c * d_e * f$ and $$x_1 *y* z$$", "<p>$a_b_c * d_e * f$ and $$x_1 *y* z$$</p>"],
    ["$$\na_1 *b*\n$$", "<p>$$\na_1 *b*\n$$</p>"],
  ])("%j", (text, expected) => {
    expect(html(text)).toBe(expected);
  });

  test.each([
    ["[a *b*](https://e.org/x)", `<p><a href="https://e.org/x" ${LINK}>a <em>b</em></a></p>`],
    ['[a](<https://e.org/x y> "title")', `<p><a href="https://e.org/x%20y" ${LINK}>a</a></p>`],
    ["[a](https://e.org/x_(y))", `<p><a href="https://e.org/x_(y)" ${LINK}>a</a></p>`],
    ["[a](mailto:a@b.org)", `<p><a href="mailto:a@b.org" ${LINK}>a</a></p>`],
    ["<https://e.org/?a=1&b=2>", `<p><a href="https://e.org/?a=1&amp;b=2" ${LINK}>https://e.org/?a=1&amp;b=2</a></p>`],
    ["<a@b.org>", `<p><a href="mailto:a@b.org" ${LINK}>a@b.org</a></p>`],
    ["![a plot](https://e.org/p.png)", `<p><a href="https://e.org/p.png" ${LINK}>a plot</a></p>`],
    ["![](https://e.org/p.png)", `<p><a href="https://e.org/p.png" ${LINK}>image</a></p>`],
    ["[![logo](https://e.org/l.png)](https://e.org)", `<p><a href="https://e.org/" ${LINK}>logo</a></p>`],
    ["https://bare.example", "<p>https://bare.example</p>"],
  ])("links: %j", (text, expected) => {
    expect(html(text)).toBe(expected);
  });

  test.each([
    "[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))", "[a](data:text/html,x)", "[a](/relative)", "[a](#here)",
    "[a](//e.org)", "[a](vbscript:x)", "[a](java\\script:x)", "![a](data:image/svg+xml,x)", "![a](pic.png)",
    "<javascript:alert(1)>", "[a](https://)", "[a]()", "[a](file:///etc)", "[a](&#106;avascript:alert(1))",
  ])("an address with another scheme is text: %j", (text) => {
    const element = renderMarkdown(text);
    expect(element.querySelector("a, img")).toBeNull();
    expect(element.textContent).toContain("a");
  });

  test("raw HTML is text", () => {
    const text = '<script>alert(1)</script> <img src=x onerror=alert(1)> </div><b>x</b> <!-- c --> <svg onload=x>';
    const element = renderMarkdown(text);
    expect(element.textContent).toBe(text);
    expect([...element.querySelectorAll("*")].map((node) => node.localName)).toEqual(["p"]);
  });

  test("what cannot be seen is made visible, also when it is written as an entity", () => {
    expect(renderMarkdown("a\u202eb\u001b[31mc\u0000 &#x202e; &#0;").textContent).toBe("a[U+202E]bc\ufffd [U+202E] \ufffd");
  });
});

describe("blocks", () => {
  test.each([
    ["# A\n## B\n###### F #\n#no", "<h3>A</h3><h4>B</h4><h6>F</h6><p>#no</p>"],
    ["a\n\nb\nc", "<p>a</p><p>b\nc</p>"],
    ["a\n---\n***\nb", "<p>a</p><hr><hr><p>b</p>"],
    ["> a\nb\n>\n> - c\n\nd", "<blockquote><p>a\nb</p><ul><li>c</li></ul></blockquote><p>d</p>"],
    ["- a\n- b\n  - c\n    1. d\n- e", "<ul><li>a</li><li>b<ul><li>c<ol><li>d</li></ol></li></ul></li><li>e</li></ul>"],
    ["- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"],
    ["3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
    ["- a\n* b", "<ul><li>a</li></ul><ul><li>b</li></ul>"],
    ["- a\n\n  b\n\nc", "<ul><li><p>a</p><p>b</p></li></ul><p>c</p>"],
    ["- a\nlazy", "<ul><li>a\nlazy</li></ul>"],
    ["in 1999\n2000. no list", "<p>in 1999\n2000. no list</p>"],
    ["-\ta\n\n\tb", "<ul><li><p>a</p><p>b</p></li></ul>"],
    ["* \n* b", "<ul><li></li><li>b</li></ul>"],
  ])("%j", (text, expected) => {
    expect(html(text)).toBe(expected);
  });

  test("task lists have boxes that say in words whether they are done", () => {
    const boxes = [...renderMarkdown("- [ ] a\n- [x] **b**").querySelectorAll("input")];
    expect(boxes.map((box) => [box.checked, box.disabled, box.getAttribute("aria-label")])).toEqual([
      [false, true, "not done"],
      [true, true, "done"],
    ]);
  });

  test("tables have alignments, inline marks and escaped pipes, and scroll in themselves", () => {
    const element = renderMarkdown("before\n| a | b | c |\n|:--|:-:|--:|\n| *1* | x \\| y | 3 | 4 |\n| 5 |\n\nafter");
    expect(element.querySelector(".polos-table-scroll > table")).not.toBeNull();
    expect([...element.querySelectorAll("th")].map((cell) => [cell.textContent, cell.className])).toEqual([
      ["a", "polos-align-left"], ["b", "polos-align-center"], ["c", "polos-align-right"],
    ]);
    const rows = [...element.querySelectorAll("tbody tr")];
    expect(rows.map((row) => [...row.children].map((cell) => cell.innerHTML))).toEqual([
      ["<em>1</em>", "x | y", "3"], ["5"],
    ]);
    expect([...element.querySelectorAll("p")].map((node) => node.textContent)).toEqual(["before", "after"]);
  });

  test("a line with pipes alone is no table", () => {
    expect(html("a | b\nc | d")).toBe("<p>a | b\nc | d</p>");
    expect(html("a | b\n---")).toBe("<p>a | b</p><hr>");
  });

  test("a fence shows its language and keeps its text as it is", () => {
    const element = renderMarkdown("```python x=1\n\tif a < b:\n\n  *c*\n````\nafter");
    expect(element.querySelector(".polos-code-language")?.textContent).toBe("python");
    expect(element.querySelector("pre code")?.textContent).toBe("\tif a < b:\n\n  *c*");
    expect(element.querySelector("p")?.textContent).toBe("after");
  });

  test("code in lists loses the list's indentation only", () => {
    expect(renderMarkdown("1. a\n   ```\n   x\n     y\n   ```\n2. b").querySelector("code")?.textContent).toBe("x\n  y");
    expect(renderMarkdown("    a\n\n      b\n\nc").querySelector("code")?.textContent).toBe("a\n\n  b");
  });

  test("a fence that is never closed is code to the end", () => {
    expect(renderMarkdown("~~~\n**a**\n```").querySelector("code")?.textContent).toBe("**a**\n```");
  });
});

describe("the copy button", () => {
  test("is a button, copies the code and says so in words", async () => {
    vi.useFakeTimers();
    const writeText = vi.fn(async () => {});
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    const button = /** @type {HTMLButtonElement} */ (renderMarkdown("```\nx = 1\n```").querySelector("button"));
    expect(button.type).toBe("button");
    button.click();
    await vi.advanceTimersByTimeAsync(0);
    expect(writeText).toHaveBeenCalledWith("x = 1");
    expect(button.textContent).toBe("Copied");
    await vi.advanceTimersByTimeAsync(3_000);
    expect(button.textContent).toBe("Copy");
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  test("without a clipboard the code is selected and the button says what to press", async () => {
    vi.stubGlobal("navigator", {});
    const element = renderMarkdown("```\nx = 1\n```");
    document.body.append(element);
    const button = /** @type {HTMLButtonElement} */ (element.querySelector("button"));
    button.click();
    await vi.waitFor(() => expect(button.textContent).toBe("Selected: press Ctrl+C"));
    expect(String(document.getSelection())).toBe("x = 1");
    element.remove();
    vi.unstubAllGlobals();
  });
});

describe("nesting", () => {
  /** @param {Element} element */
  const depth = (element) => {
    let deepest = 0;
    for (let node of element.querySelectorAll("*")) {
      let level = 0;
      for (let at = /** @type {Element | null} */ (node); at && at !== element; at = at.parentElement) level += 1;
      deepest = Math.max(deepest, level);
    }
    return deepest;
  };

  test.each([
    ["quotes", "> ".repeat(200) + "deep"],
    ["list markers", "- ".repeat(200) + "deep"],
    ["emphasis", "*a **b ".repeat(100) + "deep" + "** *".repeat(100)],
    ["brackets", "[".repeat(200) + "deep" + "](https://e.org)".repeat(200)],
  ])("of %s stops at twenty levels, and nothing is lost", (_name, text) => {
    const element = renderMarkdown(text);
    expect(depth(element)).toBeLessThan(64);
    expect(element.textContent).toContain("deep");
  });

  test("marks that nest too deep are shown as they were written", () => {
    const element = renderMarkdown("*a ".repeat(30) + "x" + "*".repeat(30));
    expect(element.querySelectorAll("em").length).toBe(20);
    expect(element.textContent?.match(/\*/g)?.length).toBe(20);
  });
});
