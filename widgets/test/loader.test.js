/** The loader gets the bundle once per page and hash, loses no message, and says in one sentence what is missing. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import loader from "../../polos_nb/notebook/static/loader.js";
import { FakeModel } from "./fake_model.js";

const CODE = `
  globalThis.loads = (globalThis.loads ?? 0) + 1;
  export default {
    initialize: ({ model, queued }) => ({ queued, dispose() { this.gone = true; } }),
    render({ el, link }) { el.textContent = "shown"; el.link = link; return () => { el.textContent = ""; }; },
  };`;

/** @type {any} */
const page = globalThis;

beforeEach(() => {
  delete page.__polos_nb_bundles;
  delete page.loads;
  // Node imports data: addresses, not blobs.
  page.blobs = new Map();
  vi.stubGlobal("Blob", class { constructor(/** @type {string[]} */ parts) { this.parts = parts; } });
  URL.createObjectURL = (/** @type {any} */ blob) => `data:text/javascript,${encodeURIComponent(blob.parts[0])}//${Math.random()}`;
  URL.revokeObjectURL = vi.fn();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** @param {string} hash @param {number} [missing] how often the library is not there yet */
function manager(hash, missing = 0, code = CODE) {
  let left = missing;
  return {
    async get_model() {
      if ((left -= 1) >= 0) throw new Error("widget model not found");
      return new FakeModel({ hash, code });
    },
  };
}

/** @param {any} manager */
function view(manager) {
  const model = new FakeModel({ kind: "run", library: "lib" }, manager);
  return { model, widget: loader(), el: /** @type {any} */ (document.createElement("div")) };
}

test("messages that come before the bundle are handed over in order", async () => {
  const { model, widget, el } = view(manager("a"));
  expect(widget.initialize({ model })).toBeTypeOf("function");
  model.say({ t: "ops", s: 1 });
  model.say({ t: "ops", s: 2 });
  const cleanup = await widget.render({ model, el });
  expect(el.textContent).toBe("shown");
  expect(el.link.queued.map((/** @type {any} */ content) => content.s)).toEqual([1, 2]);
  expect(model.listeners).toBe(0);
  cleanup();
  expect(el.textContent).toBe("");
});

test("a bundle is loaded once per hash; another kernel's is another one", async () => {
  for (const hash of ["a", "a", "b"]) {
    const { model, widget, el } = view(manager(hash));
    widget.initialize({ model });
    await widget.render({ model, el });
  }
  expect(page.loads).toBe(2);
  expect([...page.__polos_nb_bundles.keys()]).toEqual(["a", "b"]);
  expect(URL.revokeObjectURL).toHaveBeenCalledTimes(2);
});

test("views of one model share its link, other models have their own", async () => {
  const [one, other] = [view(manager("a")), view(manager("a"))];
  one.widget.initialize({ model: one.model });
  other.widget.initialize({ model: other.model });
  const second = /** @type {any} */ (document.createElement("div"));
  await one.widget.render({ model: one.model, el: one.el });
  await one.widget.render({ model: one.model, el: second });
  await other.widget.render({ model: other.model, el: other.el });
  expect(second.link).toBe(one.el.link);
  expect(other.el.link).not.toBe(one.el.link);
});

test("a library that comes up later is waited for", async () => {
  vi.useFakeTimers();
  const { model, widget, el } = view(manager("a", 3));
  widget.initialize({ model });
  const shown = widget.render({ model, el });
  await vi.advanceTimersByTimeAsync(500);
  vi.useRealTimers();
  await shown;
  expect(el.textContent).toBe("shown");
});

test("a library that is gone is said in one sentence", async () => {
  vi.useFakeTimers();
  const { model, widget, el } = view(manager("a", 1000));
  const end = widget.initialize({ model });
  const shown = widget.render({ model, el });
  await vi.advanceTimersByTimeAsync(10_000);
  await shown;
  expect(el.textContent).toBe(
    "This view cannot be shown: the kernel that made it was restarted. Run the cell again to get a new one.",
  );
  expect(el.firstChild.getAttribute("role")).toBe("alert");
  await end();
});

test("a bundle that cannot be read is said, and tried again by the next view", async () => {
  const broken = view(manager("a", 0, "export default {"));
  broken.widget.initialize({ model: broken.model });
  await broken.widget.render({ model: broken.model, el: broken.el });
  expect(broken.el.textContent).toContain("This view cannot be shown: ");
  const { model, widget, el } = view(manager("a"));
  widget.initialize({ model });
  await widget.render({ model, el });
  expect(el.textContent).toBe("shown");
});

test("the model's end disposes its link", async () => {
  const { model, widget, el } = view(manager("a"));
  const end = widget.initialize({ model });
  await widget.render({ model, el });
  await end();
  expect(el.link.gone).toBe(true);
});
