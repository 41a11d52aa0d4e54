"""OpenAI's SDK on the gateway: a plain answer."""

from openai import OpenAI

client = OpenAI(base_url="http://localhost:4000", api_key="any-key")

response = client.chat.completions.create(
    model="meta_llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
    messages=[{"role": "user", "content": "Say hello to the llamas."}],
    max_tokens=40,
)
print(response.choices[0].message.content)
