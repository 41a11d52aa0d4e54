// The `@anthropic-ai/sdk` package of npm through the gateway, over what hosts really say (MODELS).
import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import { test } from "node:test";
import { MODELS, anthropic, playing } from "./clients.js";

const TEXT = "Hello there";
const messages = [{ role: "user", content: "hi" }];
const tools = [
  {
    name: "get_weather",
    input_schema: { type: "object", properties: { location: { type: "string" } } },
  },
];

for (const model of MODELS) {
  const ask = { model, max_tokens: 64, messages };

  test(`${model}: a message is created`, async () => {
    const message = await anthropic.messages.create(ask);
    assert.deepEqual(
      message.content.map(({ type, text }) => ({ type, text })),
      [{ type: "text", text: TEXT }],
    );
    assert.equal(message.stop_reason, "end_turn");
    assert.ok(message.usage.output_tokens > 0);
  });

  test(`${model}: a message is streamed by the helper`, async () => {
    const stream = anthropic.messages.stream(ask);
    let text = "";
    stream.on("text", (delta) => (text += delta));
    const message = await stream.finalMessage();
    assert.equal(text, TEXT);
    assert.equal(message.content[0].text, TEXT);
  });

  test(`${model}: a round trip of tools`, async () => {
    const first = await anthropic.messages.stream({ ...ask, tools }).finalMessage();
    const [call] = first.content;
    assert.equal(first.stop_reason, "tool_use");
    assert.deepEqual([call.name, call.input], ["get_weather", { location: "Paris" }]);
    const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
    const turns = [
      ...messages,
      { role: "assistant", content: first.content },
      { role: "user", content: [result] },
    ];
    const second = await anthropic.messages.create({ ...ask, tools, messages: turns });
    assert.equal(second.content[0].text, TEXT);
  });

  test(`${model}: tokens are counted`, async () => {
    const counted = await anthropic.messages.countTokens({ model, messages, tools });
    assert.ok(counted.input_tokens > 0);
  });

  test(`${model}: a host's error is the matching class`, async () => {
    const asked = { ...ask, model: playing(model, "error_429"), num_retries: 0 };
    await assert.rejects(anthropic.messages.create(asked), Anthropic.RateLimitError);
  });

  test(`${model}: a stream can be aborted`, async () => {
    const stream = anthropic.messages.stream({ ...ask, model: playing(model, "endless") });
    stream.on("text", () => stream.abort());
    await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  });
}
