"""The Responses API over chat, for hosts that speak only chat.

`request` converts a request to chat messages and parameters, `reply` converts the answer to a
response, `stream` its chunks to events. `native` and `resending` are for hosts that speak this API,
`stored` is for both. Rules: docs/guides/responses.md. Source: OpenAI API reference, "Responses".
"""
