/** Made-up runs, one for every state that the run view can show. */

import { ANSWER, PIXELS, ask, calls, cities, head, hostile, json, llm, now, tool, waits } from "./parts.js";
import { CARDS } from "./states_cards.js";

/** Name of a state to its head and rows; rows with `parent` stand below that row. */
export const STATES = {
  ...CARDS,
  starting: {
    height: 220,
    head: head({
      step: 1,
      cached: 0,
      live: 0,
      tokens_in: 0,
      tokens_out: 0,
      cost: 0,
      began: now - 1.2,
      phase: "waiting for the first token",
    }),
    rows: { 1: llm(1, { state: "running", at: now - 1.2, seconds: null }) },
  },
  streaming: { height: 520, head: head({ phase: "calling get_weather" }), rows: { ...cities }, open: ["1"] },
  writing: {
    height: 420,
    head: head({ step: 4 }),
    rows: {
      ...cities.slice(0, 2),
      4: llm(3, {
        state: "running",
        seconds: null,
        at: now - 2,
        text: "New York is warmer today: **21 °C** and sunny, while London",
      }),
    },
  },
  done: {
    height: 640,
    head: head({
      status: "completed",
      seconds: 6.31,
      phase: "",
      step: 4,
      cached: 3,
      live: 1,
      answer: { t: "text", s: ANSWER, more: 0 },
      resumed: true,
    }),
    rows: {
      ...cities.slice(0, 2),
      3: tool(3, {}),
      4: llm(4, { text: ANSWER, reasoning: "They ask for a comparison.", tokens_in: 500, tokens_out: 80 }),
    },
  },
  opened: {
    height: 1100,
    open: ["3", "4", "5"],
    head: head({
      status: "completed",
      seconds: 6.31,
      answer: {
        t: "table",
        head: ["name", "age"],
        rows: [
          ["Ada", "36"],
          ["Grace", "85"],
        ],
        more: 0,
      },
    }),
    rows: {
      3: tool(1, {
        why: "arguments changed: city 'Paris' → 'London'",
        attempts: 2,
        result: { t: "text", s: "It rains. ".repeat(60), more: 12345 },
      }),
      4: tool(2, {
        name: "plot",
        label: "plot() → image",
        result: {
          t: "many",
          items: [
            { t: "text", s: "the plot", more: 0 },
            { t: "image", type: "image/png", data: PIXELS, alt: "a plot of temperatures" },
          ],
        },
      }),
      5: llm(3, {
        reasoning: "First compare, then answer. ".repeat(20),
        text: "{}",
        tokens_in: 500,
        tokens_out: 80,
        why: "prompt changed",
      }),
    },
  },
  failed: {
    height: 420,
    head: head({
      status: "failed",
      seconds: 12.4,
      error: "get_weather failed 3 times: HTTPStatusError: 503 Service Unavailable",
      failed: 1,
      priced: false,
    }),
    rows: {
      ...cities.slice(0, 2),
      3: tool(3, {
        state: "failed",
        attempts: 3,
        error: "HTTPStatusError: 503 Service Unavailable for url https://weather.example.com/v1/now?city=London",
        result: null,
        label: 'get_weather(city="London")',
      }),
    },
    open: ["3"],
  },
  retrying: {
    height: 260,
    head: head({ phase: "calling get_weather" }),
    rows: {
      ...cities.slice(0, 2),
      3: tool(3, {
        state: "retrying",
        seconds: null,
        attempts: 1,
        retry_in: 4,
        at: now - 9,
        error: "HTTPStatusError: 503",
        label: 'get_weather(city="London")',
      }),
    },
  },
  nested: {
    height: 560,
    head: head({ target: "research_workflow", kind: "workflow", model: "", phase: "calling researcher" }),
    rows: {
      1: { n: 1, kind: "run", label: "load_sources", state: "done", cached: true, output: json([1, 2]) },
      2: {
        n: 2,
        kind: "agent",
        label: "researcher",
        target: "researcher",
        model: "anthropic/claude-sonnet-4",
        state: "running",
        at: now - 8,
      },
      3: {
        ...llm(1, {
          label: "anthropic/claude-sonnet-4 → 1 tool call",
          text: "I search first.",
          calls: [{ name: "search", arguments: "{}" }],
        }),
        parent: "2",
      },
      4: {
        ...tool(2, {
          name: "search",
          label: 'search(query="tides")',
          state: "running",
          at: now - 2,
          seconds: null,
          result: null,
        }),
        parent: "2",
      },
    },
  },
  group: {
    height: 420,
    open: ["1"],
    head: head({ target: "batch", kind: "workflow", model: "", phase: "312 of 1,000 items", budget: null }),
    rows: {
      1: {
        n: 1,
        kind: "group",
        label: "summarise, 1,000 items",
        state: "running",
        at: now - 12,
        total: 1000,
        done: 312,
        cached_n: 200,
        live_n: 112,
        failed_n: 12,
        waiting_n: 30,
        hidden: 980,
        cost: 0.031,
        rate: 12.4,
      },
      ...Object.fromEntries(
        Array.from({ length: 3 }, (_, i) => [
          String(i + 2),
          { ...llm(i + 1, { label: `item ${i + 1}`, kind: "agent", cached: i < 2 }), parent: "1" },
        ]),
      ),
    },
  },
  hostile: {
    height: 900,
    open: ["1", "2"],
    head: head({
      target: hostile,
      model: hostile,
      phase: hostile,
      status: "failed",
      error: hostile,
      answer: { t: "text", s: hostile, more: 0 },
    }),
    rows: {
      1: tool(1, {
        name: hostile,
        label: hostile,
        why: hostile,
        args: json({ a: hostile }),
        result: { t: "text", s: hostile, more: 5 },
        error: hostile,
        state: "failed",
      }),
      2: waits(2, {
        title: hostile,
        description: hostile,
        tool: hostile,
        command: hostile,
        args: JSON.stringify({ [hostile]: hostile }, null, 2),
        always_label: hostile,
      }),
    },
  },
};
