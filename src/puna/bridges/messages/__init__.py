"""Anthropic's Messages API over chat: requests in, answers and events out.

Source of the shapes: Anthropic API reference, "Messages" and "Streaming messages". The rules, in
tables: docs/guides/messages.md.
"""
