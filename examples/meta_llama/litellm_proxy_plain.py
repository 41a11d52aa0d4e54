"""LiteLLM's SDK on the gateway: a plain answer."""

import litellm

response = litellm.completion(
    model="litellm_proxy/meta_llama/Llama-3.3-70B-Instruct",
    messages=[{"role": "user", "content": "Say hello to the llamas."}],
    max_tokens=40,
    api_base="http://localhost:4000",
    api_key="any-key",
)
print(response.choices[0].message.content)
