/** Shows one state of the run view; `#state=..&theme=..` says which. */

import polos from "../src/index.js";
import { STATES } from "./states.js";

const wanted = new URLSearchParams(location.hash.slice(1));
const state = STATES[wanted.get("state") ?? ""] ?? STATES.streaming;
const dark = wanted.get("theme") === "dark";

document.body.dataset.jpThemeLight = String(!dark);
document.body.className = dark ? "dark" : "light";

const rows = structuredClone(state.rows);
const order = { "": [] };
for (const [id, row] of Object.entries(rows)) (order[row.parent ?? ""] ??= []).push(id);

const listeners = {};
const model = {
  get: () => "run",
  on: (name, fn) => (listeners[name] = fn),
  off() {},
  send(content) {
    console.log("to the kernel", JSON.stringify(content));
  },
};
const el = document.getElementById("out");
polos.initialize({ model, queued: [{ t: "snap", s: 1, state: { head: state.head, rows, order } }] });
polos.render({ model, el });

setTimeout(() => {
  const lines = [...el.querySelectorAll(".polos-rows > .polos-row")];
  const ids = Object.keys(rows);
  for (const id of state.open ?? []) lines[ids.indexOf(id)]?.querySelector("details")?.setAttribute("open", "");
  if (state.edit) {
    const area = el.querySelector(".polos-card-edit");
    area.parentElement.hidden = false;
    area.parentElement.previousElementSibling.hidden = true;
    area.value = state.edit;
    area.dispatchEvent(new Event("input"));
  }
  if (state.then) listeners["msg:custom"]({ t: "ops", s: 2, ops: state.then });
}, 50);
