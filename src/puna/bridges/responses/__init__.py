"""The Responses API over chat, for hosts that speak only that.

`request` reads a request into chat messages and parameters, `reply` makes a response of the
answer, `stream` makes events of its chunks; `native` and `talk` are for hosts that speak this API,
`stored` for both. Rules: docs/guides/responses.md.
Source: OpenAI API reference, "Responses".
"""
