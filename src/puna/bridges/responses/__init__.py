"""The Responses API over chat: hosts of Llama serve chat only.

`request` reads a request into chat messages and parameters, `reply` makes a response of the
answer, `stream` makes events of its chunks. Rules: docs/guides/responses.md.
Source: OpenAI API reference, "Responses".
"""
