/** The message box sends what was typed once, takes only files that fit, and loses nothing. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LIMIT, readAttachment, sizeOf } from "../src/attachments.js";
import { Composer } from "../src/composer.js";
import { NO_ANSWER_YET, RequestError } from "../src/link.js";
import { FakeLink, HOSTILE, deferred, find, harmless, settle } from "./fake_link.js";

/** @type {FakeLink} */
let link;
/** @type {Composer} */
let composer;

/** @param {any} [answers] @param {any} [head] */
function make(answers = {}, head = { takes_images: true }) {
  link = new FakeLink({ head }, answers);
  composer = new Composer(link);
  document.body.replaceChildren(composer.element);
}

/** @param {any} init */
function press(init) {
  const event = new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init });
  composer.text.dispatchEvent(event);
  return event;
}

/** @param {string} text */
function type(text) {
  composer.text.value = text;
  composer.text.dispatchEvent(new Event("input", { bubbles: true }));
}

/** An event with files, as paste and drop have it. @param {string} name @param {string} part @param {any} transfer */
function carrying(name, part, transfer) {
  const event = new Event(name, { bubbles: true, cancelable: true });
  Object.defineProperty(event, part, { value: { getData: () => "", types: ["Files"], ...transfer } });
  return event;
}

const PNG = new Uint8Array([137, 80, 78, 71, 0, 1, 2]);
const png = (name = "p.png") => new File([PNG], name, { type: "image/png" });
const text = (name = "a.txt", content = "héllo") => new File([content], name, { type: "text/plain" });

/** Wait until files are read. @param {() => any} [done] */
const read = (done = () => composer.reading === 0) => vi.waitFor(() => expect(done()).toBeTruthy());

beforeEach(() => make());
afterEach(() => document.body.replaceChildren());

describe("keys", () => {
  test.each([
    ["Enter", { key: "Enter" }, true],
    ["Ctrl+Enter", { key: "Enter", ctrlKey: true }, true],
    ["Cmd+Enter", { key: "Enter", metaKey: true }, true],
    ["Shift+Enter", { key: "Enter", shiftKey: true }, false],
    ["Enter of an input method", { key: "Enter", isComposing: true }, false],
    ["Enter of an old input method", { key: "Enter", keyCode: 229 }, false],
    ["a letter", { key: "a" }, false],
  ])("%s", (_, init, sends) => {
    type("hello");
    expect(press(init).defaultPrevented).toBe(sends);
    expect(link.all("send")).toEqual(sends ? [{ text: "hello", attachments: [] }] : []);
    expect(composer.text.value).toBe(sends ? "" : "hello");
  });

  test("a key that is held down sends once", () => {
    type("hello");
    press({ key: "Enter" });
    type("more");
    press({ key: "Enter", repeat: true });
    expect(link.all("send")).toHaveLength(1);
  });

  test("nothing is sent when nothing is there, and it says so", () => {
    type("  \n ");
    press({ key: "Enter" });
    expect(link.asked).toEqual([]);
    expect(composer.element.textContent).toContain("nothing to send yet");
  });

  test("the box has a label", () => {
    expect(composer.element.querySelector(`label[for="${composer.text.id}"]`)?.textContent).toBe("Message");
  });
});

