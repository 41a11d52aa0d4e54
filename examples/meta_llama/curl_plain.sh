#!/bin/sh
# One plain answer through the gateway.
curl --silent --no-buffer http://localhost:4000/v1/chat/completions \
  --header "Content-Type: application/json" \
  --header "Authorization: Bearer any-key" \
  --data '{
    "model": "meta_llama/Llama-3.3-70B-Instruct",
    "messages": [{"role": "user", "content": "Say hello to the llamas."}],
    "max_tokens": 40
  }'
