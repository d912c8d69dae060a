/** What the made-up runs of the preview are put together from. */

export const now = Date.now() / 1000;
export const json = (value) => ({ t: "json", s: JSON.stringify(value, null, 2), more: 0 });
export const PIXELS =
  "iVBORw0KGgoAAAANSUhEUgAAAHgAAAA8AQMAAACXY+zrAAAABlBMVEXm7PUfZLTjAbBgAAAAJ0lEQVR42mNgGIbgPxprIPhg1v+B4P8Hsf8PGP8/nP9/wPhIaJjzAQFRNNp7xTX2AAAAAElFTkSuQmCC";

export const head = (fields) => ({
  id: "r12",
  target: "weather_agent",
  kind: "agent",
  model: "openai/gpt-4o",
  status: "running",
  error: "",
  input: "Compare two cities.",
  began: now - 4.2,
  seconds: null,
  step: 3,
  max_steps: 8,
  cached: 2,
  live: 1,
  failed: 0,
  waiting: 0,
  tokens_in: 812,
  tokens_out: 96,
  cost: 0.0031,
  priced: true,
  budget: 0.05,
  phase: "writing",
  resumed: false,
  from_store: false,
  answer: null,
  mode: "inline",
  can_stop: true,
  always: [],
  ...fields,
});

export const llm = (n, fields) => ({
  n,
  kind: "llm",
  name: "",
  label: "openai/gpt-4o",
  state: "done",
  cached: false,
  text: "",
  calls: [],
  seconds: 1.2,
  ...fields,
});
export const tool = (n, fields) => ({
  n,
  kind: "tool",
  name: "get_weather",
  label: 'get_weather(city="London") → 14.5, rain',
  state: "done",
  cached: false,
  seconds: 0.8,
  args: json({ city: "London" }),
  result: json({ temperature: 14.5, condition: "rain" }),
  ...fields,
});

export const cities = [
  llm(1, {
    cached: true,
    label: "openai/gpt-4o → 2 tool calls",
    text: "I will look up **both** cities first.",
    calls: [
      { name: "get_weather", arguments: '{"city": "New York"}' },
      { name: "get_weather", arguments: '{"city": "London"}' },
    ],
  }),
  tool(2, {
    cached: true,
    label: 'get_weather(city="New York") → 21.0, sunny',
    why: "the same call of r11",
    args: json({ city: "New York" }),
    result: json({ temperature: 21, condition: "sunny" }),
  }),
  tool(3, { state: "running", label: 'get_weather(city="London")', seconds: null, at: now - 0.8, result: null }),
];

export const ask = (fields) => ({
  decision: 7,
  run: "r12",
  step: "1.refund_order[call_1]",
  nonce: "n",
  kind: "approval",
  title: "Approve tool: refund_order",
  description: "Refund an order to the customer's card.",
  tool: "refund_order",
  args: JSON.stringify({ order_id: "881", amount: 129.9, note: "parcel never arrived" }, null, 2),
  context: null,
  fields: [
    { key: "approved", type: "boolean", label: "Approve this call?", required: true, default: false },
    {
      key: "feedback",
      type: "textarea",
      label: "Feedback",
      description: "What the model should know, if you reject it",
    },
  ],
  asked_at: now - 31,
  until: now + 720,
  command: "%polos approve r12 '1.refund_order[call_1]' --yes",
  can_edit: true,
  can_always: true,
  always_label: "every call of refund_order in this run",
  same_label: "calls with exactly these arguments",
  inline: true,
  ...fields,
});
export const waits = (n, fields) => ({
  n,
  kind: "approval",
  name: "refund_order",
  label: 'refund_order(order_id="881", amount=129.9)',
  state: "waiting",
  at: now - 31,
  ask: ask(fields),
});
export const calls = llm(1, {
  label: "openai/gpt-4o → 1 tool call",
  text: "The customer confirmed that the parcel never arrived; policy §4 allows a refund.",
  calls: [{ name: "refund_order", arguments: '{"order_id": "881"}' }],
});

export const ANSWER = `New York is **warmer** today.

| city | now | sky |
|---|---:|---|
| New York | 21.0 °C | sunny |
| London | 14.5 °C | rain |

\`\`\`python
difference = 21.0 - 14.5  # ${"a long comment that must scroll inside its own box and never widen the page ".repeat(2)}
\`\`\`

The difference is $\\Delta t = 6.5$ °C, see [the source](https://example.com/weather).`;

export const hostile =
  '<img src=x onerror="alert(1)"></details><script>alert(2)</script> [x](javascript:alert(3)) \u202egnp.exe\u202c \u001b[31mred\u001b[0m ' +
  "A".repeat(300);
