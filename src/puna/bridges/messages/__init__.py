"""Anthropic's Messages API over chat: converts requests to chat, and answers and streams back.

Source of the shapes: Anthropic API reference, "Messages" and "Streaming messages". The rules, in
tables: docs/guides/messages.md.
"""
