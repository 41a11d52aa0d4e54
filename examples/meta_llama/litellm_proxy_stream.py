"""LiteLLM's SDK on the gateway: a stream."""

import litellm

for chunk in litellm.completion(
    model="litellm_proxy/meta_llama/Llama-3.3-70B-Instruct",
    messages=[{"role": "user", "content": "Say hello to the llamas."}],
    max_tokens=40,
    api_base="http://localhost:4000",
    api_key="any-key",
    stream=True,
):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
