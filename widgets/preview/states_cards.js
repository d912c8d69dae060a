/** Made-up runs that wait for a person. */

import { ask, calls, head, json, tool, waits } from "./parts.js";

/** Name of a state to its head and rows; `then` are operations that come after the first paint. */
export const CARDS = {
  approval: {
    height: 720,
    head: head({
      target: "order_agent",
      phase: "waiting for an answer",
      waiting: 1,
      step: 2,
      cached: 0,
      always: [
        { id: 1, tool: "lookup_order", text: "Every call of lookup_order in this run is approved (by ada at 14:01)." },
      ],
    }),
    rows: { 1: calls, 2: waits(2, {}) },
  },
  editing: {
    height: 780,
    edit: '{\n  "order_id": "881",\n  "amount": 119.9\n  "note": "x"\n}',
    head: head({ target: "order_agent", phase: "waiting for an answer", waiting: 1 }),
    rows: { 1: calls, 2: waits(2, {}) },
  },
  decided: {
    height: 360,
    head: head({ target: "order_agent", phase: "calling refund_order", waiting: 0 }),
    rows: { 1: calls, 2: waits(2, {}) },
    then: [
      ["r", "2", { ask: null, state: "done", decided: "approved by ada at 14:03 (edited: amount 129.9 → 119.9)" }],
    ],
  },
  form: {
    height: 1100,
    head: head({
      target: "trip_workflow",
      kind: "workflow",
      model: "",
      phase: "waiting for an answer",
      waiting: 1,
      status: "suspended",
    }),
    rows: {
      1: {
        ...waits(1, {
          kind: "suspend",
          title: "Book the trip?",
          description: "Two offers fit. Choose one, and say who travels.",
          args: null,
          can_always: false,
          can_edit: false,
          inline: false,
          until: null,
          context: {
            t: "table",
            head: ["offer", "price"],
            rows: [
              ["A", "320"],
              ["B", "295"],
            ],
            more: 0,
          },
          fields: [
            {
              key: "offer",
              type: "select",
              label: "Offer",
              required: true,
              options: [
                { label: "A, by train", value: "a" },
                { label: "B, by plane", value: "b" },
              ],
            },
            { key: "name", type: "text", label: "Name", required: true, description: "As in the passport" },
            { key: "notes", type: "textarea", label: "Notes", default: "window seat" },
            { key: "persons", type: "number", label: "Persons", default: 2 },
            { key: "mail", type: "email", label: "E-mail" },
            { key: "site", type: "url", label: "Site" },
            { key: "insured", type: "boolean", label: "With insurance", default: true },
            { key: "vegetarian", type: "boolean", label: "Vegetarian" },
          ],
        }),
        kind: "suspend",
        label: "Book the trip?",
      },
    },
  },
  doubt: {
    height: 620,
    head: head({ target: "order_agent", phase: "waiting for an answer", waiting: 1 }),
    rows: {
      1: {
        ...waits(1, {
          kind: "doubt",
          title: "Did 1.refund_order[call_1] happen?",
          description:
            "The process ended before this step was known to finish. It has outside effects, so it is not repeated silently.",
          args: null,
          can_edit: false,
          can_always: false,
          context: json({ tool: "refund_order", input: { order_id: "881" } }),
          fields: [
            {
              key: "action",
              type: "select",
              label: "What happened?",
              required: true,
              options: [
                { label: "It did not happen: run it again", value: "again" },
                { label: "It was done: go on with the result below", value: "done" },
                { label: "Stop here", value: "stop" },
              ],
            },
            { key: "result", type: "textarea", label: "Its result, if it was done", description: "JSON, or text" },
          ],
        }),
        kind: "doubt",
      },
    },
  },
};
