"""Finds tool calls that a Llama model wrote as text, in whole answers and in streams."""
