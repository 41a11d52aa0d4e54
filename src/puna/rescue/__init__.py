"""Tool calls that a host of Llama returned as text -> tool calls, whole and streamed."""
