"""LiteLLM's types of other services' APIs, under its module names."""
