// Both packages of npm over the model inside the gateway: each method, a few tokens of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { MODELS, anthropic, openai } from "./clients.js";

const [model] = MODELS;
const messages = [{ role: "user", content: "Name three primary colors." }];
const alice = "Alice is 31 years old. Return JSON.";
const Person = z.object({ name: z.string(), age: z.int() });
const Weather = z.object({ city: z.string() });
const limit = { max_tokens: 12 };

test("chat", async () => {
  const answer = await openai.chat.completions.create({ model, messages, ...limit });
  assert.ok(answer.choices[0].message.content);
  assert.ok(answer.usage.completion_tokens <= 12);
});

test("a stream of chat, by the helper", async () => {
  const stream = openai.chat.completions.stream({ model, messages, ...limit });
  let text = "";
  stream.on("content", (delta) => (text += delta));
  await stream.done();
  assert.ok(text);
});

test("chat that fits a zod schema", async () => {
  const answer = await openai.chat.completions.parse({
    model,
    messages: [{ role: "user", content: alice }],
    response_format: zodResponseFormat(Person, "person"),
  });
  Person.parse(answer.choices[0].message.parsed);
});

test("a required tool call of chat", async () => {
  const answer = await openai.chat.completions.parse({
    model,
    messages: [{ role: "user", content: "What is the weather in Lima?" }],
    tools: [zodFunction({ name: "get_weather", parameters: Weather })],
    tool_choice: "required",
  });
  Weather.parse(answer.choices[0].message.tool_calls[0].function.parsed_arguments);
});

test("a response, and one that goes on from it", async () => {
  const first = await openai.responses.create({ model, input: "Say hi.", max_output_tokens: 16 });
  assert.ok(first.output_text);
  const stream = openai.responses.stream({
    model,
    input: "Again.",
    previous_response_id: first.id,
    max_output_tokens: 16,
  });
  const second = await stream.finalResponse();
  assert.equal(second.previous_response_id, first.id);
});

test("a response that fits a zod schema", async () => {
  const text = { format: zodTextFormat(Person, "person") };
  const response = await openai.responses.parse({ model, input: alice, text });
  Person.parse(response.output_parsed);
});

test("completions, embeddings, models", async () => {
  const answer = await openai.completions.create({ model, prompt: "Once upon", ...limit });
  assert.equal(typeof answer.choices[0].text, "string");
  const vectors = await openai.embeddings.create({ model, input: ["a cat", "a dog"] });
  assert.deepEqual(
    vectors.data.map((one) => one.embedding.length),
    [576, 576],
  );
  const listed = [];
  for await (const one of openai.models.list()) listed.push(one.id);
  assert.ok(listed.includes(model));
});

test("a message, a stream of one, and a count", async () => {
  const message = await anthropic.messages.create({ model, messages, ...limit });
  assert.ok(message.content[0].text);
  const streamed = await anthropic.messages.stream({ model, messages, ...limit }).finalMessage();
  assert.ok(streamed.usage.output_tokens > 0);
  const counted = await anthropic.messages.countTokens({ model, messages });
  assert.ok(counted.input_tokens > 5);
});
