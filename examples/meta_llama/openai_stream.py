"""OpenAI's SDK on the gateway: a stream."""

from openai import OpenAI

client = OpenAI(base_url="http://localhost:4000", api_key="any-key")

stream = client.chat.completions.create(
    model="meta_llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
    messages=[{"role": "user", "content": "Say hello to the llamas."}],
    max_tokens=40,
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
