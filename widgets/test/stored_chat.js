/** Conversations as the kernel describes them. */

/** A conversation of one turn whose run has begun. */
export function running() {
  return {
    head: {
      agent: "weather",
      model: "openai/gpt-4o",
      conversation: "s3",
      title: "Trip to Oslo",
      busy: true,
      tokens_in: 12,
      tokens_out: 3,
      cost: 0.012,
    },
    rows: {
      t1: {
        id: "t1",
        kind: "turn",
        role: "user",
        text: "What *should* I pack?",
        status: "running",
        branch: 1,
        branches: 1,
        attachments: [{ name: "map.png", type: "image/png", size: 2048 }],
      },
      a: { id: "a", parent: "t1", n: 1, kind: "llm", state: "running", text: "" },
    },
    order: { "": ["t1"], t1: ["a"] },
  };
}

/** A conversation of two finished turns; the second has three branches. */
export function done() {
  const state = running();
  state.head.busy = false;
  state.rows.t1 = {
    ...state.rows.t1,
    status: "completed",
    answer: { t: "text", s: "A **jacket**.", more: 0 },
    tokens_in: 5,
    tokens_out: 4,
    cost: 0.001,
    seconds: 2,
  };
  state.rows.a = { ...state.rows.a, state: "done", text: "A **jacket**." };
  state.rows.t2 = {
    id: "t2",
    kind: "turn",
    role: "user",
    text: "And shoes?",
    status: "completed",
    branch: 2,
    branches: 3,
    answer: { t: "text", s: "Boots.", more: 0 },
  };
  state.order[""] = ["t1", "t2"];
  return state;
}