describe("nothing is lost", () => {
  test("a refused message comes back with its files and the sentence", async () => {
    make({ send: new RequestError("The model takes no more.") });
    await composer.add([text()]);
    type("precious");
    composer.send();
    await settle();
    expect(composer.text.value).toBe("precious");
    expect(composer.files.map((file) => file.name)).toEqual(["a.txt"]);
    expect(composer.notice.alert.textContent).toContain("The model takes no more.");
  });

  test("what was typed meanwhile stays, and the refused message waits above it", async () => {
    const answer = deferred();
    make({ send: () => answer.promise });
    type("first");
    composer.send();
    type("second");
    answer.reject(new RequestError("No."));
    await settle();
    expect(composer.text.value).toBe("second");
    expect(composer.outbox.element.hidden).toBe(false);
    expect(composer.outbox.element.textContent).toContain("first");
    find(composer.element, "Put it back into the message box").click();
    expect(composer.text.value).toBe("second\n\nfirst");
    expect(composer.outbox.element.hidden).toBe(true);
  });

  test("a message without an answer is kept until it appears in the conversation", async () => {
    make({ send: new RequestError(NO_ANSWER_YET, true) });
    type("are you there? ");
    composer.send();
    await settle();
    expect(composer.text.value).toBe("");
    expect(composer.outbox.element.textContent).toContain(NO_ANSWER_YET);
    composer.arrived("another");
    expect(composer.outbox.element.hidden).toBe(false);
    composer.arrived("are you there?");
    expect(composer.outbox.element.hidden).toBe(true);
  });

  test("a kept message can be sent again or discarded", async () => {
    make({ send: new RequestError(NO_ANSWER_YET, true) });
    type("hello");
    composer.send();
    await settle();
    link.answers.send = {};
    find(composer.element, "Send again").click();
    await settle();
    expect(link.all("send")).toHaveLength(2);
    expect(composer.outbox.entries.size).toBe(0);
    link.answers.send = new RequestError(NO_ANSWER_YET, true);
    type("again");
    composer.send();
    await settle();
    find(composer.element, "Discard").click();
    expect(composer.outbox.element.hidden).toBe(true);
  });

  test("a message that takes long is shown as being sent", async () => {
    vi.useFakeTimers();
    try {
      make({ send: () => new Promise(() => {}) });
      type("slow");
      composer.send();
      expect(composer.outbox.element.hidden).toBe(true);
      vi.advanceTimersByTime(400);
      expect(composer.outbox.element.textContent).toContain("slow");
      expect(composer.outbox.element.textContent).toContain("Sending");
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("while the agent is busy", () => {
  test("Stop is there, a further message is queued and that is said", async () => {
    make({ stop: { sentence: "The answer was stopped." } }, { busy: true, queued: 1 });
    expect(composer.element.textContent).toContain("queued: 1");
    type("next");
    press({ key: "Enter" });
    expect(link.all("send")).toHaveLength(1);
    find(composer.element, "Stop the answer").click();
    await settle();
    expect(link.all("stop")).toEqual([{}]);
    expect(composer.notice.status.textContent).toBe("The answer was stopped.");
  });

  test("the keyboard moves to the box when Stop goes away", () => {
    make({}, { busy: true });
    composer.stop.focus();
    link.apply(["h", { busy: false }]);
    composer.update();
    expect(composer.stop.hidden).toBe(true);
    expect(document.activeElement).toBe(composer.text);
  });
});

describe("attachments", () => {
  test("images and text files become chips and are sent in base64", async () => {
    await composer.add([png(), text()]);
    expect([...composer.chips.children].map((chip) => chip.textContent)).toEqual([
      "imagep.png7 bytes✕",
      "filea.txt6 bytes✕",
    ]);
    composer.send();
    expect(link.all("send")[0].attachments).toEqual([
      { name: "p.png", type: "image/png", data: btoa(String.fromCharCode(...PNG)) },
      { name: "a.txt", type: "text/plain", data: "aMOpbGxv" },
    ]);
    expect(composer.chips.hidden).toBe(true);
  });

  test("a chip can be removed, and the keyboard stays near", async () => {
    await composer.add([png(), text()]);
    find(composer.element, "Remove p.png").click();
    expect(composer.files.map((file) => file.name)).toEqual(["a.txt"]);
    expect(document.activeElement).toBe(composer.attach);
  });

  test("an image is refused when the model takes none, and the text stays", async () => {
    make({}, { takes_images: false });
    type("look");
    await composer.add([png(), text()]);
    expect(composer.notice.alert.textContent).toContain("p.png is an image, and this model takes only text");
    expect(composer.files.map((file) => file.name)).toEqual(["a.txt"]);
    expect(composer.text.value).toBe("look");
    expect(composer.picker.getAttribute("accept")).not.toContain("image/");
  });

  test("a file above 5 MB is refused with its size, one of 5 MB is taken", async () => {
    await expect(
      readAttachment(new File([new Uint8Array(LIMIT + 1)], "big.png", { type: "image/png" }), { images: true }),
    ).rejects.toThrow("big.png is 5.0 MB, and an attachment may have at most 5 MB");
    const taken = await readAttachment(new File([new Uint8Array(LIMIT)], "ok.png", { type: "image/png" }), {
      images: true,
    });
    expect(atob(taken.data).length).toBe(LIMIT);
  });

  test("what is neither text nor a known image is refused; SVG is text", async () => {
    const images = { images: true };
    await expect(readAttachment(new File([new Uint8Array([0, 1])], "a.bin"), images)).rejects.toThrow(
      "a.bin cannot be attached",
    );
    await expect(
      readAttachment(new File([new Uint8Array([0xff, 0xfe, 0x41])], "a.txt", { type: "text/plain" }), images),
    ).rejects.toThrow("cannot be attached");
    expect((await readAttachment(new File(["<svg/>"], "a.svg", { type: "image/svg+xml" }), images)).type).toBe(
      "text/plain",
    );
    expect((await readAttachment(new File(["a,b"], "a.csv", { type: "text/csv;charset=utf-8" }), images)).type).toBe(
      "text/csv",
    );
  });

  test("a pasted picture and dropped files are attached; pasted cells stay text", async () => {
    const paste = carrying("paste", "clipboardData", { files: [png("shot.png")] });
    composer.text.dispatchEvent(paste);
    expect(paste.defaultPrevented).toBe(true);
    const drop = carrying("drop", "dataTransfer", { files: [text("d.txt")] });
    composer.element.dispatchEvent(drop);
    await read();
    expect(composer.files.map((file) => file.name).sort()).toEqual(["d.txt", "shot.png"]);
    const cells = carrying("paste", "clipboardData", { files: [png()], getData: () => "1\t2" });
    composer.text.dispatchEvent(cells);
    expect(cells.defaultPrevented).toBe(false);
    expect(composer.files).toHaveLength(2);
  });

  test("Enter while a file is being read sends when it is read", async () => {
    type("with file");
    const adding = composer.add([text()]);
    press({ key: "Enter" });
    expect(link.all("send")).toEqual([]);
    await adding;
    expect(link.all("send")[0].attachments).toHaveLength(1);
    expect(link.all("send")[0].text).toBe("with file");
  });

  test("sizes are words", () => {
    expect([1, 999, 1000, 999_499, 999_500, 5_000_000, null].map(sizeOf)).toEqual([
      "1 byte",
      "999 bytes",
      "1 KB",
      "999 KB",
      "1.0 MB",
      "5.0 MB",
      "",
    ]);
  });
});

test("hostile names and sentences are text", async () => {
  make({ send: new RequestError(HOSTILE.join(" ")), stop: { sentence: HOSTILE.join(" ") } }, { busy: true });
  await composer.add(HOSTILE.map((name) => text(name)));
  type(HOSTILE.join("\n"));
  composer.send();
  await settle();
  composer.stop.click();
  await settle();
  expect(harmless(composer.element)).toBe(true);
});
