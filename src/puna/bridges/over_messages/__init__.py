"""Chat over Anthropic's Messages API: converts chat requests to it, and its answers to chat.

The other direction is `bridges/messages`. Source of the shapes: Anthropic API reference, "Messages"
and "Streaming messages", and the types of its Python SDK 2.14.0; read 2026-11-26. The rules, in
tables: docs/concepts/messages-upstream.md.
"""
