"""A plain answer from a Llama model."""

import os

from litellm import completion

os.environ.setdefault("LLAMA_API_BASE", "http://localhost:4000")

response = completion(
    model="meta_llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
    messages=[{"role": "user", "content": "Say hello to the llamas."}],
    max_tokens=40,
)
print(response.choices[0].message.content)
