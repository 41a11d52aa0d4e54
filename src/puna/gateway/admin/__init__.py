"""LiteLLM's admin API: keys, and whom they belong to. Only with a database."""
