// The `openai` package of npm through the gateway, over what hosts really say (MODELS).
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { KEY, MODELS, URL, openai, playing } from "./clients.js";

const TEXT = "Hello there";
const messages = [{ role: "user", content: "hi" }];
const Person = z.object({ name: z.string(), age: z.number() });
const ALICE = { name: "Alice", age: 31 };
const Weather = z.object({ location: z.string() });
const PARIS = { location: "Paris" };
const chatTools = [zodFunction({ name: "get_weather", parameters: Weather })];
const tools = [
  { type: "function", name: "get_weather", parameters: z.toJSONSchema(Weather), strict: false },
];

for (const model of MODELS) {
  test(`${model}: chat is created`, async () => {
    const answer = await openai.chat.completions.create({ model, messages });
    assert.equal(answer.choices[0].message.content, TEXT);
    assert.equal(answer.model, model);
    assert.ok(answer.usage.total_tokens > 0);
  });

  test(`${model}: chat is streamed`, async () => {
    const stream = await openai.chat.completions.create({ model, messages, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
    assert.equal(text, TEXT);
  });

  test(`${model}: chat is streamed by the helper`, async () => {
    const stream = openai.chat.completions.stream({
      model,
      messages,
      stream_options: { include_usage: true },
    });
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    assert.equal(text, TEXT);
    assert.equal(final.choices[0].message.content, TEXT);
    assert.ok(final.usage.total_tokens > 0);
  });

  test(`${model}: a tool call is parsed by zod, whole and streamed`, async () => {
    const ask = { model, messages, tools: chatTools };
    const whole = await openai.chat.completions.parse(ask);
    const streamed = await openai.chat.completions.stream(ask).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      const [call] = choices[0].message.tool_calls;
      assert.equal(call.function.name, "get_weather");
      assert.deepEqual(call.function.parsed_arguments, PARIS);
    }
  });

  test(`${model}: the tool runner of chat ends in text`, async () => {
    const seen = [];
    const runner = openai.chat.completions.runTools({
      model,
      messages,
      tools: [
        zodFunction({
          name: "get_weather",
          parameters: Weather,
          function: (asked) => {
            seen.push(asked);
            return "sunny";
          },
        }),
      ],
    });
    assert.equal(await runner.finalContent(), TEXT);
    assert.deepEqual(seen, [PARIS]);
  });

  test(`${model}: chat is parsed by zod, whole and streamed`, async () => {
    const ask = {
      model: playing(model, "person"),
      messages,
      response_format: zodResponseFormat(Person, "person"),
    };
    const whole = await openai.chat.completions.parse(ask);
    const streamed = await openai.chat.completions.stream(ask).finalChatCompletion();
    assert.deepEqual(whole.choices[0].message.parsed, ALICE);
    assert.deepEqual(streamed.choices[0].message.parsed, ALICE);
  });

  test(`${model}: a response is created`, async () => {
    const response = await openai.responses.create({ model, input: "hi" });
    assert.equal(response.output_text, TEXT);
    assert.equal(response.status, "completed");
    assert.ok(response.usage.total_tokens > 0);
  });

  test(`${model}: a response is streamed by the helper`, async () => {
    const stream = openai.responses.stream({ model, input: "hi" });
    const numbers = [];
    let text = "";
    for await (const event of stream) {
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    const final = await stream.finalResponse();
    assert.equal(text, TEXT);
    assert.equal(final.output_text, TEXT);
    assert.deepEqual(numbers, [...numbers.keys()]);
  });

  test(`${model}: a tool loop of responses ends in text`, async () => {
    const first = await openai.responses.stream({ model, input: "hi", tools }).finalResponse();
    const [call] = first.output;
    assert.equal(call.type, "function_call");
    assert.deepEqual(JSON.parse(call.arguments), PARIS);
    const second = await openai.responses.create({
      model,
      tools,
      previous_response_id: first.id,
      input: [{ type: "function_call_output", call_id: call.call_id, output: "sunny" }],
    });
    assert.equal(second.output_text, TEXT);
  });

  test(`${model}: a response is parsed by zod, whole and streamed`, async () => {
    const ask = {
      model: playing(model, "person"),
      input: "who?",
      text: { format: zodTextFormat(Person, "person") },
    };
    const whole = await openai.responses.parse(ask);
    const streamed = await openai.responses.stream(ask).finalResponse();
    assert.deepEqual(whole.output_parsed, ALICE);
    assert.deepEqual(streamed.output_parsed, ALICE);
  });

  test(`${model}: completions are created and streamed`, async () => {
    const answer = await openai.completions.create({ model, prompt: "Once" });
    assert.equal(answer.choices[0].text, TEXT);
    const stream = await openai.completions.create({ model, prompt: "Once", stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    assert.equal(text, TEXT);
  });

  test(`${model}: vectors come in order`, async () => {
    const ask = { model: playing(model, "vectors"), input: ["a", "b"] };
    const vectors = [
      [0.5, -0.25, 0],
      [0.5, -0.25, 1],
    ];
    for (const form of [{}, { encoding_format: "float" }]) {
      const answer = await openai.embeddings.create({ ...ask, ...form });
      assert.deepEqual(
        answer.data.map((one) => [...one.embedding]),
        vectors,
      );
    }
  });

  test(`${model}: models are listed and retrieved`, async () => {
    const listed = [];
    for await (const one of openai.models.list()) listed.push(one.id);
    assert.ok(listed.includes(model));
    assert.equal((await openai.models.retrieve(model)).id, model);
  });

  const kinds = {
    error_401: OpenAI.AuthenticationError,
    error_403: OpenAI.PermissionDeniedError,
    error_404_html: OpenAI.NotFoundError,
    error_429: OpenAI.RateLimitError,
  };
  for (const [fixture, kind] of Object.entries(kinds)) {
    test(`${model}: ${fixture} is the matching class`, async () => {
      const asked = { model: playing(model, fixture), num_retries: 0 };
      const is = (error) => error instanceof kind && typeof error.code === "string";
      await assert.rejects(openai.chat.completions.create({ ...asked, messages }), is);
      await assert.rejects(openai.responses.create({ ...asked, input: "hi" }), is);
    });
  }

  test(`${model}: a stream can be aborted, and so can a stream of a response`, async () => {
    const endless = playing(model, "endless");
    const chat = await openai.chat.completions.create({ model: endless, messages, stream: true });
    for await (const chunk of chat) {
      if (chunk.choices[0]?.delta?.content) break;
    }
    assert.ok(chat.controller.signal.aborted);
    const responses = openai.responses.stream({ model: endless, input: "hi" });
    await assert.rejects(async () => {
      for await (const event of responses) {
        if (event.type === "response.output_text.delta") responses.abort();
      }
    }, OpenAI.APIUserAbortError);
  });
}

test("a request can be aborted before its answer", async () => {
  const controller = new AbortController();
  const asked = openai.chat.completions.create(
    { model: playing(MODELS[0], "silent"), messages },
    { signal: controller.signal },
  );
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(asked, OpenAI.APIUserAbortError);
});

test("a wrong key is an authentication error", async () => {
  const stranger = new OpenAI({ apiKey: `${KEY}-not`, baseURL: `${URL}/v1`, maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

test("a wrong field is named", async () => {
  await assert.rejects(
    openai.chat.completions.create({ model: MODELS[0], messages, max_tokens: -1 }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "max_tokens",
  );
});
