/** A stored run and one of its steps, as the kernel describes them. */

/** A run of three steps, the last of which is nested and failed. @param {any} [head] */
export function storedRun(head = {}) {
  return {
    head: {
      id: "r12",
      target: "weather",
      kind: "agent",
      model: "openai/gpt-4o",
      status: "failed",
      began: 1000,
      seconds: 10,
      cached: 1,
      live: 2,
      failed: 1,
      waiting: 0,
      tokens_in: 5,
      tokens_out: 6,
      cost: 0.5,
      error: "It broke.",
      ...head,
    },
    state: {
      rows: {
        a: {
          id: "a",
          parent: "",
          n: 1,
          step: "llm/1",
          kind: "llm",
          name: "",
          label: "asks",
          state: "done",
          cached: true,
          at: 1000,
          seconds: 0,
          model: "m",
          text: "I ask.",
        },
        b: {
          id: "b",
          parent: "",
          n: 2,
          step: "tool/1",
          kind: "tool",
          name: "get_weather",
          state: "done",
          at: 1002,
          seconds: 4,
          args: { t: "json", s: '{"city": "Oslo"}', more: 9 },
          version: "a1f3c9",
        },
        c: {
          id: "c",
          parent: "b",
          n: 1,
          step: "tool/1/sub",
          kind: "run",
          name: "sub",
          state: "failed",
          at: 1004,
          seconds: 2,
          error: "503",
        },
      },
      order: { "": ["a", "b"], b: ["c"] },
    },
    input: { t: "text", s: "Weather in Oslo?", more: 0 },
    waiting: [],
  };
}

export const STEP = {
  messages: [
    { role: "system", text: "Be *brief*." },
    { role: "user", text: "Hi", calls: [{ name: "f", arguments: '{"x": 1}' }] },
  ],
  request: { t: "json", s: '{"model": "m"}', more: 3 },
  output: { t: "text", s: "out", more: 0 },
  error: "",
  traceback: "Traceback: line 1",
  source: "def get_weather(): ...",
  why: "its arguments changed",
  attempts: 2,
  key: "7c21",
  editable: { "arguments.city": "Oslo", "messages.0.text": "Be *brief*." },
};
